"""Who wants to send something, and what they are given: a ticket for one, a lease for many.

And how that is put to Redis.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ev_energy._messages import RateLimit
from ev_energy._runtime.clocks import REAL
from ev_energy.budget._protocol import WouldExceedDeadline
from ev_energy.budget._redis.pending_updates import News, Settings
from ev_energy.budget._redis.script import Question, Stated
from ev_energy.budget._window import blocked_seconds

if TYPE_CHECKING:
    from ev_energy.budget._redis.bucket import Bucket


@attrs.define(eq=False)
class Turn:
    """Somebody who wants to send something."""

    rank: tuple[int, int]
    name: str
    over: float
    """When their patience ends."""
    done: asyncio.Future[None]
    on_wait: Callable[[float], None] | None
    lease: Lease | None = None
    """What they want to be set aside; None for one request."""
    since: float = attrs.field(factory=REAL.monotonic)
    timer: asyncio.TimerHandle | None = None
    asked: bool = False
    """Whether Redis may have heard of them."""
    wait: float | None = None
    """How long it will be at least, as far as was heard."""

    def __lt__(self, other: Turn) -> bool:
        return self.rank < other.rank

    def end(self, error: Exception | None = None) -> None:
        """Their turn has come, or never will."""
        if self.timer is not None:
            self.timer.cancel()
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)

    def hears(self, wait: float, now: float) -> None:
        """Tell them how long it will be. They may not be ready to wait for that."""
        self.wait = wait
        if now + wait > self.over:
            self.end(WouldExceedDeadline(wait))
        else:
            self.tell(wait)

    def tell(self, wait: float) -> None:
        """Have `on_wait` called, once."""
        if self.on_wait is not None:
            told, self.on_wait = self.on_wait, None
            try:
                told(wait)
            except Exception as error:  # noqa: BLE001  (it goes to the caller whose hook it is)
                self.end(error)


class Lease:
    """Requests that were set aside."""

    def __init__(self, bucket: Bucket, number: int, size: int) -> None:
        self.bucket, self.number, self._left = bucket, number, size

    @property
    def remaining(self) -> int:
        """How many are left."""
        return self._left

    def take(self) -> bool:
        """Take one, if there is one left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def put_back(self) -> None:
        """One that was taken was not used."""
        if self.number:
            self._left += 1

    def lower(self, left: int) -> None:
        """Others were given some, because this process was held for dead."""
        self._left = min(self._left, left)

    async def release(self) -> None:
        """Give back what is left."""
        self.bucket.end_lease(self)
        self._left = self.number = 0
        await self.bucket.tell()


class Ticket:
    """One request that may be sent."""

    __slots__ = ("_bucket", "_name", "_since")

    def __init__(self, bucket: Bucket, name: str, since: float) -> None:
        self._bucket, self._name, self._since = bucket, name, since

    def complete(
        self, rate_limit: RateLimit | None, *, success: bool, retry_after: float | None
    ) -> None:
        """It was answered, or may have been sent."""
        news = News(unstated=success and rate_limit is None)
        if rate_limit is not None:
            news.stated = rate_limit.limit, rate_limit.remaining, self._since
        if retry_after is not None:
            held_back = blocked_seconds(retry_after, self._bucket.window)
            news.blocked_until = REAL.monotonic() + held_back
        self._bucket.settle(self._name, news)

    def release(self) -> None:
        """It was provably not sent."""
        self._bucket.give_back(self._name)


def compose(
    me: str, settings: Settings, news: News, wanted: list[Turn], leases: list[tuple[int, int]]
) -> Question:
    """What to tell and to ask. *leases* are numbers, with what is left of each."""
    now = REAL.monotonic()
    question = Question(
        me=me,
        fresh=secrets.token_hex(6),
        window=settings.window,
        hold=settings.hold,
        lease=settings.lease,
        nap=settings.lease / 3,
        grace=settings.lease / 5,
        most=settings.limit,
        returned=list(news.returned),
        pending=list(news.pending),
        settled=[(name, now - at) for name, at in news.settled.items()],
        leases=leases,
        unstated=news.unstated,
    )
    if news.stated is not None:
        limit, remaining, since = news.stated
        question.stated = Stated(limit, remaining, now - since)
    if news.blocked_until > now:
        question.blocked = news.blocked_until - now
    for turn in wanted:
        turn.asked = True
    if wanted:
        first = wanted[0]
        question.rank, question.waited = first.rank[0], now - first.since
        if first.lease is not None:
            question.set_aside = first.lease.number, first.lease.remaining
        else:
            question.wanted = [turn.name for turn in wanted]
    return question
