"""Solar arrays, the inverters behind them, and what the sky is expected to give."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta
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

CITIES: Final = tuple(dict.fromkeys(kind.city for kind in HOME_TEMPLATES))
#: Forecasts are for places so many degrees apart, around each city.
_GRID: Final = tuple((north, east) for north in (-0.1, 0.0, 0.1) for east in (-0.15, 0.0, 0.15))
#: What is expected is worked out every so often, and so far ahead.
_RUN: Final = timedelta(hours=6)
_AHEAD: Final = timedelta(hours=48)
_HALF_AN_HOUR: Final = timedelta(minutes=30)


def add_solar(world: World) -> None:
    """Open the tables of arrays, inverters, their makes and models, and forecasts; and the logs."""

    def make(make_id: str, maker: DeviceMaker) -> Row:
        models = filtered_list(INVERTERS.models, make_id=make_id)
        return {"icon": logo_url(INVERTERS, maker), "inverter_models": models}

    add_device_catalogue(world, INVERTERS, make=make, make_view=_make_view, model_view=_model_view)
    world.owned_table(
        _INVERTERS,
        "invt",
        lambda home: home.inverters,
        functools.partial(_inverter, world),
        view=functools.partial(_inverter_view, world),
    )
    world.owned_table(
        ARRAYS,
        "solr",
        lambda home: home.solar_arrays,
        functools.partial(_array, world),
        view=functools.partial(_array_view, world),
    )
    world.table(_FORECASTS, "solf", GeneratedRows.from_rows(_forecasts(world)))
    world.logs[f"{_INVERTERS}/{_LOG}"] = functools.partial(_log, world)
    world.logs[f"{_FORECASTS}/forecast_logs"] = functools.partial(_forecast_log, world)


def _begin(row: Row, viewer: Viewer, make_id: str) -> Row:
    link = onboarding_link(viewer, _ONBOARDING, {"make_id": make_id}) if row["_connected"] else None
    return row | {"onboarding_url": link}


def _make_view(row: Row, viewer: Viewer) -> Row:
    return _begin(row, viewer, row["id"])


def _model_view(row: Row, viewer: Viewer) -> Row:
    return _begin(row, viewer, row["make"].key)  # onboarding can begin with a make, not a model


def _inverter(world: World, home: int, _slot: int, number: int) -> Row:
    sold = available_models(world, INVERTERS, world.homes.template(home).city.country)
    return {"model": Link(INVERTERS.models, world.random.pick(sold, "inverter", number)["id"])}


def _inverter_view(world: World, row: Row, viewer: Viewer) -> Row:
    """Return an inverter; one that never reported can be connected."""
    connected = row.get("_reports", True)
    user = attrs.evolve(viewer, user_id=row["user"].key)
    return row | {
        "created_at": row["_made_at"],
        "latest_status_log": latest_sample_link(world, row, _LOG) if connected else None,
        "onboarding_url": None
        if connected
        else onboarding_link(user, _ONBOARDING, {"inverter_id": row["id"]}),
    }


def add_inverter(world: World, user_id: str, model: Link, *, reports: bool) -> Row:
    """Add an inverter to a user's home, behind the first array that has none."""
    row = world.tables[_INVERTERS].add({
        "id": world.new_id(_INVERTERS),
        "model": model,
        "user": Link("users", user_id),
        "_reports": reports,
        "_made_at": write_instant(world.now),
    })  # fmt: skip
    bare = (one for one in world.rows_of_user(user_id, ARRAYS) if one["inverter"] is None)
    if (array := next(bare, None)) is not None:
        world.update(array, inverter=row["url"])
    return row


def connect_inverter(world: World, user_id: str, model: Link) -> Row:
    """Let an inverter report from now on: one that waits for it, or else a new one."""
    for row in world.rows_of_user(user_id, _INVERTERS):
        if row["model"] == model and not row.get("_reports", True):
            return world.update(row, _reports=True, _made_at=write_instant(world.now))
    return add_inverter(world, user_id, model, reports=True)


def _array(world: World, home: int, slot: int, number: int) -> Row:
    panels = 14 if number == 0 else world.random.between(8, 24, "panels", number)
    layout = world.homes.numbering(lambda home: home.inverters)
    inverters = layout.of_home(home)
    key = world.key_of(_INVERTERS, inverters[slot]) if slot < len(inverters) else None
    return {
        "capacity_watts": panels * _PANEL_WATTS,
        "inverter": None if key is None else Link(_INVERTERS, key),
    }


def _array_view(world: World, row: Row, _viewer: Viewer) -> Row:
    inverter = row["inverter"]
    there = inverter is not None and world.find(inverter) is not None
    return row | {"inverter": inverter if there else None, "forecast": None}


def add_array(world: World, user_id: str, watts: int) -> Row:
    """Add an array to a user's home."""
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
    """Give an array another capacity."""
    record_capacity(world, row["id"], watts)
    return world.update(row, capacity_watts=watts)


