"""The logs of EVSEs (status, commands, errors, OCPP messages) and of CT clamps.

All entries are computed from the charging at the site of the EVSE, so that logs, sessions and
meters agree.
"""

from __future__ import annotations

import functools
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.models.charging import ChargingSubSessionMode as Charging
from ev_energy.models.evse_logs import EVSECommandLogReason as Reason
from ev_energy.models.evse_logs import EVSEOCPPCallResponseErrorCode as ErrorCode
from ev_energy.models.evse_logs import EVSEOCPPLogAction as Action
from ev_energy.models.evse_logs import EVSEOCPPLogDirection as Direction
from ev_energy.models.evses import EVSEStatusLogMode as Mode
from ev_energy.simulator.charging._sub_sessions import power_switches
from ev_energy.simulator.clock._instants import instant_of, micros, write_instant
from ev_energy.simulator.home_energy._home_energy import energy_totals, home_energy
from ev_energy.simulator.home_energy._quarter_hours import QUARTERS_PER_HOUR, quarter_at
from ev_energy.simulator.resources.catalogues.evses import product_of
from ev_energy.simulator.resources.charging_sessions._session_query import MAX_SESSION_LENGTH
from ev_energy.simulator.world._series import (
    DAY,
    END_OF_DAY_MARGIN,
    ORIGIN,
    Entry,
    TimeSeries,
    periodic_entries,
    row_log,
    shortly_after,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.charging._charging_model import SiteState
    from ev_energy.simulator.charging._charging_site import ChargingSite
    from ev_energy.simulator.charging._sub_sessions import PowerSwitch
    from ev_energy.simulator.resources.catalogues.evses import Product
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


_STATUS_EVERY: Final = timedelta(minutes=15)
_OCPP_EVERY: Final = timedelta(minutes=4)
_CLAMP_EVERY: Final = timedelta(minutes=10)
_MILLIAMPS: Final = 32_000
_VOLTS: Final = 230
#: One command in this many fails.
_COMMANDS_PER_ERROR: Final = 12
_ERRORS: Final = (
    (504, "TIMEOUT", "Timeout", "The charge point did not answer in time."),
    (401, "AUTH", "Unauthorized", "The maker's API no longer accepts the driver's account."),
    (None, None, None, None),
    (409, "REJECTED", "Rejected", "The charge point refused the command."),
)


def add_evse_logs(world: World) -> None:
    """Add the logs of EVSEs and CT clamps."""
    logs: dict[str, Callable[[World, Row], TimeSeries]] = {
        "evses/status_logs": _status,
        "evses/command_logs": _commands,
        "evses/error_logs": _errors,
        "evses/ocpp_logs": _ocpp,
        "ct_clamps/logs": _clamp,
    }
    for path, log in logs.items():
        world.logs[path] = functools.partial(log, world)


def _site(world: World, evse: Row) -> ChargingSite:
    site = world.fleet.site_of_row(evse)
    if site is None:
        raise LookupError(evse["id"])
    return site


def _status(world: World, evse: Row) -> TimeSeries:
    def make(at: datetime) -> Row:
        state = world.charging.state(_site(world, evse), at)
        late = world.random.between(200, 4000, evse["id"], "late", micros(at))
        logged_at = write_instant(at + timedelta(milliseconds=late))
        product = product_of(world, evse)
        members = _status_members(world, evse, product, state, at)
        return {"logged_at": logged_at, "evse": evse["url"], **members}

    jitter = timedelta(minutes=9)
    entries = periodic_entries(world.random, _STATUS_EVERY, jitter, make, evse["id"], "status")
    return row_log(world, evse, "status_logs", "sampled_at", _STATUS_EVERY, entries)


def _status_members(
    world: World, evse: Row, product: Product, state: SiteState, at: datetime
) -> Row:
    random, about = world.random, (evse["id"], micros(at))
    household = random.between(150, 900, *about, "home")
    pilot = "C" if state.charging else "B" if state.plugged_in else "A"
    measured = {
        "control_pilot_status": pilot,
        "cable_current_rating_milliamps": _MILLIAMPS,
        "signal_strength_rssi_dbm": -random.between(51, 89, *about, "signal"),
        "inlet_power_watts": state.power_watts + household,
        "voltage_millivolts": product.volts * 1000 + random.between(-4000, 4000, *about, "volts"),
    }
    mode = Mode.CHARGE if state.charging else Mode.DELAY if state.plugged_in else Mode.IDLE
    reads_battery = product.bidirectional and state.plugged_in
    return {
        "is_plugged_in": state.plugged_in,
        "is_charging": state.charging,
        "charge_rate_watts": state.power_watts,
        "export_power_watts": 0 if product.bidirectional else None,
        "meter_reading_watt_hours": state.meter_wh,
        "is_enabled": state.enabled,
        "max_current_rating_milliamps": _MILLIAMPS,
        "state_of_charge_percentage": state.percent if reads_battery else None,
        "mode": str(mode),
        # An EVSE without telemetry does not measure these.
        **(measured if product.telemetry else dict.fromkeys(measured)),
    }


def _sent(world: World, evse: Row, number: int) -> list[tuple[datetime, Row]]:
    """Return the commands of a day, one for each switch of a plan, oldest first."""
    site, day = _site(world, evse), ORIGIN + number * DAY
    end = day + DAY
    stays = world.charging.episodes(site, now=end, after=day - MAX_SESSION_LENGTH, before=end)
    found: list[tuple[datetime, Row]] = []
    for episode in stays:
        if episode.public or episode.point is None:
            continue
        switched = power_switches(episode, micros(end))
        for before, command in zip([None, *switched], switched, strict=False):
            at = instant_of(command.at_us)
            if day <= at < end - END_OF_DAY_MARGIN:
                reason = _reason(before, command)
                sent_at = shortly_after(world.random, at, timedelta(seconds=2), evse["id"])
                found.append((sent_at, _command(world, evse, reason, command, sent_at)))
    return sorted(found, key=lambda entry: entry[0])


def _reason(before: PowerSwitch | None, switch: PowerSwitch) -> Reason:
    mode = switch.plan.mode
    if before is None:
        return Reason.REFRESH_SCHEDULES if mode is Charging.SMART else Reason.FREE_VEND
    if switch.plan is before.plan:
        return Reason.SCHEDULED_CHARGING if switch.on else Reason.STOP_CHARGE
    modes = {mode, before.plan.mode}
    if Charging.BOOST in modes and len(modes) > 1:
        return Reason.API_TRIGGERED_COMMAND  # a boost was started or ended
    if len(modes) > 1:
        smart = mode is Charging.SMART
        return Reason.SMART_CHARGE_ENABLED if smart else Reason.SMART_CHARGE_DISABLED
    return Reason.REFRESH_SCHEDULES


def _command(world: World, evse: Row, reason: Reason, switch: PowerSwitch, at: datetime) -> Row:
    return {
        "evse": evse["url"],
        "max_load_target_milliamps": _MILLIAMPS if switch.on else 0,
        "is_enabled_target": switch.on,
        "always_enabled": reason is Reason.FREE_VEND,
        "reason": str(reason),
        "internal_command_id": world.random.uuid(evse["id"], "command", micros(at)),
    }


def _commands(world: World, evse: Row) -> TimeSeries:
    def entries(number: int) -> Sequence[Entry]:
        return [*_sent(world, evse, number)]

    return row_log(world, evse, "command_logs", "logged_at", DAY, entries)


def _errors(world: World, evse: Row) -> TimeSeries:
    random, telemetry = world.random, product_of(world, evse).telemetry

    def entries(number: int) -> Sequence[Entry]:
        found: list[tuple[datetime, Row]] = []
        for at, command in _sent(world, evse, number):
            about = (evse["id"], "error", micros(at))
            if random.number(*about) % _COMMANDS_PER_ERROR:
                continue
            status_code, code, kind, text = random.pick(_ERRORS, *about, "kind")
            failed_at = shortly_after(random, at, timedelta(seconds=2), evse["id"], "error")
            row: Row = {
                "evse": evse["url"],
                "status_code": status_code,
                "controller": "OCPP" if telemetry else "CLOUD",
                "error_code": code,
                "error_type": kind,
                "error_detail": text,
                "external_request_id": code and random.uuid(*about, "request")[:8],
                "internal_command_id": command["internal_command_id"],
            }
            found.append((failed_at, row))
        return sorted(found, key=lambda entry: entry[0])

    return row_log(world, evse, "error_logs", "sampled_at", DAY, entries)


def _ocpp(world: World, evse: Row) -> TimeSeries:
    def make(at: datetime) -> Row:
        state = world.charging.state(_site(world, evse), at)
        about, meter = (evse["id"], micros(at)), state.meter_wh or 0
        status = (
            "Charging" if state.charging else "SuspendedEVSE" if state.plugged_in else "Available"
        )
        call = ocpp_call(
            world.random, about, at, meter, status=status, limit=_MILLIAMPS * state.enabled // 1000
        )
        return {"evse": evse["url"], **call}

    jitter = timedelta(minutes=3)
    entries = periodic_entries(world.random, _OCPP_EVERY, jitter, make, evse["id"], "ocpp")
    return row_log(world, evse, "ocpp_logs", "sampled_at", _OCPP_EVERY, entries)


def _clamp(world: World, clamp: Row) -> TimeSeries:
    random, clamp_id = world.random, str(clamp["id"])
    home = home_energy(world, clamp["user"].key)

    def make(at: datetime) -> Row:
        quarter = quarter_at(at) - 1
        flowed = energy_totals(home, quarter, quarter + 1)
        late = random.between(200, 2000, clamp_id, "late", micros(at))
        return {
            "logged_at": write_instant(at + timedelta(milliseconds=late)),
            "ct_clamp": clamp["url"],
            "current_milliamps": (flowed.imported - flowed.exported)
            * QUARTERS_PER_HOUR
            * 1000
            // _VOLTS,
        }

    entries = periodic_entries(random, _CLAMP_EVERY, timedelta(minutes=6), make, clamp_id)
    return row_log(world, clamp, "logs", "sampled_at", _CLAMP_EVERY, entries)


_ACTIONS: Final = (
    *(Action.METER_VALUES,) * 5,
    *(Action.HEARTBEAT,) * 4,
    *(Action.STATUS_NOTIFICATION,) * 3,
    *(Action.SET_CHARGING_PROFILE,) * 3,
    *(Action.CHANGE_CONFIGURATION, Action.TRIGGER_MESSAGE, Action.BOOT_NOTIFICATION),
)
_SERVER_ACTIONS: Final = frozenset({
    *(Action.SET_CHARGING_PROFILE, Action.CHANGE_CONFIGURATION, Action.TRIGGER_MESSAGE)
})  # fmt: skip
_FAULTS: Final = (
    (ErrorCode.NOT_SUPPORTED, "The charge point knows no such key."),
    (ErrorCode.GENERIC_ERROR, "No reason was given."),
    (ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "A limit is out of range."),
)


def _request_payload(  # noqa: PLR0911 - one return for each action
    action: Action, at: str, meter: int, *, status: str, limit: int
) -> Row:
    match action:
        case Action.METER_VALUES:
            sample = {
                "value": str(meter),
                "measurand": "Energy.Active.Import.Register",
                "unit": "Wh",
            }
            return {
                "connectorId": 1,
                "meterValue": [{"timestamp": at, "sampledValue": [sample]}],
            }
        case Action.STATUS_NOTIFICATION:
            return {"connectorId": 1, "errorCode": "NoError", "status": status, "timestamp": at}
        case Action.SET_CHARGING_PROFILE:
            period = {"startPeriod": 0, "limit": float(limit)}
            schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
            return {"connectorId": 1, "csChargingProfiles": {"chargingSchedule": schedule}}
        case Action.CHANGE_CONFIGURATION:
            return {"key": "MeterValueSampleInterval", "value": "60"}
        case Action.TRIGGER_MESSAGE:
            return {"requestedMessage": "StatusNotification"}
        case Action.BOOT_NOTIFICATION:
            return {"chargePointVendor": "Simulated", "chargePointModel": "Simulated"}
        case _:
            return {}


def _response_payload(action: Action, at: str) -> Row:
    match action:
        case Action.HEARTBEAT:
            return {"currentTime": at}
        case Action.BOOT_NOTIFICATION:
            return {"currentTime": at, "interval": 300, "status": "Accepted"}
        case Action.SET_CHARGING_PROFILE | Action.CHANGE_CONFIGURATION | Action.TRIGGER_MESSAGE:
            return {"status": "Accepted"}
        case _:
            return {}


def ocpp_call(
    random: SeededRandom,
    about: tuple[object, ...],
    instant: datetime,
    meter: int,
    *,
    status: str,
    limit: int,
) -> Row:
    """Return the members of one OCPP call, with its response if there is one.

    *status* is the status of the connector, *limit* its maximum current in amperes.
    """
    action = random.pick(_ACTIONS, *about, "action")
    from_server = action in _SERVER_ACTIONS
    responded_at = write_instant(
        instant + timedelta(milliseconds=random.between(20, 900, *about, "answered"))
    )
    response: Row | None = {
        "sampled_at": responded_at,
        "payload": _response_payload(action, responded_at),
        "error_code": str(ErrorCode.NO_ERROR),
        "error_description": None,
    }
    if from_server and random.odds(25, *about, "fault"):
        code, text = random.pick(_FAULTS, *about, "fault")
        response = {
            "sampled_at": responded_at,
            "payload": {},
            "error_code": str(code),
            "error_description": text,
        }
    elif from_server and random.odds(10, *about, "lost"):
        response = None
    number = random.number(*about, "message")
    return {
        "direction": str(Direction.SENT if from_server else Direction.RECEIVED),
        "action": str(action),
        "payload": _request_payload(
            action, write_instant(instant), meter, status=status, limit=limit
        ),
        # EVSEs number their messages, servers use UUIDs.
        "message_id": random.uuid(*about, "message") if from_server else str(number % 10**6),
        "response": response,
    }
