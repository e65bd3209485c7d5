"""What is to be sent to which endpoint, in which order, and what follows a failure."""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.webhooks._state import Trick

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ev_energy.simulator.webhooks._state import Errand


#: How long after a failure the next attempt follows, as Svix does it.
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
    """A queue of errands for each endpoint, and the one errand that is on its way there."""

    def __init__(self, endpoint_ids: Iterable[str] = (), errands: Iterable[Errand] = ()) -> None:
        #: Heaps of (due, order, errand).
        self._queues: dict[str, list[tuple[datetime, int, Errand]]] = {}
        self._flying: dict[str, Errand] = {}
        #: How many errands each message has that are not over.
        self._open: Counter[str] = Counter()
        for endpoint_id in endpoint_ids:
            self.open(endpoint_id)
        for errand in errands:
            self.put(errand)

    def open(self, endpoint_id: str) -> None:
        """Start a queue for an endpoint."""
        self._queues[endpoint_id] = []

    def close(self, endpoint_id: str) -> list[str]:
        """End the queue of an endpoint; return the messages that were in it."""
        errands = [errand for _, _, errand in self._queues.pop(endpoint_id)]
        for errand in errands:
            self._over(errand)
        return [errand.message_id for errand in errands]

    def put(self, errand: Errand) -> None:
        """Add an errand to the queue of its endpoint."""
        self._open[errand.message_id] += 1
        heapq.heappush(self._queues[errand.endpoint_id], (errand.due, errand.order, errand))

    def take(self, endpoint_id: str, now: datetime) -> Errand | None:
        """Return what goes to an endpoint next, if it is due, and note that it is on its way."""
        queue = self._queues.get(endpoint_id)
        if not queue or queue[0][0] > now:
            return None
        errand = self._flying[endpoint_id] = heapq.heappop(queue)[2]
        return errand

    def is_flying(self, errand: Errand) -> bool:
        """Return whether this very errand is on its way."""
        return self._flying.get(errand.endpoint_id) is errand

    def landed(self, errand: Errand, follow_up: Errand | None) -> None:
        """Note that an errand is over, and what comes of it."""
        del self._flying[errand.endpoint_id]
        self._over(errand)
        if follow_up is not None:
            self.put(follow_up)

    def bring_back(self) -> list[str]:
        """Queue again what is on its way: nobody will know what became of it.

        Returns the messages that was about.
        """
        flying, self._flying = self._flying, {}
        for errand in flying.values():
            self._over(errand)
            if errand.endpoint_id in self._queues:
                self.put(errand)
        return [errand.message_id for errand in flying.values()]

    def errands(self) -> list[Errand]:
        """Return everything that is to be sent, what is on its way included."""
        queued = [errand for queue in self._queues.values() for _, _, errand in queue]
        queued += [e for e in self._flying.values() if e.endpoint_id in self._queues]
        return sorted(queued, key=lambda errand: (errand.due, errand.order))

    def next_due(self, after: datetime | None = None) -> datetime | None:
        """Return when an endpoint has something to be sent, None if none has.

        ``after`` leaves those out for which that is so by then.
        """
        heads = (queue[0][0] for queue in self._queues.values() if queue)
        return min((due for due in heads if after is None or due > after), default=None)

    def endpoints_due(self, now: datetime) -> list[str]:
        """Return the endpoints that something should be sent to now."""
        return [name for name, queue in self._queues.items() if queue and queue[0][0] <= now]

    def count_due(self, now: datetime) -> int:
        """Return how many errands are due and wait to be taken."""
        return sum(due <= now for queue in self._queues.values() for due, _, _ in queue)

    @property
    def flying(self) -> bool:
        """Whether anything is on its way."""
        return bool(self._flying)

    def has(self, message_id: str) -> bool:
        """Return whether a message is still to be sent somewhere."""
        return message_id in self._open

    def _over(self, errand: Errand) -> None:
        self._open[errand.message_id] -= 1
        if not self._open[errand.message_id]:
            del self._open[errand.message_id]


def follow_up_of(errand: Errand, now: datetime, *, good: bool) -> Errand | None:
    """Return what is to be done after an attempt."""
    if good:
        if Trick.DUPLICATE in errand.tricks:
            return attrs.evolve(errand, tricks=frozenset[Trick](), once=True)
        return None
    if errand.once or errand.attempt > len(RETRY_WAITS):
        return None
    return attrs.evolve(
        errand,
        due=now + RETRY_WAITS[errand.attempt - 1],
        attempt=errand.attempt + 1,
        tricks=errand.tricks & {Trick.DUPLICATE},
    )
