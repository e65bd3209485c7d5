"""Solar arrays, inverters with their makes and models, and solar forecasts."""

from __future__ import annotations

import functools
import itertools
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.clock._instants import ANCHOR, HALF_HOUR, instant_of, micros, write_instant
from ev_energy.simulator.home_energy._generation import (
    capacity_steps,
    clamp_watts,
    generated_wh,
    record_capacity,
)
from ev_energy.simulator.home_energy._home_energy import energy_cache
from ev_energy.simulator.home_energy._quarter_hours import (
    QUARTER_HOUR,
    QUARTERS_PER_HOUR,
    latest_sample_link,
    quarter_at,
    sample_log,
)
from ev_energy.simulator.http._problems import ProblemError, invalid, not_found
from ev_energy.simulator.http._routes import (
    Reply,
    collection_at,
    detail,
    listing,
    log,
    paged_reply,
    read_link,
    row_filter,
)
from ev_energy.simulator.onboarding_pages import onboarding_url
from ev_energy.simulator.resources.catalogues import (
    AVAILABLE_LISTING,
    country_of,
    filtered_list,
    onboarding_link,
)
from ev_energy.simulator.resources.catalogues.home_devices import (
    INVERTERS,
    add_device_catalogue,
    available_models,
    logo_url,
)
from ev_energy.simulator.world._homes import HOME_TEMPLATES, LONDON, next_midnight, zone_of
from ev_energy.simulator.world._rows import Link
from ev_energy.simulator.world._series import ORIGIN, TimeSeries
from ev_energy.simulator.world._tables import GeneratedRows

if TYPE_CHECKING:
    from ev_energy.simulator.http._problems import FieldErrors
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.resources.catalogues.home_devices import DeviceMaker
    from ev_energy.simulator.world._homes import City
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._world import World


ARRAYS: Final = "solar_arrays"
_INVERTERS: Final = "inverters"
_FORECASTS: Final = "solar_forecasts"
_LOG: Final = "status_logs"
_PANEL_WATTS: Final = 405
_KILO: Final = 1000
_ONBOARDING: Final = "/inverter_onboarding"

_CITIES: Final = tuple(dict.fromkeys(template.city for template in HOME_TEMPLATES))
#: The locations of forecasts around each city, as offsets in degrees of latitude and longitude.
_GRID_OFFSETS: Final = tuple(
    (north, east) for north in (-0.1, 0.0, 0.1) for east in (-0.15, 0.0, 0.15)
)
#: How often forecasts are renewed, and how far ahead they reach.
_FORECAST_INTERVAL: Final = timedelta(hours=6)
_FORECAST_HORIZON: Final = timedelta(hours=48)
_HALF_HOUR: Final = timedelta(minutes=30)


def add_solar(world: World) -> None:
    """Open the tables of arrays, inverters, makes, models and forecasts, and the logs."""

    def make(make_id: str, maker: DeviceMaker) -> Row:
        models = filtered_list(INVERTERS.models, make_id=make_id)
        return {"icon": logo_url(INVERTERS, maker), "inverter_models": models}

    add_device_catalogue(world, INVERTERS, make=make, make_view=_make_view, model_view=_model_view)
    world.owned_table(
        _INVERTERS,
        "invt",
        lambda template: template.inverters,
        functools.partial(_inverter_row, world),
        view=functools.partial(_inverter_view, world),
    )
    world.owned_table(
        ARRAYS,
        "solr",
        lambda template: template.solar_arrays,
        functools.partial(_array_row, world),
        view=functools.partial(_array_view, world),
    )
    world.table(_FORECASTS, "solf", GeneratedRows.from_rows(_forecast_rows(world)))
    world.logs[f"{_INVERTERS}/{_LOG}"] = functools.partial(_inverter_log, world)
    world.logs[f"{_FORECASTS}/forecast_logs"] = functools.partial(_forecast_log, world)


def _with_onboarding_url(row: Row, viewer: Viewer, make_id: str) -> Row:
    link = onboarding_link(viewer, _ONBOARDING, {"make_id": make_id}) if row["_connected"] else None
    return row | {"onboarding_url": link}


def _make_view(row: Row, viewer: Viewer) -> Row:
    return _with_onboarding_url(row, viewer, row["id"])


def _model_view(row: Row, viewer: Viewer) -> Row:
    # Onboarding can start with a make but not with a model.
    return _with_onboarding_url(row, viewer, row["make"].key)


