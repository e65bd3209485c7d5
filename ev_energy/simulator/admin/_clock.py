"""The clock, from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.admin._endpoint import Door, refused
from ev_energy.simulator.clock._instants import read_instant
from ev_energy.simulator.http._problems import invalid

if TYPE_CHECKING:
    from ev_energy.simulator.admin._endpoint import Ask
    from ev_energy.simulator.clock._clock import Clock


_UNITS: Final = frozenset({"days", "hours", "minutes", "seconds"})
_WAYS: Final = {
    "advance": "how far to jump ahead, 366 days at most: an object with any of days, hours, "
    "minutes, seconds",
    "jump_to": "an instant to jump to, 366 days ahead at most, as in 2026-10-06T07:00:00Z",
    "speed": "seconds of the world in a real one, up to 3600000; 0 stands still",
}


def _shown(clock: Clock) -> dict[str, Any]:
    dumped = clock.dump()
    return {name: dumped[name] for name in ("now", "speed")}


def _tell(ask: Ask) -> Any:
    return _shown(ask.simulator.clock)


def _move(ask: Ask) -> Any:
    clock = ask.simulator.clock
    if len(ask.body) != 1:
        raise invalid({name: ["One of these, and one only."] for name in _WAYS})
    (way,) = ask.body
    try:
        if way == "advance":
            clock.advance(**_span(ask.need(way, dict[str, float])))
        elif way == "jump_to":
            clock.jump_to(read_instant(ask.need(way, str)))
        else:
            clock.run(ask.need(way, float))
    except ValueError as error:
        raise refused(error, way) from None
    return _shown(clock)


def _span(units: dict[str, float]) -> Any:
    if not units or units.keys() - _UNITS:
        raise ValueError(f"Some of {', '.join(sorted(_UNITS))}, and nothing else, must be in it")
    return units


CLOCK: Final = (
    Door(method="GET", path="/clock", about="What time it is in the world.", answer=_tell),
    Door(method="POST", path="/clock", about="Move the clock.", answer=_move, takes=_WAYS),
)
