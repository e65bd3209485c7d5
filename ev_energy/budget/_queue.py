"""Who waits for a request, in which order. Every method is called under its bucket's lock."""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, Literal, TypeAlias

import attrs

#: Whose turn is first: ``interactive`` before ``batch``.
Priority: TypeAlias = Literal["interactive", "batch"]
#: Before both comes who has something set aside: they wait for less.
ASIDE: Final = 0
RANKS: Final[dict[Priority, int]] = {"interactive": 1, "batch": 2}
_FEW: Final = 64


@attrs.define(eq=False)
class Turn:
    """Somebody who waits."""

    rank: int
    count: int
    over: float
    """When they will not wait any longer."""
    take: Callable[[float], None]
    """Take what they wait for, at that time."""
    undo: Callable[[], None]
    """Give it back."""
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Future[None]
    has: bool = False
    """Whether it was taken for them."""
    late: float | None = None
    """They are told that it cannot be in time: it would take so many seconds."""
    looks: float = float("inf")
    """When they look at the clock next; one turn of each loop does that for the others."""

    _called: bool = False

    @property
    def waits(self) -> bool:
        """Whether nothing was decided so far."""
        return not self.has and self.late is None

    def wake(self) -> bool:
        """Have them look at what was decided; False if they cannot any more."""
        if self._called:
            return True
        self._called = True
        try:
            if asyncio.get_running_loop() is self.loop:
                self._wake()
                return True
        except RuntimeError:  # in no loop
            pass
        try:
            self.loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # closed
            return False
        return True

    def listen(self) -> None:
        """Before a wait for `woken`."""
        self._called = False
        if self.woken.done():
            self.woken = self.loop.create_future()

    def _wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)


class Turns:
    """The queue. Nothing here takes longer for being long."""

    def __init__(self) -> None:
        self._ranks = tuple(OrderedDict[Turn, None]() for _ in range(3))
        self._counts = [0, 0, 0]
        self._loops: dict[asyncio.AbstractEventLoop, OrderedDict[Turn, None]] = {}
        self._overs: list[tuple[float, int, Turn]] = []
        self._number = 0
        self.size = 0
        """How many wait."""

    def add(self, turn: Turn) -> None:
        """Queue *turn* behind those of its rank."""
        self._ranks[turn.rank][turn] = None
        self._counts[turn.rank] += turn.count
        self._loops.setdefault(turn.loop, OrderedDict())[turn] = None
        self.size += 1
        self._number += 1
        heapq.heappush(self._overs, (turn.over, self._number, turn))

    def remove(self, turn: Turn) -> None:
        """Forget *turn*, if it is there."""
        if turn not in self._ranks[turn.rank]:
            return
        del self._ranks[turn.rank][turn]
        self.size -= 1
        self._counts[turn.rank] -= turn.count
        of_loop = self._loops[turn.loop]
        del of_loop[turn]
        if not of_loop:
            del self._loops[turn.loop]
        if len(self._overs) > 2 * self.size + _FEW:
            self._overs = [entry for entry in self._overs if entry[2] in self]
            heapq.heapify(self._overs)

    def __contains__(self, turn: Turn) -> bool:
        return turn in self._ranks[turn.rank]

    def first(self) -> Turn | None:
        """Whose turn is next."""
        for rank in self._ranks:
            if rank:
                return next(iter(rank))
        return None

    def ahead(self, rank: int) -> int:
        """How many requests those want who would be before a newcomer of *rank*."""
        return sum(self._counts[: rank + 1])

    def hopeless(self, at: float) -> Iterator[Turn]:
        """Those who will not wait until *at*, and are forgotten thereby."""
        overs = self._overs
        while overs and (overs[0][0] < at or overs[0][2] not in self):
            turn = heapq.heappop(overs)[2]
            if turn in self:
                self.remove(turn)
                overs = self._overs
                yield turn

    def keeps_time(self, turn: Turn) -> bool:
        """Whether *turn* is the one of its loop that looks at the clock."""
        return turn in self and next(iter(self._loops[turn.loop])) is turn

    def keepers(self) -> list[Turn]:
        """One turn of each loop, to look at the clock: no loop may wait for another one's."""
        return [next(iter(turns)) for turns in self._loops.values()]

    def drop_dead(self) -> None:
        """Forget those whose loop was closed over their heads: nobody else will."""
        for loop in [loop for loop in self._loops if loop.is_closed()]:
            for turn in tuple(self._loops[loop]):
                self.remove(turn)
