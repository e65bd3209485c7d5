"""The requests of the last hour, as arithmetic: every method is told the time."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import deque
from itertools import islice
from typing import Final

#: What the API allows, until it says otherwise: requests per rolling hour.
USUAL: Final = 1000
HOUR: Final = 3600.0


class RollingLog:
    """What is known of one allowance: when each request was made that still counts.

    A request counts for the server from when it arrived, which nobody here knows exactly. It is
    counted here from the moment it is taken until an hour after its reply came, so that it is
    never held for gone while the server still counts it.

    Requests of others with the same allowance (other processes, an earlier run) are known from
    what replies state. They are guessed to have come evenly since the last such statement.
    """

    def __init__(self, limit: int | None = None, *, window: float = HOUR) -> None:
        self.window = window
        self.limit: int | None = USUAL if limit is None else limit
        self.reserved = 0
        """Set aside for somebody, and neither sent nor free."""
        self.pending = 0
        """Taken, and without a reply so far."""
        self._most = limit
        self._stated = False
        self._spent: deque[float] = deque()  # when their replies came
        self._others: list[float] = []  # when each is guessed to leave, in order
        self._last_word = float("-inf")
        self._blocked_until = float("-inf")

    def used(self, now: float) -> int:
        """How many requests count, or may."""
        self._forget(now)
        return len(self._spent) + self.pending + len(self._others) + self.reserved

    def free(self, now: float) -> int | None:
        """How many can be taken; None if there is no limit."""
        used = self.used(now)
        return None if self.limit is None else max(0, self.limit - used)

    def wait(self, now: float, count: int = 1) -> float:
        """Seconds until *count* can be taken at once, as far as is known; 0 if they can now."""
        blocked = max(0.0, self._blocked_until - now)
        if self.limit is None:
            return blocked
        missing = count - (self.limit - self.used(now))
        if missing <= 0:
            return blocked
        leaving = heapq.merge((at + self.window for at in self._spent), self._others)
        # What is pending leaves an hour after its reply, at the earliest.
        last = next(islice(leaving, missing - 1, None), now + self.window)
        return max(blocked, last - now)

    def take(self) -> None:
        """Count one from now on."""
        self.pending += 1

    def set_aside(self, count: int) -> None:
        """Keep *count* for somebody; a negative one gives them back."""
        self.reserved += count

    def settle(self, now: float) -> None:
        """A reply came, or never will: one that was taken counts for an hour from now on."""
        self.pending -= 1
        self._spent.append(now)

    def give_back(self) -> None:
        """One that was taken was provably not sent."""
        self.pending -= 1

    def learn(self, now: float, since: float, limit: int, remaining: int) -> None:
        """What the reply to a request sent at *since* and settled at *now* states."""
        self._stated = True
        self.limit = limit if self._most is None else min(limit, self._most)
        self._forget(now)
        used = limit - remaining
        # Of ours the server has counted the one it answered and those that were settled before
        # it was sent; and at most all. What is left over is somebody else's.
        certain = bisect_right(self._spent, since) + 1
        possible = len(self._spent) + self.pending
        missing = used - possible - len(self._others)
        if missing > 0:
            start = max(self._last_word, now - self.window)
            step = (now - start) / missing
            self._others += [start + step * (n + 1) + self.window for n in range(missing)]
            self._others.sort()
        elif (surplus := len(self._others) - max(0, used - certain)) > 0:
            del self._others[:surplus]
        self._last_word = now

    def learn_nothing(self) -> None:
        """A success states no allowance: then there is none, unless one was set or stated."""
        if not self._stated and self._most is None:
            self.limit = None

    def block(self, now: float, seconds: float) -> None:
        """The server refused one, and said when to come back: one will be free then."""
        self._blocked_until = max(self._blocked_until, now + seconds)
        self._forget(now)
        if self.limit is not None and self.used(now) >= self.limit and self._others:
            self._others[0] = min(self._others[0], self._blocked_until)

    def _forget(self, now: float) -> None:
        spent, gone = self._spent, now - self.window
        while spent and spent[0] <= gone:
            spent.popleft()
        if self._others and self._others[0] <= now:
            del self._others[: bisect_right(self._others, now)]
