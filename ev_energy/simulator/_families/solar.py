"""Solar arrays, inverters, and forecasts of what the sun will give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator._api._bodies import read_link
from ev_energy.simulator._api._problems import ProblemError, invalid, not_found
from ev_energy.simulator._api._routes import (
    Reply,
    collection_at,
    detail,
    keep_by,
    listing,
    log,
    shown_page,
)
from ev_energy.simulator._content._solar import (
    ARRAYS,
    add_array,
    add_inverter,
    change_array,
    expected_wh,
    last_run,
)
from ev_energy.simulator._families._sold import SOLD
from ev_energy.simulator._journeys import journey_url
from ev_energy.simulator._store._instants import write_instant

if TYPE_CHECKING:
    from ev_energy.simulator._api._problems import FieldErrors
    from ev_energy.simulator._api._routes import Call, Routes
    from ev_energy.simulator._store._rows import Row


def _forecast(call: Call, array: Row, vehicle: Row | None) -> dict[str, Any] | None:
    """Return what an array is expected to give today; users are not told."""
    if call.by_user:
        return None
    watt_hours = expected_wh(call.world, array["user"].key, array["capacity_watts"])
    percent = None
    if vehicle is not None:
        percent = min(100, 100 * watt_hours // vehicle["effective_battery_size_watt_hours"])
    return {
        "solar_watt_hours_until_midnight": watt_hours,
        "percent_vehicle_battery_charge_until_midnight": percent,
        "last_updated_at": write_instant(last_run(call.now)),
    }


def _vehicle(call: Call) -> Row | None:
    """Return the vehicle that the forecast is for, None if no one is asked about."""
    if "vehicle_id" not in call.query:
        return None
    vehicles = call.world.tables["vehicles"]
    row = vehicles.get(call.query["vehicle_id"])
    if row is None or not call.may_see(vehicles, row):
        raise invalid({"vehicle_id": ["No such vehicle."]})
    return row


def _arrays(call: Call) -> Reply:
    vehicle = _vehicle(call)
    reply = shown_page(call, collection_at(call), keep_by(call, {"vehicle_id": None}))
    arrays = call.world.tables[ARRAYS]
    found = [(shown, arrays.get(shown["id"]) or {}) for shown in reply.body]
    body = [shown | {"forecast": _forecast(call, row, vehicle)} for shown, row in found]
    return Reply(body, headers=reply.headers)


def _shown(call: Call, row: Row, vehicle: Row | None = None, status: int = 200) -> Reply:
    forecast = {"forecast": _forecast(call, row, vehicle)}
    row = call.world.tables[ARRAYS].seen_by(row, call.viewer)
    return Reply(call.show(row | forecast), status)


def _create_array(call: Call) -> Reply:
    # An application that acts for nobody stands for the first user here.
    user_id = call.viewer.user_id or call.world.user_id(0)
    row = add_array(call.world, user_id, call.body.get("capacity_watts", 0))
    return _shown(call, row, status=201)


def _update_array(call: Call) -> Reply:
    row = call.row(ARRAYS, "solar_array_id")
    if "capacity_watts" in call.body:
        change_array(call.world, row, call.body["capacity_watts"])
    return _shown(call, call.row(ARRAYS, "solar_array_id"))


def _create_inverter(call: Call) -> Reply:
    world, body = call.world, call.body
    errors: FieldErrors = {}
    model = read_link(world, "inverter_models", body.get("model"))
    if model is None:
        errors["model"] = ["The URL of a model is needed."]
    user_id = call.viewer.user_id
    if "user" in body:
        user = read_link(world, "users", body["user"])
        if user is None or user_id not in {None, user.key}:
            errors["user"] = ["Not the URL of a user you may act for."]
        else:
            user_id = user.key
    elif user_id is None:
        errors["user"] = ["Needed where the request is made for nobody."]
    if errors or model is None or user_id is None:
        raise invalid(errors)
    row = add_inverter(world, user_id, model, reports=False)
    return Reply(call.show(world.tables["inverters"].seen_by(row, call.viewer)), 201)


def _onboard(call: Call) -> Reply:
    given, world = call.query, call.world
    if call.applications.get(given["client_id"]) is None:
        raise invalid({"client_id": ["No such application."]})
    user = world.tables["users"].get(given["user_id"])
    if user is None or call.viewer.user_id not in {None, user["id"]}:
        raise not_found()
    about = {name: given[name] for name in ("user_id", "client_id")}
    if "make_id" in given:
        make_id = given["make_id"]
        if world.tables["inverter_makes"].get(make_id) is None:
            raise not_found()
        about["make_id"] = make_id
    if "inverter_id" in given:
        row = world.tables["inverters"].get(given["inverter_id"])
        if row is None or row["user"].key != user["id"]:
            raise not_found()
        model = world.follow(row["model"]) or {}
        if about.setdefault("make_id", model["make"].key) != model["make"].key:
            raise ProblemError(400, "Which one?", "The inverter is of another make.")
        about["model_id"] = row["model"].key
    return Reply(status=302, headers={"Location": journey_url(call.root, "inverters", about)})


SOLAR: Final[Routes] = {
    ("GET", "/solar_arrays"): _arrays,
    ("POST", "/solar_arrays"): _create_array,
    ("GET", "/solar_arrays/{solar_array_id}"): lambda call: _shown(
        call, call.row(ARRAYS, "solar_array_id"), _vehicle(call)
    ),
    ("PATCH", "/solar_arrays/{solar_array_id}"): _update_array,
    ("GET", "/solar_forecasts"): listing(),
    ("GET", "/solar_forecasts/{solar_forecast_id}"): detail(),
    ("GET", "/solar_forecasts/{solar_forecast_id}/forecast_logs"): log("started_at"),
    ("GET", "/solar_forecasts/{solar_forecast_id}/forecast_logs/{valid_period_start}"): detail(),
    ("GET", "/inverters"): listing(),
    ("POST", "/inverters"): _create_inverter,
    ("GET", "/inverters/{inverter_id}"): detail(),
    ("GET", "/inverter_makes"): SOLD,
    ("GET", "/inverter_makes/{inverter_make_id}"): detail(),
    ("GET", "/inverter_models"): listing(),
    ("GET", "/inverter_models/{inverter_model_id}"): detail(),
    ("GET", "/inverter_onboarding"): _onboard,
}
