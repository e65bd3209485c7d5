"""Makes the record of the simulator's replies: the worlds, and what is sent to each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from tests.workshop.frozen.simulator_corners import Corners
from tests.workshop.frozen.simulator_pages import Outside
from tests.workshop.frozen.simulator_reads import Reader, Recorder, Refused
from tests.workshop.frozen.simulator_replies import Replay, Track, recorded
from tests.workshop.frozen.simulator_writes import Writer

#: More than any track sends, so that the limit is told but not reached.
_NO_LIMIT: Final = 100_000
_LARGE: Final = {"seed": 1, "vehicles": 50, "rate_limit": _NO_LIMIT}
_SMALL: Final = {"seed": 7, "vehicles": 13, "rate_limit": _NO_LIMIT}
_FIRST_DAY: Final = "2026-10-05T12:00:00+00:00"
_SUMMER: Final = "2027-07-15T18:40:00+00:00"
_WINTER: Final = "2027-01-12T06:05:00+00:00"
#: Twenty minutes before clocks go back in Europe, and the afternoon before.
_CLOCK_CHANGE: Final = "2026-10-25T00:40:00+00:00"
_DAY_BEFORE: Final = "2026-10-24T16:00:00+00:00"

_TRACKS: Final[dict[str, tuple[dict[str, Any], str, Callable[[Recorder], Awaitable[None]]]]] = {
    "first-day-reads": (_LARGE, _FIRST_DAY, lambda to: Reader(to, thorough=False).read_all()),
    "summer-reads": (_LARGE, _SUMMER, lambda to: Reader(to).read_all()),
    "winter-reads": (
        _SMALL, _WINTER, lambda to: Reader(to, thorough=False, filters=False).read_all(),
    ),
    "clock-change-reads": (
        _SMALL, _CLOCK_CHANGE, lambda to: Reader(to, thorough=False, filters=False).read_all(),
    ),
    "refusals": (_LARGE, _SUMMER, lambda to: Refused(Reader(to)).send_all()),
    "summer-writes": (_LARGE, _SUMMER, lambda to: Writer(to).write_all()),
    "clock-change-writes": (_SMALL, _DAY_BEFORE, lambda to: Writer(to).write_all()),
    "corners": (_SMALL, _SUMMER, lambda to: Corners(to).send_all()),
    "oauth": (_SMALL, _SUMMER, lambda to: Outside(to).oauth()),
    "onboarding": (_SMALL, _SUMMER, lambda to: Outside(to).onboarding()),
    "webhooks": (_SMALL, _WINTER, lambda to: Outside(to).webhooks()),
    "admin": (_SMALL, _SUMMER, lambda to: Outside(to).admin()),
    "faults": (_SMALL, _SUMMER, lambda to: Outside(to).faults()),
    "limits": (_SMALL | {"rate_limit": 5}, _SUMMER, lambda to: Outside(to).limits()),
    "unlimited": (_SMALL | {"rate_limit": None}, _SUMMER, lambda to: Outside(to).limits()),
}  # fmt: skip


#: The names of all tracks, in the order of the record.
NAMES: Final = tuple(_TRACKS)


async def made(only: Sequence[str] = ()) -> list[Track]:
    """Send everything to the simulator as it is now, and return what is to be recorded.

    If *only* names tracks, the others stay as they are on record.
    """
    if not only:
        return [await _made(name) for name in NAMES]
    tracks = {track.name: track for track in recorded()}
    return [await _made(name) if name in only else tracks[name] for name in NAMES]


async def _made(name: str) -> Track:
    size, start, send = _TRACKS[name]
    track = Track(name, {**size, "start": start})
    async with Replay(track.world) as replay:
        await send(Recorder(replay, track))
    return track
