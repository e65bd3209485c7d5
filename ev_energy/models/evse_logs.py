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
    """Why a command was sent. The API lists the reasons without explaining them."""

    SCHEDULED_CHARGING = "SCHEDULED_CHARGING"
    REFRESH_SCHEDULES = "REFRESH_SCHEDULES"
    STOP_CHARGE = "STOP_CHARGE"
    START_CHARGE = "START_CHARGE"
    SOLAR_CHARGE_NIGHTTIME_CHARGE_RATE = "SOLAR_CHARGE_NIGHTTIME_CHARGE_RATE"
    API_TRIGGERED_COMMAND = "API_TRIGGERED_COMMAND"
    COMMISSIONING = "COMMISSIONING"
    CHARGING_SESSION = "CHARGING_SESSION"
    VEHICLE_TO_HOME = "VEHICLE_TO_HOME"
    """The home is supplied from the vehicle's battery."""
    FREE_VEND = "FREE_VEND"
    """The EVSE charges any vehicle, without authorization."""
    MAINTAIN_EVSE_STATE = "MAINTAIN_EVSE_STATE"
    CREATE_HOME_CHARGER = "CREATE_HOME_CHARGER"
    LOCKED_MODE = "LOCKED_MODE"
    SMART_CHARGE_ENABLED_CHANGED = "SMART_CHARGE_ENABLED_CHANGED"
    SMART_CHARGE_ENABLED = "SMART_CHARGE_ENABLED"
    SMART_CHARGE_DISABLED = "SMART_CHARGE_DISABLED"


class EVSEOCPPLogDirection(OpenEnum):
    """The direction of an OCPP message, seen from the server."""

    SENT = "Sent"
    """From the server to the EVSE."""
    RECEIVED = "Received"
    """From the EVSE to the server."""


class EVSEOCPPLogAction(OpenEnum):
    """OCPP 1.6 actions, including those of the security extension."""

    AUTHORIZE = "Authorize"
    """The EVSE asks whether an id tag may charge."""
    BOOT_NOTIFICATION = "BootNotification"
    """The EVSE has started, and names its model and firmware."""
    CANCEL_RESERVATION = "CancelReservation"
    """The server cancels a reservation."""
    CERTIFICATE_SIGNED = "CertificateSigned"
    """The server delivers the certificate that the EVSE asked for."""
    CHANGE_AVAILABILITY = "ChangeAvailability"
    """The server puts a connector in or out of service."""
    CHANGE_CONFIGURATION = "ChangeConfiguration"
    """The server sets a configuration key."""
    CLEAR_CACHE = "ClearCache"
    """The server has the EVSE forget the id tags that it remembers."""
    CLEAR_CHARGING_PROFILE = "ClearChargingProfile"
    """The server removes charging profiles."""
    DATA_TRANSFER = "DataTransfer"
    """Data of a vendor, in either direction."""
    DELETE_CERTIFICATE = "DeleteCertificate"
    """The server deletes a certificate on the EVSE."""
    DIAGNOSTICS_STATUS_NOTIFICATION = "DiagnosticsStatusNotification"
    """The EVSE reports how its upload of diagnostics goes."""
    EXTENDED_TRIGGER_MESSAGE = "ExtendedTriggerMessage"
    """The server asks for a message; security extension."""
    FIRMWARE_STATUS_NOTIFICATION = "FirmwareStatusNotification"
    """The EVSE reports how its update of the firmware goes."""
    GET_COMPOSITE_SCHEDULE = "GetCompositeSchedule"
    """The server asks which limits the EVSE follows, all profiles combined."""
    GET_CONFIGURATION = "GetConfiguration"
    """The server reads configuration keys."""
    GET_DIAGNOSTICS = "GetDiagnostics"
    """The server asks for an upload of diagnostics."""
    GET_INSTALLED_CERTIFICATE_IDS = "GetInstalledCertificateIds"
    """The server asks which certificates the EVSE has."""
    GET_LOCAL_LIST_VERSION = "GetLocalListVersion"
    """The server asks for the version of the EVSE's list of id tags."""
    GET_LOG = "GetLog"
    """The server asks for an upload of a log."""
    HEARTBEAT = "Heartbeat"
    """The EVSE shows that it is connected, and gets the time."""
    INSTALL_CERTIFICATE = "InstallCertificate"
    """The server installs a root certificate on the EVSE."""
    LOG_STATUS_NOTIFICATION = "LogStatusNotification"
    """The EVSE reports how its upload of a log goes."""
    METER_VALUES = "MeterValues"
    """The EVSE sends readings of its meter."""
    REMOTE_START_TRANSACTION = "RemoteStartTransaction"
    """The server starts charging."""
    REMOTE_STOP_TRANSACTION = "RemoteStopTransaction"
    """The server ends charging."""
    RESERVE_NOW = "ReserveNow"
    """The server reserves a connector for an id tag."""
    RESET = "Reset"
    """The server restarts the EVSE."""
    SECURITY_EVENT_NOTIFICATION = "SecurityEventNotification"
    """The EVSE reports an event that concerns its security."""
    SEND_LOCAL_LIST = "SendLocalList"
    """The server sends the EVSE a list of id tags."""
    SET_CHARGING_PROFILE = "SetChargingProfile"
    """The server limits current or power over time."""
    SIGN_CERTIFICATE = "SignCertificate"
    """The EVSE asks for a signature on its certificate."""
    SIGNED_FIRMWARE_STATUS_NOTIFICATION = "SignedFirmwareStatusNotification"
    """The EVSE reports how its update of signed firmware goes."""
    SIGNED_UPDATE_FIRMWARE = "SignedUpdateFirmware"
    """The server starts an update of the firmware, which is signed."""
    START_TRANSACTION = "StartTransaction"
    """The EVSE has begun to charge."""
    STATUS_NOTIFICATION = "StatusNotification"
    """The EVSE reports the state of a connector, or an error."""
    STOP_TRANSACTION = "StopTransaction"
    """The EVSE has ended charging."""
    TRIGGER_MESSAGE = "TriggerMessage"
    """The server asks the EVSE for a message."""
    UNLOCK_CONNECTOR = "UnlockConnector"
    """The server unlocks a connector."""
    UPDATE_FIRMWARE = "UpdateFirmware"
    """The server starts an update of the firmware."""


class EVSEOCPPCallResponseErrorCode(OpenEnum):
    """OCPP error codes, in the spelling of OCPP 1.6."""

    NO_ERROR = "NoError"
    """There was no error."""
    NOT_IMPLEMENTED = "NotImplemented"
    """The receiver does not know the action."""
    NOT_SUPPORTED = "NotSupported"
    """The receiver knows the action, and does not support it."""
    INTERNAL_ERROR = "InternalError"
    """The receiver failed to process the action."""
    PROTOCOL_ERROR = "ProtocolError"
    """The payload of the action is incomplete."""
    SECURITY_ERROR = "SecurityError"
    """A problem of security kept the receiver from completing the action."""
    FORMATION_VIOLATION = "FormationViolation"
    """The payload does not have the syntax of the action."""
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    """A field has a value that is not allowed."""
    OCCURENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"
    """A field occurs too often or too rarely."""
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    """A field has a value of the wrong type."""
    GENERIC_ERROR = "GenericError"
    """Any other error."""
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
