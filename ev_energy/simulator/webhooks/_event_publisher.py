"""Tells endpoints of charging as it begins and ends: each event once, in order, in its time."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator._seeded_random import ID_LETTERS
from ev_energy.simulator.clock._instants import ANCHOR, instant_of, read_instant, write_instant
from ev_energy.simulator.http._serialization import ExpandTree, Serializer
from ev_energy.simulator.resources.charging_sessions._rows import sub_session_row
from ev_energy.simulator.world._rows import Viewer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator.charging._charging_model import ChargingModel
    from ev_energy.simulator.charging._fleet_events import SubSessionEvent
    from ev_energy.simulator.webhooks import Endpoint, Webhooks
    from ev_energy.simulator.world._world import World


_TOLD: Final = "announced"
_MICROSECOND: Final = timedelta(microseconds=1)
#: After this long it is looked again what comes next: there may be more cars by then.
_PATIENCE: Final = timedelta(minutes=15)
#: So many messages a jump within the event loop publishes before it returns.
_AT_ONCE: Final = 250
#: With more than these waiting to be sent, no more are made.
_MOST_DUE: Final = 10_000
#: In this span one vehicle begins and ends about thirty periods of charging.
_VEHICLE_SPAN: Final = timedelta(days=15)
_SHORTEST_SPAN: Final = timedelta(seconds=1)
_LONGEST_SPAN: Final = timedelta(hours=1)
#: Identifiers begin with their milliseconds, in so many letters.
_TIME_LETTERS: Final = 10


class Announcer:
    """Follows the clock while there are endpoints, and publishes what happens.

    What has happened during a jump is published before the jumping thread goes on, unless very
    many messages wait to be sent: the rest follows as they go out. All of it is made in small
    pieces, between which the event loop serves others. A jump from within the event loop cannot
    wait for that; it goes on after some hundred messages. ``root`` tells how the API is reached,
    ``in_loop`` runs a function in the event loop that owns the world.
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
        self._following: asyncio.Task[None] | None = None
        self._deaf: Callable[[], None] | None = None
        self._next: tuple[ChargingModel, datetime] | None = None
        self._goal = world.now
        """Until when to publish what happened, as the latest jump left it."""

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._deaf = self._world.clock.on_jump(self._on_jump)
        self._world.on_change = self._on_change
        self._following = asyncio.create_task(self._follow(), name="ev-energy-simulator events")

    async def close(self) -> None:
        """Publish no more; what happens until another start is published then."""
        following, self._following = self._following, None
        if following is None or self._deaf is None:
            return
        self._deaf()
        self._world.on_change = None
        self._webhooks.expect(more=False)
        following.cancel()
        await asyncio.wait([following])
        if not following.cancelled():
            following.result()  # it broke down before: here is why

    def catch_up(self) -> None:
        """Publish what has happened by now, up to a few hundred messages; the rest follows."""
        now, published = self._world.now, 0
        self._goal = now
        while published < _AT_ONCE:
            made = self._publish_until(now)
            if made is None:
                self._webhooks.expect(more=False)
                return
            published += made
        self._webhooks.expect(more=True)  # which also wakes the task that goes on with it

    async def _catch_up_in_pieces(self, *, patient: bool) -> None:
        """Publish what has happened by now, with turns of the event loop in between.

        While too many messages wait to be sent, a *patient* caller waits until some are.
        """
        now = self._world.now
        while self._following is not None:
            if self._webhooks.due_count > _MOST_DUE:
                self._webhooks.expect(more=True)
                if not patient:
                    return
                await self._some_sent()
            elif self._publish_until(now) is None:
                if self._goal <= now:
                    break
                now = self._goal = self._world.now  # which a reset may have set back
            await asyncio.sleep(0)
        self._webhooks.expect(more=False)

    async def _some_sent(self) -> None:
        with self._webhooks.listen() as rung:
            while self._webhooks.endpoints and self._webhooks.due_count > _MOST_DUE // 2:
                rung.clear()
                await rung.wait()

    def _on_jump(self) -> None:
        loop = self._loop
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if loop is None or here is loop:
            self.catch_up()
            return
        self._goal = self._world.now
        caught_up = self._catch_up_in_pieces(patient=False)
        asyncio.run_coroutine_threadsafe(caught_up, loop).result()

    def _publish_until(self, now: datetime) -> int | None:
        """Publish what happened next, over a short span; None once all until ``now`` is told."""
        endpoints = self._webhooks.endpoints
        if not endpoints:
            return None
        told: dict[str, Any] = self._world.extra_state.setdefault(_TOLD, {})
        until = read_instant(told.get("until", write_instant(ANCHOR)))
        since = max(until, min(_registered_at(endpoint) for endpoint in endpoints))
        now = min(now, self._world.now)
        end, published = min(now, since + self._span()), 0
        # What is done at the very instant that was looked at last may have come later.
        for event in self._world.charging.events(since - _MICROSECOND, end):
            name = f"{event.kind} {self._key(event)}"
            if event.at > until:
                until = event.at
                told.update(until=write_instant(until), events=[])
            elif name in told.setdefault("events", []):
                continue
            told["events"].append(name)
            self._publish(event)
            published += 1
        if end > until:
            told.update(until=write_instant(end), events=[])
        return published if end < now else None

    def _span(self) -> timedelta:
        """Return a span in which a few dozen events are to be expected, an hour at most."""
        vehicles = max(1, len(self._world.tables["vehicles"]))
        return max(_SHORTEST_SPAN, min(_LONGEST_SPAN, _VEHICLE_SPAN / vehicles))

    def _on_change(self) -> None:
        self._next = None
        self.catch_up()

    def _key(self, event: SubSessionEvent) -> str:
        return self._world.charging.sub_session_id(event.episode, event.number)

    def _publish(self, event: SubSessionEvent) -> None:
        row = sub_session_row(self._world, event.episode, event.number, event.at)
        data = Serializer(self._world, self._root(), Viewer()).row(row, ExpandTree())
        self._webhooks.publish(f"charging_sub_session.{event.kind}", data, at=event.at)

    async def _follow(self) -> None:
        with self._webhooks.listen() as rung:
            while True:
                rung.clear()
                await self._catch_up_in_pieces(patient=True)
                if not self._webhooks.endpoints:
                    await rung.wait()
                    continue
                alarm = asyncio.create_task(self._world.clock.wait_until(self._look_again()))
                alarm.add_done_callback(lambda _: rung.set())
                try:
                    await rung.wait()
                finally:
                    alarm.cancel()
                    await asyncio.wait([alarm])

    def _look_again(self) -> datetime:
        """Return when the next event is, or when to look for it again."""
        now, model = self._world.now, self._world.charging
        if self._next is None or self._next[0] is not model or self._next[1] <= now:
            event = model.next_event_after(now, within_days=1)
            later = now + _PATIENCE
            self._next = model, later if event is None else min(event.at, later)
        return self._next[1]


def _registered_at(endpoint: Endpoint) -> datetime:
    """Return when an endpoint was registered: its identifier tells, to the millisecond."""
    milliseconds = 0
    for letter in endpoint.id.partition("_")[2][:_TIME_LETTERS]:
        milliseconds = milliseconds << 5 | ID_LETTERS.index(letter)
    return instant_of(milliseconds * 1000)
