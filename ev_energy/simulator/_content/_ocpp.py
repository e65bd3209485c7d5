"""OCPP messages, as far as a log shows them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.models.evse_logs import EVSEOCPPCallResponseErrorCode as ErrorCode
from ev_energy.models.evse_logs import EVSEOCPPLogAction as Action
from ev_energy.models.evse_logs import EVSEOCPPLogDirection as Direction
from ev_energy.simulator._store._instants import write_instant

if TYPE_CHECKING:
    from datetime import datetime

    from ev_energy.simulator._store._chance import Chance
    from ev_energy.simulator._store._rows import Row

_ACTIONS: Final = (
    *(Action.METER_VALUES,) * 5,
    *(Action.HEARTBEAT,) * 4,
    *(Action.STATUS_NOTIFICATION,) * 3,
    *(Action.SET_CHARGING_PROFILE,) * 3,
    *(Action.CHANGE_CONFIGURATION, Action.TRIGGER_MESSAGE, Action.BOOT_NOTIFICATION),
)
_FROM_SERVER: Final = frozenset({
    *(Action.SET_CHARGING_PROFILE, Action.CHANGE_CONFIGURATION, Action.TRIGGER_MESSAGE)
})  # fmt: skip
_FAULTS: Final = (
    (ErrorCode.NOT_SUPPORTED, "The charge point knows no such key."),
    (ErrorCode.GENERIC_ERROR, "No reason was given."),
    (ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "A limit is out of range."),
)


def _request(  # noqa: PLR0911 - one for each kind of message
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


def _answer(action: Action, at: str) -> Row:
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
    chance: Chance,
    about: tuple[object, ...],
    instant: datetime,
    meter: int,
    *,
    status: str,
    limit: int,
) -> Row:
    """Return the members of one call, with its answer if there was one.

    ``status`` is the connector's, ``limit`` how many amperes may flow.
    """
    action = chance.pick(_ACTIONS, *about, "action")
    from_server = action in _FROM_SERVER
    answered_at = write_instant(
        instant + timedelta(milliseconds=chance.between(20, 900, *about, "answered"))
    )
    response: Row | None = {
        "sampled_at": answered_at,
        "payload": _answer(action, answered_at),
        "error_code": str(ErrorCode.NO_ERROR),
        "error_description": None,
    }
    if from_server and chance.odds(25, *about, "fault"):
        code, text = chance.pick(_FAULTS, *about, "fault")
        response = {
            "sampled_at": answered_at,
            "payload": {},
            "error_code": str(code),
            "error_description": text,
        }
    elif from_server and chance.odds(10, *about, "lost"):
        response = None
    number = chance.number(*about, "message")
    return {
        "direction": str(Direction.SENT if from_server else Direction.RECEIVED),
        "action": str(action),
        "payload": _request(action, write_instant(instant), meter, status=status, limit=limit),
        # Charge points number their messages, servers send UUIDs.
        "message_id": chance.uuid(*about, "message") if from_server else str(number % 10**6),
        "response": response,
    }
