"""Admin endpoints of the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.admin._endpoint import AdminEndpoint, bad_request
from ev_energy.simulator.clock._instants import read_instant
from ev_energy.simulator.http._problems import invalid

if TYPE_CHECKING:
    from ev_energy.simulator.admin._endpoint import AdminRequest
    from ev_energy.simulator.clock._clock import Clock


_UNITS: Final = frozenset({"days", "hours", "minutes", "seconds"})
_CHANGES: Final = {
    "advance": "the time to jump ahead, at most 366 days: an object with any of days, hours, "
    "minutes, seconds",
    "jump_to": "an instant to jump to, at most 366 days ahead, such as 2026-10-06T07:00:00Z",
    "speed": "seconds of the world per real second, up to 3600000; 0 stops the clock",
}


def _shown(clock: Clock) -> dict[str, Any]:
    dumped = clock.dump()
    return {name: dumped[name] for name in ("now", "speed")}


def _show(request: AdminRequest) -> Any:
    return _shown(request.simulator.clock)


def _change(request: AdminRequest) -> Any:
    clock = request.simulator.clock
    if len(request.body) != 1:
        raise invalid(
            {name: ["Send exactly one of advance, jump_to and speed."] for name in _CHANGES}
        )
    (change,) = request.body
    try:
        if change == "advance":
            clock.advance(**_span(request.require(change, dict[str, float])))
        elif change == "jump_to":
            clock.jump_to(read_instant(request.require(change, str)))
        else:
            clock.run(request.require(change, float))
    except ValueError as error:
        raise bad_request(error, change) from None
    return _shown(clock)


def _span(units: dict[str, float]) -> Any:
    if not units or units.keys() - _UNITS:
        raise ValueError(f"must have only {', '.join(sorted(_UNITS))}, and at least one of them")
    return units


CLOCK: Final = (
    AdminEndpoint(
        method="GET",
        path="/clock",
        about="The time of the world and the speed of the clock.",
        handler=_show,
    ),
    AdminEndpoint(
        method="POST", path="/clock", about="Move the clock.", handler=_change, body=_CHANGES
    ),
)
