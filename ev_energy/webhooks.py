"""Events that the API sends to you, read.

``read(body)`` makes a model of the body of a delivery. It does not prove who sent it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from ev_energy._codec.decode import decode, report_repair
from ev_energy._codec.drift import DriftDetected, Reporter
from ev_energy._codec.raw_json import DecodeFailure
from ev_energy.errors import WebhookError
from ev_energy.models import (
    ChargingSubSessionCreatedWebhook,
    ChargingSubSessionEndedWebhook,
    UnknownEvent,
)
from ev_energy.models._base import Model
from ev_energy.models._json import MAX_DOCUMENT_BYTES, LimitReached, encode_json_text, read_document

if TYPE_CHECKING:
    from ev_energy._codec.drift import DriftHook

__all__ = [
    "ChargingSubSessionCreatedWebhook",
    "ChargingSubSessionEndedWebhook",
    "Event",
    "UnknownEvent",
    "read",
]

#: Any event; ``match`` on its class.
Event: TypeAlias = ChargingSubSessionCreatedWebhook | ChargingSubSessionEndedWebhook | UnknownEvent
_CLASSES: Final[Mapping[str, type[Model]]] = {
    "charging_sub_session.created": ChargingSubSessionCreatedWebhook,
    "charging_sub_session.ended": ChargingSubSessionEndedWebhook,
}
#: Tells the log alone.
_log_only: Final = Reporter()


def read(body: bytes | str, *, strict: bool = False, on_drift: DriftHook | None = None) -> Event:
    """The event in the *body* of a delivery: the bytes as they came, or their text.

    As tolerant as a client is of replies: a type that is not known makes an `UnknownEvent`,
    members that are not known stand in ``.extra``; a byte order mark is left out, and half a
    surrogate pair becomes U+FFFD. A delivery has a megabyte at most. Deviations from the models
    are told to *on_drift* and the log; with *strict* they are a `WebhookError`, as is a body that
    holds no JSON object.
    """
    raw = encode_json_text(body) if isinstance(body, str) else body
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise WebhookError(f"a delivery must not have more than {MAX_DOCUMENT_BYTES} bytes", raw)
    read = read_document(raw)
    if read is None:
        raise WebhookError("a delivery must hold a JSON object", raw)
    found, repair = read
    into: type[Any] = _CLASSES.get(str(found.get("type")), UnknownEvent)
    report = Reporter(on_drift, strict) if strict or on_drift else _log_only
    try:
        if repair is not None:
            report_repair(repair, into, report)
        # What an unknown event consists of is nobody's promise to keep.
        if into is UnknownEvent:
            return UnknownEvent.from_dict(found)
        json = raw if repair is None else repair.body
        return cast(Event, decode(json, into, report, expanded=False))
    except (DecodeFailure, LimitReached) as error:
        path = error.path if isinstance(error, DecodeFailure) else "$"
        raise WebhookError(f"no event: {error}", raw, path) from None
    except DriftDetected as error:
        raise WebhookError(str(error), raw, error.drift.path) from None
