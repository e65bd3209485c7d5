"""The stream of changes of charging sub-sessions."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from ev_energy._arguments import describe_type, require_text
from ev_energy._changes.batch import Batch, Change
from ev_energy._changes.digest import Projection
from ev_energy._changes.engine import Engine, levels_for
from ev_energy._changes.outage import TRANSIENT, Outage
from ev_energy._changes.pace import Pace, checked_share
from ev_energy._changes.passes import Step
from ev_energy._changes.queues import EventQueue, checked_event
from ev_energy._changes.saving import AnyStateStore, Saving, require_store
from ev_energy._changes.server_clock import ServerClock
from ev_energy._changes.source import ApiSource, Family
from ev_energy._changes.state import SubSessionState
from ev_energy._changes.status import StreamStatus
from ev_energy._changes.stores import revision_of
from ev_energy._changes.times import (
    checked_duration,
    checked_since,
    describe_progress,
    warn_if_ahead,
)
from ev_energy._runtime.log_fields import log_fields
from ev_energy.errors import (
    EventQueueError,
    UncommittedBatchError,
)
from ev_energy.models.charging import ChargingSubSession
from ev_energy.models.webhook_events import UnknownEvent

if TYPE_CHECKING:
    from ev_energy._api.caller import ApiCaller
    from ev_energy._changes.queues import WebhookEvent

_log: Final = logging.getLogger("ev_energy")

#: Seconds between two looks into an inbox.
_INBOX_INTERVAL: Final = 5.0
#: Seconds to wait at least, so that a wrong clock cannot make the stream busy.
_SHORTEST_WAIT: Final = 1.0


@attrs.frozen(kw_only=True)
class StreamOptions:
    """How sub-sessions are streamed; see `ChargingSubSessions.changes`."""

    since: datetime = attrs.field(converter=checked_since)
    state: str | None
    store: AnyStateStore | None
    inbox: EventQueue | None
    budget: float
    freshness: timedelta
    look_back: timedelta
    sweep: timedelta | None
    horizon: timedelta
    trust_webhooks: bool

    def __attrs_post_init__(self) -> None:
        checked_share(self.budget)
        shortest = {"freshness": timedelta(seconds=1), "look_back": timedelta(hours=1)}
        if self.sweep is not None:
            shortest["sweep"] = timedelta(hours=1)
        shortest["horizon"] = timedelta(hours=1)
        for name, least in shortest.items():
            checked_duration(name, getattr(self, name), least)
        if self.horizon < self.look_back:
            raise ValueError(
                f"horizon must be look_back ({self.look_back}) or more, not {self.horizon}"
            )
        if self.state is not None:
            require_text("state", self.state)
        if self.store is not None:
            require_store(self.store)
        inbox: object = self.inbox
        if inbox is not None and (isinstance(inbox, type) or not hasattr(inbox, "take")):
            found = describe_type(inbox)
            raise TypeError(f"inbox must be an object with the method take(), not {found}")


class SubSessionStream(AsyncIterator[Change]):
    """The changes of charging sub-sessions, each once: beginnings, ends, and later corrections.

    Iterate over it for the changes themselves: a batch is committed when the change after its last
    one is asked for. Or iterate over `batches`, and commit each yourself. The iteration never
    ends; it waits for changes. It may be left and continued at any time, also after an error or a
    cancellation: nothing is lost, and what was handed over is not handed over again.

    Connection failures, errors of the server and exhausted rate limits do not raise: the stream
    logs them, waits, and continues at the same page; `status` shows them. All other errors raise.
    """

    def __init__(
        self, caller: ApiCaller, family: Callable[[ApiCaller], Family], options: StreamOptions
    ) -> None:
        state, http = caller.state, caller.state.http
        self._options, self._http = options, http
        self._clock = ServerClock(state.wall_clock)
        self._pace = Pace(
            options.budget,
            lambda: None if state.rate_limit is None else state.rate_limit.limit,
            http.clock,
            http.pause,
        )
        self._source = ApiSource(caller, family, self._pace, self._clock)
        self._projection = Projection.of(ChargingSubSession)
        self._host, self._user = state.base_url.host or "", caller.options.user
        self._early_webhooks: list[ChargingSubSession] = []
        self._engine: Engine | None = None
        self._saving = Saving(options.store)
        context = self._host, self._user, self._projection
        self._given = (
            None if options.state is None else SubSessionState.load(options.state, *context)
        )
        """The state that the caller has passed."""
        if options.store is None:
            self._engine = self._make_engine(self._given)
            if options.state is not None:
                self._saving.revision = revision_of(options.state)
        self._batch: Batch | None = None
        """The batch that was handed over last."""
        self._position = 0
        """The number of its changes that plain iteration has handed over."""
        self._has_begun = self._is_running = False
        self._waiting: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._inbox_read_at = float("-inf")
        self._outage = Outage("the stream of sub-sessions", http.pause)

    def __repr__(self) -> str:
        reached = describe_progress(self._options.since, self._read_through)
        return f"<SubSessionStream of {self._host}, {reached}>"

    @property
    def _read_through(self) -> datetime | None:
        """The time until which the changes were read; None before the first pass has ended."""
        return None if self._engine is None else self._engine.state.through.get("tick")

    def __aiter__(self) -> Self:
        """Return this stream: leaving the iteration and starting it again loses nothing."""
        return self

    async def __anext__(self) -> Change:
        """Return the next change; commit the batch of the previous one if it was its last."""
        while True:
            batch = self._batch
            if batch is not None and not batch.is_committed:
                if self._position < len(batch):
                    self._position += 1
                    return batch.changes[self._position - 1]
                await batch.commit()
            await self._next_batch()

    def batches(self) -> AsyncIterator[Batch]:
        """Return an iterator over batches, each of which must be committed before the next.

        A pass without changes gives an empty batch, since the state changes too; so does the
        beginning, if nothing is due. Asking for the next batch without committing raises
        `UncommittedBatchError`.
        """
        return _Batches(self._next_batch)

    def offer(self, event: WebhookEvent) -> None:
        """Take an event of a webhook, from any thread. It is looked at when the stream is iterated.

        Verify its sender before (`ev_energy.webhooks.Webhook.verify`). Events of unknown types, or
        without a sub-session, are ignored. If the client acts for a user, an event of a new
        sub-session only makes the stream look for it, since it may be another user's. Losing an
        event, or offering it twice, late, or out of order, is harmless: webhooks make the stream
        faster, and polling makes it right.

        Raises:
            TypeError: *event* is not an event of ``ev_energy.webhooks``.
        """
        checked = checked_event(event)
        session = _session_of(checked)
        if session is None:
            return
        if self._engine is None:
            self._early_webhooks.append(session)
        else:
            self._engine.offer(session)
        waiting = self._waiting
        if waiting is not None:
            loop, arrived = waiting
            with suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(arrived.set)

    def status(self) -> StreamStatus:
        """Return where the stream is. Nothing is sent."""
        engine, now = self._engine, self._clock.now()
        state = None if engine is None else engine.state
        through = self._read_through
        return StreamStatus(
            through=through,
            lag=None if through is None else now - through,
            # A list, since another thread may read the stream in the meantime.
            open=0 if state is None else sum(one.end is None for one in [*state.seen.values()]),
            remembered=0 if state is None else len(state.seen),
            requests=self._pace.sent,
            next_pass=None if engine is None else engine.next_due(),
            webhooks_received=len(self._early_webhooks)
            + (0 if engine is None else engine.webhooks_received),
            webhooks_missed=0 if engine is None else engine.webhooks_missed,
            gaps=() if engine is None else tuple(engine.records.gaps),
            has_server_time=self._clock.is_known,
            error=self._outage.error,
        )

    async def _next_batch(self) -> Batch:
        if self._is_running:
            raise RuntimeError("this stream is already waiting for a batch in another task")
        if self._batch is not None and not self._batch.is_committed:
            raise UncommittedBatchError
        self._is_running = True
        try:
            engine = await self._open()
            while True:
                await self._read_inbox(engine)
                step = await self._advance(engine)
                if step is None and not self._has_begun:
                    step = Step()  # the consumer learns at once that nothing is due
                elif step is None:
                    await self._wait_until_due(engine)
                    continue
                self._has_begun = True
                if step.changes or step.has_moved or engine.is_idle(self._clock.now()):
                    return self._hand_over(engine, step)
        finally:
            self._is_running = False

    def _hand_over(self, engine: Engine, step: Step) -> Batch:
        # Nothing is awaited between the change of the state and this.
        if self._batch is None and self._clock.is_known:
            warn_if_ahead("the stream of sub-sessions", engine.state.since, self._clock.now())
        self._position = 0
        self._batch = Batch(
            step.changes,
            engine.state,
            self._saving,
            caught_up=engine.is_idle(self._clock.now()),
        )
        return self._batch

    async def _open(self) -> Engine:
        """Return the engine; load its state from the store the first time."""
        if self._engine is not None:
            return self._engine
        context = self._host, self._user, self._projection
        state = await self._saving.load(
            lambda text: SubSessionState.load(text, *context),
            lambda rows: SubSessionState.load_rows(rows, *context),
        )
        engine = self._engine = self._make_engine(self._given if state is None else state)
        while self._early_webhooks:
            engine.offer(self._early_webhooks.pop(0))
        return engine

    def _make_engine(self, state: SubSessionState | None) -> Engine:
        options = self._options
        if state is None:
            state = SubSessionState.new(options.since, self._host, self._user, self._projection)
        state.writer = secrets.token_hex(4)
        return Engine(
            self._source,
            state,
            levels_for(options.freshness, options.look_back),
            sweep_every=options.sweep,
            horizon=options.horizon,
            trust_webhooks=options.trust_webhooks,
            is_of_one_user=bool(self._user),
            seconds_for=self._pace.seconds_for,
        )

    async def _advance(self, engine: Engine) -> Step | None:
        """Do the next piece of work; wait and try again while the API or the budget fails."""
        while True:
            try:
                step = await engine.advance(self._clock.now())
            except TRANSIENT as error:
                await self._outage.wait_after(error)
            else:
                self._outage.end()
                return step

    async def _wait_until_due(self, engine: Engine) -> None:
        """Wait until something is due, or an event arrives."""
        remaining = (engine.next_due() - self._clock.now()).total_seconds()
        # If a reply had a wrong date, this looks at the clock again in time.
        remaining = min(remaining, engine.levels[0].every.total_seconds())
        if self._options.inbox is not None:
            remaining = min(remaining, _INBOX_INTERVAL)
        arrived = asyncio.Event()
        self._waiting = asyncio.get_running_loop(), arrived
        tasks: list[asyncio.Future[Any]] = []
        try:
            if engine.has_webhooks:  # offered by another thread in the meantime
                return
            tasks.append(asyncio.ensure_future(self._sleep(max(remaining, _SHORTEST_WAIT))))
            tasks.append(asyncio.ensure_future(arrived.wait()))
            with self._http.close_scope.cancel_on_close():
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # an error of the client's own `sleep`
            engine.is_clock_doubtful = True  # the latest reply may have had a wrong date
        finally:
            self._waiting = None
            for task in tasks:
                task.cancel()

    async def _sleep(self, seconds: float) -> None:
        await self._http.sleep(seconds)

    async def _read_inbox(self, engine: Engine) -> None:
        inbox, now = self._options.inbox, self._http.clock()
        if inbox is None or now - self._inbox_read_at < _INBOX_INTERVAL:
            return
        self._inbox_read_at = now
        try:
            events = await inbox.take()
        except EventQueueError as error:  # webhooks only make the stream faster
            _log.warning(
                "the stream of sub-sessions continues without its inbox: %s",
                error,
                extra=log_fields("stream_without_inbox", error=type(error).__name__),
            )
            return
        for event in events:
            if (session := _session_of(checked_event(event))) is not None:
                engine.offer(session)


def _session_of(event: WebhookEvent) -> ChargingSubSession | None:
    """Return the sub-session of an event, or None if it has none."""
    data: Any = None if isinstance(event, UnknownEvent) else event.data
    return data if isinstance(data, ChargingSubSession) else None


class _Batches(AsyncIterator[Batch]):
    """An iterator over batches. Not a generator, which would be finished after an error."""

    def __init__(self, next_batch: Callable[[], Awaitable[Batch]]) -> None:
        self._next_batch = next_batch

    async def __anext__(self) -> Batch:
        return await self._next_batch()
