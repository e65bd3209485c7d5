"""Makes and models of what homes have besides charge points: inverters, batteries, meters."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import attrs

from ev_energy.simulator.clock._instants import ANCHOR
from ev_energy.simulator.home_energy._quarter_hours import latest_sample_link
from ev_energy.simulator.resources.catalogues import EUROPE, EVERYWHERE
from ev_energy.simulator.world._rows import ApiPath, Link
from ev_energy.simulator.world._tables import GeneratedRows

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._world import World


@attrs.frozen
class DeviceModel:
    """A model."""

    name: str
    capacity_wh: int = 0
    watts: int = 0
    """The most it takes and gives."""


@attrs.frozen
class DeviceMaker:
    """A make, and where it is sold."""

    name: str
    devices: tuple[DeviceModel, ...]
    countries: frozenset[str] = EVERYWHERE
    connected: bool = True
    """Whether drivers can connect what they have of it."""
    has_logo: bool = True


@attrs.frozen
class DeviceCatalogue:
    """A kind of devices, and how its ids begin."""

    thing: str
    make_prefix: str
    model_prefix: str
    makers: tuple[DeviceMaker, ...]

    @property
    def makes(self) -> str:
        """The collection of makes."""
        return f"{self.thing}_makes"

    @property
    def models(self) -> str:
        """The collection of models."""
        return f"{self.thing}_models"


def _devices(*names: str) -> tuple[DeviceModel, ...]:
    return tuple(map(DeviceModel, names))


INVERTERS: Final = DeviceCatalogue(
    "inverter",
    "imak",
    "imod",
    (
        DeviceMaker("SolarEdge", _devices("HD-Wave SE3680H", "HD-Wave SE5000H", "Home Hub SE10K")),
        DeviceMaker("Fronius", _devices("Primo GEN24 5.0", "Symo GEN24 10.0"), EUROPE),
        DeviceMaker("Enphase", _devices("IQ7+", "IQ8 Series")),
        DeviceMaker("SMA", _devices("Sunny Boy 3.6", "Sunny Tripower 8.0"), EUROPE),
        DeviceMaker("GivEnergy", _devices("Hybrid 5.0", "All in One"), frozenset({"GB", "IE"})),
        DeviceMaker("Solis", _devices("S6 Hybrid"), EUROPE, connected=False, has_logo=False),
        DeviceMaker("Tesla", _devices("Solar Inverter 7.6"), frozenset({"US", "CA"})),
    ),
)

BATTERIES: Final = DeviceCatalogue(
    "home_battery",
    "bmak",
    "bmod",
    (
        DeviceMaker(
            "Tesla",
            (DeviceModel("Powerwall 2", 13_500, 5_000), DeviceModel("Powerwall 3", 13_500, 11_040)),
        ),
        DeviceMaker(
            "GivEnergy",
            (DeviceModel("Battery 9.5", 9_500, 3_600), DeviceModel("Battery 5.2", 5_200, 2_600)),
            frozenset({"GB", "IE"}),
        ),
        DeviceMaker("sonnen", (DeviceModel("sonnenBatterie 10", 11_000, 4_600),), EUROPE | {"US"}),
        DeviceMaker("Enphase", (DeviceModel("IQ Battery 5P", 5_000, 3_840),)),
        DeviceMaker(
            "LG Energy Solution", (DeviceModel("RESU16H Prime", 16_000, 7_000),), has_logo=False
        ),
        DeviceMaker("BYD", (DeviceModel("Battery-Box HVS 10.2", 10_240, 10_240),), EUROPE),
    ),
)

METERS: Final = DeviceCatalogue(
    "boundary_meter",
    "bmma",
    "bmmo",
    (
        DeviceMaker("Shelly", _devices("EM", "3EM", "Pro 3EM")),
        DeviceMaker("Eastron", _devices("SDM120", "SDM630"), EUROPE),
        DeviceMaker("Carlo Gavazzi", _devices("EM112", "EM340"), EUROPE),
        DeviceMaker("Emporia", _devices("Vue 3"), frozenset({"US", "CA"})),
    ),
)


def add_device_catalogue(
    world: World,
    branch: DeviceCatalogue,
    *,
    make: Callable[[str, DeviceMaker], Row],
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
    world.table(branch.makes, branch.make_prefix, GeneratedRows.from_rows(makes), view=make_view)
    world.table(
        branch.models, branch.model_prefix, GeneratedRows.from_rows(models), view=model_view
    )


def available_models(world: World, branch: DeviceCatalogue, country: str) -> list[Row]:
    """Return the models of a kind that a home in a country may have."""

    def sold() -> list[Row]:
        rows = world.tables[branch.models]
        return [row for row in rows if country in row["_maker"].countries and row["_connected"]]

    return world.cached((branch.models, country), sold)


def logo_url(branch: DeviceCatalogue, maker: DeviceMaker) -> str | None:
    """Return where a make's logo is."""
    name = maker.name.lower().replace(" ", "-")
    return f"https://cdn.example.com/{branch.thing}/{name}.png" if maker.has_logo else None


def filtered_list(folder: str, **about: str) -> ApiPath:
    """Return a link to the part of a list."""
    return ApiPath(f"/{folder}?{urlencode(about)}")


def hide_user(row: Row) -> Row:
    """Return a row as it is shown where nobody is told whose it is."""
    return {("_user" if name == "user" else name): value for name, value in row.items()}


def device_user_id(row: Row) -> str:
    """Return whose a device is, be it a row as it is kept or as it is shown."""
    link: Link = row["_user"] if "_user" in row else row["user"]
    return link.key


def device_view(world: World, row: Row, _viewer: Viewer) -> Row:
    """Return a metered device as it is shown: since when it is known, and what it told last."""
    return hide_user(row) | {
        "created_at": row["_made_at"],
        "latest_status_log": latest_sample_link(world, row, "status_logs"),
    }
