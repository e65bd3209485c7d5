"""The outbox: endpoints, messages, due attempts and past deliveries, without any I/O."""

from __future__ import annotations

import json
import threading
from collections import deque
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import attrs
from yarl import URL

from ev_energy.simulator._secrets import Secrets
from ev_energy.simulator.clock._broadcast_event import BroadcastEvent
from ev_energy.simulator.clock._instants import write_instant
from ev_energy.simulator.webhooks import _state
from ev_energy.simulator.webhooks._delivery_faults import DeliveryFaults
from ev_energy.simulator.webhooks._schedule import Schedule, next_attempt
from ev_energy.simulator.webhooks._signing import key_of, make_secret
from ev_energy.simulator.webhooks._state import (
    Delivery,
    DeliveryFault,
    Endpoint,
    Held,
    Message,
    Misdelivery,
    Outcome,
    PendingAttempt,
    RetiredSecret,
    Snapshot,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.clock._clock import Clock


_RETIRED_SECRET_LIFETIME: Final = timedelta(hours=24)
#: Each endpoint has at most one request in flight, so this also limits requests.
_MAX_ENDPOINTS: Final = 50
_MAX_DELIVERIES: Final = 1000
#: Finished messages are kept for replays.
_MAX_FINISHED: Final = 1000


class Outbox:
    """Messages, their endpoints and the faults of their deliveries.

    Any thread may use it. Instants are those of the simulated clock.
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
        #: Messages without pending attempts, the first one to finish in front.
        self._finished: dict[str, None] = {}
        self._schedule = Schedule()
        self._faults = DeliveryFaults(random)
        self._deliveries: deque[Delivery] = deque(maxlen=_MAX_DELIVERIES)
        self._expects_more = False

    @property
    def endpoints(self) -> list[Endpoint]:
        """All endpoints, the oldest first."""
        with self._lock:
            return list(self._endpoints.values())

    @property
    def deliveries(self) -> list[Delivery]:
        """The latest attempts, the newest last."""
        with self._lock:
            return list(self._deliveries)

    @property
    def next_due(self) -> datetime | None:
        """The instant at which the next attempt is due; None without pending attempts."""
        with self._lock:
            return self._schedule.next_due()

    @property
    def due_count(self) -> int:
        """The number of attempts that are due and have not begun."""
        with self._lock:
            return self._schedule.count_due(self._clock.now())

    def expect(self, *, more: bool) -> None:
        """Set whether further events of the past will be published."""
        with self._lock:
            changed, self._expects_more = more or self._expects_more, more
        if changed:
            self._changed.notify()

    def listen(self) -> AbstractContextManager[asyncio.Event]:
        """Return a context manager with an event, set when endpoints or messages may change."""
        return self._changed.listen()

    def add(
        self,
        url: str,
        *,
        events: Iterable[str] | None = None,
        secret: str | None = None,
        application: str | None = None,
    ) -> Endpoint:
        """Register an endpoint; it receives messages that are published later."""
        if not _is_absolute(url):
            raise ValueError(f"url: must be an absolute http or https URL, not {url!r}")
        if secret is not None:
            secret = make_secret(key_of(secret))
        with self._lock:
            if len(self._endpoints) >= _MAX_ENDPOINTS:
                raise ValueError(
                    f"The maximum of {_MAX_ENDPOINTS} endpoints is reached; remove one first"
                )
            endpoint = Endpoint(
                id=self._new_id("ep_"),
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
        """Remove an endpoint with its pending attempts; `KeyError` if it does not exist."""
        with self._lock:
            del self._endpoints[endpoint_id]
            for message_id in self._schedule.close(endpoint_id):
                self._retire_if_done(message_id)
        self._changed.notify()

    def rotate_secret(self, endpoint_id: str) -> Endpoint:
        """Give an endpoint a new secret; the old one also signs for another day."""
        with self._lock:
            endpoint, now = self._endpoints[endpoint_id], self._clock.now()
            old = RetiredSecret(endpoint.secret, now + _RETIRED_SECRET_LIFETIME)
            self._endpoints[endpoint_id] = endpoint = attrs.evolve(
                endpoint,
                secret=self._new_secret(),
                retired=(old, *(older for older in endpoint.retired if now < older.until)),
            )
        return endpoint

    def publish(
        self, event_type: str, data: Mapping[str, Any], *, at: datetime | None = None
    ) -> str:
        """Send an event to all endpoints that subscribe to it; return the id of the message.

        ``at`` is the instant of the event, by default now; a later event is sent later.
        """
        with self._lock:
            now = self._clock.now()
            body = {"type": event_type, "timestamp": write_instant(at or now), "data": data}
            text = json.dumps(body, allow_nan=False, separators=(",", ":"))
            message = Message(self._new_id("msg_"), event_type, text)
            self._messages[message.id] = message
            one = Held(message.id, max(at or now, now) + self._faults.delay)
            # A message without subscribers does not count towards the faults.
            self._send(self._faults.apply_next(one) if self._subscribers(message) else [one])
        self._changed.notify()
        return message.id

    def replay(self, message_id: str, endpoint_id: str | None = None) -> None:
        """Send a message again now, to one endpoint or to all that subscribe to it.

        `KeyError` if the message or the endpoint does not exist (any more).
        """
        with self._lock:
            message = self._messages[message_id]
            endpoints = (
                self._subscribers(message)
                if endpoint_id is None
                else [self._endpoints[endpoint_id]]
            )
            self._enqueue(message, endpoints, self._clock.now(), no_retry=True)
        self._changed.notify()

    def drop(self, messages: int) -> None:
        """Drop the next ``messages`` messages. As for all faults of deliveries, 0 cancels it."""
        with self._lock:
            self._faults.set(DeliveryFault.DROP, messages)

    def duplicate(self, messages: int) -> None:
        """Deliver each of the next ``messages`` messages twice."""
        with self._lock:
            self._faults.set(DeliveryFault.DUPLICATE, messages)

    def corrupt_signature(self, messages: int) -> None:
        """Sign the first attempt of each of the next ``messages`` messages with a wrong key."""
        with self._lock:
            self._faults.set(DeliveryFault.CORRUPT_SIGNATURE, messages)

    def stale_timestamp(self, messages: int) -> None:
        """Date the first attempt of each of the next ``messages`` messages ten minutes back."""
        with self._lock:
            self._faults.set(DeliveryFault.STALE_TIMESTAMP, messages)

    def reorder(self, messages: int) -> None:
        """Hold the next ``messages`` messages, then send them in reverse order.

        Messages that are already held are sent now.
        """
        with self._lock:
            self._faults.set(DeliveryFault.REORDER, messages)
            self._send(self._faults.release(self._clock.now()))
        self._changed.notify()

    def delay(self, by: timedelta) -> None:
        """Delay all messages that are published from now on."""
        if by < timedelta():
            raise ValueError(f"The delay must be 0 or more, not {by}")
        with self._lock:
            self._faults.delay = by

    def misdeliver(
        self,
        *,
        drop: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        delay: float = 0.0,
        max_delay: timedelta = timedelta(hours=24),
    ) -> None:
        """Draw faults for each message that is published from now on, with these probabilities.

        The draws follow from the seed and the number of the message. They replace those of an
        earlier call, and come on top of the faults that are counted by messages. Without
        arguments, no faults are drawn, and messages that are held are sent now.

        Args:
            drop: The probability that a message is never sent.
            duplicate: The probability that it is sent twice. Unless it is late, the copy follows
                at once; it is late as often as messages are.
            reorder: The probability that it is sent after the next message that is not reordered.
            delay: The probability that it is late.
            max_delay: The longest delay of a late message.

        Raises:
            ValueError: A probability is not from 0 to 1, or the delay is negative.
        """
        misdelivery = Misdelivery(
            drop=drop, duplicate=duplicate, reorder=reorder, delay=delay, max_delay=max_delay
        )
        with self._lock:
            self._send(self._faults.misdeliver(misdelivery, self._clock.now()))
        self._changed.notify()

    @property
    def misdelivery(self) -> Misdelivery:
        """The probabilities that `misdeliver` set."""
        with self._lock:
            return self._faults.misdelivery

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON for `load`; attempts in flight will be made again."""
        with self._lock:
            return _state.dump(
                Snapshot(
                    made=self._made,
                    endpoints=list(self._endpoints.values()),
                    messages=list(self._messages.values()),
                    finished=list(self._finished),
                    pending_attempts=self._schedule.pending_attempts(),
                    held=self._faults.held,
                    faults=self._faults.remaining,
                    delay=self._faults.delay,
                    misdelivery=self._faults.misdelivery,
                    deliveries=list(self._deliveries),
                )
            )

    def load(self, dumped: dict[str, Any]) -> None:
        """Replace the state by one that `dump` returned."""
        # Only a state file or a reset needs it, and cattrs.
        from ev_energy.simulator.webhooks._loading import load

        snapshot = load(dumped)
        with self._lock:
            self._made = snapshot.made
            self._endpoints = {endpoint.id: endpoint for endpoint in snapshot.endpoints}
            self._messages = {message.id: message for message in snapshot.messages}
            self._finished = dict.fromkeys(snapshot.finished)
            self._schedule = Schedule(self._endpoints, snapshot.pending_attempts)
            self._faults = DeliveryFaults(
                self._random,
                remaining=snapshot.faults,
                delay=snapshot.delay,
                held=snapshot.held,
                misdelivery=snapshot.misdelivery,
            )
            self._deliveries = deque(snapshot.deliveries, maxlen=_MAX_DELIVERIES)
            for message_id in [one for one in self._messages if one not in self._finished]:
                self._retire_if_done(message_id)  # its endpoint may be gone
        self._changed.notify()

    def _start_next(self, endpoint_id: str) -> tuple[PendingAttempt, Endpoint, Message] | None:
        """Return the due attempt of an endpoint and mark it as in flight, or None."""
        with self._lock:
            pending = self._schedule.start_next(endpoint_id, self._clock.now())
            if pending is None:
                return None
            return pending, self._endpoints[endpoint_id], self._messages[pending.message_id]

    def _finish(self, pending: PendingAttempt, status: int | None, error: str | None) -> None:
        """Record the result of an attempt, and enqueue the next one if there is one."""
        with self._lock:
            if not self._schedule.is_in_flight(pending):
                return  # another state was loaded meanwhile, without this attempt
            now = self._clock.now()
            succeeded = status is not None and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
            exists = pending.endpoint_id in self._endpoints
            follow_up = next_attempt(pending, now, succeeded=succeeded) if exists else None
            if succeeded:
                outcome = Outcome.DELIVERED
            else:
                outcome = Outcome.RETRYING if follow_up else Outcome.FAILED
            self._log(pending, now, outcome, status, error)
            self._schedule.finish(pending, follow_up)
            self._retire_if_done(pending.message_id)
        self._changed.notify()

    def _subscribers(self, message: Message) -> list[Endpoint]:
        return [e for e in self._endpoints.values() if e.subscribes_to(message.event_type)]

    def _send(self, messages: list[Held]) -> None:
        """Send messages in this order."""
        for one in messages:
            message = self._messages[one.message_id]
            subscribers = self._subscribers(message)
            self._enqueue(message, subscribers, one.due, faults=one.faults)
            if one.copy_due is not None:
                self._enqueue(message, subscribers, max(one.due, one.copy_due), no_retry=True)

    def _enqueue(
        self,
        message: Message,
        endpoints: list[Endpoint],
        due: datetime,
        *,
        faults: frozenset[DeliveryFault] = frozenset(),
        no_retry: bool = False,
    ) -> None:
        for endpoint in endpoints:
            pending = PendingAttempt(
                message_id=message.id,
                endpoint_id=endpoint.id,
                due=due,
                order=self._next_number(),
                faults=faults,
                no_retry=no_retry,
            )
            if DeliveryFault.DROP in faults:
                self._log(pending, self._clock.now(), Outcome.DROPPED)
            else:
                self._schedule.enqueue(pending)
        self._retire_if_done(message.id)

    def _retire_if_done(self, message_id: str) -> None:
        """Move a message without pending attempts to the finished ones, and bound their number."""
        self._finished.pop(message_id, None)
        if self._schedule.has_pending(message_id) or self._faults.holds(message_id):
            return
        self._finished[message_id] = None
        while len(self._finished) > _MAX_FINISHED:
            oldest = next(iter(self._finished))
            del self._finished[oldest], self._messages[oldest]

    def _log(
        self,
        pending: PendingAttempt,
        now: datetime,
        outcome: Outcome,
        status: int | None = None,
        error: str | None = None,
    ) -> None:
        self._deliveries.append(
            Delivery(
                message_id=pending.message_id,
                event_type=self._messages[pending.message_id].event_type,
                endpoint_id=pending.endpoint_id,
                attempt=pending.attempt,
                at=now,
                status=status,
                error=error,
                outcome=outcome,
            )
        )

    def _next_number(self) -> int:
        self._made += 1
        return self._made

    def _new_id(self, prefix: str) -> str:
        return self._random.uid(prefix, self._clock.now(), "webhooks", self._next_number())

    def _new_secret(self) -> str:
        name = ("webhook secret", self._next_number())
        halves = (self._secrets.bits(*name, half).to_bytes(16, "big")[:12] for half in (1, 2))
        return make_secret(b"".join(halves))


def _is_absolute(url: str) -> bool:
    try:
        parsed = URL(url)
    except ValueError:
        return False
    return parsed.scheme in {"http", "https"} and bool(parsed.host)
