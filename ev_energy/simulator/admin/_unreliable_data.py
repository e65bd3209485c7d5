"""Admin endpoints of unreliable data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.admin._endpoint import AdminEndpoint, bad_request
from ev_energy.simulator.resources.charging_sessions._unreliable_data import UnreliableData

if TYPE_CHECKING:
    from ev_energy.simulator.admin._endpoint import AdminRequest


_OPTIONS: Final = {
    "late": "the probability that a sub-session is readable only after a delay; 0 if left out",
    "late_end": "the probability that its end is shown only after a delay",
    "withdrawn_end": "the probability that an end which is too early is shown first and withdrawn",
    "corrected": "the probability that its figures rise after the end",
    "deleted": "the probability that it is deleted",
    "max_delay_seconds": "the longest delay, at most 36 days; 26 hours if left out",
    "very_late": "the probability that delays are up to ten times as long",
    "stale_reads": "the probability that a GET of sub-sessions shows an earlier state",
    "max_staleness_seconds": "the greatest age of that state; 20 minutes if left out",
    "fragile_cursors": "true if a page is empty when the row of its cursor left the list",
    "since": "an instant; sub-sessions that started before are reliable; now if left out",
}


def _show(request: AdminRequest) -> Any:
    return request.simulator.unreliable_data.as_json()


def _set(request: AdminRequest) -> None:
    try:
        request.simulator.unreliable_data = UnreliableData.from_json(request.body)
    except ValueError as error:
        raise bad_request(error, *_OPTIONS) from None


UNRELIABLE_DATA: Final = (
    AdminEndpoint(
        method="GET",
        path="/unreliable_data",
        about="How unreliable sub-sessions are.",
        handler=_show,
    ),
    AdminEndpoint(
        method="POST",
        path="/unreliable_data",
        about="Make sub-sessions unreliable, by the seed. An empty object ends that.",
        handler=_set,
        body=_OPTIONS,
    ),
)
