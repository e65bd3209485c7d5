"""What is to be sent where and when, and what became of it; without sending anything."""

from __future__ import annotations

import json
import threading
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs
from yarl import URL

from ev_energy.simulator._secrets import Secrets
from ev_energy.simulator.clock._broadcast_event import BroadcastEvent
from ev_energy.simulator.clock._instants import write_instant
from ev_energy.simulator.webhooks import _state
from ev_energy.simulator.webhooks._delivery_faults import Mischief
from ev_energy.simulator.webhooks._schedule import Schedule, follow_up_of
from ev_energy.simulator.webhooks._signing import key_of, make_secret
from ev_energy.simulator.webhooks._state import (
    Delivery,
    Endpoint,
    Errand,
    Held,
    Message,
    Outcome,
    RetiredSecret,
    Snapshot,
    Trick,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.clock._clock import Clock


_OLD_SECRET_SIGNS: Final = timedelta(hours=24)
#: Each is served on its own, so this bounds how many requests are on their way at once.
_MOST_ENDPOINTS: Final = 50
_DELIVERIES_KEPT: Final = 1000
#: Messages that are through are kept for replays.
_FINISHED_KEPT: Final = 1000


class Outbox:
    """Messages, the endpoints they go to, and the tricks played on them.

    Any thread may use it. Moments are those of the simulated clock.
    """

    def __init__(self, clock: Clock, random: SeededRandom, secrets: Secrets | None = None) -> None:
        self._clock = clock
        self._random = random
        self._secrets = secrets or Secrets(random)
        self._lock = threading.RLock()
        self._changed = BroadcastEvent()
        self._made = 0
        self._endpoints: dict[str, Endpoint] = {}
        self._messages: dict[str, Message] = {}
        #: Messages that were sent wherever they should go, the one that was through first in front.
        self._finished: dict[str, None] = {}
        self._schedule = Schedule()
        self._mischief = Mischief()
        self._deliveries: deque[Delivery] = deque(maxlen=_DELIVERIES_KEPT)
        self._more_to_come = False

    @property
    def endpoints(self) -> list[Endpoint]:
        """All endpoints, the oldest first."""
        with self._lock:
            return list(self._endpoints.values())

    @property
    def deliveries(self) -> list[Delivery]:
        """The attempts made lately, the newest last."""
        with self._lock:
            return list(self._deliveries)

    @property
    def next_due(self) -> datetime | None:
        """When the next attempt is due, as things stand; None if there is nothing to send."""
        with self._lock:
            return self._schedule.next_due()

    @property
    def due_count(self) -> int:
        """How many attempts are due now and were not begun."""
        with self._lock:
            return self._schedule.count_due(self._clock.now())

    def expect(self, *, more: bool) -> None:
        """Note whether more will be published of what has happened already."""
        with self._lock:
            changed, self._more_to_come = more or self._more_to_come, more
        if changed:
            self._changed.notify()

    def listen(self) -> AbstractContextManager[asyncio.Event]:
        """Give an event that is set whenever there may be other endpoints or messages."""
        return self._changed.listen()

    def add(
        self,
        url: str,
        *,
        events: Iterable[str] | None = None,
        secret: str | None = None,
        application: str | None = None,
    ) -> Endpoint:
        """Register an endpoint; it gets what is published from now on."""
        parsed = URL(url)
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise ValueError(f"Not a URL of a web server: {url}")
        if secret is not None:
            secret = make_secret(key_of(secret))
        with self._lock:
            if len(self._endpoints) >= _MOST_ENDPOINTS:
                raise ValueError(f"There are {_MOST_ENDPOINTS} endpoints already")
            endpoint = Endpoint(
                id=self._name("ep_"),
                url=url,
                events=None if events is None else tuple(events),
                secret=secret or self._new_secret(),
                application=application,
            )
            self._endpoints[endpoint.id] = endpoint
            self._schedule.open(endpoint.id)
        self._changed.notify()
        return endpoint

    def remove(self, endpoint_id: str) -> None:
        """Forget an endpoint, and what was to be sent to it; `KeyError` if there is none."""
        with self._lock:
            del self._endpoints[endpoint_id]
            for message_id in self._schedule.close(endpoint_id):
                self._settle(message_id)
        self._changed.notify()

    def rotate_secret(self, endpoint_id: str) -> Endpoint:
        """Give an endpoint a new secret; the old one signs as well for another day."""
        with self._lock:
            endpoint, now = self._endpoints[endpoint_id], self._clock.now()
            old = RetiredSecret(endpoint.secret, now + _OLD_SECRET_SIGNS)
            self._endpoints[endpoint_id] = endpoint = attrs.evolve(
                endpoint,
                secret=self._new_secret(),
                retired=(old, *(older for older in endpoint.retired if now < older.until)),
            )
        return endpoint

    def publish(
        self, event_type: str, data: Mapping[str, Any], *, at: datetime | None = None
    ) -> str:
        """Have an event sent to all endpoints that want it; return the id of the message.

        ``at`` is when it happened, now if not given; what happens later is sent later.
        """
        with self._lock:
            now = self._clock.now()
            body = {"type": event_type, "timestamp": write_instant(at or now), "data": data}
            text = json.dumps(body, allow_nan=False, separators=(",", ":"))
            message = Message(self._name("msg_"), event_type, text)
            self._messages[message.id] = message
            # Nothing is held up, lost or spoilt on the way to nobody.
            tricks = self._mischief.for_next() if self._wanting(message) else frozenset[Trick]()
            due = max(at or now, now) + self._mischief.delay
            if Trick.REORDER in tricks:
                self._send_held(
                    self._mischief.hold(Held(message.id, due, tricks - {Trick.REORDER}))
                )
            else:
                self._send(message, due, tricks)
        self._changed.notify()
        return message.id

    def replay(self, message_id: str, endpoint_id: str | None = None) -> None:
        """Send a message once more now, to one endpoint or to all that want it.

        `KeyError` if it, or the endpoint, is not there (any more).
        """
        with self._lock:
            message = self._messages[message_id]
            to = self._wanting(message) if endpoint_id is None else [self._endpoints[endpoint_id]]
            self._put(message, to, self._clock.now(), once=True)
        self._changed.notify()

    def drop(self, messages: int) -> None:
        """Never send the next so many messages. Like all these orders, 0 takes it back."""
        with self._lock:
            self._mischief.order(Trick.DROP, messages)

    def duplicate(self, messages: int) -> None:
        """Send each of the next so many messages again once it was delivered."""
        with self._lock:
            self._mischief.order(Trick.DUPLICATE, messages)

    def corrupt_signature(self, messages: int) -> None:
        """Sign the first attempt of each of the next so many messages with a wrong key."""
        with self._lock:
            self._mischief.order(Trick.CORRUPT_SIGNATURE, messages)

    def stale_timestamp(self, messages: int) -> None:
        """Date the first attempt of each of the next so many messages ten minutes back."""
        with self._lock:
            self._mischief.order(Trick.STALE_TIMESTAMP, messages)

    def reorder(self, messages: int) -> None:
        """Hold the next so many messages, then send them in reverse.

        Those that are held already are sent now.
        """
        with self._lock:
            self._mischief.order(Trick.REORDER, messages)
            self._send_held(self._mischief.let_go())
        self._changed.notify()

    def delay(self, by: timedelta) -> None:
        """Send all messages that are published from now on this much later."""
        if by < timedelta():
            raise ValueError("Nothing is sent before it happened")
        with self._lock:
            self._mischief.delay = by

    def dump(self) -> dict[str, Any]:
        """Return JSON that `load` goes on from; what is on its way will be sent again."""
        with self._lock:
            return _state.dump(
                Snapshot(
                    made=self._made,
                    endpoints=list(self._endpoints.values()),
                    messages=list(self._messages.values()),
                    finished=list(self._finished),
                    errands=self._schedule.errands(),
                    held=self._mischief.held,
                    tricks=self._mischief.ordered,
                    delay=self._mischief.delay,
                    deliveries=list(self._deliveries),
                )
            )

    def load(self, dumped: dict[str, Any]) -> None:
        """Take the place of another outbox as it was when it was dumped."""
        snapshot = _state.load(dumped)
        with self._lock:
            self._made = snapshot.made
            self._endpoints = {endpoint.id: endpoint for endpoint in snapshot.endpoints}
            self._messages = {message.id: message for message in snapshot.messages}
            self._finished = dict.fromkeys(snapshot.finished)
            self._schedule = Schedule(self._endpoints, snapshot.errands)
            self._mischief = Mischief(snapshot.tricks, snapshot.delay, snapshot.held)
            self._deliveries = deque(snapshot.deliveries, maxlen=_DELIVERIES_KEPT)
            for message_id in [one for one in self._messages if one not in self._finished]:
                self._settle(message_id)  # what was on its way may be of no interest any more
        self._changed.notify()

    def _take(self, endpoint_id: str) -> tuple[Errand, Endpoint, Message] | None:
        """Return what is to be sent to an endpoint now, if anything is."""
        with self._lock:
            errand = self._schedule.take(endpoint_id, self._clock.now())
            if errand is None:
                return None
            return errand, self._endpoints[endpoint_id], self._messages[errand.message_id]

    def _landed(self, errand: Errand, status: int | None, error: str | None) -> None:
        """Note what came of an attempt, and see to what follows from it."""
        with self._lock:
            if not self._schedule.is_flying(errand):
                return  # another state was loaded meanwhile: this one never happened
            now = self._clock.now()
            good = status is not None and 200 <= status < 300  # noqa: PLR2004 - statuses
            there = errand.endpoint_id in self._endpoints
            follow_up = follow_up_of(errand, now, good=good) if there else None
            if good:
                outcome = Outcome.DELIVERED
            else:
                outcome = Outcome.RETRYING if follow_up else Outcome.FAILED
            self._log(errand, now, outcome, status, error)
            self._schedule.landed(errand, follow_up)
            self._settle(errand.message_id)
        self._changed.notify()

    def _wanting(self, message: Message) -> list[Endpoint]:
        return [e for e in self._endpoints.values() if e.wants(message.event_type)]

    def _send_held(self, held: list[Held]) -> None:
        """Send messages in the order they are given."""
        due = max((one.due for one in held), default=None)
        for one in held:
            self._send(self._messages[one.message_id], due or one.due, one.tricks)

    def _send(self, message: Message, due: datetime, tricks: frozenset[Trick]) -> None:
        self._put(message, self._wanting(message), due, tricks=tricks)

    def _put(
        self,
        message: Message,
        to: list[Endpoint],
        due: datetime,
        *,
        tricks: frozenset[Trick] = frozenset(),
        once: bool = False,
    ) -> None:
        for endpoint in to:
            errand = Errand(
                message_id=message.id,
                endpoint_id=endpoint.id,
                due=due,
                order=self._count(),
                tricks=tricks,
                once=once,
            )
            if Trick.DROP in tricks:
                self._log(errand, self._clock.now(), Outcome.DROPPED)
            else:
                self._schedule.put(errand)
        self._settle(message.id)

    def _settle(self, message_id: str) -> None:
        """See whether a message is through, and forget the oldest one that is."""
        self._finished.pop(message_id, None)
        if self._schedule.has(message_id) or self._mischief.holds(message_id):
            return
        self._finished[message_id] = None
        while len(self._finished) > _FINISHED_KEPT:
            oldest = next(iter(self._finished))
            del self._finished[oldest], self._messages[oldest]

    def _log(
        self,
        errand: Errand,
        now: datetime,
        outcome: Outcome,
        status: int | None = None,
        error: str | None = None,
    ) -> None:
        self._deliveries.append(
            Delivery(
                message_id=errand.message_id,
                event_type=self._messages[errand.message_id].event_type,
                endpoint_id=errand.endpoint_id,
                attempt=errand.attempt,
                at=now,
                status=status,
                error=error,
                outcome=outcome,
            )
        )

    def _count(self) -> int:
        self._made += 1
        return self._made

    def _name(self, prefix: str) -> str:
        return self._random.uid(prefix, self._clock.now(), "webhooks", self._count())

    def _new_secret(self) -> str:
        name = ("webhook secret", self._count())
        halves = (self._secrets.bits(*name, half).to_bytes(16, "big")[:12] for half in (1, 2))
        return make_secret(b"".join(halves))
