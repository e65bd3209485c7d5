"""The daily order of arrivals or departures: a rank gives a time, and a time gives ranks.

A day is divided into as many slices as there are ranks, narrow at busy hours and wide at quiet
ones. An invertible permutation assigns one slice to each rank every day. So the order is known
without a list, can be entered at any time, and no two ranks share a time.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Final

from ev_energy.simulator.clock._instants import DAY, HOUR, MINUTE, SECOND, Micros

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ev_energy.simulator._seeded_random import SeededRandom


#: Points of a cumulative distribution: minutes after midnight, and the thousandths reached by then.
Curve = tuple[tuple[int, int], ...]

#: A rank's slice varies from day to day within a block of this many hundredths of all slices.
_BLOCK_PERCENT: Final = 6
_WHOLE: Final = 1000
#: A multiplicative step near the golden ratio spreads neighbouring ranks evenly over the day.
_GOLDEN_RATIO: Final = 0.618
_FRACTION_BITS: Final = 24


class DailyOrder:
    """The order of *size* ranks on each day, at times distributed by a curve."""

    def __init__(
        self,
        random: SeededRandom,
        name: tuple[object, ...],
        size: int,
        curve: Callable[[int], Curve],
    ) -> None:
        self.size = size
        self._random = random
        self._name = name
        self._curve = curve
        self._step = next(
            step for step in range(int(size * _GOLDEN_RATIO), 2 * size) if math.gcd(step, size) == 1
        )
        self._inverse_step = pow(self._step, -1, size)
        self._first = random.between(0, size - 1, *name)
        self._block = max(1, size * _BLOCK_PERCENT // 100)
        self.rotation: Callable[[int], int] = functools.lru_cache(64)(self._compute_rotation)
        """The number by which slices are rotated within their block on a day."""
        # The search for an arrival, its start and its slot each ask for the same time.
        self._time: Callable[[int, int, int], Micros] = functools.lru_cache(256)(self._compute_time)

    def index(self, rank: int, day: int) -> int:
        """Return the index of the slice of *rank* on *day*."""
        return self._rotate(self.usual_index(rank), self.rotation(day))

    def usual_index(self, rank: int) -> int:
        """Return the index of the slice of *rank* before the day's rotation."""
        return (self._step * rank + self._first) % self.size

    def rank(self, index: int, day: int) -> int:
        """Return the rank that has the slice *index* on *day*: the inverse of `index`."""
        usual = self._rotate(index, -self.rotation(day))
        return (usual - self._first) * self._inverse_step % self.size

    def time(self, rank: int, day: int) -> Micros:
        """Return the time of *rank* in microseconds after midnight, never a full second."""
        return self._time(self.index(rank, day), rank, day)

    def time_at(self, index: int, day: int) -> Micros:
        """Return the time of the rank that has the slice *index* on *day*."""
        return self._time(index, self.rank(index, day), day)

    def slice_end(self, index: int, day: int) -> Micros:
        """Return the end of a slice in microseconds after midnight; its time is earlier."""
        return self._slice_start(index + 1, self._curve(day))

    def first_after(self, time: Micros, day: int) -> int:
        """Return the first index on *day* with a time later than *time*, or `size`."""
        curve = self._curve(day)
        if time < curve[0][0] * MINUTE:
            return 0
        if time >= curve[-1][0] * MINUTE:
            return self.size
        index = self._estimated_index(time, curve)
        while index > 0 and self._slice_start(index, curve) > time:
            index -= 1
        while index < self.size and self._slice_start(index + 1, curve) <= time:
            index += 1
        return index if self.time_at(index, day) > time else index + 1

    def after(self, at: Micros, until: Micros) -> Iterator[tuple[int, range]]:
        """Yield (day, indexes) of the slices after *at* and not after *until*, oldest first.

        Both are counted from the midnight at which day 0 began.
        """
        (first_day, time), (last_day, end) = divmod(at, DAY), divmod(until, DAY)
        first = self.first_after(time, first_day)
        for day in range(first_day, last_day + 1):
            stop = self.first_after(end, day) if day == last_day else self.size
            yield day, range(first, stop)
            first = 0

    def before(self, at: Micros, since: Micros) -> Iterator[tuple[int, range]]:
        """Yield (day, indexes) before *at*, newest first, down to the day of *since*."""
        last_day, time = divmod(at, DAY)
        stop = self.first_after(time - 1, last_day)
        for day in range(last_day, since // DAY - 1, -1):
            yield day, range(stop - 1, -1, -1)
            stop = self.size

    def usual_time(self, rank: int, day: int) -> Micros:
        """Return about when *rank* is due on days with the curve of *day*."""
        return self._slice_start(self.usual_index(rank), self._curve(day))

    def _compute_rotation(self, day: int) -> int:
        return self._random.number(*self._name, day)

    def _rotate(self, index: int, by: int) -> int:
        # Only within a block of neighbours, so that a rank's time varies by little.
        block, inner = divmod(index, self._block)
        start = block * self._block
        return start + (inner + by) % min(self._block, self.size - start)

    def _compute_time(self, index: int, rank: int, day: int) -> Micros:
        curve = self._curve(day)
        low, high = self._slice_start(index, curve), self._slice_start(index + 1, curve)
        fraction = self._random.number(*self._name, day, rank) >> (128 - _FRACTION_BITS)
        time = low + 1 + (fraction * (high - low - 3) >> _FRACTION_BITS)
        return time if time % SECOND else time + 1

    def _slice_start(self, index: int, curve: Curve) -> Micros:
        scaled = index * _WHOLE
        for number in range(1, len(curve)):
            minute, thousandths = curve[number]
            if scaled <= thousandths * self.size:
                previous_minute, base = curve[number - 1]
                width = (thousandths - base) * self.size
                return (
                    previous_minute * MINUTE
                    + (scaled - base * self.size) * (minute - previous_minute) * MINUTE // width
                )
        return curve[-1][0] * MINUTE

    def _estimated_index(self, time: Micros, curve: Curve) -> int:
        for number in range(1, len(curve)):
            minute, thousandths = curve[number]
            if time < minute * MINUTE:
                previous_minute, base = curve[number - 1]
                reached = (
                    (time - previous_minute * MINUTE)
                    * (thousandths - base)
                    // ((minute - previous_minute) * MINUTE)
                )
                return (base + reached) * self.size // _WHOLE
        return self.size - 1


def curve(*points: tuple[float, int]) -> Curve:
    """Return a curve from pairs of hours and thousandths."""
    return tuple((int(hour * (HOUR // MINUTE)), thousandths) for hour, thousandths in points)


def cohorts(sizes: Sequence[int], smallest: int) -> list[tuple[int, int, int]]:
    """Return (group, first rank, number of slices) of the cohorts that cover groups of these sizes.

    Each cohort has as many slices as all earlier ones of its group together, whatever the group's
    size. So a group that grows gets further cohorts, and nothing changes for the ranks it already
    has.
    """
    found: list[tuple[int, int, int]] = []
    for group, size in enumerate(sizes):
        first, slices = 0, smallest
        while first < size:
            found.append((group, first, slices))
            first, slices = first + slices, first + slices
    return found
