"""Tells endpoints of charging as it begins and ends: each event once, in order, in its time."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator._api._render import Renderer, Tree
from ev_energy.simulator._charging._time import instant_of
from ev_energy.simulator._content._session_rows import sub_session_row
from ev_energy.simulator._store._chance import ID_LETTERS
from ev_energy.simulator._store._instants import ANCHOR, read_instant, write_instant
from ev_energy.simulator._store._rows import Viewer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator._charging._events import Event
    from ev_energy.simulator._charging._life import Life
    from ev_energy.simulator._store._world import World
    from ev_energy.simulator._webhooks import Endpoint, Webhooks

_TOLD: Final = "announced"
_MICROSECOND: Final = timedelta(microseconds=1)
#: After this long it is looked again what comes next: there may be more cars by then.
_PATIENCE: Final = timedelta(minutes=15)
#: Identifiers begin with their milliseconds, in so many letters.
_TIME_LETTERS: Final = 10


class Announcer:
    """Follows the clock while there are endpoints, and publishes what happens.

    What has happened during a jump is published before the jumper goes on. ``root`` tells how the
    API is reached, ``in_loop`` does something in the event loop that owns the world.
    """

    def __init__(
        self,
        world: World,
        webhooks: Webhooks,
        *,
        root: Callable[[], str],
        in_loop: Callable[[Callable[[], None]], None],
    ) -> None:
        self._world = world
        self._webhooks = webhooks
        self._root = root
        self._in_loop = in_loop
        self._following: asyncio.Task[None] | None = None
        self._deaf: Callable[[], None] | None = None
        self._next: tuple[Life, datetime] | None = None

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._deaf = self._world.clock.on_jump(lambda: self._in_loop(self.catch_up))
        self._world.on_deed = self._on_deed
        self._following = asyncio.create_task(self._follow(), name="ev-energy-simulator events")

    async def close(self) -> None:
        """Publish no more; what happens until another start is published then."""
        following, self._following = self._following, None
        if following is None or self._deaf is None:
            return
        self._deaf()
        self._world.on_deed = None
        following.cancel()
        await asyncio.wait([following])
        if not following.cancelled():
            following.result()  # it broke down before: here is why

    def catch_up(self) -> None:
        """Publish what has happened by now and was not published yet."""
        endpoints = self._webhooks.endpoints
        if not endpoints:
            return
        now = self._world.now
        told: dict[str, Any] = self._world.kept.setdefault(_TOLD, {})
        until = read_instant(told.get("until", write_instant(ANCHOR)))
        since = max(until, min(_registered_at(endpoint) for endpoint in endpoints))
        # What is done at the very instant that was looked at last may have come later.
        for event in self._world.life.events(since - _MICROSECOND, now):
            name = f"{event.what} {self._key(event)}"
            if event.at > until:
                until = event.at
                told.update(until=write_instant(until), events=[])
            elif name in told.setdefault("events", []):
                continue
            told["events"].append(name)
            self._publish(event)
        if now > until:
            told.update(until=write_instant(now), events=[])

    def _on_deed(self) -> None:
        self._next = None
        self.catch_up()

    def _key(self, event: Event) -> str:
        return self._world.life.sub_session_id(event.episode, event.number)

    def _publish(self, event: Event) -> None:
        row = sub_session_row(self._world, event.episode, event.number, event.at)
        data = Renderer(self._world, self._root(), Viewer()).row(row, Tree())
        self._webhooks.publish(f"charging_sub_session.{event.what}", data, at=event.at)

    async def _follow(self) -> None:
        with self._webhooks.listen() as rung:
            while True:
                rung.clear()
                self.catch_up()
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
        now, life = self._world.now, self._world.life
        if self._next is None or self._next[0] is not life or self._next[1] <= now:
            event = life.next_event_after(now, within_days=1)
            later = now + _PATIENCE
            self._next = life, later if event is None else min(event.at, later)
        return self._next[1]


def _registered_at(endpoint: Endpoint) -> datetime:
    """Return when an endpoint was registered: its identifier tells, to the millisecond."""
    milliseconds = 0
    for letter in endpoint.id.partition("_")[2][:_TIME_LETTERS]:
        milliseconds = milliseconds << 5 | ID_LETTERS.index(letter)
    return instant_of(milliseconds * 1000)
