"""Makes, models and trims of vehicles, their connectors, and where they can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator._api._bodies import read_link
from ev_energy.simulator._api._paging import numbered_page
from ev_energy.simulator._api._problems import ProblemError, invalid, not_found
from ev_energy.simulator._api._routes import Reply, collection_at, detail, listing
from ev_energy.simulator._content._vehicle_catalogue import REGIONS
from ev_energy.simulator._content._vehicle_rows import connectors_of, hidden_trim
from ev_energy.simulator._families.evse_catalogue import country_named
from ev_energy.simulator._store._instants import read_instant, write_instant
from ev_energy.simulator._store._rows import Address
from ev_energy.simulator._store._tables import Rows

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Call, Routes
    from ev_energy.simulator._store._rows import Row
    from ev_energy.simulator._store._tables import Collection

#: Those a driver is offered first.
_RANKS: Final = {"Tesla": 1, "Nissan": 2, "Volkswagen": 3, "Kia": 4, "Hyundai": 5}


def _listed(call: Call) -> Collection:
    """Return what may be listed: not what requests added, and in the order that is wanted."""
    everything = collection_at(call)
    rows = [row for row in everything.after(None) if not row.get("_hidden")]
    user_id = call.query.get("available_for_user_id")
    if user_id is not None:
        user = call.world.tables["users"].get(user_id)
        if user is None:
            raise invalid({"available_for_user_id": ["No such user."]})
        america = user.get("default_location", {}).get("country_code") in REGIONS
        rows = [row for row in rows if row["_america"] or not america]
    match call.query.get("ordering"):
        case "name" | "-name" as order:
            return Rows(everything, rows, lambda row: row["name"], reverse=order == "-name")
        case _:  # unknown orders are ignored
            return Rows(everything, rows)


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
        "vehicle_trims": Address(f"/vehicle_trims?model_id={model_id}"),
        "default_battery_size_watt_hours": 50_000,
        "default_connector_type": None,
        "_connected": False,
        "_america": True,
        "_hidden": True,
    })  # fmt: skip
    return _shown(call, "vehicle_models", row, 201)


def _update_model(call: Call) -> Reply:
    row = call.world.change(call.row("vehicle_models", "vehicle_model_id"), **call.body)
    return _shown(call, "vehicle_models", row)


def _create_trim(call: Call) -> Reply:
    link = read_link(call.world, "vehicle_models", call.body["model"])
    model = call.world.follow(link)
    if model is None:
        raise invalid({"model": ["Not the URL of a model."]})
    row = hidden_trim(
        call.world, model, call.body["battery_size_watt_hours"], name=call.body["name"]
    )
    return _shown(call, "vehicle_trims", row, 201)


def _shown(call: Call, folder: str, row: Row, status: int = 200) -> Reply:
    return Reply(call.show(call.world.tables[folder].seen_by(row, call.viewer)), status)


def _list_connectors(call: Call) -> Reply:
    rows = connectors_of(call.world, call.row("vehicle_models", "vehicle_model_id"))
    every = iter([rows[region] for region in sorted(rows)])
    shown, links = numbered_page(every, call.url, call.query, call.pairs)
    return Reply([call.show(row) for row in shown], headers={"Link": links})


def _connector(call: Call) -> Reply:
    rows = connectors_of(call.world, call.row("vehicle_models", "vehicle_model_id"))
    row = rows.get(call.params["region"])
    if row is None:
        raise not_found()
    return Reply(call.show(row))


def _create_connector(call: Call) -> Reply:
    model = call.row("vehicle_models", "vehicle_model_id")
    region = call.body["region"]
    if region in connectors_of(call.world, model):
        raise invalid({"region": ["There is one for this region already."]})
    return _keep_connector(call, model, region, call.body, 201)


def _update_connector(call: Call) -> Reply:
    model = call.row("vehicle_models", "vehicle_model_id")
    region = call.params["region"]
    if region not in connectors_of(call.world, model):
        raise not_found()
    return _keep_connector(call, model, region, call.body)


def _keep_connector(
    call: Call, model: Row, region: str, given: dict[str, Any], status: int = 200
) -> Reply:
    kept = call.world.kept.setdefault("model_connectors", {}).setdefault(model["id"], {})
    changes = {name: value for name, value in given.items() if name != "region"}
    if changes.get("verified_at") is not None:
        changes["verified_at"] = write_instant(read_instant(changes["verified_at"]))
    changes["updated_at"] = write_instant(call.now)
    kept[region] = kept.get(region, {}) | changes
    return Reply(call.show(connectors_of(call.world, model)[region]), status)


def _check(call: Call) -> Reply:
    world = call.world
    model = world.tables["vehicle_models"].get(call.query["vehicle_model_id"])
    if model is None:
        detail = "There is no such model."
        raise ProblemError(404, "Not found", detail, slug="vehicle-model-not-found")
    country = str(call.query.get("country") or country_named(call.language)).upper()
    program_id = call.query.get("program_id")
    if program_id is not None:
        program = world.tables["programs"].get(program_id)
        if program is None:
            slug = "program-not-found-vehicle-compatibility"
            raise ProblemError(404, "Not found", "There is no such program.", slug=slug)
        country = program.get("_country", country)
    make = world.follow(model["make"]) or {}
    sold = model["_connected"] and (model["_america"] or country not in REGIONS)
    return Reply({"compatible": sold, "recommendation_rank": _RANKS.get(make.get("name", ""))})


VEHICLE_CATALOGUE: Final[Routes] = {
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
    ("GET", "/vehicle_compatibility/check"): _check,
}