def _inverter_row(world: World, home: int, _slot: int, number: int) -> Row:
    models = available_models(world, INVERTERS, world.homes.template(home).city.country)
    model = world.random.pick(models, "inverter", number)
    return {"model": Link(INVERTERS.models, model["id"])}


def _inverter_view(world: World, row: Row, viewer: Viewer) -> Row:
    """Return an inverter with a link to its newest sample, or to onboarding if it has none."""
    if row.get("_reports", True):
        latest_sample, onboarding = latest_sample_link(world, row, _LOG), None
    else:
        owner = attrs.evolve(viewer, user_id=row["user"].key)
        latest_sample = None
        onboarding = onboarding_link(owner, _ONBOARDING, {"inverter_id": row["id"]})
    return row | {
        "created_at": row["_made_at"],
        "latest_status_log": latest_sample,
        "onboarding_url": onboarding,
    }


def add_inverter(world: World, user_id: str, model: Link, *, reports: bool) -> Row:
    """Add an inverter for a user, and assign it to the first array without an inverter."""
    row = world.tables[_INVERTERS].add({
        "id": world.new_id(_INVERTERS),
        "model": model,
        "user": Link("users", user_id),
        "_reports": reports,
        "_made_at": write_instant(world.now),
    })  # fmt: skip
    unassigned = (row for row in world.rows_of_user(user_id, ARRAYS) if row["inverter"] is None)
    if (array := next(unassigned, None)) is not None:
        world.update(array, inverter=row["url"])
    return row


def connect_inverter(world: World, user_id: str, model: Link) -> Row:
    """Return an inverter that reports from now on: one that waited for onboarding, or a new one."""
    for row in world.rows_of_user(user_id, _INVERTERS):
        if row["model"] == model and not row.get("_reports", True):
            return world.update(row, _reports=True, _made_at=write_instant(world.now))
    return add_inverter(world, user_id, model, reports=True)


def _array_row(world: World, home: int, slot: int, number: int) -> Row:
    panels = 14 if number == 0 else world.random.between(8, 24, "panels", number)
    inverters = world.homes.numbering(lambda template: template.inverters).of_home(home)
    inverter = None
    if slot < len(inverters):
        inverter = Link(_INVERTERS, world.key_of(_INVERTERS, inverters[slot]))
    return {"capacity_watts": panels * _PANEL_WATTS, "inverter": inverter}


def _array_view(world: World, row: Row, _viewer: Viewer) -> Row:
    inverter = row["inverter"]
    exists = inverter is not None and world.find(inverter) is not None
    return row | {"inverter": inverter if exists else None, "forecast": None}


def add_array(world: World, user_id: str, watts: int) -> Row:
    """Add an array for a user."""
    row = world.tables[ARRAYS].add({
        "id": world.new_id(ARRAYS),
        "capacity_watts": watts,
        "inverter": None,
        "user": Link("users", user_id),
        "_made_at": write_instant(world.now),
    })  # fmt: skip
    record_capacity(world, row["id"], watts)
    return row


def change_array(world: World, row: Row, watts: int) -> Row:
    """Change the capacity of an array from now on."""
    record_capacity(world, row["id"], watts)
    return world.update(row, capacity_watts=watts)


def _city_of(world: World, user_id: str) -> City:
    """Return the city whose weather applies to a user."""
    home = world.home_of_user(user_id)
    if home is not None:
        return world.homes.template(home).city
    country = country_of(world, user_id)
    return next((city for city in _CITIES if city.country == country), LONDON)


def _inverter_log(world: World, row: Row) -> TimeSeries:
    user_id = row["user"].key
    city = _city_of(world, user_id)
    arrays = [
        capacity_steps(world, array)
        for array in world.rows_of_user(user_id, ARRAYS)
        if array["inverter"] == row["url"]
    ]

    def sample(quarter: int, sampled_at: datetime) -> Row:
        yields = [energy_cache(world).weather.watts_at(city, quarter)]
        watts = QUARTERS_PER_HOUR * sum(generated_wh(steps, quarter, yields)[0] for steps in arrays)
        delay = timedelta(milliseconds=world.random.between(150, 2500, row["id"], "late", quarter))
        return {
            "logged_at": write_instant(sampled_at + delay),
            "inverter": row["url"],
            "solar_power_watts": watts,
            "status": "PRODUCING" if watts else "IDLE",
        }

    return sample_log(world, row, _LOG, sample)


