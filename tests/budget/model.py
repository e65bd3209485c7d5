"""A model of a server with a rolling window, of its clients, and of one with a `RollingWindow`.

Time is simulated by a list of events.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator

import attrs

from ev_energy._messages import RateLimit
from ev_energy.budget._window import RollingWindow

WINDOW = 360.0
#: The safety margin of the client, and its wait before it tests an assumption.
SPARE, TEST = WINDOW / 3600, WINDOW / 60


@attrs.define
class Model:
    """A server."""

    limit: int
    counts_refused: bool = False
    """Whether refused requests count as well."""
    says_when: bool = True
    """Whether it sends Retry-After."""
    states: bool = True
    """Whether it sends X-RateLimit-*."""
    arrived: list[float] = attrs.field(factory=list)
    refused: list[float] = attrs.field(factory=list)

    def used(self, now: float) -> int:
        return sum(now - WINDOW < at <= now for at in self.arrived)

    def free_at(self, now: float) -> float:
        """Return when the server accepts the next request if no other arrives before."""
        counting = [at for at in self.arrived if at > now - WINDOW]
        return now if len(counting) < self.limit else sorted(counting)[-self.limit] + WINDOW

    def ask(self, now: float) -> Reply:
        fits = self.used(now) < self.limit
        if fits or self.counts_refused:
            self.arrived.append(now)
        if not fits:
            self.refused.append(now)
        left = max(0, self.limit - self.used(now))
        stated = RateLimit(self.limit, left) if self.states else None
        left_over = self.free_at(now) - now
        when = None if fits else (max(1.0, math.ceil(left_over)) if self.says_when else 0.0)
        return Reply(stated, fits, when)


@attrs.frozen
class Reply:
    stated: RateLimit | None
    success: bool
    retry_after: float | None


@attrs.define(kw_only=True)
class Run:
    """A client that sends *wanted* requests as soon as it may, *width* at a time."""

    server: Model
    wanted: int
    width: int
    chance: random.Random
    slowest: float = 0.0
    """The maximum latency of a request and of a reply, in seconds."""
    lost: float = 0.0
    """The fraction of requests without a reply; half of them reach the server."""
    others: list[float] = attrs.field(factory=list)
    """The times at which other clients send requests."""
    offset: float = 0.0
    """Seconds by which the clock of the client is ahead of that of the server."""
    knows: bool = False
    """Whether the client knows the limit before the first reply."""
    check: Callable[[Run, float], None] = lambda _run, _now: None
    """Called with the time of the server whenever the client has to wait."""

    window: RollingWindow = attrs.field(init=False)
    sent: int = 0
    answered: int = 0
    now: float = 0.0
    under_way: list[float] = attrs.field(factory=list)
    _agenda: list[tuple[float, int, Callable[[], None]]] = attrs.field(init=False, factory=list)
    _number: Iterator[int] = attrs.field(init=False, factory=itertools.count)
    _alarm: float = attrs.field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self.window = RollingWindow(length=WINDOW)
        if self.knows:
            self.window.limit = self.server.limit

    def to_the_end(self, *, steps: int = 20_000) -> None:
        """Run until all requests have succeeded."""
        for at in self.others:
            self._plan(at, lambda: self.server.ask(self.now) and None)
        self._plan(0.0, lambda: None)
        for _ in range(steps):
            if self.answered == self.wanted:
                return
            assert self._agenda, "the agenda is empty"
            self.now, _, what = heapq.heappop(self._agenda)
            what()
            while self.sent < self.wanted and len(self.under_way) < self.width:
                if not self.window.try_acquire(self.now + self.offset):
                    self._wait()
                    break
                self._send()
        raise AssertionError(f"no end: {self.answered} of {self.wanted} at {self.now}")

    def _plan(self, at: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at, next(self._number), what))

    def _wait(self) -> None:
        self.check(self, self.now)
        wait = self.window.wait(self.now + self.offset)
        assert 0 < wait < float("inf")
        if not self.now < self._alarm <= self.now + wait:
            self._alarm = self.now + wait
            self._plan(self._alarm, lambda: None)

    def _send(self) -> None:
        started, sequence = self.now, self.window.confirmed
        there = self.now + self.chance.random() * self.slowest
        back = there + self.chance.random() * self.slowest
        lot = self.chance.random()
        replies: list[Reply] = []
        self.sent += 1
        self.under_way.append(started)

        def settle() -> None:
            self.under_way.remove(started)
            reply = replies[0] if replies and lot >= self.lost else Reply(None, False, None)
            self.window.complete(
                self.now + self.offset,
                started + self.offset,
                sequence,
                reply.stated,
                success=reply.success,
                retry_after=reply.retry_after,
            )
            self.answered += reply.success
            self.sent -= not reply.success

        if lot >= self.lost / 2:
            self._plan(there, lambda: replies.append(self.server.ask(self.now)))
        self._plan(back, settle)
