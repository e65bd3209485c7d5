"""The events that the API sends, and how the body of a delivery is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from ev_energy._arguments import describe_type
from ev_energy._codec.decode import decode, report_repair
from ev_energy._codec.drift import DriftDetected, Reporter
from ev_energy._codec.raw_json import DecodeFailure
from ev_energy.errors import UnreadableEventError
from ev_energy.models import (
    ChargingSubSessionCreatedWebhook,
    ChargingSubSessionEndedWebhook,
    UnknownEvent,
)
from ev_energy.models._base import Model
from ev_energy.models._json import MAX_DOCUMENT_BYTES, LimitReached, encode_json_text, read_document

if TYPE_CHECKING:
    from ev_energy._codec.drift import DriftHook

#: The event ``charging_sub_session.created``; its ``data`` is a `ChargingSubSession`.
ChargingSubSessionCreated = ChargingSubSessionCreatedWebhook
#: The event ``charging_sub_session.ended``; its ``data`` is a `ChargingSubSession`.
ChargingSubSessionEnded = ChargingSubSessionEndedWebhook
#: Any event. Use ``match`` to distinguish the classes.
Event: TypeAlias = ChargingSubSessionCreated | ChargingSubSessionEnded | UnknownEvent

#: The class of each type of event.
EVENT_CLASSES: Final[Mapping[str, type[Model]]] = {
    "charging_sub_session.created": ChargingSubSessionCreated,
    "charging_sub_session.ended": ChargingSubSessionEnded,
}
#: Reports deviations to the log only.
_log_only: Final = Reporter()


def read(body: bytes | str, *, strict: bool = False, on_drift: DriftHook | None = None) -> Event:
    """Return the event in the *body* of a delivery: the received bytes, or their text.

    This does not verify the sender: use `Webhook.verify`, unless something else has verified it.

    Parsing is as lenient as for replies: an unknown type becomes an `UnknownEvent`, unknown fields
    are kept in ``.extra``, a byte order mark is ignored, and half a surrogate pair becomes U+FFFD.
    Deviations from the models are reported to *on_drift* and the log.

    Raises:
        TypeError: The body was parsed already, or is None.
        UnreadableEventError: The body is not a JSON object, is larger than a megabyte or cannot be
            decoded; or, with *strict*, it deviates from the models.
    """
    given = cast("object", body)
    if not isinstance(given, bytes | bytearray | memoryview | str):
        raise TypeError(
            f"body must be the body of the request, not {describe_type(given)}: for one that was "
            "parsed already, use UnknownEvent.from_dict() or the from_dict() of its event"
        )
    raw = encode_json_text(body) if isinstance(body, str) else body
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise UnreadableEventError(
            f"a delivery must not be larger than {MAX_DOCUMENT_BYTES} bytes", raw
        )
    document = read_document(raw)
    if document is None:
        raise UnreadableEventError("a delivery must be a JSON object", raw)
    data, repair = document
    model: type[Any] = EVENT_CLASSES.get(str(data.get("type")), UnknownEvent)
    report = Reporter(on_drift, strict) if strict or on_drift else _log_only
    try:
        if repair is not None:
            report_repair(repair, model, report)
        # The API promises nothing about the fields of an unknown event: report no deviations.
        if model is UnknownEvent:
            return UnknownEvent.from_dict(data)
        json = raw if repair is None else repair.body
        return cast(Event, decode(json, model, report, expanded=False))
    except (DecodeFailure, LimitReached) as error:
        path = error.path if isinstance(error, DecodeFailure) else "$"
        raise UnreadableEventError(f"not a valid event: {error}", raw, path) from None
    except DriftDetected as error:
        raise UnreadableEventError(str(error), raw, error.drift.path, is_deviation=True) from None
