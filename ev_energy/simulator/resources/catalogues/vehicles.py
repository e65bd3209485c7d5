"""The catalogue of vehicles: makes, models and trims, and the connectors of models."""

from __future__ import annotations

import functools
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.models.vehicles import ConnectorType as Connector
from ev_energy.simulator.clock._instants import ANCHOR, read_instant, write_instant
from ev_energy.simulator.http._paging import numbered_page
from ev_energy.simulator.http._problems import ProblemError, invalid, not_found
from ev_energy.simulator.http._routes import Reply, collection_at, detail, listing, read_link
from ev_energy.simulator.resources.catalogues import (
    country_of,
    country_to_check,
    filtered_list,
    onboarding_link,
    user_to_list_for,
)
from ev_energy.simulator.world._rows import ApiPath, Link
from ev_energy.simulator.world._tables import GeneratedRows, Selection

if TYPE_CHECKING:
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World


@attrs.frozen
class Trim:
    """A trim of a model."""

    name: str
    kwh: float
    ac_watts: int = 11_000


@attrs.frozen
class CarModel:
    """A model, and its trims."""

    name: str
    trims: tuple[Trim, ...]
    connector: Connector | None = Connector.CCS
    america: bool = False
    """Whether it is sold in North America as well as in Europe."""


@attrs.frozen
class CarMaker:
    """A make of cars."""

    name: str
    models: tuple[CarModel, ...]
    connected: bool = True
    """Whether its cars can be connected."""


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

#: The region of a country in the paths of connectors, if it is not Europe.
CONNECTOR_REGIONS: Final = {"US": "NORTH_AMERICA", "CA": "NORTH_AMERICA"}


def _view(row: Row, viewer: Viewer, *, parameter: str) -> Row:
    choice = {parameter: str(row["id"])}
    link = onboarding_link(viewer, "/vehicle_onboarding", choice) if row["_connected"] else None
    return row | {"onboarding_url": link}


def _watt_hours(trim: Trim) -> int:
    return round(trim.kwh * 1000)


