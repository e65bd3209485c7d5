"""What was asked so far, and the state of everything, from outside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.admin._endpoint import Door
from ev_energy.simulator.clock._instants import write_instant
from ev_energy.simulator.http._problems import conflict, invalid

if TYPE_CHECKING:
    from ev_energy.simulator._request_log import SeenRequest
    from ev_energy.simulator.admin._endpoint import Ask


_SHOWN: Final = "100"


def _request(seen: SeenRequest) -> dict[str, Any]:
    return {
        "method": seen.method,
        "path": seen.path,
        "query": [list(pair) for pair in seen.query],
        "headers": [list(pair) for pair in seen.headers.items()],
        "authorization_scheme": seen.authorization_scheme,
        "status": seen.status or None,
        "at": write_instant(seen.at),
        "seconds": seen.seconds,
        "client_id": seen.client_id,
        "user_id": seen.user_id,
        "fault": seen.fault,
    }


def _requests(ask: Ask) -> Any:
    text = ask.query.get("limit", _SHOWN)
    if not (text.isascii() and text.isdigit() and len(text) < 8):  # noqa: PLR2004 - digits
        raise invalid({"limit": ["A whole number from 0 up."]})
    requests = ask.simulator.requests
    return [_request(seen) for seen in requests[max(0, len(requests) - int(text)) :]]


def _clear_requests(ask: Ask) -> None:
    ask.simulator.requests.clear()


def _state(ask: Ask) -> Any:
    return json.loads(ask.simulator.state())


def _save(ask: Ask) -> None:
    try:
        ask.simulator.save()
    except RuntimeError as error:
        raise conflict(str(error)) from None


def _reset(ask: Ask) -> None:
    ask.simulator.reset()


RECORD: Final = (
    Door(
        method="GET",
        path="/requests",
        about="What came in for the API and for tokens, the newest last.",
        answer=_requests,
        query={"limit": f"how many at most, {_SHOWN} if left out"},
    ),
    Door(
        method="DELETE",
        path="/requests",
        about="Forget what came in.",
        answer=_clear_requests,
    ),
    Door(
        method="GET",
        path="/state",
        about="What a state file would hold now; a file with that can be resumed from.",
        answer=_state,
    ),
    Door(
        method="POST",
        path="/state/save",
        about="Write the state file now.",
        answer=_save,
    ),
    Door(
        method="POST",
        path="/reset",
        about="Make everything as it was on the first day, the clock included.",
        answer=_reset,
    ),
)
