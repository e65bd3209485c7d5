"""Makes, models and trims of cars."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import attrs

from ev_energy.models.vehicles import ConnectorType as Connector
from ev_energy.simulator._store._instants import ANCHOR
from ev_energy.simulator._store._rows import Address, Link
from ev_energy.simulator._store._tables import Made

if TYPE_CHECKING:
    from ev_energy.simulator._store._rows import Row, Viewer
    from ev_energy.simulator._store._world import World


@attrs.frozen
class Trim:
    """One version of a model."""

    name: str
    kwh: float
    ac_watts: int = 11_000


@attrs.frozen
class CarModel:
    """A model, in its versions."""

    name: str
    trims: tuple[Trim, ...]
    connector: Connector | None = Connector.CCS
    america: bool = False
    """Whether it is sold there too."""


@attrs.frozen
class CarMaker:
    """A make of cars."""

    name: str
    models: tuple[CarModel, ...]
    connected: bool = True
    """Whether its cars can be integrated."""


CAR_MAKERS: Final = (
    CarMaker("Tesla", (
        CarModel("Model 3", (Trim("Rear-Wheel Drive", 57.5), Trim("Long Range", 75)),
                 Connector.NACS, america=True),
        CarModel("Model Y", (Trim("Rear-Wheel Drive", 57.5), Trim("Long Range", 75)),
                 Connector.NACS, america=True),
    )),
    CarMaker("Nissan", (
        CarModel("Leaf", (Trim("40 kWh", 39, 6_600), Trim("e+ 62 kWh", 59, 6_600)),
                 Connector.CHADEMO, america=True),
        CarModel("Ariya", (Trim("63 kWh", 63, 7_400), Trim("87 kWh", 87, 22_000)), america=True),
    )),
    CarMaker("Volkswagen", (
        CarModel("ID.3", (Trim("Pro", 58), Trim("Pro S", 77))),
        CarModel("ID.4", (Trim("Pure", 52, 7_200), Trim("Pro", 77)), america=True),
    )),
    CarMaker("Kia", (
        CarModel("Niro EV", (Trim("64.8 kWh", 64.8),), america=True),
        CarModel("EV6", (Trim("Long Range", 77.4),), america=True),
    )),
    CarMaker("Hyundai", (
        CarModel("Kona Electric", (Trim("Standard Range", 39.2), Trim("Long Range", 64)),
                 america=True),
        CarModel("Ioniq 5", (Trim("Standard Range", 58), Trim("Long Range", 77.4)), america=True),
    )),
    CarMaker("BMW", (
        CarModel("i3", (Trim("120 Ah", 37.9),), america=True),
        CarModel("i4", (Trim("eDrive40", 80.7),), america=True),
    )),
    CarMaker("Renault", (
        CarModel("Zoe", (Trim("R135", 52, 22_000),)),
        CarModel("Megane E-Tech", (Trim("EV60", 60, 22_000),)),
    )),
    CarMaker("Ford", (
        CarModel("Mustang Mach-E", (Trim("Standard Range", 68), Trim("Extended Range", 88)),
                 america=True),
        CarModel("F-150 Lightning", (Trim("Extended Range", 131, 19_200),), america=True),
    )),
    CarMaker("MG", (CarModel("MG4", (Trim("SE", 50.8, 6_600), Trim("Trophy", 61.7, 6_600))),)),
    CarMaker("Chevrolet", (CarModel("Bolt EV", (Trim("LT", 65),), america=True),)),
    CarMaker("Polestar", (CarModel("Polestar 2", (Trim("Long Range", 78),), america=True),)),
    CarMaker("Aixam", (CarModel("eCity", (Trim("Pack", 6.1, 2_300),), None),), connected=False),
)  # fmt: skip

#: The words for a continent where its connectors are looked up.
REGIONS: Final = {"US": "NORTH_AMERICA", "CA": "NORTH_AMERICA"}


def onboarding_link(viewer: Viewer, **about: str) -> Address | None:
    """Return the link that begins onboarding; it needs a client, and has the user if one acts."""
    if viewer.client_id is None:
        return None
    user = {} if viewer.user_id is None else {"user_id": viewer.user_id}
    return Address(
        f"/vehicle_onboarding?{urlencode({'client_id': viewer.client_id, **about, **user})}"
    )


def _with_link(row: Row, viewer: Viewer, parameter: str) -> Row:
    about = {parameter: str(row["id"])}
    link = onboarding_link(viewer, **about) if row["_connected"] else None
    return row | {"onboarding_url": link}


def _make_view(row: Row, viewer: Viewer) -> Row:
    return _with_link(row, viewer, "make_id")


def _model_view(row: Row, viewer: Viewer) -> Row:
    return _with_link(row, viewer, "model_id")


def _trim_view(row: Row, viewer: Viewer) -> Row:
    return _with_link(row, viewer, "trim_id")


def _watt_hours(trim: Trim) -> int:
    return round(trim.kwh * 1000)


def add_vehicle_catalogue(world: World) -> None:
    """Fill the tables of makes, models and trims of cars."""
    makes: list[Row] = []
    models: list[Row] = []
    trims: list[Row] = []
    began = ANCHOR - timedelta(days=850)
    for number, maker in enumerate(CAR_MAKERS):
        made_at = began + timedelta(days=number, minutes=11)
        make_id = world.chance.uid("vmak", made_at, maker.name)
        makes.append({
            "id": make_id,
            "name": maker.name,
            "icon": f"https://cdn.example.com/cars/{maker.name.lower()}.png",
            "models": Address(f"/vehicle_models?{urlencode({'make_id': make_id})}"),
            "subscription_name": None,
            "subscription_package": None,
            "_connected": maker.connected,
            "_america": any(model.america for model in maker.models),
        })  # fmt: skip
        for model in maker.models:
            model_id = world.chance.uid("vmod", made_at, maker.name, model.name)
            models.append({
                "id": model_id,
                "name": model.name,
                "make": Link("vehicle_makes", make_id),
                "vehicle_trims": Address(f"/vehicle_trims?{urlencode({'model_id': model_id})}"),
                "default_battery_size_watt_hours": _watt_hours(model.trims[0]),
                "default_connector_type": model.connector and str(model.connector),
                "_connected": maker.connected,
                "_america": model.america,
            })  # fmt: skip
            trims += [
                {
                    "id": world.chance.uid("trim", made_at, maker.name, model.name, trim.name),
                    "name": trim.name,
                    "model": Link("vehicle_models", model_id),
                    "battery_size_watt_hours": _watt_hours(trim),
                    "_connected": maker.connected,
                    "_america": model.america,
                    "_ac_watts": trim.ac_watts,
                    "_full_name": f"{maker.name} {model.name} {trim.name}",
                }
                for trim in model.trims
            ]
    world.table("vehicle_makes", "vmak", Made.of(makes), view=_make_view)
    world.table("vehicle_models", "vmod", Made.of(models), view=_model_view)
    world.table("vehicle_trims", "trim", Made.of(trims), view=_trim_view)


def connected_trims(world: World, country: str) -> list[Row]:
    """Return the trims a driver there may have, and that can be integrated."""
    america = country in REGIONS

    def sold() -> list[Row]:
        return [
            row
            for row in world.tables["vehicle_trims"]
            if row["_connected"] and (row["_america"] or not america)
        ]

    return world.once(("trims", america), sold)
