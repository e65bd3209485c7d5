"""One allowance in memory: what is left of it, and who waits for it, from any thread and loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

from ev_energy.budget._queue import ASIDE, Turn, Turns
from ev_energy.budget._window import RollingLog


class WouldExceedDeadline(Exception):  # noqa: N818  (the session turns it into a BudgetExceeded)
    """There will be nothing in time; in *wait* seconds there may."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"nothing for {wait:.1f} s")
        self.wait = wait


class Bucket:
    """One allowance. What is free is taken for whoever is first, by whoever notices it."""

    def __init__(
        self,
        log: RollingLog,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.log, self.clock, self.sleep = log, clock, sleep
        self.turns = Turns()
        self.lock = threading.Lock()
        """Held for log and turns, never while anything is awaited or anybody is told."""
        self._due = float("inf")

    def wait_for(self, now: float, rank: int, count: int) -> float:
        """Seconds until a newcomer would have *count*; those before them included."""
        return self.log.wait(now, self.turns.ahead(rank) + count, aside=rank == ASIDE)

    def look(self, now: float) -> None:
        """Something changed, or it is time: what does it mean for who waits?

        Under the lock, and needless if nobody waits.
        """
        turns, log = self.turns, self.log
        turns.drop_dead()
        while True:
            first = turns.first()
            if first is None:
                return
            wait = log.wait(now, first.count, aside=first.rank == ASIDE)
            capacity = log.capacity()
            if capacity is not None and first.count > capacity:  # it was more when they came
                self._decide(first, now, log.window)
            elif wait <= 0:
                self._decide(first, now)
            elif now + wait > first.over:
                self._decide(first, now, wait)
            else:
                break
        # Nobody is served before who is first.
        for turn in turns.hopeless(now + wait):
            self._decide(turn, now, wait)
        self._due = now + wait
        for keeper in turns.keepers():
            if keeper.looks > self._due:
                keeper.wake()

    async def wait_for_turn(self, turn: Turn, on_wait: Callable[[float], None] | None) -> None:
        """Return once what *turn* wants was taken for it; else raise `WouldExceedDeadline`.

        If anything else is raised, nothing was taken.
        """
        with self.lock:
            now = self.clock()
            wait = self.wait_for(now, turn.rank, turn.count)
            if now + wait > turn.over:
                raise WouldExceedDeadline(wait)
            self.turns.add(turn)
            self.look(now)
        try:
            if on_wait is not None and turn.waits:
                on_wait(wait)
            while turn.waits:
                await self._nap(turn)
        except BaseException:
            with self.lock:
                self.turns.remove(turn)
                if turn.has:
                    turn.undo()
                self.look(self.clock())
            raise
        if turn.late is not None:
            raise WouldExceedDeadline(turn.late)

    def _decide(self, turn: Turn, now: float, late: float | None = None) -> None:
        """It gets what it waits for, or is told that this would be too late."""
        self.turns.remove(turn)
        if late is None:
            turn.take(now)
        turn.has, turn.late = late is None, late
        if not turn.wake() and turn.has:
            turn.undo()

    async def _nap(self, turn: Turn) -> None:
        """Until there may be news for this turn. The one that keeps time looks for it."""
        with self.lock:
            if not turn.waits:
                return
            turn.listen()
            seconds = None
            if self.turns.keeps_time(turn):
                seconds = max(0.0, self._due - self.clock())
                turn.looks = self._due
        if seconds is None:
            await turn.woken
            return
        timer = asyncio.ensure_future(self.sleep(seconds))
        try:
            await asyncio.wait({timer, turn.woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            turn.looks = float("inf")
            if not turn.loop.is_closed():  # with this task in it, which is being thrown away
                timer.cancel()
        if timer.done():
            timer.result()
            with self.lock:
                self.look(self.clock())
