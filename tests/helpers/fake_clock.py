"""A clock that tests move, and helpers to make and queue calls of a budget."""

from __future__ import annotations

import asyncio
from typing import Any

from ev_energy._messages import RateLimit
from ev_energy.budget import Acquire, MemoryBudget, Reservation, Ticket


class FakeClock:
    """A clock whose sleepers wake when a test moves it far enough."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now

    @property
    def sleeping(self) -> int:
        return sum(_waits(future) for _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move the clock, and run all tasks that this wakes."""
        over = self.now + seconds
        await settled()
        while due := [at for at, future in self._sleepers if at <= over and _waits(future)]:
            self.now = max(self.now, min(due))
            for at, future in self._sleepers:
                if at <= self.now and _waits(future):
                    future.set_result(None)
            await settled()
        self.now = over
        self._sleepers = [entry for entry in self._sleepers if not entry[1].done()]


def _waits(future: asyncio.Future[None]) -> bool:
    return not future.done() and not future.get_loop().is_closed()


async def settled() -> None:
    """Run the ready tasks until none is left."""
    for _ in range(12):
        await asyncio.sleep(0)


def budget(clock: FakeClock, limit: int = 3, **settings: Any) -> MemoryBudget:
    """Return a budget whose limit a reply stated long ago."""
    made = MemoryBudget(clock=clock, sleep=clock.sleep, window=3600.0, **settings)
    ticket = made.try_acquire("app", None)
    assert ticket is not None
    ticket.complete(RateLimit(limit, limit - 1), success=True, retry_after=None)
    clock.now += 7200
    return made


def answered(ticket: Ticket, stated: RateLimit | None = None) -> None:
    ticket.complete(stated, success=True, retry_after=None)


def spend(made: MemoryBudget, count: int = 1, reservation: Reservation | None = None) -> None:
    """Send *count* requests, which are answered at once."""
    for _ in range(count):
        ticket = made.try_acquire("app", reservation)
        assert ticket is not None
        answered(ticket)


class Queue:
    """Waiting calls by name, and their results in order."""

    def __init__(self, made: MemoryBudget) -> None:
        self.made = made
        self.told: dict[str, list[float]] = {}
        self.served: list[str] = []
        self.got: dict[str, Any] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, name: str, count: int | None = None, **settings: Any) -> asyncio.Task[None]:
        """Start a call that waits."""
        told = self.told.setdefault(name, [])
        wanted = Acquire("app", on_wait=told.append, **settings)

        async def wait() -> None:
            if count is None:
                self.got[name] = await self.made.acquire(wanted)
            else:
                self.got[name] = await self.made.reserve(wanted, count)
            self.served.append(name)

        task = self.tasks[name] = asyncio.create_task(wait())
        await settled()
        return task
