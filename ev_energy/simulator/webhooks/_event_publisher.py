"""Events of charging sub-sessions, published once each, in order and in time."""

from __future__ import annotations

import asyncio
import heapq
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator._seeded_random import ID_LETTERS
from ev_energy.simulator.clock._instants import ANCHOR, instant_of, read_instant, write_instant
from ev_energy.simulator.http._serialization import ExpandTree, Serializer
from ev_energy.simulator.resources.charging_sessions._rows import sub_session_row
from ev_energy.simulator.resources.charging_sessions._sessions import all_sub_sessions
from ev_energy.simulator.resources.charging_sessions._unreliable_data import announcements
from ev_energy.simulator.world._rows import Viewer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator.charging._charging_model import ChargingModel
    from ev_energy.simulator.charging._fleet_events import SubSessionEvent
    from ev_energy.simulator.webhooks import Endpoint, Webhooks
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


_PROGRESS: Final = "published_events"
_PUT_OFF: Final = "put_off"
_MICROSECOND: Final = timedelta(microseconds=1)
#: The longest wait for the next event, since vehicles may be connected meanwhile.
_MAX_WAIT: Final = timedelta(minutes=15)
#: How many messages a jump within the event loop publishes before it returns.
_BATCH_SIZE: Final = 250
#: While more attempts than this are due, no messages are published.
_MAX_DUE: Final = 10_000
#: The time in which one vehicle has about thirty sub-sessions.
_VEHICLE_SPAN: Final = timedelta(days=15)
_MIN_SPAN: Final = timedelta(seconds=1)
_MAX_SPAN: Final = timedelta(hours=1)
#: The number of letters in which an identifier encodes its milliseconds.
_TIME_LENGTH: Final = 10


