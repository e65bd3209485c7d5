"""Who comes when on a day, in order: a rank gives a time and a time gives ranks, both at once.

The day is cut into as many cells as there are places, narrow where many come and wide where few
do. A rank has one cell each day, by a permutation that can be undone; so the order is known
without a list, and no two times are the same.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Final

from ev_energy.simulator.clock._instants import DAY, HOUR, MINUTE, SECOND, Micros

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ev_energy.simulator._seeded_random import SeededRandom


#: Minutes after midnight, and how many of a thousand have come by then.
Curve = tuple[tuple[int, int], ...]

#: A place is the same each day but for so many hundredths of all places.
_DRIFT: Final = 6
_WHOLE: Final = 1000
_GOLDEN: Final = 0.618
_FRACTION_BITS: Final = 24


class Order:
    """The order in which ``size`` ranks come each day, at times that a curve gives."""

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
            step for step in range(int(size * _GOLDEN), 2 * size) if math.gcd(step, size) == 1
        )
        self._back = pow(self._step, -1, size)
        self._first = random.between(0, size - 1, *name)
        self._block = max(1, size * _DRIFT // 100)
        self.turn: Callable[[int], int] = functools.lru_cache(64)(self._turn)
        """A number of the day, by which places move on it."""

    def place(self, rank: int, day: int) -> int:
        """Return which of the day's cells a rank has."""
        return self._moved(self.usual_place(rank), self.turn(day))

    def usual_place(self, rank: int) -> int:
        """Return the cell a rank has on a day like any other."""
        return (self._step * rank + self._first) % self.size

    def rank(self, place: int, day: int) -> int:
        """Return whose a cell of the day is."""
        usual = self._moved(place, -self.turn(day))
        return (usual - self._first) * self._back % self.size

    def time(self, rank: int, day: int) -> Micros:
        """Return when on a day a rank comes: microseconds after midnight, never a full second."""
        return self._time(self.place(rank, day), rank, day)

    def time_of_place(self, place: int, day: int) -> Micros:
        """Return when on a day whoever has this cell comes."""
        return self._time(place, self.rank(place, day), day)

    def first_after(self, time: Micros, day: int) -> int:
        """Return the first cell of a day whose time is later; ``size`` if none is."""
        curve = self._curve(day)
        if time < curve[0][0] * MINUTE:
            return 0
        if time >= curve[-1][0] * MINUTE:
            return self.size
        place = self._near(time, curve)
        while place > 0 and self._edge(place, curve) > time:
            place -= 1
        while place < self.size and self._edge(place + 1, curve) <= time:
            place += 1
        return place if self.time_of_place(place, day) > time else place + 1

    def after(self, at: Micros, until: Micros) -> Iterator[tuple[int, range]]:
        """Return the cells after ``at`` and not after ``until``, day by day, oldest first.

        Both count from the midnight at which day 0 began.
        """
        (begin, time), (last, end) = divmod(at, DAY), divmod(until, DAY)
        first = self.first_after(time, begin)
        for day in range(begin, last + 1):
            stop = self.first_after(end, day) if day == last else self.size
            yield day, range(first, stop)
            first = 0

    def before(self, at: Micros, since: Micros) -> Iterator[tuple[int, range]]:
        """Return the cells before ``at``, day by day until the day of ``since``, newest first."""
        last, time = divmod(at, DAY)
        stop = self.first_after(time - 1, last)
        for day in range(last, since // DAY - 1, -1):
            yield day, range(stop - 1, -1, -1)
            stop = self.size

    def usual_time(self, rank: int, day: int) -> Micros:
        """Return about when a rank comes, on days with this one's curve."""
        return self._edge(self.usual_place(rank), self._curve(day))

    def _turn(self, day: int) -> int:
        return self._random.number(*self._name, day)

    def _moved(self, place: int, by: int) -> int:
        # Round and round within a block of neighbours, so that nobody's time changes by much.
        block, inner = divmod(place, self._block)
        begin = block * self._block
        return begin + (inner + by) % min(self._block, self.size - begin)

    def _time(self, place: int, rank: int, day: int) -> Micros:
        curve = self._curve(day)
        low, high = self._edge(place, curve), self._edge(place + 1, curve)
        part = self._random.number(*self._name, day, rank) >> (128 - _FRACTION_BITS)
        time = low + 1 + (part * (high - low - 3) >> _FRACTION_BITS)
        return time if time % SECOND else time + 1

    def _edge(self, place: int, curve: Curve) -> Micros:
        share = place * _WHOLE
        for number in range(1, len(curve)):
            minute, thousandth = curve[number]
            if share <= thousandth * self.size:
                before, base = curve[number - 1]
                width = (thousandth - base) * self.size
                return (
                    before * MINUTE
                    + (share - base * self.size) * (minute - before) * MINUTE // width
                )
        return curve[-1][0] * MINUTE

    def _near(self, time: Micros, curve: Curve) -> int:
        for number in range(1, len(curve)):
            minute, thousandth = curve[number]
            if time < minute * MINUTE:
                before, base = curve[number - 1]
                part = (
                    (time - before * MINUTE) * (thousandth - base) // ((minute - before) * MINUTE)
                )
                return (base + part) * self.size // _WHOLE
        return self.size - 1


def curve(*points: tuple[float, int]) -> Curve:
    """Return a curve from hours and thousandths."""
    return tuple((int(hour * (HOUR // MINUTE)), share) for hour, share in points)


def cohorts(sizes: Sequence[int], smallest: int) -> list[tuple[int, int, int]]:
    """Return (group, first rank, places) of cohorts that hold so many ranks of each group.

    Each is as large as all before it together, whatever the group's size, so that a group that
    grows changes nothing for those who are in it.
    """
    found: list[tuple[int, int, int]] = []
    for group, size in enumerate(sizes):
        first, places = 0, smallest
        while first < size:
            found.append((group, first, places))
            first, places = first + places, first + places
    return found
