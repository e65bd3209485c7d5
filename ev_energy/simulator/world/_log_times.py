"""When things are logged: at regular times, or when something happens."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.simulator.clock._instants import ANCHOR, micros, read_instant
from ev_energy.simulator.world._series import ORIGIN, Entry, Series

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.world._rows import Link, Row
    from ev_energy.simulator.world._world import World


DAY: Final = timedelta(days=1)
#: What happens so shortly before midnight is not followed by anything on the same day.
TOO_LATE: Final = timedelta(milliseconds=1)
_NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
#: How far back logs go, from the day the world is made for.
_KEPT: Final = timedelta(days=200)


def log_of(
    world: World,
    owner: Row,
    log: str,
    member: str,
    chunk: timedelta,
    make: Callable[[int], Sequence[Entry]],
    *,
    until: datetime | None = None,
) -> Series:
    """Return a log of a row, from when it was first known, but not from too long ago.

    Of what does not report yet the log is empty; of what does no more it ends at ``until``.
    """
    home: Link = owner["url"]
    reports: bool = owner.get("_reports", True)
    return Series(
        folder=f"{home.folder}/{home.key}/{log}",
        member=member,
        began=max(read_instant(owner["_made_at"]), ANCHOR - _KEPT) if reports else _NEVER,
        now=world.now if until is None else min(until, world.now),
        chunk=chunk,
        make=make,
    )


def regular(
    random: SeededRandom,
    spacing: timedelta,
    jitter: timedelta,
    make: Callable[[datetime], Row],
    *about: object,
) -> Callable[[int], Sequence[Entry]]:
    """Return the maker of a log with an entry every ``spacing``, give or take ``jitter``."""
    most = jitter // timedelta(microseconds=1)

    def entries(number: int) -> Sequence[Entry]:
        late = timedelta(microseconds=random.between(1, most, *about, number))
        at = off_the_second(ORIGIN + number * spacing + late)
        return [(at, functools.partial(make, at))]

    return entries


def off_the_second(at: datetime) -> datetime:
    """Return an instant that is no full second.

    A clock that shows full seconds would hide a client that loses the microseconds.
    """
    return at if at.microsecond else at + timedelta(microseconds=1)


def soon_after(random: SeededRandom, at: datetime, most: timedelta, *about: object) -> datetime:
    """Return an instant a little later, on the same day."""
    latest = min(at + most, ORIGIN + ((at - ORIGIN) // DAY + 1) * DAY - timedelta(microseconds=2))
    span = max(1, (latest - at) // timedelta(microseconds=1))
    late = timedelta(microseconds=random.between(1, span, *about, micros(at)))
    return off_the_second(at + late)