def add_vehicle_catalogue(world: World) -> None:
    """Add the tables of makes, models and trims."""
    makes: list[Row] = []
    models: list[Row] = []
    trims: list[Row] = []
    start = ANCHOR - timedelta(days=850)
    for number, maker in enumerate(CAR_MAKERS):
        made_at = start + timedelta(days=number, minutes=11)
        make_id = world.random.uid("vmak", made_at, maker.name)
        makes.append({
            "id": make_id,
            "name": maker.name,
            "icon": f"https://cdn.example.com/cars/{maker.name.lower()}.png",
            "models": filtered_list("vehicle_models", make_id=make_id),
            "subscription_name": None,
            "subscription_package": None,
            "_connected": maker.connected,
            "_america": any(model.america for model in maker.models),
        })  # fmt: skip
        for model in maker.models:
            model_id = world.random.uid("vmod", made_at, maker.name, model.name)
            models.append({
                "id": model_id,
                "name": model.name,
                "make": Link("vehicle_makes", make_id),
                "vehicle_trims": filtered_list("vehicle_trims", model_id=model_id),
                "default_battery_size_watt_hours": _watt_hours(model.trims[0]),
                "default_connector_type": model.connector and str(model.connector),
                "_connected": maker.connected,
                "_america": model.america,
            })  # fmt: skip
            trims += [
                {
                    "id": world.random.uid("trim", made_at, maker.name, model.name, trim.name),
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
    world.table(
        "vehicle_makes",
        "vmak",
        GeneratedRows.from_rows(makes),
        view=functools.partial(_view, parameter="make_id"),
    )
    world.table(
        "vehicle_models",
        "vmod",
        GeneratedRows.from_rows(models),
        view=functools.partial(_view, parameter="model_id"),
    )
    world.table(
        "vehicle_trims",
        "trim",
        GeneratedRows.from_rows(trims),
        view=functools.partial(_view, parameter="trim_id"),
    )


def available_trims(world: World, country: str) -> list[Row]:
    """Return the trims that are sold in a country and can be connected."""
    america = country in CONNECTOR_REGIONS

    def find_trims() -> list[Row]:
        return [
            row
            for row in world.tables["vehicle_trims"]
            if row["_connected"] and (row["_america"] or not america)
        ]

    return world.cached(("trims", america), find_trims)


def add_hidden_trim(world: World, model: Row, size: int, *, name: str = "Custom") -> Row:
    """Add a trim of a model with this battery, which no list shows."""
    return world.tables["vehicle_trims"].add({
        "id": world.new_id("vehicle_trims"),
        "name": name,
        "model": model["url"],
        "battery_size_watt_hours": size,
        "_connected": False,
        "_america": True,
        "_hidden": True,
        "_ac_watts": 7_400,
        "_full_name": f"{model['name']} {name}",
    })  # fmt: skip


def connectors_of(world: World, model: Row) -> dict[str, Row]:
    """Return the connectors of a model by region: from the catalogue, and as requests set them."""
    in_catalogue: dict[str, Any] = {}
    default = model["default_connector_type"]
    since = write_instant(ANCHOR)
    if default is not None:
        for region in ("EUROPE", "NORTH_AMERICA"):
            if region == "EUROPE" or model["_america"]:
                connector = "CCS" if region == "EUROPE" and default == "NACS" else default
                in_catalogue[region] = {
                    "connector_type": connector,
                    "source": "CAR_API",
                    "updated_at": since,
                }
    changed = world.extra_state.get("model_connectors", {}).get(model["id"], {})
    path = model["url"].path
    return {
        region: {
            "url": ApiPath(f"{path}/connectors/{region}"),
            "vehicle_model": ApiPath(path),
            "region": region,
            "confidence": "HIGH" if region in in_catalogue else None,
            "source": None,
            "verified_at": None,
            **in_catalogue.get(region, {}),
            **changed.get(region, {}),
        }
        for region in {**in_catalogue, **changed}
    }


#: The makes that are recommended first.
_RANKS: Final = {"Tesla": 1, "Nissan": 2, "Volkswagen": 3, "Kia": 4, "Hyundai": 5}


def _listed(call: Call) -> Collection:
    """Return the rows to list, without those that requests added, in the order of the query."""
    everything = collection_at(call)
    rows = [row for row in everything.after(None) if not row.get("_hidden")]
    user_id = user_to_list_for(call)
    if user_id is not None:
        america = country_of(call.world, user_id) in CONNECTOR_REGIONS
        rows = [row for row in rows if row["_america"] or not america]
    match call.query.get("ordering"):
        case "name" | "-name" as order:
            return Selection(everything, rows, lambda row: row["name"], reverse=order == "-name")
        case _:  # the API ignores unknown orders
            return Selection(everything, rows)


_LISTING: Final = listing(_listed, filters={"available_for_user_id": None, "ordering": None})


def _create_model(call: Call) -> Reply:
    make = read_link(call.world, "vehicle_makes", call.body["make"])
    if make is None:
        raise invalid({"make": ["Not the URL of a make."]})
    model_id = call.world.new_id("vehicle_models")
    row = call.world.tables["vehicle_models"].add({
        "id": model_id,
        "name": call.body["name"],
        "make": make,
        "vehicle_trims": filtered_list("vehicle_trims", model_id=model_id),
        "default_battery_size_watt_hours": 50_000,
        "default_connector_type": None,
        "_connected": False,
        "_america": True,
        "_hidden": True,
    })  # fmt: skip
    return _shown(call, "vehicle_models", row, HTTPStatus.CREATED)


def _update_model(call: Call) -> Reply:
    row = call.world.update(call.row("vehicle_models", "vehicle_model_id"), **call.body)
    return _shown(call, "vehicle_models", row)


def _create_trim(call: Call) -> Reply:
    link = read_link(call.world, "vehicle_models", call.body["model"])
    model = call.world.follow(link)
    if model is None:
        raise invalid({"model": ["Not the URL of a model."]})
    row = add_hidden_trim(
        call.world, model, call.body["battery_size_watt_hours"], name=call.body["name"]
    )
    return _shown(call, "vehicle_trims", row, HTTPStatus.CREATED)


def _shown(call: Call, folder: str, row: Row, status: int = HTTPStatus.OK) -> Reply:
    return Reply(call.serialize(call.world.tables[folder].view_for(row, call.viewer)), status)


def _list_connectors(call: Call) -> Reply:
    rows = connectors_of(call.world, call.row("vehicle_models", "vehicle_model_id"))
    every = iter([rows[region] for region in sorted(rows)])
    shown, links = numbered_page(every, call.url, call.query, call.raw_query)
    return Reply([call.serialize(row) for row in shown], headers={"Link": links})


def _connector(call: Call) -> Reply:
    rows = connectors_of(call.world, call.row("vehicle_models", "vehicle_model_id"))
    row = rows.get(call.params["region"])
    if row is None:
        raise not_found()
    return Reply(call.serialize(row))


def _create_connector(call: Call) -> Reply:
    model = call.row("vehicle_models", "vehicle_model_id")
    region = call.body["region"]
    if region in connectors_of(call.world, model):
        raise invalid({"region": ["The model has a connector for this region already."]})
    return _store_connector(call, model, region, call.body, HTTPStatus.CREATED)


def _update_connector(call: Call) -> Reply:
    model = call.row("vehicle_models", "vehicle_model_id")
    region = call.params["region"]
    if region not in connectors_of(call.world, model):
        raise not_found()
    return _store_connector(call, model, region, call.body)


def _store_connector(
    call: Call, model: Row, region: str, given: dict[str, Any], status: int = HTTPStatus.OK
) -> Reply:
    connectors = call.world.extra_state.setdefault("model_connectors", {}).setdefault(
        model["id"], {}
    )
    changes = {name: value for name, value in given.items() if name != "region"}
    if changes.get("verified_at") is not None:
        changes["verified_at"] = write_instant(read_instant(changes["verified_at"]))
    changes["updated_at"] = write_instant(call.now)
    connectors[region] = connectors.get(region, {}) | changes
    return Reply(call.serialize(connectors_of(call.world, model)[region]), status)


def _check_compatibility(call: Call) -> Reply:
    world = call.world
    model = world.tables["vehicle_models"].get(call.query["vehicle_model_id"])
    if model is None:
        detail = "There is no such model."
        raise ProblemError(
            HTTPStatus.NOT_FOUND, "Not found", detail, slug="vehicle-model-not-found"
        )
    country = country_to_check(call, unknown_program="program-not-found-vehicle-compatibility")
    make = world.follow(model["make"]) or {}
    compatible = model["_connected"] and (model["_america"] or country not in CONNECTOR_REGIONS)
    rank = _RANKS.get(make.get("name", ""))
    return Reply({"compatible": compatible, "recommendation_rank": rank})


ROUTES: Final[Routes] = {
    ("GET", "/vehicle_makes"): _LISTING,
    ("GET", "/vehicle_makes/{vehicle_make_id}"): detail(),
    ("GET", "/vehicle_models"): _LISTING,
    ("POST", "/vehicle_models"): _create_model,
    ("GET", "/vehicle_models/{vehicle_model_id}"): detail(),
    ("PATCH", "/vehicle_models/{vehicle_model_id}"): _update_model,
    ("GET", "/vehicle_models/{vehicle_model_id}/connectors"): _list_connectors,
    ("POST", "/vehicle_models/{vehicle_model_id}/connectors"): _create_connector,
    ("GET", "/vehicle_models/{vehicle_model_id}/connectors/{region}"): _connector,
    ("PATCH", "/vehicle_models/{vehicle_model_id}/connectors/{region}"): _update_connector,
    ("GET", "/vehicle_trims"): _LISTING,
    ("POST", "/vehicle_trims"): _create_trim,
    ("GET", "/vehicle_trims/{vehicle_trim_id}"): detail(),
    ("GET", "/vehicle_compatibility/check"): _check_compatibility,
}
