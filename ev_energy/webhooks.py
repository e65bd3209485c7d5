"""Events that the API sends to you, read.

``read(body)`` makes a model of the body of a delivery. It does not prove who sent it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from ev_energy._convert import Unreadable, decode
from ev_energy._drift import Deviation, Reporter
from ev_energy._json import json_object
from ev_energy._model import Model
from ev_energy.errors import WebhookError
from ev_energy.models import (
    ChargingSubSessionCreatedWebhook,
    ChargingSubSessionEndedWebhook,
    UnknownEvent,
)

if TYPE_CHECKING:
    from ev_energy._drift import DriftHook

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


def read(body: bytes | str, *, strict: bool = False, drift: DriftHook | None = None) -> Event:
    """The event in the *body* of a delivery: the bytes as they came, or their text.

    As tolerant as a client is of replies: a type that is not known makes an `UnknownEvent`,
    members that are not known stand in ``.extra``. Deviations from the models are told to *drift*
    and the log; with *strict* they are a `WebhookError`, as is a body that holds no JSON object.
    """
    # Half a surrogate pair, which is no character, makes no JSON: that is found out below.
    raw = body.encode(errors="surrogatepass") if isinstance(body, str) else body
    found = json_object(raw)
    if found is None:
        raise WebhookError("a delivery must hold a JSON object", raw)
    into: type[Any] = _CLASSES.get(str(found.get("type")), UnknownEvent)
    report = Reporter(drift, strict) if strict or drift else _log_only
    try:
        # What an unknown event consists of is nobody's promise to keep.
        if into is UnknownEvent:
            return UnknownEvent.from_dict(found)
        return cast(Event, decode(raw, into, report, links=False))
    except UnicodeEncodeError:
        raise WebhookError("a delivery must hold text", raw) from None
    except Unreadable as error:
        raise WebhookError(f"no event: {error}", raw, error.path) from None
    except Deviation as error:
        raise WebhookError(str(error), raw, error.drift.path) from None
