"""Vehicles, their connectors and their state of charge; their logs are in `vehicle_logs`."""

from __future__ import annotations

import functools
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.clock._instants import write_instant
from ev_energy.simulator.http._problems import ProblemError, invalid
from ev_energy.simulator.http._routes import Reply, detail, listing, log, read_link
from ev_energy.simulator.onboarding_pages import reconnect_url
from ev_energy.simulator.resources.catalogues.vehicles import add_hidden_trim, available_trims
from ev_energy.simulator.world._rows import ApiPath, Link

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ev_energy.simulator.charging._charging_site import ChangeKind
    from ev_energy.simulator.http._problems import FieldErrors
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._world import World


#: The vehicles of the first home are connected and charge by plan.
_VEHICLES_OF_FIRST_HOME: Final = 2
#: Charge limits in percent.
_LIMITS: Final = (80, 80, 80, 90, 100, 85)
_LINK_LIFETIME: Final = timedelta(hours=24)
#: The API rounds battery sizes to this many watt-hours.
_SIZE_STEP: Final = 10
#: The members whose changes affect charging, with the kind of change.
_CHANGES: Final[Mapping[str, ChangeKind]] = {
    "maximum_charge_limit_percentage": "limit",
    "smart_charging_enabled": "smart",
}


def add_vehicles(world: World) -> None:
    """Add the table of vehicles."""

    def view(row: Row, _viewer: Viewer) -> Row:
        return row | {
            "latest_status_log": world.latest(row, "status_logs"),
            "charging_sub_sessions": ApiPath(f"/charging_sub_sessions?vehicle_id={row['id']}"),
        }

    world.owned_table(
        "vehicles", "vhcl", world.homes.vehicles, functools.partial(_vehicle, world), view=view
    )


def _vehicle(world: World, home: int, _slot: int, number: int) -> Row:
    random, trim = world.random, trim_of(world, home, number)
    of_first_home = number < _VEHICLES_OF_FIRST_HOME
    is_active = of_first_home or not random.odds(4, "idle", number)
    size: int = trim["battery_size_watt_hours"]
    return {
        "trim": Link("vehicle_trims", trim["id"]),
        "integrated": "ACTIVE" if is_active else "INACTIVE",
        "battery_size_watt_hours": size,
        "effective_battery_size_watt_hours": size,
        "maximum_charge_limit_percentage": random.pick(_LIMITS, "limit", number),
        "description": trim["_full_name"],
        "disabled": False,
        "smart_charging_enabled": of_first_home or not random.odds(12, "unmanaged", number),
        "vehicle_class": None if random.odds(25, "class", number) else "PASSENGER",
    }  # fmt: skip


def trim_of(world: World, home: int, number: int) -> Row:
    """Return the trim of a vehicle."""
    country = world.homes.template(home).city.country
    return world.random.pick(available_trims(world, country), "trim", number)


def default_connector(world: World, vehicle: Row) -> str | None:
    """Return the connector type of a vehicle's model, or None if it is unknown."""
    trim = world.follow(vehicle["trim"]) or {}
    model = world.follow(trim.get("model")) or {}
    return model.get("default_connector_type")


def disconnect(world: World, vehicle: Row) -> Row:
    """Disconnect a vehicle from its maker's API; unconnected vehicles stay unchanged."""
    if vehicle["integrated"] != "ACTIVE":
        return vehicle
    world.record_change(vehicle, "car_gone")
    return world.update(vehicle, integrated="INACTIVE")


def _vehicle_reply(call: Call, row: Row, status: int = HTTPStatus.OK) -> Reply:
    return Reply(call.serialize(call.world.tables["vehicles"].view_for(row, call.viewer)), status)