def _expected_wh(world: World, user_id: str, capacity_watts: int) -> int:
    """Return the generation that is forecast from now until local midnight, in watt-hours."""
    city, now = _city_of(world, user_id), world.now
    quarters = range(quarter_at(now), quarter_at(next_midnight(now, zone_of(city))))
    made_in = quarter_at(_last_forecast(now))
    forecasts = energy_cache(world).weather.forecasts(city, quarters, made_in)
    capacity = clamp_watts(capacity_watts)
    return sum(capacity * watts // (_KILO * QUARTERS_PER_HOUR) for watts in forecasts)


def _last_forecast(now: datetime) -> datetime:
    """Return when forecasts were renewed last."""
    return ORIGIN + (now - ORIGIN) // _FORECAST_INTERVAL * _FORECAST_INTERVAL


def _forecast_rows(world: World) -> list[Row]:
    rows: list[Row] = []
    first_created = ANCHOR - timedelta(days=760)
    locations = itertools.product(_CITIES, _GRID_OFFSETS)
    for number, (city, (north, east)) in enumerate(locations):
        created = first_created + timedelta(days=number, minutes=3)
        rows.append({
            "id": world.random.uid("solf", created, city.name, number),
            "location": {
                "latitude": round(city.latitude + north, 2),
                "longitude": round(city.longitude + east, 2),
            },
            "_city": city,
            "_made_at": created,
        })  # fmt: skip
    return rows


def _forecast_log(world: World, row: Row) -> TimeSeries:
    city, now = row["_city"], world.now
    weather = energy_cache(world).weather

    def entries(number: int) -> list[tuple[datetime, Row]]:
        start = ORIGIN + number * _HALF_HOUR
        forecast_time = _last_forecast(min(now, start))
        hours_ahead = (start - forecast_time) // timedelta(hours=1)
        quarters = range(quarter_at(start), quarter_at(start) + HALF_HOUR // QUARTER_HOUR)
        forecasts = [weather.forecast(city, quarter, hours_ahead) for quarter in quarters]
        watts = sum(forecasts) // len(forecasts)
        members = {
            "sampled_at": write_instant(forecast_time),
            "interval_seconds": 1800,
            "forecast_watts_per_kilowatt": watts,
            "solar_forecast": row["url"],
        }
        return [(start, members)]

    return TimeSeries(
        folder=f"{_FORECASTS}/{row['id']}/forecast_logs",
        member="started_at",
        start=instant_of(-(-micros(row["_made_at"]) // HALF_HOUR) * HALF_HOUR),
        end=_last_forecast(now) + _FORECAST_HORIZON,
        chunk=_HALF_HOUR,
        make=entries,
    )


def _forecast(call: Call, array: Row, vehicle: Row | None) -> dict[str, Any] | None:
    """Return the array's forecast for today; the API shows it to applications, not to users."""
    if call.by_user:
        return None
    watt_hours = _expected_wh(call.world, array["user"].key, array["capacity_watts"])
    percent = None
    if vehicle is not None:
        percent = min(100, 100 * watt_hours // vehicle["effective_battery_size_watt_hours"])
    return {
        "solar_watt_hours_until_midnight": watt_hours,
        "percent_vehicle_battery_charge_until_midnight": percent,
        "last_updated_at": write_instant(_last_forecast(call.now)),
    }


def _requested_vehicle(call: Call) -> Row | None:
    """Return the vehicle in ``vehicle_id``, or None without this parameter."""
    if "vehicle_id" not in call.query:
        return None
    vehicles = call.world.tables["vehicles"]
    row = vehicles.get(call.query["vehicle_id"])
    if row is None or not call.can_see(vehicles, row):
        raise invalid({"vehicle_id": ["No vehicle has this id."]})
    return row


def _list_arrays(call: Call) -> Reply:
    vehicle = _requested_vehicle(call)
    reply = paged_reply(call, collection_at(call), row_filter(call, {"vehicle_id": None}))
    arrays = call.world.tables[ARRAYS]
    body = [
        array | {"forecast": _forecast(call, arrays.get(array["id"]) or {}, vehicle)}
        for array in reply.body
    ]
    return Reply(body, headers=reply.headers)


def _array_reply(
    call: Call, row: Row, vehicle: Row | None = None, status: int = HTTPStatus.OK
) -> Reply:
    forecast = {"forecast": _forecast(call, row, vehicle)}
    row = call.world.tables[ARRAYS].view_for(row, call.viewer)
    return Reply(call.serialize(row | forecast), status)


def _create_array(call: Call) -> Reply:
    # The API does not say who owns an array that an application creates without naming a user.
    # The simulator gives it to the first user.
    user_id = call.viewer.user_id or call.world.user_id(0)
    row = add_array(call.world, user_id, call.body.get("capacity_watts", 0))
    return _array_reply(call, row, status=HTTPStatus.CREATED)


def _update_array(call: Call) -> Reply:
    row = call.row(ARRAYS, "solar_array_id")
    if "capacity_watts" in call.body:
        change_array(call.world, row, call.body["capacity_watts"])
    return _array_reply(call, call.row(ARRAYS, "solar_array_id"))


def _create_inverter(call: Call) -> Reply:
    world, body = call.world, call.body
    errors: FieldErrors = {}
    model = read_link(world, "inverter_models", body.get("model"))
    if model is None:
        errors["model"] = ["Must be the URL of an inverter model."]
    user_id = call.viewer.user_id
    if "user" in body:
        user = read_link(world, "users", body["user"])
        if user is None or user_id not in {None, user.key}:
            errors["user"] = ["Must be the URL of a user that the token can act for."]
        else:
            user_id = user.key
    elif user_id is None:
        errors["user"] = ["Required without the EvEnergy-User header."]
    if errors or model is None or user_id is None:
        raise invalid(errors)
    row = add_inverter(world, user_id, model, reports=False)
    inverter = world.tables[_INVERTERS].view_for(row, call.viewer)
    return Reply(call.serialize(inverter), HTTPStatus.CREATED)


def _start_onboarding(call: Call) -> Reply:
    query, world = call.query, call.world
    if call.applications.get(query["client_id"]) is None:
        raise invalid({"client_id": ["No application has this id."]})
    user = world.tables["users"].get(query["user_id"])
    if user is None or call.viewer.user_id not in {None, user["id"]}:
        raise not_found()
    parameters = {name: query[name] for name in ("user_id", "client_id")}
    if "make_id" in query:
        make_id = query["make_id"]
        if world.tables["inverter_makes"].get(make_id) is None:
            raise not_found()
        parameters["make_id"] = make_id
    if "inverter_id" in query:
        row = world.tables[_INVERTERS].get(query["inverter_id"])
        if row is None or row["user"].key != user["id"]:
            raise not_found()
        model = world.follow(row["model"]) or {}
        if parameters.setdefault("make_id", model["make"].key) != model["make"].key:
            text = "The inverter is not of the make in make_id."
            raise ProblemError(HTTPStatus.BAD_REQUEST, "Contradictory parameters", text)
        parameters["model_id"] = row["model"].key
    location = onboarding_url(call.root, "inverters", parameters)
    return Reply(status=HTTPStatus.FOUND, headers={"Location": location})


ROUTES: Final[Routes] = {
    ("GET", "/solar_arrays"): _list_arrays,
    ("POST", "/solar_arrays"): _create_array,
    ("GET", "/solar_arrays/{solar_array_id}"): lambda call: _array_reply(
        call, call.row(ARRAYS, "solar_array_id"), _requested_vehicle(call)
    ),
    ("PATCH", "/solar_arrays/{solar_array_id}"): _update_array,
    ("GET", "/solar_forecasts"): listing(),
    ("GET", "/solar_forecasts/{solar_forecast_id}"): detail(),
    ("GET", "/solar_forecasts/{solar_forecast_id}/forecast_logs"): log("started_at"),
    ("GET", "/solar_forecasts/{solar_forecast_id}/forecast_logs/{valid_period_start}"): detail(),
    ("GET", "/inverters"): listing(),
    ("POST", "/inverters"): _create_inverter,
    ("GET", "/inverters/{inverter_id}"): detail(),
    ("GET", "/inverter_makes"): AVAILABLE_LISTING,
    ("GET", "/inverter_makes/{inverter_make_id}"): detail(),
    ("GET", "/inverter_models"): listing(),
    ("GET", "/inverter_models/{inverter_model_id}"): detail(),
    ("GET", "/inverter_onboarding"): _start_onboarding,
}
