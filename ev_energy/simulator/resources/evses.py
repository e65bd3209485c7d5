"""EVSEs and CT clamps; their logs are in `evse_logs`."""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ev_energy.models.evse_logs import EVSEOCPPCallResponseErrorCode, EVSEOCPPLogAction
from ev_energy.models.evses import EVSELifecycleState, EVSELockMode
from ev_energy.simulator.clock._instants import write_instant
from ev_energy.simulator.http._filters import equals, one_of, translated
from ev_energy.simulator.http._routes import Reply, collection_at, detail, listing, log
from ev_energy.simulator.onboarding_pages import reconnect_url
from ev_energy.simulator.resources.catalogues import EVERYWHERE
from ev_energy.simulator.resources.catalogues.evses import product_of
from ev_energy.simulator.resources.users import coordinates_of
from ev_energy.simulator.world._rows import ApiPath, Link
from ev_energy.simulator.world._tables import Selection

if TYPE_CHECKING:
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.resources.catalogues.evses import Maker
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World


#: The EVSEs of the first home have different makes, and all of them report.
_EVSES_OF_FIRST_HOME: Final = 3
_STATES: Final = (
    *(EVSELifecycleState.COMMISSIONED,) * 4,
    EVSELifecycleState.ENROLLED,
    EVSELifecycleState.INSTALLED,
    None,
)
_FIRST_SERIAL: Final = 100001
_SERIAL_STEP: Final = 37
#: A serial number has at most this many digits.
_MAX_SERIAL_DIGITS: Final = 11
_ACTIONS: Final = frozenset(action.value for action in EVSEOCPPLogAction)
_ERRORS: Final = frozenset(code.value for code in EVSEOCPPCallResponseErrorCode)
_OCPP_FILTERS: Final = {
    "action__in": one_of("action", _ACTIONS),
    "direction": translated("direction", {"SENT": "Sent", "RECEIVED": "Received"}),
    "error_code": equals("response.error_code"),
    "error_code__in": one_of("response.error_code", _ERRORS),
}


def add_evses(world: World) -> None:
    """Add the tables of EVSEs and CT clamps."""
    world.owned_table(
        "evses", "evse", world.homes.evses, functools.partial(_evse, world), view=evse_view(world)
    )
    world.owned_table(
        "ct_clamps",
        "ctcl",
        lambda home: home.ct_clamps,
        functools.partial(_clamp, world),
        view=functools.partial(_clamp_view, world),
    )


def _evse(world: World, home: int, slot: int, number: int) -> Row:
    random, kind = world.random, world.homes.template(home)
    models = available_evse_models(world, kind.city.country)
    model = (
        models[number] if number < _EVSES_OF_FIRST_HOME else random.pick(models, "model", number)
    )
    maker: Maker = model["_maker"]
    state = random.pick(_STATES, "state", number)
    return {
        "cpid": f"{maker.serial}{_FIRST_SERIAL + _SERIAL_STEP * number}",
        "model": Link("evse_models", model["id"]),
        "ct_clamp": clamp_of(world, home) if slot == 0 else None,
        "lock_mode": str(random.pick(tuple(EVSELockMode), "lock", number)),
        "location": coordinates_of(world, home),
        "lifecycle_state": state and str(state),
        "_reports": number < _EVSES_OF_FIRST_HOME or not random.odds(6, "silent", number),
    }  # fmt: skip


def _clamp(world: World, home: int, _slot: int, number: int) -> Row:
    evse = world.homes.evses.of_home(home)[0]
    return {
        "evse": Link("evses", world.key_of("evses", evse)),
        "calibration_factor": -1 if world.random.odds(15, "backwards", number) else 1,
    }


def clamp_of(world: World, home: int) -> Link | None:
    """Return a link to the CT clamp of a home, or None if it has none."""
    numbers = world.homes.numbering(lambda home: home.ct_clamps).of_home(home)
    return Link("ct_clamps", world.key_of("ct_clamps", numbers[0])) if numbers else None


def evse_view(world: World) -> Any:
    """Return the view of EVSEs, which adds the members that depend on time and id."""

    def view(row: Row, _viewer: Viewer) -> Row:
        return row | {
            "latest_status_log": world.latest(row, "status_logs"),
            "charging_sub_sessions": ApiPath(f"/charging_sub_sessions?evse_id={row['id']}"),
        }

    return view


def _clamp_view(world: World, row: Row, _viewer: Viewer) -> Row:
    """Return a clamp without its user, and without an EVSE that was deleted."""
    shown = {name: value for name, value in row.items() if name != "user"}
    return shown | {"evse": row["evse"] if world.find(row["evse"]) else None}


def available_evse_models(world: World, country: str) -> list[Row]:
    """Return the models of EVSEs that are sold in a country and can be connected."""
    market = country if country in EVERYWHERE else "GB"

    def find_models() -> list[Row]:
        return [
            row
            for row in world.tables["evse_models"]
            if row["_product"].supported and market in row["_maker"].countries
        ]

    return world.cached(("evse models", market), find_models)


def number_of_cpid(cpid: str) -> int | None:
    """Return the number of the EVSE that may have this serial number, or None."""
    digits = cpid.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_SERIAL_DIGITS):
        return None
    number, remainder = divmod(int(digits) - _FIRST_SERIAL, _SERIAL_STEP)
    return number if number >= 0 and not remainder else None


