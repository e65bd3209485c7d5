"""Makes and models of what homes have besides charge points: inverters, batteries, meters."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import attrs

from ev_energy.simulator.clock._instants import ANCHOR
from ev_energy.simulator.home_energy._quarter_hours import latest_sample
from ev_energy.simulator.resources.catalogues import EUROPE, EVERYWHERE
from ev_energy.simulator.world._rows import Address, Link
from ev_energy.simulator.world._tables import Made

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._world import World


@attrs.frozen
class Device:
    """A model."""

    name: str
    capacity_wh: int = 0
    watts: int = 0
    """The most it takes and gives."""


@attrs.frozen
class Maker:
    """A make, and where it is sold."""

    name: str
    devices: tuple[Device, ...]
    countries: frozenset[str] = EVERYWHERE
    connected: bool = True
    """Whether drivers can connect what they have of it."""
    picture: bool = True


@attrs.frozen
class Branch:
    """A kind of devices, and how its ids begin."""

    thing: str
    make_prefix: str
    model_prefix: str
    makers: tuple[Maker, ...]

    @property
    def makes(self) -> str:
        """The collection of makes."""
        return f"{self.thing}_makes"

    @property
    def models(self) -> str:
        """The collection of models."""
        return f"{self.thing}_models"


def _devices(*names: str) -> tuple[Device, ...]:
    return tuple(map(Device, names))


INVERTERS: Final = Branch(
    "inverter",
    "imak",
    "imod",
    (
        Maker("SolarEdge", _devices("HD-Wave SE3680H", "HD-Wave SE5000H", "Home Hub SE10K")),
        Maker("Fronius", _devices("Primo GEN24 5.0", "Symo GEN24 10.0"), EUROPE),
        Maker("Enphase", _devices("IQ7+", "IQ8 Series")),
        Maker("SMA", _devices("Sunny Boy 3.6", "Sunny Tripower 8.0"), EUROPE),
        Maker("GivEnergy", _devices("Hybrid 5.0", "All in One"), frozenset({"GB", "IE"})),
        Maker("Solis", _devices("S6 Hybrid"), EUROPE, connected=False, picture=False),
        Maker("Tesla", _devices("Solar Inverter 7.6"), frozenset({"US", "CA"})),
    ),
)

BATTERIES: Final = Branch(
    "home_battery",
    "bmak",
    "bmod",
    (
        Maker(
            "Tesla", (Device("Powerwall 2", 13_500, 5_000), Device("Powerwall 3", 13_500, 11_040))
        ),
        Maker(
            "GivEnergy",
            (Device("Battery 9.5", 9_500, 3_600), Device("Battery 5.2", 5_200, 2_600)),
            frozenset({"GB", "IE"}),
        ),
        Maker("sonnen", (Device("sonnenBatterie 10", 11_000, 4_600),), EUROPE | {"US"}),
        Maker("Enphase", (Device("IQ Battery 5P", 5_000, 3_840),)),
        Maker("LG Energy Solution", (Device("RESU16H Prime", 16_000, 7_000),), picture=False),
        Maker("BYD", (Device("Battery-Box HVS 10.2", 10_240, 10_240),), EUROPE),
    ),
)

METERS: Final = Branch(
    "boundary_meter",
    "bmma",
    "bmmo",
    (
        Maker("Shelly", _devices("EM", "3EM", "Pro 3EM")),
        Maker("Eastron", _devices("SDM120", "SDM630"), EUROPE),
        Maker("Carlo Gavazzi", _devices("EM112", "EM340"), EUROPE),
        Maker("Emporia", _devices("Vue 3"), frozenset({"US", "CA"})),
    ),
)


def add_branch(
    world: World,
    branch: Branch,
    *,
    make: Callable[[str, Maker], Row],
    make_view: Callable[[Row, Viewer], Row] | None = None,
    model_view: Callable[[Row, Viewer], Row] | None = None,
) -> None:
    """Fill the tables of a kind's makes and models.

    ``make`` returns the members of a make besides its name, from its id.
    """
    began = ANCHOR - timedelta(days=780)
    makes: list[Row] = []
    models: list[Row] = []
    for number, maker in enumerate(branch.makers):
        day = began + timedelta(days=number, minutes=11)
        make_id = world.random.uid(branch.make_prefix, day, branch.thing, maker.name)
        common = {"_maker": maker, "_connected": maker.connected}
        makes.append({"id": make_id, "name": maker.name, **make(make_id, maker), **common})
        for order, device in enumerate(maker.devices):
            day = began + timedelta(days=30 + number, minutes=17 * order + 5)
            models.append({
                "id": world.random.uid(branch.model_prefix, day, maker.name, device.name),
                "name": device.name,
                "make": Link(branch.makes, make_id),
                "_device": device,
                **common,
            })  # fmt: skip
    world.table(branch.makes, branch.make_prefix, Made.of(makes), view=make_view)
    world.table(branch.models, branch.model_prefix, Made.of(models), view=model_view)


def models_sold(world: World, branch: Branch, country: str) -> list[Row]:
    """Return the models of a kind that a home in a country may have."""

    def sold() -> list[Row]:
        rows = world.tables[branch.models]
        return [row for row in rows if country in row["_maker"].countries and row["_connected"]]

    return world.once((branch.models, country), sold)


def picture(branch: Branch, maker: Maker) -> str | None:
    """Return where a make's logo is."""
    name = maker.name.lower().replace(" ", "-")
    return f"https://cdn.example.com/{branch.thing}/{name}.png" if maker.picture else None


def list_of(folder: str, **about: str) -> Address:
    """Return a link to the part of a list."""
    return Address(f"/{folder}?{urlencode(about)}")


def begin_link(viewer: Viewer, path: str, about: Mapping[str, str]) -> Address | None:
    """Return the link that begins onboarding; it needs a client, and has the user if one acts."""
    if viewer.client_id is None:
        return None
    user = {} if viewer.user_id is None else {"user_id": viewer.user_id}
    return Address(f"{path}?{urlencode({'client_id': viewer.client_id, **about, **user})}")


def country_of(world: World, user_id: str) -> str | None:
    """Return the country that a user lives in, None if the user told none."""
    user = world.tables["users"].get(user_id) or {}
    location: Row = user.get("default_location") or {}
    country: str | None = location.get("country_code")
    return country


def without_user(row: Row) -> Row:
    """Return a row as it is shown where nobody is told whose it is."""
    return {("_user" if name == "user" else name): value for name, value in row.items()}


def user_of(row: Row) -> str:
    """Return whose a device is, be it a row as it is kept or as it is shown."""
    link: Link = row["_user"] if "_user" in row else row["user"]
    return link.key


def device_view(world: World, row: Row, _viewer: Viewer) -> Row:
    """Return a metered device as it is shown: since when it is known, and what it told last."""
    return without_user(row) | {
        "created_at": row["_made_at"],
        "latest_status_log": latest_sample(world, row, "status_logs"),
    }
