"""Requests that a process acquires ahead of its calls, where Redis is far. Nothing here does I/O.

A call that takes one of them does not wait for a round trip. Redis counts the leased requests as
used until the process names those that it took, or gives the others back. If it is considered dead
before, they may have been used.
"""

from __future__ import annotations

from collections import deque
from typing import Final

#: Seconds of a round trip from which on requests are leased: a near Redis replies soon enough, and
#: serves the callers of all processes in exactly the order in which they began to wait.
_MIN_ROUND_TRIP: Final = 0.01
#: Round trips of which the shortest counts, so that a busy moment does not make a Redis a far one.
_ROUND_TRIPS: Final = 8
#: How many times the demand of the last two calls of the script is leased. One time is used up
#: while the next call is under way; the rest lets the demand grow.
_AHEAD: Final = 2
#: Requests that are leased at most.
_MAX_LEASED: Final = 1024
#: How long unused requests are kept: in seconds, at least, and in round trips.
_MIN_KEPT: Final = 0.5
_KEPT_ROUND_TRIPS: Final = 3


class Lease:
    """The leased requests of one event loop."""

    def __init__(self, heartbeat_ttl: float) -> None:
        self._max_kept = heartbeat_ttl / 2
        self._left = self._stated = 0
        """What is left now, and what was left when the last call of the script began."""
        self._is_given_up = False
        """Whether nothing may be taken before the next call."""
        self._confirmed_at = float("-inf")
        """When the call of the script began that confirmed the lease last."""
        self._round_trips: deque[float] = deque(maxlen=_ROUND_TRIPS)
        self._demand, self._earlier_demand = 0, 0
        """The callers since the last call of the script began, and those between the last two."""
        self._taken = 0
        """The requests that were taken since the last call of the script began."""
        self._is_held = self._is_wanted_back = False

    @property
    def is_held(self) -> bool:
        """Whether Redis may hold a lease of this process, also after a call that failed."""
        return self._is_held

    @property
    def must_report(self) -> bool:
        """Whether Redis has to learn at once what was taken, or that no more is taken."""
        return self._taken > 0 or self._is_wanted_back

    @property
    def kept_for(self) -> float:
        """Seconds after which unused requests are given back."""
        return min(max(_MIN_KEPT, _KEPT_ROUND_TRIPS * self._round_trip), self._max_kept)

    @property
    def _round_trip(self) -> float:
        """The shortest of the last ones: others may include connecting, or a busy moment."""
        return min(self._round_trips, default=0.0)

    def take(self, now: float) -> bool:
        """Take one request if one is left that Redis still keeps for this process."""
        if self._left < 1 or now >= self._confirmed_at + self.kept_for:
            return False
        self._left -= 1
        self._taken += 1
        return True

    def note_caller(self) -> None:
        """Count a caller, whether it takes a leased request or waits for Redis."""
        self._demand += 1

    def begin_call(self, now: float) -> tuple[int, int]:
        """Return what is left, and how many to lease in all, for a call of the script."""
        if now >= self._confirmed_at + self.kept_for:
            self._left = self._earlier_demand = 0
        recent = self._demand + self._earlier_demand
        self._earlier_demand, self._demand, self._taken = self._demand, 0, 0
        is_busy = self._round_trip >= _MIN_ROUND_TRIP and recent > 1
        wanted = min(_AHEAD * recent, _MAX_LEASED) if is_busy else 0
        self._left = self._stated = min(self._left, wanted)
        self._is_held = self._is_held or wanted > 0
        self._is_given_up = self._is_wanted_back = False
        return self._left, wanted

    def end_call(self, leased: int, started: float, now: float) -> bool:
        """Note that Redis replied: *leased* requests, of which some have been taken since.

        Return whether Redis wants the lease back, and waits to hear how much of it was not taken.
        """
        self._left = 0 if self._is_given_up else max(0, leased - self._taken)
        self._is_wanted_back = leased < self._stated
        self._is_held = max(leased, self._stated) > 0
        self._confirmed_at = started
        self._round_trips.append(now - started)
        return self._is_wanted_back

    def give_up(self) -> None:
        """Take nothing more until the next call, which gives back what is left."""
        self._left, self._is_given_up = 0, True

    def clear(self) -> None:
        """Give up what is left, and start again with the next callers."""
        self.give_up()
        self._demand = self._earlier_demand = self._taken = 0
        self._is_wanted_back = False
