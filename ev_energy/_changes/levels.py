"""Levels: how often a stream reads a listing, and how far back.

A pass of a level begins at the server's time ``p``. It lists everything whose time is later than
``p_previous - lag``, where ``p_previous`` is when the previous pass of the level began. So a change
that is readable no later than *lag* after its time is found by the next pass after that, however
long the stream was down in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import attrs

#: How much earlier than computed a bound is: filters are exclusive, and ``Date`` headers have whole
#: seconds.
MARGIN: Final = timedelta(seconds=2)

#: When the latest complete pass of each level began, in the server's time, by the level's name.
Through: TypeAlias = Mapping[str, datetime]


@attrs.frozen
class Level:
    """A kind of pass."""

    name: str
    every: timedelta
    """The time between the beginnings of two passes."""
    lag: timedelta
    """The longest time between an event and its being readable that its passes allow for."""


def due_level(
    levels: Sequence[Level], through: Through, now: datetime, default: datetime
) -> Level | None:
    """Return the deepest level that is due at *now*; None if none is.

    *levels* go from the most frequent to the deepest. A pass of a level counts for the levels
    before it. *default* is when the previous pass began for a level that had none.
    """
    for level in reversed(levels):
        if level.name not in through:
            return level
        if now - through.get(level.name, default) >= level.every:
            return level
    return None


def next_due(levels: Sequence[Level], through: Through, default: datetime) -> datetime:
    """Return when the next pass is due, in the server's time."""
    return min(through.get(level.name, default) + level.every for level in levels)


def up_to(levels: Sequence[Level], level: Level) -> Iterator[Level]:
    """Yield the levels that a pass of *level* counts for."""
    for each in levels:
        yield each
        if each.name == level.name:
            return
