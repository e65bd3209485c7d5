"""Admin endpoints of the request log and of the state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.admin._endpoint import AdminEndpoint
from ev_energy.simulator.clock._instants import write_instant
from ev_energy.simulator.http._problems import conflict, invalid

if TYPE_CHECKING:
    from ev_energy.simulator._request_log import SeenRequest
    from ev_energy.simulator.admin._endpoint import AdminRequest


_DEFAULT_LIMIT: Final = "100"


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


def _requests(request: AdminRequest) -> Any:
    text = request.query.get("limit", _DEFAULT_LIMIT)
    if not (text.isascii() and text.isdigit() and len(text) < 8):  # noqa: PLR2004 - digits
        raise invalid({"limit": ["Must be a whole number, 0 or more."]})
    requests = request.simulator.requests
    return [_request(seen) for seen in requests[max(0, len(requests) - int(text)) :]]


def _clear_requests(request: AdminRequest) -> None:
    request.simulator.requests.clear()


def _state(request: AdminRequest) -> Any:
    return json.loads(request.simulator.state())


def _save(request: AdminRequest) -> None:
    try:
        request.simulator.save()
    except RuntimeError as error:
        raise conflict(str(error)) from None


def _reset(request: AdminRequest) -> None:
    request.simulator.reset()


HISTORY: Final = (
    AdminEndpoint(
        method="GET",
        path="/requests",
        about="All requests but those to admin endpoints and the status page, the newest last.",
        handler=_requests,
        query={"limit": f"the maximum number of requests; {_DEFAULT_LIMIT} if left out"},
    ),
    AdminEndpoint(
        method="DELETE",
        path="/requests",
        about="Clear the request log.",
        handler=_clear_requests,
    ),
    AdminEndpoint(
        method="GET",
        path="/state",
        about="The state as a state file holds it; a simulator can resume from it.",
        handler=_state,
    ),
    AdminEndpoint(
        method="POST",
        path="/state/save",
        about="Write the state file now.",
        handler=_save,
    ),
    AdminEndpoint(
        method="POST",
        path="/reset",
        about="Restore the state of the first day, the clock included.",
        handler=_reset,
    ),
)
