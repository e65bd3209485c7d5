"""One allowance as one event loop of one process sees it: who waits, what is held, what to tell."""

from __future__ import annotations

import asyncio
import itertools
import logging
from bisect import insort
from collections.abc import Callable
from typing import Final

from ev_energy._messages import RateLimit
from ev_energy._runtime.clocks import REAL
from ev_energy.budget._protocol import Acquire, BudgetUnavailable, WouldExceedDeadline
from ev_energy.budget._queue import RANKS
from ev_energy.budget._redis.connection import Down, Link
from ev_energy.budget._redis.pending_updates import News, Settings
from ev_energy.budget._redis.queue import Lease, Ticket, Turn, compose
from ev_energy.budget._redis.script import BUDGET, Answer, Question, decode, encode
from ev_energy.budget._window import DEFAULT_LIMIT

_log: Final = logging.getLogger("ev_energy")

#: How many requests are asked for at once.
_MANY: Final = 64
#: Seconds that what became of a request may wait for company on its way to Redis.
_GATHER: Final = 0.1
#: How many that were not sent are remembered while Redis is down. The rest counts for its hour.
_MANY_RETURNED: Final = 10_000


class Bucket:
    """One allowance.

    There is one conversation with Redis at a time, held by a task that lives only while somebody
    waits or there is news. Whoever comes meanwhile is asked for in its next question, and what
    became of requests goes along.
    """

    def __init__(
        self, key: str, link: Link, settings: Settings, me: str, forget: Callable[[], None]
    ) -> None:
        self._key, self._link, self._settings, self._me = key, link, settings, me
        self._forget = forget
        self._numbers = itertools.count(1)
        self._turns: list[Turn] = []
        self._ready: list[Turn] = []  # have a request that was set aside; it is to be told
        self._taps: list[asyncio.Future[None]] = []  # want to know when all was told
        self._held: dict[str, float | None] = {}  # what counts, and when it was settled
        self._leases: dict[int, Lease] = {}
        self._pruned_at = float("-inf")
        self._news = News()
        self._epoch = ""
        self.heard_at = float("-inf")
        """When Redis answered last."""
        self._talk: asyncio.Task[None] | None = None
        self._stirred = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._limit: int | None = None
        self._heard: RateLimit | None = None

    # What callers want.

    @property
    def window(self) -> float:
        """Seconds that a request counts for."""
        return self._settings.window

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._turns) + len(self._ready)

    def state(self) -> RateLimit | None:
        """How it stood when Redis was asked last; None if it was not, or there is no limit."""
        heard, stated = self._heard, self._news.stated
        if heard is None or stated is None:
            return heard
        limit = min(stated[0], self._settings.limit or stated[0])
        remaining = max(0, min(stated[1], limit) - heard.reserved)  # it was said since
        return heard._replace(limit=limit, remaining=remaining)

    async def acquire(self, params: Acquire, lease: Lease | None) -> Ticket:
        """One request that may be sent."""
        turn = self._turn(params)
        taken_from = lease if lease is not None and lease.take() else None
        try:
            if taken_from is not None:
                turn.asked = True
                self._held[turn.name] = None
                self._news.pending.add(turn.name)
                self._ready.append(turn)
            else:
                insort(self._turns, turn)
            self._stir()
            await turn.done
        except BaseException:
            self._leave(turn)
            if taken_from is not None:
                taken_from.put_back()
            raise
        return Ticket(self, turn.name, REAL.monotonic())

    async def set_aside(self, params: Acquire, size: int) -> Lease:
        """*size* requests, for as long as this process lives."""
        turn = self._turn(params)
        lease = turn.lease = Lease(self, turn.rank[1], size)
        insort(self._turns, turn)
        try:
            self._stir()
            await turn.done
        except BaseException:
            self._leave(turn)
            self._leases.pop(lease.number, None)
            raise
        return lease

    def end_lease(self, lease: Lease) -> None:
        """What is left of it is free."""
        self._leases.pop(lease.number, None)

    def settle(self, name: str, news: News) -> None:
        """One was answered, or may have been sent."""
        now = REAL.monotonic()
        self._held[name] = now
        news.settled[name] = now
        self._news.add(news)
        self._later(_GATHER)

    def give_back(self, name: str) -> None:
        """One was provably not sent."""
        self._held.pop(name, None)
        if len(self._news.returned) < _MANY_RETURNED:
            self._news.add(News(returned={name}))
        self._later(_GATHER)

    async def tell(self) -> None:
        """Tell Redis now, and return when it knows, or does not answer."""
        tap = asyncio.get_running_loop().create_future()
        self._taps.append(tap)
        self._stir()
        await tap

    async def close(self) -> None:
        """Tell Redis what it does not know, and that nothing is set aside any more."""
        for turn in (*self._turns, *self._ready):
            turn.end(BudgetUnavailable("the budget was closed"))
        if self._leases or self._news or self._talk is not None:
            for lease in self._leases.values():
                lease.lower(0)
            self._leases.clear()
            await self.tell()
        if self._talk is not None:
            await asyncio.wait([self._talk])
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self, params: Acquire) -> Turn:
        loop, number = asyncio.get_running_loop(), next(self._numbers)
        turn = Turn(
            (RANKS[params.priority], number),
            f"{self._me}-{number}",
            REAL.monotonic() + params.timeout,
            loop.create_future(),
            params.on_wait,
        )
        if params.timeout < float("inf"):
            # A call that does not want to wait for its turn still waits for an answer of Redis,
            # also over a new connection, as far as its deadline allows.
            patience = min(max(params.timeout, 2.5 * self._link.timeout), params.deadline)
            turn.timer = loop.call_later(patience, self._too_late, turn)
        return turn

    def _too_late(self, turn: Turn) -> None:
        if self._link.trouble or turn.wait is None:
            turn.end(BudgetUnavailable(f"Redis is down: {self._link.trouble or 'no reply'}"))
        else:
            turn.end(WouldExceedDeadline(turn.wait))

    def _leave(self, turn: Turn) -> None:
        """They gave up, whatever they were promised."""
        if turn.timer is not None:
            turn.timer.cancel()
        for queue in (self._turns, self._ready):
            if turn in queue:
                queue.remove(turn)
        if turn.asked:
            if turn.lease is None:
                self.give_back(turn.name)
            self._stir()  # so that their place in the queue is free

    # When to talk.

    def _stir(self) -> None:
        self._stirred.set()
        if self._talk is None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._talk = asyncio.get_running_loop().create_task(self._converse())

    def _later(self, seconds: float) -> None:
        loop, timer = asyncio.get_running_loop(), self._timer
        if timer is not None:
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timer = loop.call_later(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        self._prune()
        if self._news or self._held or self._leases:
            self._stir()
        else:
            self._forget()

    async def _converse(self) -> None:
        """Acquire and tell until there is nobody who waits and nothing to tell."""
        try:
            while True:
                self._stirred.clear()
                pause = await self._round()
                if not (self._turns or self._ready or self._taps):
                    break
                try:
                    async with asyncio.timeout(pause):
                        await self._stirred.wait()
                except TimeoutError:
                    pass
        finally:
            self._talk = None
            for turn in (*self._turns, *self._ready):  # nobody would ever tell them
                turn.end(BudgetUnavailable("the event loop ends"))
            self._end_taps(self._taps)
            self._rest()

    def _rest(self) -> None:
        """Go on later."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._link.trouble and self._news:
            self._later(max(_GATHER, self._link.retry_at - REAL.monotonic()))
        elif self._news:
            self._later(_GATHER)
        elif self._held or self._leases:
            # To show that this process lives, and to see whether Redis lost what it knew.
            self._later(self._settings.lease / 3)
        else:
            self._later(self._settings.window)

    def _prune(self) -> None:
        now = REAL.monotonic()
        if now - self._pruned_at < self._settings.window / 100:
            return
        self._pruned_at, gone = now, now - self._settings.window
        over = [name for name, at in self._held.items() if at is not None and at <= gone]
        for name in over:
            del self._held[name]

    # What is said.

    async def _round(self) -> float:
        """One question and its answer; seconds until the next, should nothing stir before."""
        link, taps = self._link, self._taps
        self._taps = []
        self._prune()
        try:
            if link.trouble and REAL.monotonic() < link.retry_at:
                return self._without_redis()
            ready, self._ready = self._ready, []
            news, self._news = self._news, News()
            wanted = self._first()
            try:
                answer = await self._ask(news, wanted)
            except BaseException as error:
                news.add(self._news)
                self._news = news
                self._ready = ready + self._ready
                if not isinstance(error, Down):
                    raise
                link.failed(error, self._settings.policy)
                return self._without_redis()
            link.worked()
            for turn in ready:
                turn.end()
            return self._hear(answer, wanted)
        finally:
            self._end_taps(taps)

    async def _ask(self, news: News, wanted: list[Turn]) -> Answer:
        answer = await self._put(news, wanted)
        while answer.lost:
            _log.warning("Redis lost its record of requests; telling it what is known here")
            news.add(
                News(
                    pending={name for name, at in self._held.items() if at is None},
                    settled={name: at for name, at in self._held.items() if at is not None},
                )
            )
            answer = await self._put(news, wanted, report_to=answer.epoch)
        self._epoch, self.heard_at = answer.epoch, REAL.monotonic()
        return answer

    async def _put(self, news: News, wanted: list[Turn], report_to: str | None = None) -> Answer:
        # As of now: what is taken from them while this is under way is news for the next question.
        leases = [(lease.number, lease.remaining) for lease in self._leases.values()]

        def question() -> bytes:
            composed = self._question(news, wanted, leases)
            if report_to is not None:
                composed.epoch, composed.report = report_to, True
            return encode(composed)

        # Safe to repeat: requests and leases go by names that are used once, so that the script
        # finds what it granted before; and all else that it is told is a state, not a change.
        # Ages are measured for each attempt anew.
        reply = await self._link.run(BUDGET, 1, self._key, question)
        try:
            return decode(reply)
        except ValueError as error:
            raise Down("what it answers makes no sense") from error

    def _first(self) -> list[Turn]:
        """Who is asked for: those who are first, all of one rank; or one who wants many."""
        found: list[Turn] = []
        for turn in self._turns[:_MANY]:
            if turn.rank[0] != self._turns[0].rank[0] or (turn.lease and found):
                break
            found.append(turn)
            if turn.lease:
                break
        return found

    def _question(self, news: News, wanted: list[Turn], leases: list[tuple[int, int]]) -> Question:
        question = compose(self._me, self._settings, news, wanted, leases)
        if self._epoch and REAL.monotonic() - self.heard_at < self._settings.window:
            question.epoch = self._epoch
        return question

    def _hear(self, answer: Answer, wanted: list[Turn]) -> float:
        for number, left in answer.leases:
            if number in self._leases:
                self._leases[number].lower(left)
        self._limit = answer.limit
        self._heard = None
        if answer.limit is not None:
            self._heard = RateLimit(answer.limit, answer.remaining, answer.reserved, 0, answer.wait)
        granted = {index for index in answer.granted if index < len(wanted)}
        for index in granted:
            turn = wanted[index]
            if turn in self._turns:  # else they left meanwhile, and said so
                self._turns.remove(turn)
                if turn.lease is None:
                    self._held[turn.name] = None
                else:
                    self._leases[turn.lease.number] = turn.lease
                turn.end()
        if answer.too_many:
            wanted[0].end(ValueError(f"count must be {answer.limit} or less"))
        return self._tell_waits(answer, [t for n, t in enumerate(wanted) if n not in granted])

    def _tell_waits(self, answer: Answer, wanted: list[Turn]) -> float:
        now, waits = REAL.monotonic(), answer.waits
        for turn, wait in zip(wanted, waits, strict=False):
            turn.hears(wait, now)
        if waits:  # those behind wait longer still
            for turn in self._turns:
                if turn.wait is None and turn not in wanted:
                    turn.hears(waits[-1], now)
        self._turns = [turn for turn in self._turns if not turn.done.done()]
        if not self._turns:
            return 0.0
        settings = self._settings
        if not waits:  # others came meanwhile, or there are more than are asked for at once
            return 0.0
        # As fine as need be: a part of the window that nobody would miss.
        return min(max(waits[0], settings.window / 5000), settings.lease / 3)

    # While there is nobody to ask.

    def _without_redis(self) -> float:
        now, settings = REAL.monotonic(), self._settings
        pause = max(0.0, self._link.retry_at - now)
        if settings.share is not None:
            for turn in self._ready:
                turn.end()
            self._ready = []
            pause = min(pause, self._spend_share(now, settings.share))
        for turn in (*self._turns, *self._ready):
            if now + pause > turn.over:
                turn.end(BudgetUnavailable(f"Redis is down: {self._link.trouble}"))
            else:
                turn.tell(pause)
        self._turns = [turn for turn in self._turns if not turn.done.done()]
        self._ready = [turn for turn in self._ready if not turn.done.done()]
        return pause

    def _spend_share(self, now: float, share: float) -> float:
        """Hand out what this process may spend by itself; seconds until there may be more."""
        settings = self._settings
        self._prune()
        allowance = int((self._limit or settings.limit or DEFAULT_LIMIT) * share)
        blocked = self._news.blocked_until - now
        for turn in list(self._turns):
            if turn.lease is not None:
                continue
            if blocked <= 0 and len(self._held) < allowance:
                self._turns.remove(turn)
                self._held[turn.name] = None
                self._news.pending.add(turn.name)
                turn.end()
                continue
            settled = [at for at in self._held.values() if at is not None]
            leaves = min(settled, default=now) + settings.window - now
            wait = max(blocked, leaves if len(self._held) >= allowance else 0.0)
            turn.hears(wait, now)
            return max(wait, 0.0)
        return settings.lease

    def _end_taps(self, taps: list[asyncio.Future[None]]) -> None:
        for tap in taps:
            if not tap.done():
                tap.set_result(None)
