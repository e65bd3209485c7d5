"""A server with a rolling window, other clients of it, and a client with a `RollingWindow`.

Nothing here takes any time: it is a list of what happens when.
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
#: What the client keeps to spare, and what it waits before it puts a guess to the test.
SPARE, TEST = WINDOW / 3600, WINDOW / 60


@attrs.define
class Model:
    """The server."""

    limit: int
    counts_refused: bool = False
    """Whether refused requests count too."""
    says_when: bool = True
    """Whether it sends Retry-After."""
    states: bool = True
    """Whether it sends X-RateLimit-*."""
    arrived: list[float] = attrs.field(factory=list)
    refused: list[float] = attrs.field(factory=list)

    def used(self, now: float) -> int:
        return sum(now - WINDOW < at <= now for at in self.arrived)

    def free_at(self, now: float) -> float:
        """Return when it would accept the next request, if no other arrives before."""
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
    """A client that has *wanted* requests to send, *width* at a time, as soon as it may."""

    server: Model
    wanted: int
    width: int
    chance: random.Random
    slowest: float = 0.0
    """Maximum seconds that a request, and a reply, are under way."""
    lost: float = 0.0
    """The fraction of requests that is lost; half of them on the way back."""
    others: list[float] = attrs.field(factory=list)
    """When other clients send requests."""
    offset: float = 0.0
    """How far the client's clock is ahead of the server's."""
    knows: bool = False
    """Whether the client knows the limit before the first reply."""
    check: Callable[[Run, float], None] = lambda _run, _now: None
    """Called whenever the client has to wait, with the server's time."""

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
        """Run until all wanted requests are answered."""
        for at in self.others:
            self._plan(at, lambda: self.server.ask(self.now) and None)
        self._plan(0.0, lambda: None)
        for _ in range(steps):
            if self.answered == self.wanted:
                return
            assert self._agenda, "nobody will ever do anything again"
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
