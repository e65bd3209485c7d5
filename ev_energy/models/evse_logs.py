"""Commands to EVSEs, their OCPP messages, and failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant, JsonObject, Uuid

if TYPE_CHECKING:
    from ev_energy.models.evses import EVSE


class EVSECommandLogReason(OpenEnum):
    """Why a command was sent."""

    SCHEDULED_CHARGING = "SCHEDULED_CHARGING"
    REFRESH_SCHEDULES = "REFRESH_SCHEDULES"
    STOP_CHARGE = "STOP_CHARGE"
    START_CHARGE = "START_CHARGE"
    SOLAR_CHARGE_NIGHTTIME_CHARGE_RATE = "SOLAR_CHARGE_NIGHTTIME_CHARGE_RATE"
    API_TRIGGERED_COMMAND = "API_TRIGGERED_COMMAND"
    COMMISSIONING = "COMMISSIONING"
    CHARGING_SESSION = "CHARGING_SESSION"
    VEHICLE_TO_HOME = "VEHICLE_TO_HOME"
    FREE_VEND = "FREE_VEND"
    MAINTAIN_EVSE_STATE = "MAINTAIN_EVSE_STATE"
    CREATE_HOME_CHARGER = "CREATE_HOME_CHARGER"
    LOCKED_MODE = "LOCKED_MODE"
    SMART_CHARGE_ENABLED_CHANGED = "SMART_CHARGE_ENABLED_CHANGED"
    SMART_CHARGE_ENABLED = "SMART_CHARGE_ENABLED"
    SMART_CHARGE_DISABLED = "SMART_CHARGE_DISABLED"


class EVSEOCPPLogDirection(OpenEnum):
    """The direction of an OCPP message, seen from the server."""

    SENT = "Sent"
    RECEIVED = "Received"


class EVSEOCPPLogAction(OpenEnum):
    """OCPP 1.6 actions, including those of the security extension."""

    AUTHORIZE = "Authorize"
    BOOT_NOTIFICATION = "BootNotification"
    CANCEL_RESERVATION = "CancelReservation"
    CERTIFICATE_SIGNED = "CertificateSigned"
    CHANGE_AVAILABILITY = "ChangeAvailability"
    CHANGE_CONFIGURATION = "ChangeConfiguration"
    CLEAR_CACHE = "ClearCache"
    CLEAR_CHARGING_PROFILE = "ClearChargingProfile"
    DATA_TRANSFER = "DataTransfer"
    DELETE_CERTIFICATE = "DeleteCertificate"
    DIAGNOSTICS_STATUS_NOTIFICATION = "DiagnosticsStatusNotification"
    EXTENDED_TRIGGER_MESSAGE = "ExtendedTriggerMessage"
    FIRMWARE_STATUS_NOTIFICATION = "FirmwareStatusNotification"
    GET_COMPOSITE_SCHEDULE = "GetCompositeSchedule"
    GET_CONFIGURATION = "GetConfiguration"
    GET_DIAGNOSTICS = "GetDiagnostics"
    GET_INSTALLED_CERTIFICATE_IDS = "GetInstalledCertificateIds"
    GET_LOCAL_LIST_VERSION = "GetLocalListVersion"
    GET_LOG = "GetLog"
    HEARTBEAT = "Heartbeat"
    INSTALL_CERTIFICATE = "InstallCertificate"
    LOG_STATUS_NOTIFICATION = "LogStatusNotification"
    METER_VALUES = "MeterValues"
    REMOTE_START_TRANSACTION = "RemoteStartTransaction"
    REMOTE_STOP_TRANSACTION = "RemoteStopTransaction"
    RESERVE_NOW = "ReserveNow"
    RESET = "Reset"
    SECURITY_EVENT_NOTIFICATION = "SecurityEventNotification"
    SEND_LOCAL_LIST = "SendLocalList"
    SET_CHARGING_PROFILE = "SetChargingProfile"
    SIGN_CERTIFICATE = "SignCertificate"
    SIGNED_FIRMWARE_STATUS_NOTIFICATION = "SignedFirmwareStatusNotification"
    SIGNED_UPDATE_FIRMWARE = "SignedUpdateFirmware"
    START_TRANSACTION = "StartTransaction"
    STATUS_NOTIFICATION = "StatusNotification"
    STOP_TRANSACTION = "StopTransaction"
    TRIGGER_MESSAGE = "TriggerMessage"
    UNLOCK_CONNECTOR = "UnlockConnector"
    UPDATE_FIRMWARE = "UpdateFirmware"


class EVSEOCPPCallResponseErrorCode(OpenEnum):
    """OCPP error codes, in the spelling of OCPP 1.6."""

    NO_ERROR = "NoError"
    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    INTERNAL_ERROR = "InternalError"
    PROTOCOL_ERROR = "ProtocolError"
    SECURITY_ERROR = "SecurityError"
    FORMATION_VIOLATION = "FormationViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    OCCURENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    GENERIC_ERROR = "GenericError"
    UNKNOWN_ERROR = "UnknownError"


@model
class EVSECommandLog(Model):
    """A command that was sent to an EVSE. A value that it did not set is None."""

    url: str | None = None
    logged_at: Instant | None = None
    """When it was sent; with the EVSE, the key of this entry."""
    evse: Ref[EVSE] | None = None
    max_load_target_milliamps: int | None = None
    """The load that the EVSE must not exceed."""
    is_enabled_target: bool | None = None
    """Free-vend: whether any vehicle may charge."""
    always_enabled: bool | None = None
    """Whether free-vend is to stay on."""
    reason: EVSECommandLogReason | None = None
    internal_command_id: Uuid | None = None
    """The same id as in the error log of this command."""


@model
class EVSEAPIErrorLog(Model):
    """A failure to reach an EVSE through its maker's API. An unknown value is None."""

    url: str | None = None
    sampled_at: Instant | None = None
    """When it happened; with the EVSE, the key of this entry."""
    evse: Ref[EVSE] | None = None
    status_code: int | None = None
    """HTTP status of the maker's API."""
    controller: str | None = None
    """The integration in use, such as ``OCPP``."""
    error_code: str | None = None
    error_type: str | None = None
    error_detail: str | None = None
    external_request_id: str | None = None
    """The maker's id of the request."""
    internal_command_id: Uuid | None = None
    """The same id as in the command log of the failed command."""


@model
class EVSEOCPPCallResponse(Model):
    """The answer to an OCPP call."""

    sampled_at: Instant | None = None
    payload: JsonObject | None = None
    """The payload that OCPP defines for the action."""
    error_code: EVSEOCPPCallResponseErrorCode | None = None
    error_description: str | None = None


@model
class EVSEOCPPLog(Model):
    """An OCPP call between the server and an EVSE, with its answer."""

    url: str | None = None
    sampled_at: Instant | None = None
    """When it was transmitted; with the EVSE, the key of this entry."""
    evse: Ref[EVSE] | None = None
    direction: EVSEOCPPLogDirection | None = None
    action: EVSEOCPPLogAction | None = None
    payload: JsonObject | None = None
    """The payload that OCPP defines for the action."""
    message_id: str | None = None
    """The id that a call and its answer share: a UUID, a number or any other text, as text."""
    response: EVSEOCPPCallResponse | None = None
    """None until the call is answered."""
