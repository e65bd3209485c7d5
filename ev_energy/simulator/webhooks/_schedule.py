"""The schedule: one queue of pending attempts for each endpoint, and the waits of retries."""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.webhooks._state import DeliveryFault

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ev_energy.simulator.webhooks._state import PendingAttempt


#: The waits before each retry, as Svix has them.
RETRY_WAITS: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=10),
)


class Schedule:
    """A queue of pending attempts for each endpoint, and its attempt in flight, if any."""

    def __init__(
        self, endpoint_ids: Iterable[str] = (), pending_attempts: Iterable[PendingAttempt] = ()
    ) -> None:
        #: Heaps of (due, order, pending attempt).
        self._queues: dict[str, list[tuple[datetime, int, PendingAttempt]]] = {}
        self._in_flight: dict[str, PendingAttempt] = {}
        #: The number of pending attempts of each message.
        self._pending_counts: Counter[str] = Counter()
        for endpoint_id in endpoint_ids:
            self.open(endpoint_id)
        for pending in pending_attempts:
            self.enqueue(pending)

    def open(self, endpoint_id: str) -> None:
        """Add the queue of an endpoint."""
        self._queues[endpoint_id] = []

    def close(self, endpoint_id: str) -> list[str]:
        """Remove the queue of an endpoint; return the ids of the messages in it."""
        pending_attempts = [pending for _, _, pending in self._queues.pop(endpoint_id)]
        for pending in pending_attempts:
            self._forget(pending)
        return [pending.message_id for pending in pending_attempts]

    def enqueue(self, pending: PendingAttempt) -> None:
        """Add an attempt to the queue of its endpoint."""
        self._pending_counts[pending.message_id] += 1
        heapq.heappush(self._queues[pending.endpoint_id], (pending.due, pending.order, pending))

    def start_next(self, endpoint_id: str, now: datetime) -> PendingAttempt | None:
        """Return the next attempt of an endpoint if it is due, and mark it as in flight."""
        queue = self._queues.get(endpoint_id)
        if not queue or queue[0][0] > now:
            return None
        pending = self._in_flight[endpoint_id] = heapq.heappop(queue)[2]
        return pending

    def is_in_flight(self, pending: PendingAttempt) -> bool:
        """Return whether this attempt is in flight."""
        return self._in_flight.get(pending.endpoint_id) is pending

    def finish(self, pending: PendingAttempt, follow_up: PendingAttempt | None) -> None:
        """End an attempt in flight, and enqueue the one that follows."""
        del self._in_flight[pending.endpoint_id]
        self._forget(pending)
        if follow_up is not None:
            self.enqueue(follow_up)

    def requeue(self) -> list[str]:
        """Enqueue the attempts in flight again, since their results are lost.

        Returns the ids of their messages.
        """
        in_flight, self._in_flight = self._in_flight, {}
        for pending in in_flight.values():
            self._forget(pending)
            if pending.endpoint_id in self._queues:
                self.enqueue(pending)
        return [pending.message_id for pending in in_flight.values()]

    def pending_attempts(self) -> list[PendingAttempt]:
        """Return all pending attempts, those in flight included."""
        queued = [pending for queue in self._queues.values() for _, _, pending in queue]
        in_flight = self._in_flight.values()
        queued += [pending for pending in in_flight if pending.endpoint_id in self._queues]
        return sorted(queued, key=lambda pending: (pending.due, pending.order))

    def next_due(self, after: datetime | None = None) -> datetime | None:
        """Return when the next attempt of an endpoint is due, None if no endpoint has one.

        Only attempts that are due later than ``after`` count.
        """
        heads = (queue[0][0] for queue in self._queues.values() if queue)
        return min((due for due in heads if after is None or due > after), default=None)

    def endpoints_due(self, now: datetime) -> list[str]:
        """Return the ids of the endpoints whose next attempt is due."""
        return [name for name, queue in self._queues.items() if queue and queue[0][0] <= now]

    def count_due(self, now: datetime) -> int:
        """Return the number of attempts that are due and not in flight."""
        return sum(due <= now for queue in self._queues.values() for due, _, _ in queue)

    @property
    def in_flight(self) -> bool:
        """Whether an attempt is in flight."""
        return bool(self._in_flight)

    def has_pending(self, message_id: str) -> bool:
        """Return whether a message has pending attempts."""
        return message_id in self._pending_counts

    def _forget(self, pending: PendingAttempt) -> None:
        self._pending_counts[pending.message_id] -= 1
        if not self._pending_counts[pending.message_id]:
            del self._pending_counts[pending.message_id]


def next_attempt(
    pending: PendingAttempt, now: datetime, *, succeeded: bool
) -> PendingAttempt | None:
    """Return the attempt that follows this one, or None."""
    if succeeded:
        if DeliveryFault.DUPLICATE in pending.faults:
            return attrs.evolve(pending, faults=frozenset[DeliveryFault](), no_retry=True)
        return None
    if pending.no_retry or pending.attempt > len(RETRY_WAITS):
        return None
    return attrs.evolve(
        pending,
        due=now + RETRY_WAITS[pending.attempt - 1],
        attempt=pending.attempt + 1,
        faults=pending.faults & {DeliveryFault.DUPLICATE},
    )
