"""The accounting of one allowance as a rolling window. Pure arithmetic: callers pass the time."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Sequence
from typing import Final

from ev_energy._messages import RateLimit

#: Requests per rolling hour that the API allows; assumed until a reply states the limit.
DEFAULT_LIMIT: Final = 1000
HOUR: Final = 3600.0
#: Foreign requests beyond this number are subtracted from the limit instead of tracked one by one.
MAX_FOREIGN: Final = 100_000


def blocked_seconds(retry_after: float, window: float) -> float:
    """Return for how long a refusal (429) holds back all calls of its allowance.

    That is what the server asked for, but at most a window (and a second per hour, since clocks do
    not run alike): by then, nothing that was sent before the refusal counts any longer. A server or
    proxy that asks for years has made a mistake, which must not stop every process for years.
    """
    return min(retry_after, window + window / HOUR) if retry_after > 0 else 0.0  # also for NaN


class RollingWindow:
    """The requests of one allowance that still count against its limit.

    For the server, a request counts from its arrival, a moment that the client cannot know. Here a
    request counts from when its capacity is acquired until a window after its reply, and a second
    per hour longer, since clocks do not run alike and servers may count in whole seconds. So no
    request is considered expired while the server still counts it.

    Requests that may or may not count are *unconfirmed*: own requests without a reply that proves
    that they were counted, and *foreign* ones (of other processes, or an earlier run), which only
    show in the limits that replies state. Foreign requests are assumed to have been spread evenly
    since the last such statement. Each reply confirms or corrects the number of unconfirmed
    requests. If they alone exhaust the limit, the assumption is tested from time to time: after a
    60th of the window without a request, one request may be sent.
    """

    def __init__(self, local_limit: int | None = None, *, length: float = HOUR) -> None:
        self.length = length
        """Seconds that a request counts for."""
        self.local_limit = local_limit
        """Maximum number of requests sent through this window, whatever the server allows."""
        self.limit: int | None = DEFAULT_LIMIT if local_limit is None else None
        """The server's limit for all users of the allowance together; None if there is no limit."""
        self.synced = False
        """Whether the server stated the limit."""
        self.reserved = 0
        """Requests held by reservations, neither sent nor available to others."""
        self.in_flight = 0
        """Requests without a reply so far."""
        self.confirmed = 0
        """Total number of requests that the server is known to have counted, ever."""
        self._lifetime = length + length / HOUR
        # Sorted moments at which requests expire:
        self._confirmed: deque[float] = deque()
        self._unconfirmed: list[float] = []
        self._local: deque[float] = deque()  # own ones of both; kept only with a local limit
        self._expired: deque[float] = deque()  # those that expired within the last window
        self._max_latency = 0.0
        self._probe_interval = length / 60
        self._last_acquired = self._last_synced = self._blocked_until = float("-inf")

    def used(self, now: float) -> int:
        """Return how many requests count, or may count."""
        self._expire(now)
        return len(self._confirmed) + len(self._unconfirmed) + self.in_flight + self.reserved

    def capacity(self) -> int | None:
        """Return the maximum number of requests in a window; None if there is no limit."""
        if self.limit is None or self.local_limit is None:
            return self.local_limit if self.limit is None else self.limit
        return min(self.limit, self.local_limit)

    def available(self, now: float) -> int | None:
        """Return how many requests can be acquired now; None if there is no limit."""
        used, remaining = self.used(now), list[int]()
        if self.limit is not None:
            remaining.append(self.limit - used)
        if self.local_limit is not None:
            remaining.append(self.local_limit - self._local_used())
        if not remaining:
            return None
        return 0 if self._blocked_until > now else max(0, min(remaining))

    def wait(self, now: float, count: int = 1, *, reserved: bool = False) -> float:
        """Return the expected seconds until *count* requests can be acquired together; 0 if now.

        If *count* exceeds the limit, the result is for as many requests acquired as they become
        available. *reserved*: they are covered by a reservation, so only the server's view counts.
        """
        used = self.used(now) - (self.reserved if reserved else 0)
        wait = max(0.0, self._blocked_until - now)
        if self.limit is not None and used + count > self.limit:
            expires = self._capacity_at(now, used + count - self.limit, used, self.limit)
            if count == 1 and self._unconfirmed:
                probe = self._last_acquired + self._probe_interval
                expires = min(expires, max(self._confirmed_capacity_at(now, used), probe))
            wait = max(wait, expires - now)
        local_limit = self.local_limit
        if local_limit is not None and not reserved:
            local_used = self._local_used()
            if local_used + count > local_limit:
                rounds, index = divmod(local_used + count - local_limit - 1, local_limit)
                expires = self._local[index] if index < len(self._local) else now + self._lifetime
                wait = max(wait, expires + rounds * self._lifetime - now)
        return wait

    def try_acquire(self, now: float) -> bool:
        """Acquire one request if it is available: `wait` and `acquire` in one fast step."""
        confirmed, unconfirmed, limit = self._confirmed, self._unconfirmed, self.limit
        if (confirmed and confirmed[0] <= now) or unconfirmed or self.local_limit is not None:
            if self.wait(now) > 0:
                return False
        elif self._blocked_until > now or (
            limit is not None and len(confirmed) + self.in_flight + self.reserved >= limit
        ):
            return False
        self.in_flight += 1
        self._last_acquired = now
        return True

    def acquire(self, now: float) -> None:
        """Count one request from now on."""
        self.in_flight += 1
        self._last_acquired = now

    def release(self) -> None:
        """Return one acquired request that was provably not sent."""
        self.in_flight -= 1

    def reserve(self, count: int) -> None:
        """Hold capacity for *count* requests."""
        self.reserved += count

    def unreserve(self, count: int) -> None:
        """Return reserved capacity for *count* requests."""
        self.reserved -= count

    def complete(
        self,
        now: float,
        acquired_at: float,
        sequence: int,
        rate_limit: RateLimit | None,
        *,
        success: bool,
        retry_after: float | None,
    ) -> None:
        """Record the outcome of an acquired request: a reply, or none that will ever arrive.

        It was sent at *acquired_at* or later, when `confirmed` was *sequence*. The other arguments
        are those of `Ticket.complete`.
        """
        self.in_flight -= 1
        expires, refused = now + self._lifetime, retry_after is not None
        if counted := not refused and (success or rate_limit is not None):
            self.confirmed += 1
            self._probe_interval = self.length / 60
            self._confirmed.append(expires)
            self._max_latency = max(self._max_latency, now - acquired_at)
        else:
            insort(self._unconfirmed, expires)
        if self.local_limit is not None:
            self._local.append(expires)
        if rate_limit is not None:
            limit, remaining = rate_limit.limit, rate_limit.remaining
            if (
                limit == self.limit
                and self.synced
                and not self._unconfirmed
                and self._confirmed
                and self._confirmed[0] > now
                and limit - remaining <= len(self._confirmed) + self.in_flight
            ):  # an ordinary reply, which states what is known already
                self._last_synced = now
            else:
                self._sync(now, acquired_at, sequence + counted, limit, remaining)
        elif refused and self.synced and self.limit is not None:
            self._sync(now, acquired_at, sequence, self.limit, 0)
        elif success and not self.synced:
            self.limit = None  # a server with a limit would have stated it
        if retry_after:
            self._block(now, retry_after)
        elif refused:  # without a time to wait for; refused requests may count, too
            self._probe_interval = min(2 * self._probe_interval, self._lifetime)

    def disown_in_flight(self, now: float) -> None:
        """Count requests in flight as unconfirmed, since another process completes them."""
        self._unconfirmed += [now + self._lifetime] * self.in_flight
        self._unconfirmed.sort()
        self.in_flight = self.reserved = 0

    def is_idle(self, now: float) -> bool:
        """Return whether the window holds nothing but what the next reply states again."""
        return self.used(now) == 0 and self._blocked_until <= now

    def _sync(
        self, now: float, acquired_at: float, sequence: int, limit: int, remaining: int
    ) -> None:
        """Apply what a reply states. The server had counted *sequence* of the confirmed requests.

        The reply was written at an unknown moment between *acquired_at* and *now*. So the number
        of used requests that it states is compared with the largest and the smallest number of own
        requests that the server can have counted at that moment.
        """
        self.limit = limit = limit or 1  # a limit of 0 would prevent every later request
        self.synced = True
        used = limit - remaining if remaining < limit else 0
        self._expire(now)
        confirmed, unconfirmed, expired = self._confirmed, self._unconfirmed, self._expired
        possible = len(confirmed) + len(unconfirmed) + self.in_flight
        if expired and expired[-1] > acquired_at:
            possible += self._expired_since(acquired_at)
        if used > possible:
            self._assume_foreign(now, used - possible)
        elif unconfirmed:
            # Requests that the server may no longer count, or has not received yet, prove nothing.
            may_be_expired = now + self._lifetime - self.length + self._max_latency
            expiring = bisect_right(confirmed, may_be_expired)
            certain = max(0, sequence - (self.confirmed - len(confirmed)) - expiring)
            surplus = len(unconfirmed) - max(0, used - certain)
            older = bisect_right(unconfirmed, acquired_at + self._lifetime)
            del unconfirmed[: max(0, min(surplus, older))]
        self._last_synced = now

    def _assume_foreign(self, now: float, count: int) -> None:
        """Add *count* foreign requests, spread evenly since the last statement of a limit."""
        assert self.limit is not None  # noqa: S101  (`_sync` has just set it)
        if count > MAX_FOREIGN:
            self.limit, count = self.limit - (count - MAX_FOREIGN), MAX_FOREIGN
        start = max(self._last_synced, now - self.length)
        step = (now - start) / count
        self._unconfirmed += [start + step * (n + 1) + self.length for n in range(count)]
        self._unconfirmed.sort()

    def _block(self, now: float, seconds: float) -> None:
        """Hold back all requests after a refusal. One is available at the time the server gave."""
        until = now + blocked_seconds(seconds, self.length)
        self._blocked_until = max(self._blocked_until, until)
        if self.limit is None:
            return
        first = bisect_right(self._unconfirmed, until)
        expired_by_then = first + bisect_right(self._confirmed, until)
        still_counting = self.used(now) - self.reserved - expired_by_then
        end = min(first + still_counting - self.limit + 1, len(self._unconfirmed))
        for n in range(first, end):
            self._unconfirmed[n] = until

    def _capacity_at(self, now: float, missing: int, used: int, limit: int) -> float:
        """Return when *missing* more requests are available, if all capacity is used at once."""
        # After the requests that count now, those that replace them expire, a window later.
        rounds = max(0, -(-(missing - max(limit, used)) // limit))
        index = missing - rounds * limit - 1
        if index < len(self._confirmed) + len(self._unconfirmed):
            expires = _nth_of_merged(self._confirmed, self._unconfirmed, index)
            return expires + rounds * self._lifetime
        return now + (rounds + 1) * self._lifetime  # of a request in flight: an upper bound

    def _confirmed_capacity_at(self, now: float, used: int) -> float:
        """Return when one more request is available if no unconfirmed request counts."""
        assert self.limit is not None  # noqa: S101  (without a limit, there is nothing to wait for)
        missing = used - len(self._unconfirmed) + 1 - self.limit
        if missing <= 0:
            return now
        if missing <= len(self._confirmed):
            return self._confirmed[missing - 1]
        return now + self._lifetime

    def _local_used(self) -> int:
        return len(self._local) + self.in_flight + self.reserved

    def _expired_since(self, moment: float) -> int:
        """Return how many requests expired after *moment*; a reply since then may count them."""
        count = 0
        for expired_at in reversed(self._expired):
            if expired_at <= moment:
                break
            count += 1
        return count

    def _expire(self, now: float) -> None:
        confirmed, unconfirmed, local = self._confirmed, self._unconfirmed, self._local
        while local and local[0] <= now:
            local.popleft()
        if not ((confirmed and confirmed[0] <= now) or (unconfirmed and unconfirmed[0] <= now)):
            return
        count = bisect_right(unconfirmed, now)
        newly_expired = unconfirmed[:count]
        del unconfirmed[:count]
        while confirmed and confirmed[0] <= now:
            newly_expired.append(confirmed.popleft())
        if not confirmed:
            self._max_latency = 0.0
        expired = self._expired
        expired.extend(sorted(newly_expired))
        while expired[0] <= now - self.length:
            expired.popleft()
            if not expired:
                break


def _nth_of_merged(first: Sequence[float], second: Sequence[float], index: int) -> float:
    """Return the item at *index* (from 0) of two sorted sequences merged, without merging them."""
    low, high = max(0, index - len(first)), min(index, len(second))
    while low < high:  # for the number of items of `second` that precede the result
        middle = (low + high) // 2
        if second[middle] < first[index - middle - 1]:
            low = middle + 1
        else:
            high = middle
    candidates = [items[n] for items, n in ((first, index - low), (second, low)) if n < len(items)]
    return min(candidates)
