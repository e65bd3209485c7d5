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
        """The number of tasks that sleep."""
        return sum(_waits(future) for _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move the clock, and run all tasks that this wakes."""
        target = self.now + seconds
        await run_ready_tasks()
        while due := [
            due_at for due_at, future in self._sleepers if due_at <= target and _waits(future)
        ]:
            self.now = max(self.now, min(due))
            for due_at, future in self._sleepers:
                if due_at <= self.now and _waits(future):
                    future.set_result(None)
            await run_ready_tasks()
        self.now = target
        self._sleepers = [entry for entry in self._sleepers if not entry[1].done()]


def _waits(future: asyncio.Future[None]) -> bool:
    return not future.done() and not future.get_loop().is_closed()


async def run_ready_tasks() -> None:
    """Run the ready tasks until none is left."""
    for _ in range(12):
        await asyncio.sleep(0)


def budget_with_limit(clock: FakeClock, limit: int = 3, **settings: Any) -> MemoryBudget:
    """Return a budget whose limit was stated by a reply more than a window ago."""
    budget = MemoryBudget(clock=clock, sleep=clock.sleep, window=3600.0, **settings)
    ticket = budget.try_acquire("app", None)
    assert ticket is not None
    ticket.complete(RateLimit(limit, limit - 1), success=True, retry_after=None)
    clock.now += 7200
    return budget


def complete(ticket: Ticket, stated: RateLimit | None = None) -> None:
    """Complete *ticket* with a successful reply."""
    ticket.complete(stated, success=True, retry_after=None)


def spend(budget: MemoryBudget, count: int = 1, reservation: Reservation | None = None) -> None:
    """Acquire and complete *count* tickets."""
    for _ in range(count):
        ticket = budget.try_acquire("app", reservation)
        assert ticket is not None
        complete(ticket)


class WaitingCalls:
    """Calls that wait for a budget, by name, with their results."""

    def __init__(self, budget: MemoryBudget) -> None:
        self.budget = budget
        self.waits: dict[str, list[float]] = {}
        self.served: list[str] = []
        """The names of the served calls in order."""
        self.results: dict[str, Any] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def start(
        self, name: str, count: int | None = None, **settings: Any
    ) -> asyncio.Task[None]:
        """Start a call that waits."""
        waits = self.waits.setdefault(name, [])
        acquire = Acquire("app", on_wait=waits.append, **settings)

        async def wait() -> None:
            if count is None:
                self.results[name] = await self.budget.acquire(acquire)
            else:
                self.results[name] = await self.budget.reserve(acquire, count)
            self.served.append(name)

        task = self.tasks[name] = asyncio.create_task(wait())
        await run_ready_tasks()
        return task