def serial_is_known(world: World, cpid: str) -> bool:
    """Return whether an EVSE has this serial number."""
    rows = world.tables["evses"].candidates(number_of_cpid(cpid))
    return any(row["cpid"] == cpid for row in rows)


def add_evse(world: World, user_id: str, model: Row, cpid: str, *, reports: bool = False) -> Row:
    """Add an EVSE to the home of a user; its logs are empty until it reports."""
    user = world.tables["users"].get(user_id)
    location: Row = (user or {}).get("default_location") or {}
    return world.tables["evses"].add({
        "id": world.new_id("evses"),
        "cpid": cpid,
        "model": Link("evse_models", model["id"]),
        "user": Link("users", user_id),
        "ct_clamp": None,
        "lock_mode": str(world.random.pick(tuple(EVSELockMode), "lock", cpid)),
        "location": location.get("coordinates"),
        "lifecycle_state": str(EVSELifecycleState.CREATED_LINKED),
        "_reports": reports,
        "_made_at": write_instant(world.now),
    })  # fmt: skip


def _candidates(call: Call) -> Collection:
    """Return the EVSEs to filter; only those that may match if the query has a serial number."""
    evses = collection_at(call)
    if "cpid" not in call.query or call.viewer.user_id is not None:
        return evses
    table = call.world.tables["evses"]
    return Selection(table, table.candidates(number_of_cpid(call.query["cpid"])))


def _update(call: Call) -> Reply:
    row = call.row("evses", "evse_id")
    # Only the location can be changed; other members are ignored.
    changes = {name: call.body[name] for name in call.body.keys() & {"location"}}
    changed = call.world.update(row, **changes)
    return Reply(call.serialize(call.world.tables["evses"].view_for(changed, call.viewer)))


def _delete(call: Call) -> Reply:
    row = call.row("evses", "evse_id")
    call.world.record_change(row, "point_gone")
    call.world.tables["evses"].remove(row["id"])
    return Reply(status=HTTPStatus.NO_CONTENT)


def _reconnect(call: Call) -> Reply:
    row = call.row("evses", "evse_id")
    parameters = {"device_id": row["id"], "client_id": call.viewer.client_id or ""}
    return Reply({"url": reconnect_url(call.root, "evses", parameters)}, HTTPStatus.CREATED)


def _vpp_modes(call: Call) -> Reply:
    product = product_of(call.world, call.row("evses", "evse_id"))
    return Reply({
        "target_power": product.bidirectional,
        "import_max_power": True,
        "export_max_power": product.bidirectional,
        "charge_mode": product.telemetry,
    })  # fmt: skip


def _connectivity(call: Call) -> Reply:
    row = call.row("evses", "evse_id")
    random, product = call.world.random, product_of(call.world, row)
    mobile = product.telemetry and random.odds(60, row["id"], "sim")
    signal = -random.between(58, 80, row["id"], "signal")
    releases = call.world.tables["evse_firmware_versions"]
    versions = [release["version"] for release in releases if release["_model"] is product]
    digits = f"{random.number(row['id'], 'iccid') % 10**13:013}"
    return Reply(call.serialize({
        "signal_strength_rssi_dbm": signal if mobile else None,
        "lowest_signal_strength_rssi_dbm_7d": signal - 14 if mobile else None,
        "highest_signal_strength_rssi_dbm_7d": signal + 6 if mobile else None,
        "connection_reliability_30d": random.between(82, 100, row["id"], "reliability"),
        "ip_address": f"10.193.{random.between(0, 255, row['id'], 3)}.7" if mobile else None,
        "iccid": f"894411{digits}" if mobile else None,
        "firmware_version": versions[-1] if row["_reports"] else None,
        "latest_status_log": row["latest_status_log"],
    }))  # fmt: skip


ROUTES: Final[Routes] = {
    ("GET", "/evses"): listing(_candidates),
    ("GET", "/evses/{evse_id}"): detail(),
    ("PATCH", "/evses/{evse_id}"): _update,
    ("DELETE", "/evses/{evse_id}"): _delete,
    ("POST", "/evses/{evse_id}/reconnect"): _reconnect,
    ("GET", "/evses/{evse_id}/vpp_modes"): _vpp_modes,
    ("GET", "/evses/{evse_id}/connectivity"): _connectivity,
    ("GET", "/evses/{evse_id}/status_logs"): log("sampled_at"),
    ("GET", "/evses/{evse_id}/status_logs/{sampled_at}"): detail(),
    ("GET", "/evses/{evse_id}/command_logs"): log("logged_at"),
    ("GET", "/evses/{evse_id}/command_logs/{logged_at}"): detail(),
    ("GET", "/evses/{evse_id}/error_logs"): log("sampled_at"),
    ("GET", "/evses/{evse_id}/error_logs/{sampled_at}"): detail(),
    ("GET", "/evses/{evse_id}/ocpp_logs"): log("sampled_at", filters=_OCPP_FILTERS),
    ("GET", "/evses/{evse_id}/ocpp_logs/{sampled_at}"): detail(),
    ("GET", "/ct_clamps"): listing(),
    ("GET", "/ct_clamps/{ct_clamp_id}"): detail(),
    ("GET", "/ct_clamps/{ct_clamp_id}/logs"): log("sampled_at"),
    ("GET", "/ct_clamps/{ct_clamp_id}/logs/{sampled_at}"): detail(),
}