class EventPublisher:
    """Follows the clock while there are endpoints, and publishes events of charging.

    The events of a jump are published before the jumping thread continues, unless very many
    attempts are due: then the rest follows as messages are delivered. Events are published in
    small batches, between which the event loop handles requests. A jump from within the event
    loop cannot wait for them; it returns after a few hundred messages. ``root`` returns the URL
    of the API.
    """

    def __init__(
        self,
        world: World,
        webhooks: Webhooks,
        *,
        root: Callable[[], str],
    ) -> None:
        self._world = world
        self._webhooks = webhooks
        self._root = root
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._next_event: tuple[ChargingModel, datetime] | None = None
        self._target = world.now
        """The instant up to which the latest jump needs events to be published."""

    def start(self) -> None:
        """Start publishing, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._unsubscribe = self._world.clock.on_jump(self._on_jump)
        self._world.on_change = self._on_change
        self._task = asyncio.create_task(self._follow(), name="ev-energy-simulator events")

    async def close(self) -> None:
        """Stop publishing; the next start publishes the events in between."""
        task, self._task = self._task, None
        if task is None or self._unsubscribe is None:
            return
        self._unsubscribe()
        self._world.on_change = None
        self._webhooks.expect(more=False)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()  # raise the error that ended it

    def catch_up(self) -> None:
        """Publish the events up to now, but at most a few hundred; the task publishes the rest."""
        now, published = self._world.now, 0
        self._target = now
        while published < _BATCH_SIZE:
            made = self._publish_until(now)
            if made is None:
                self._webhooks.expect(more=False)
                return
            published += made
        self._webhooks.expect(more=True)  # also wakes the task

    async def _catch_up_in_batches(self, *, wait_for_delivery: bool) -> None:
        """Publish the events up to now, with turns of the event loop in between.

        While too many attempts are due, wait for deliveries, or return.
        """
        now = self._world.now
        while self._task is not None:
            if self._webhooks.due_count > _MAX_DUE:
                self._webhooks.expect(more=True)
                if not wait_for_delivery:
                    return
                await self._wait_for_deliveries()
            elif self._publish_until(now) is None:
                if self._target <= now:
                    break
                now = self._target = self._world.now  # a reset may have set it back
            await asyncio.sleep(0)
        self._webhooks.expect(more=False)

    async def _wait_for_deliveries(self) -> None:
        with self._webhooks.listen() as changed:
            while self._webhooks.endpoints and self._webhooks.due_count > _MAX_DUE // 2:
                changed.clear()
                await changed.wait()

    def _on_jump(self) -> None:
        loop = self._loop
        try:
            running_loop = asyncio.get_running_loop()
        except RuntimeError:
            running_loop = None
        if loop is None or running_loop is loop:
            self.catch_up()
            return
        self._target = self._world.now
        catch_up = self._catch_up_in_batches(wait_for_delivery=False)
        asyncio.run_coroutine_threadsafe(catch_up, loop).result()

    def _publish_until(self, now: datetime) -> int | None:
        """Publish the events of the next short span; return their number, None at ``now``."""
        endpoints = self._webhooks.endpoints
        if not endpoints:
            return None
        progress = self._progress
        until = read_instant(progress.get("until", write_instant(ANCHOR)))
        since = max(until, min(_registered_at(endpoint) for endpoint in endpoints))
        now = min(now, self._world.now)
        end, published = min(now, since + self._span()), 0
        # A change at the last instant of a span may be made after that span was published.
        for event in self._world.charging.events(since - _MICROSECOND, end):
            published += self._publish_put_off(since, event.at)
            name = f"{event.kind} {self._sub_session_id(event)}"
            if event.at > until:
                until = event.at
                progress.update(until=write_instant(until), events=[])
            elif name in progress.setdefault("events", []):
                continue
            progress["events"].append(name)
            published += self._publish_or_announce(event)
        published += self._publish_put_off(since, end)
        if end > until:
            progress.update(until=write_instant(end), events=[])
        return published if end < now else None

    def _span(self) -> timedelta:
        """Return a span with a few dozen expected events, at most an hour."""
        vehicles = max(1, len(self._world.tables["vehicles"]))
        return max(_MIN_SPAN, min(_MAX_SPAN, _VEHICLE_SPAN / vehicles))

    def _on_change(self) -> None:
        self._next_event = None
        self.catch_up()

    def _sub_session_id(self, event: SubSessionEvent) -> str:
        return self._world.charging.sub_session_id(event.episode, event.number)

    def _publish_or_announce(self, event: SubSessionEvent) -> int:
        """Publish an event, or put it off if the API shows it later; return what it published."""
        put_off = announcements(self._world, event)
        if put_off is None:
            row = sub_session_row(self._world, event.episode, event.number, event.at)
            self._publish(event.kind, row, event.at)
            return 1
        for one in put_off:
            instants = write_instant(one.send_at), write_instant(one.shown_at)
            put_off_event = [*instants, one.kind, self._sub_session_id(event)]
            heapq.heappush(self._progress.setdefault(_PUT_OFF, []), put_off_event)
        return 0

    @property
    def _progress(self) -> dict[str, Any]:
        return self._world.extra_state.setdefault(_PROGRESS, {})

    @property
    def _put_off(self) -> list[list[str]]:
        """The heap of events that were put off.

        Of each: when to send it, when the API shows it, its kind, and the id of the sub-session.
        """
        events: list[list[str]] = self._progress.get(_PUT_OFF, [])
        return events

    def _publish_put_off(self, since: datetime, until: datetime) -> int:
        """Publish the events that were put off until an instant; return their number.

        Those due before *since* are dropped: no endpoint was registered then.
        """
        put_off, published = self._put_off, 0
        while put_off and put_off[0][0] <= write_instant(until):
            send_at, shown_at, kind, key = heapq.heappop(put_off)
            if send_at < write_instant(since):
                continue
            shown = all_sub_sessions(self._world, read_at=read_instant(shown_at))
            row = shown.get(key)
            if row is not None and (kind == "created" or row["end"] is not None):
                self._publish(kind, row, read_instant(send_at))
                published += 1
        return published

    def _publish(self, kind: str, row: Row, at: datetime) -> None:
        data = Serializer(self._world, self._root(), Viewer()).row(row, ExpandTree())
        self._webhooks.publish(f"charging_sub_session.{kind}", data, at=at)

    async def _follow(self) -> None:
        with self._webhooks.listen() as changed:
            while True:
                changed.clear()
                await self._catch_up_in_batches(wait_for_delivery=True)
                if not self._webhooks.endpoints:
                    await changed.wait()
                    continue
                timer = asyncio.create_task(self._world.clock.wait_until(self._next_check()))
                timer.add_done_callback(lambda _: changed.set())
                try:
                    await changed.wait()
                finally:
                    timer.cancel()
                    await asyncio.wait([timer])

    def _next_check(self) -> datetime:
        """Return the instant of the next event, or of the next search for one."""
        now, model = self._world.now, self._world.charging
        if (
            self._next_event is None
            or self._next_event[0] is not model
            or self._next_event[1] <= now
        ):
            event = model.next_event_after(now, within_days=1)
            later = now + _MAX_WAIT
            self._next_event = model, later if event is None else min(event.at, later)
        put_off = [read_instant(one[0]) for one in self._put_off[:1]]
        return min([self._next_event[1], *put_off])


def _registered_at(endpoint: Endpoint) -> datetime:
    """Return when an endpoint was registered, which its identifier encodes in milliseconds."""
    milliseconds = 0
    for letter in endpoint.id.partition("_")[2][:_TIME_LENGTH]:
        milliseconds = milliseconds << 5 | ID_LETTERS.index(letter)
    return instant_of(milliseconds * 1000)