def city_of(world: World, user_id: str) -> City:
    """Return the city whose sun a user has."""
    home = world.home_of_user(user_id)
    if home is not None:
        return world.homes.template(home).city
    country = country_of(world, user_id)
    return next((city for city in CITIES if city.country == country), LONDON)


def _log(world: World, row: Row) -> TimeSeries:
    user_id = row["user"].key
    city = city_of(world, user_id)
    arrays = [
        capacity_steps(world, array)
        for array in world.rows_of_user(user_id, ARRAYS)
        if array["inverter"] == row["url"]
    ]

    def tell(quarter: int, at: datetime) -> Row:
        yields = [energy_cache(world).weather.watts_at(city, quarter)]
        watts = QUARTERS_PER_HOUR * sum(generated_wh(steps, quarter, yields)[0] for steps in arrays)
        late = timedelta(milliseconds=world.random.between(150, 2500, row["id"], "late", quarter))
        return {
            "logged_at": write_instant(at + late),
            "inverter": row["url"],
            "solar_power_watts": watts,
            "status": "PRODUCING" if watts else "IDLE",
        }

    return sample_log(world, row, _LOG, tell)


def expected_wh(world: World, user_id: str, capacity_watts: int) -> int:
    """Return what panels are expected to give from now until midnight, in watt-hours."""
    city, now = city_of(world, user_id), world.now
    sun, first = energy_cache(world).weather, quarter_at(now)
    run = quarter_at(last_run(now))
    quarters = range(first, quarter_at(next_midnight(now, zone_of(city))))
    ahead = (
        sun.forecast(city, quarter, (quarter - run) // QUARTERS_PER_HOUR) for quarter in quarters
    )
    return sum(
        clamp_watts(capacity_watts) * gives // (_KILO * QUARTERS_PER_HOUR) for gives in ahead
    )


def last_run(now: datetime) -> datetime:
    """Return when what is expected was worked out last."""
    return ORIGIN + (now - ORIGIN) // _RUN * _RUN


def _forecasts(world: World) -> list[Row]:
    rows: list[Row] = []
    for number, (city, place) in enumerate((city, place) for city in CITIES for place in _GRID):
        made_at = ANCHOR - timedelta(days=760) + timedelta(days=number, minutes=3)
        north, east = place
        rows.append({
            "id": world.random.uid("solf", made_at, city.name, number),
            "location": {
                "latitude": round(city.latitude + north, 2),
                "longitude": round(city.longitude + east, 2),
            },
            "_city": city,
            "_made_at": made_at,
        })  # fmt: skip
    return rows


def _forecast_log(world: World, row: Row) -> TimeSeries:
    city, now = row["_city"], world.now
    sun = energy_cache(world).weather

    def of_chunk(number: int) -> list[tuple[datetime, Row]]:
        start = ORIGIN + number * _HALF_AN_HOUR
        run = last_run(min(now, start))
        hours = (start - run) // timedelta(hours=1)
        quarters = range(quarter_at(start), quarter_at(start) + HALF_HOUR // QUARTER_HOUR)
        watts = sum(sun.forecast(city, quarter, hours) for quarter in quarters) // len(quarters)
        members = {
            "sampled_at": write_instant(run),
            "interval_seconds": 1800,
            "forecast_watts_per_kilowatt": watts,
            "solar_forecast": row["url"],
        }
        return [(start, members)]

    return TimeSeries(
        folder=f"{_FORECASTS}/{row['id']}/forecast_logs",
        member="started_at",
        start=instant_of(-(-micros(row["_made_at"]) // HALF_HOUR) * HALF_HOUR),
        end=last_run(now) + _AHEAD,
        chunk=_HALF_AN_HOUR,
        make=of_chunk,
    )


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
    if row is None or not call.can_see(vehicles, row):
        raise invalid({"vehicle_id": ["No such vehicle."]})
    return row


def _arrays(call: Call) -> Reply:
    vehicle = _vehicle(call)
    reply = paged_reply(call, collection_at(call), row_filter(call, {"vehicle_id": None}))
    arrays = call.world.tables[ARRAYS]
    found = [(shown, arrays.get(shown["id"]) or {}) for shown in reply.body]
    body = [shown | {"forecast": _forecast(call, row, vehicle)} for shown, row in found]
    return Reply(body, headers=reply.headers)


def _shown(call: Call, row: Row, vehicle: Row | None = None, status: int = 200) -> Reply:
    forecast = {"forecast": _forecast(call, row, vehicle)}
    row = call.world.tables[ARRAYS].view_for(row, call.viewer)
    return Reply(call.serialize(row | forecast), status)


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
    return Reply(call.serialize(world.tables["inverters"].view_for(row, call.viewer)), 201)


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
    return Reply(status=302, headers={"Location": onboarding_url(call.root, "inverters", about)})


ROUTES: Final[Routes] = {
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
    ("GET", "/inverter_makes"): AVAILABLE_LISTING,
    ("GET", "/inverter_makes/{inverter_make_id}"): detail(),
    ("GET", "/inverter_models"): listing(),
    ("GET", "/inverter_models/{inverter_model_id}"): detail(),
    ("GET", "/inverter_onboarding"): _onboard,
}
