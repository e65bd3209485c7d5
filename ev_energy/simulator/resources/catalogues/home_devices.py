"""The catalogues of home devices: inverters, home batteries and boundary meters."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.clock._instants import ANCHOR
from ev_energy.simulator.home_energy._quarter_hours import latest_sample_link
from ev_energy.simulator.resources.catalogues import EUROPE, EVERYWHERE
from ev_energy.simulator.world._rows import Link
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
    """The maximum power in both directions."""


@attrs.frozen
class DeviceMaker:
    """A make, and the countries where it is sold."""

    name: str
    devices: tuple[DeviceModel, ...]
    countries: frozenset[str] = EVERYWHERE
    connected: bool = True
    """Whether users can connect its devices."""
    has_logo: bool = True


@attrs.frozen
class DeviceCatalogue:
    """The makes and models of one type of device, and the prefixes of their ids."""

    device_type: str
    make_prefix: str
    model_prefix: str
    makers: tuple[DeviceMaker, ...]

    @property
    def makes(self) -> str:
        """The folder of the makes."""
        return f"{self.device_type}_makes"

    @property
    def models(self) -> str:
        """The folder of the models."""
        return f"{self.device_type}_models"


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
    catalogue: DeviceCatalogue,
    *,
    make: Callable[[str, DeviceMaker], Row],
    make_view: Callable[[Row, Viewer], Row] | None = None,
    model_view: Callable[[Row, Viewer], Row] | None = None,
) -> None:
    """Add the tables of the makes and models of a catalogue.

    *make* returns the members of a make besides its name, from its id.
    """
    start = ANCHOR - timedelta(days=780)
    makes: list[Row] = []
    models: list[Row] = []
    for number, maker in enumerate(catalogue.makers):
        added_at = start + timedelta(days=number, minutes=11)
        make_id = world.random.uid(
            catalogue.make_prefix, added_at, catalogue.device_type, maker.name
        )
        common = {"_maker": maker, "_connected": maker.connected}
        makes.append({"id": make_id, "name": maker.name, **make(make_id, maker), **common})
        for order, device in enumerate(maker.devices):
            added_at = start + timedelta(days=30 + number, minutes=17 * order + 5)
            models.append({
                "id": world.random.uid(catalogue.model_prefix, added_at, maker.name, device.name),
                "name": device.name,
                "make": Link(catalogue.makes, make_id),
                "_device": device,
                **common,
            })  # fmt: skip
    world.table(
        catalogue.makes, catalogue.make_prefix, GeneratedRows.from_rows(makes), view=make_view
    )
    world.table(
        catalogue.models, catalogue.model_prefix, GeneratedRows.from_rows(models), view=model_view
    )


def available_models(world: World, catalogue: DeviceCatalogue, country: str) -> list[Row]:
    """Return the models of a catalogue that are sold in a country and can be connected."""

    def find_models() -> list[Row]:
        rows = world.tables[catalogue.models]
        return [row for row in rows if country in row["_maker"].countries and row["_connected"]]

    return world.cached((catalogue.models, country), find_models)


def logo_url(catalogue: DeviceCatalogue, maker: DeviceMaker) -> str | None:
    """Return the URL of the logo of a make, or None if it has none."""
    name = maker.name.lower().replace(" ", "-")
    return f"https://cdn.example.com/{catalogue.device_type}/{name}.png" if maker.has_logo else None


def hide_user(row: Row) -> Row:
    """Return a row without the ``user`` member, which becomes internal."""
    return {("_user" if name == "user" else name): value for name, value in row.items()}


def device_user_id(row: Row) -> str:
    """Return the id of the user of a device, from its stored row or its view."""
    link: Link = row["_user"] if "_user" in row else row["user"]
    return link.key


def device_view(world: World, row: Row, _viewer: Viewer) -> Row:
    """Return a metered device with its time of creation and its latest sample."""
    return hide_user(row) | {
        "created_at": row["_made_at"],
        "latest_status_log": latest_sample_link(world, row, "status_logs"),
    }