def _rounded(watt_hours: int) -> int:
    return (watt_hours + _SIZE_STEP // 2) // _SIZE_STEP * _SIZE_STEP


def _create(call: Call) -> Reply:
    world, body = call.world, call.body
    errors: FieldErrors = {}
    model_link = read_link(world, "vehicle_models", body["model"])
    if model_link is None:
        errors["model"] = ["Not the URL of a model."]
    user_link = Link("users", call.viewer.user_id or "")
    if "user" in body:
        given = read_link(world, "users", body["user"])
        if given is None or call.viewer.user_id not in {None, given.key}:
            errors["user"] = ["Not the URL of a user you may act for."]
        user_link = given or user_link
    model, user = world.follow(model_link), world.follow(user_link)
    if errors or model is None or user is None:
        raise invalid(errors)
    size = _rounded(body.get("battery_size_watt_hours", model["default_battery_size_watt_hours"]))
    make = world.follow(model["make"]) or {}
    label = f"{user.get('email', 'A user')}'s {make.get('name')} {model['name']}"
    row = world.tables["vehicles"].add({
        "id": world.new_id("vehicles"),
        "trim": add_hidden_trim(world, model, size)["url"],
        "user": user["url"],
        "integrated": "UNINTEGRATED",
        "battery_size_watt_hours": size,
        "effective_battery_size_watt_hours": size,
        "maximum_charge_limit_percentage": 100,
        "description": body.get("description", label),
        "disabled": False,
        "smart_charging_enabled": False,
        "vehicle_class": body.get("vehicle_class"),
        "_reports": False,
        "_made_at": write_instant(call.now),
    })  # fmt: skip
    return _vehicle_reply(call, row, HTTPStatus.CREATED)


def _update(call: Call) -> Reply:
    row, body = call.row("vehicles", "vehicle_id"), dict(call.body)
    if "battery_size_watt_hours" in body:
        if row["integrated"] != "UNINTEGRATED":
            text = "The size can only be set for vehicles that are not integrated."
            raise invalid({"battery_size_watt_hours": [text]})
        body["battery_size_watt_hours"] = _rounded(body["battery_size_watt_hours"])
        body["effective_battery_size_watt_hours"] = body["battery_size_watt_hours"]
    for name, kind in _CHANGES.items():
        if name in body and body[name] != row[name]:
            call.world.record_change(row, kind, body[name])
    return _vehicle_reply(call, call.world.update(row, **body))


def _delete(call: Call) -> Reply:
    row = call.row("vehicles", "vehicle_id")
    call.world.record_change(row, "car_gone")
    call.world.tables["vehicles"].remove(row["id"])
    remaining = sum(1 for _ in call.world.rows_of_user(row["user"].key, "vehicles"))
    return Reply({"remaining_car_count": remaining})


def _reconnect(call: Call) -> Reply:
    row = call.row("vehicles", "vehicle_id")
    if row["integrated"] == "UNINTEGRATED":
        raise ProblemError(
            HTTPStatus.BAD_REQUEST,
            "Not integrated",
            "This vehicle was never connected to its maker.",
        )
    expires_at = write_instant(call.now + _LINK_LIFETIME)
    parameters = {
        "device_id": row["id"],
        "client_id": call.viewer.client_id or "",
        "expires_at": expires_at,
    }
    url = reconnect_url(call.root, "vehicles", parameters)
    return Reply({"url": url, "expires_at": expires_at}, HTTPStatus.CREATED)


def _disconnect(call: Call) -> Reply:
    return _vehicle_reply(call, disconnect(call.world, call.row("vehicles", "vehicle_id")))


def _vpp_modes(call: Call) -> Reply:
    row = call.row("vehicles", "vehicle_id")
    connected = row["integrated"] == "ACTIVE"
    return Reply({
        "target_power": False,
        "import_max_power": connected,
        "export_max_power": False,
        "charge_mode": connected,
    })  # fmt: skip


def _setting(call: Call, kind: str) -> tuple[Row, dict[str, Any]]:
    """Return a vehicle and what requests have set of this kind."""
    row = call.row("vehicles", "vehicle_id")
    return row, call.world.extra_state.get(kind, {}).get(row["id"], {})


def _store_setting(call: Call, kind: str, changes: dict[str, Any]) -> None:
    row, setting = _setting(call, kind)
    if changes:
        changed = {**setting, **changes, "updated_at": write_instant(call.now)}
        call.world.extra_state.setdefault(kind, {})[row["id"]] = changed


def _connectors(call: Call) -> Reply:
    row, setting = _setting(call, "vehicle_connectors")
    native = setting.get("native_connector") or default_connector(call.world, row)
    return Reply(call.serialize({
        "url": ApiPath(f"{row['url'].path}/connectors"),
        "vehicle": ApiPath(row["url"].path),
        "native_connector": native,
        "adaptors": setting.get("adaptors", []),
        "updated_at": setting.get("updated_at"),
    }))  # fmt: skip


def _update_connectors(call: Call) -> Reply:
    row, setting = _setting(call, "vehicle_connectors")
    after = setting | call.body
    native = after.get("native_connector") or default_connector(call.world, row)
    adaptors: list[str] = after.get("adaptors", [])
    errors: FieldErrors = {}
    if len(set(adaptors)) < len(adaptors):
        errors["adaptors"] = ["An adaptor may be listed only once."]
    elif native in adaptors:
        errors["adaptors"] = [f"The vehicle has a {native} connector, so it needs no such adaptor."]
    if errors:
        raise invalid(errors)
    _store_setting(call, "vehicle_connectors", call.body)
    return _connectors(call)


def _state_of_charge(call: Call) -> Reply:
    row, setting = _setting(call, "state_of_charge")
    percent = setting.get("state_of_charge_percentage")
    source, updated_at = "MANUAL", setting.get("updated_at")
    if percent is None:
        latest = call.world.follow(row["latest_status_log"]) or {}
        percent = latest.get("state_of_charge_percentage")
        source, updated_at = "CONNECTED", latest.get("sampled_at")
    return Reply(call.serialize({
        "url": ApiPath(f"{row['url'].path}/state_of_charge"),
        "vehicle": ApiPath(row["url"].path),
        "state_of_charge_percentage": percent,
        "source": None if percent is None else source,
        "updated_at": None if percent is None else updated_at,
    }))  # fmt: skip


def _update_state_of_charge(call: Call) -> Reply:
    _store_setting(call, "state_of_charge", call.body)
    return _state_of_charge(call)


ROUTES: Final[Routes] = {
    ("GET", "/vehicles"): listing(),
    ("POST", "/vehicles"): _create,
    ("GET", "/vehicles/{vehicle_id}"): detail(),
    ("PATCH", "/vehicles/{vehicle_id}"): _update,
    ("DELETE", "/vehicles/{vehicle_id}"): _delete,
    ("POST", "/vehicles/{vehicle_id}/reconnect"): _reconnect,
    ("POST", "/vehicles/{vehicle_id}/disconnect"): _disconnect,
    ("GET", "/vehicles/{vehicle_id}/vpp_modes"): _vpp_modes,
    ("GET", "/vehicles/{vehicle_id}/connectors"): _connectors,
    ("PATCH", "/vehicles/{vehicle_id}/connectors"): _update_connectors,
    ("GET", "/vehicles/{vehicle_id}/state_of_charge"): _state_of_charge,
    ("PATCH", "/vehicles/{vehicle_id}/state_of_charge"): _update_state_of_charge,
    ("GET", "/vehicles/{vehicle_id}/status_logs"): log("sampled_at"),
    ("GET", "/vehicles/{vehicle_id}/status_logs/{sampled_at}"): detail(),
    ("GET", "/vehicles/{vehicle_id}/error_logs"): log("logged_at"),
    ("GET", "/vehicles/{vehicle_id}/error_logs/{logged_at}"): detail(),
    ("GET", "/vehicles/{vehicle_id}/location_logs"): log("sampled_at"),
    ("GET", "/vehicles/{vehicle_id}/location_logs/{sampled_at}"): detail(),
    ("GET", "/vehicles/{vehicle_id}/command_logs"): log("logged_at"),
    ("GET", "/vehicles/{vehicle_id}/command_logs/{logged_at}"): detail(),
}
