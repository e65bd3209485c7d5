"""The requests of the last hour, as arithmetic: every method is told the time."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Sequence
from typing import Final

from ev_energy._messages import RateLimit

#: What the API allows, until it says otherwise: requests per rolling hour.
USUAL: Final = 1000
HOUR: Final = 3600.0
#: More requests of others than this are not believed one by one.
CROWD: Final = 100_000


def blocked_seconds(retry_after: float, window: float) -> float:
    """Return for how long a refusal (429) holds back all calls of its allowance.

    That is what the server asked for, but a window at most (and a second an hour, for clocks that
    do not run alike): by then everything that was sent before the refusal counts no longer. A
    server, or something in between, that asks for years has made a mistake, and must not stop
    every process for years.
    """
    return min(retry_after, window + window / HOUR) if retry_after > 0 else 0.0  # also for NaN


class RollingLog:
    """What is known of one allowance: when each request was made that still counts.

    A request counts for the server from when it arrived, which nobody here knows exactly. It is
    counted here from the moment it is taken until a window after its reply came, and a second an
    hour longer, for clocks that do not run alike and servers that count in whole seconds. So it is
    never held for gone while the server still counts it.

    What is doubtful is kept apart: requests that got no reply to say that they were counted, and
    those of others with the same allowance (other processes, an earlier run), which only show in
    what replies state. They are guessed to have come evenly since the last such statement. Each
    reply confirms or corrects how many there are. If they alone leave nothing, the guess is put to
    the test now and then: after a 60th of the window without a request, one may be sent.
    """

    def __init__(self, most: int | None = None, *, window: float = HOUR) -> None:
        self.window = window
        self.most = most
        """What may be sent from here, whatever the server allows."""
        self.limit: int | None = USUAL if most is None else None
        """What the server allows to all who share the allowance; None: as much as they like."""
        self.stated = False
        """Whether the server said so."""
        self.reserved = 0
        """Set aside for somebody, and neither sent nor free."""
        self.pending = 0
        """Taken, and without a reply so far."""
        self.counted = 0
        """How many were ever answered and counted."""
        self._stay = window + window / HOUR
        # When each leaves, in order:
        self._spent: deque[float] = deque()
        self._doubtful: list[float] = []
        self._own: deque[float] = deque()  # of both, those sent from here; kept if there is a most
        self._gone: deque[float] = deque()  # those that left within the last window
        self._slowest = 0.0
        self._pause = window / 60  # before a guess is put to the test
        self._last_take = self._last_word = self._blocked_until = float("-inf")

    def used(self, now: float) -> int:
        """How many requests count, or may."""
        self._forget(now)
        return len(self._spent) + len(self._doubtful) + self.pending + self.reserved

    def capacity(self) -> int | None:
        """How many there can be in a window; None if there is no limit."""
        if self.limit is None or self.most is None:
            return self.most if self.limit is None else self.limit
        return min(self.limit, self.most)

    def free(self, now: float) -> int | None:
        """How many can be taken now; None if there is no limit."""
        used, left = self.used(now), list[int]()
        if self.limit is not None:
            left.append(self.limit - used)
        if self.most is not None:
            left.append(self.most - self._sent())
        if not left:
            return None
        return 0 if self._blocked_until > now else max(0, min(left))

    def wait(self, now: float, count: int = 1, *, aside: bool = False) -> float:
        """Seconds until *count* can be taken at once, as far as is known; 0 if they can now.

        If there are fewer in a window, it is about as many taken as they come. *aside*: they are
        among those that were set aside, so it is only about what the server makes of them.
        """
        used = self.used(now) - (self.reserved if aside else 0)
        wait = max(0.0, self._blocked_until - now)
        if self.limit is not None and used + count > self.limit:
            leaving = self._leaving(now, used + count - self.limit, used, self.limit)
            if count == 1 and self._doubtful:
                leaving = min(leaving, max(self._sure(now, used), self._last_take + self._pause))
            wait = max(wait, leaving - now)
        if self.most is not None and not aside and (sent := self._sent()) + count > self.most:
            rounds, place = divmod(sent + count - self.most - 1, self.most)
            leaving = self._own[place] if place < len(self._own) else now + self._stay
            wait = max(wait, leaving + rounds * self._stay - now)
        return wait

    def try_take(self, now: float) -> bool:
        """Take one if it is free: `wait` and `take` in one, and quick."""
        spent, doubtful, limit = self._spent, self._doubtful, self.limit
        if (spent and spent[0] <= now) or doubtful or self.most is not None:
            if self.wait(now) > 0:
                return False
        elif self._blocked_until > now or (
            limit is not None and len(spent) + self.pending + self.reserved >= limit
        ):
            return False
        self.pending += 1
        self._last_take = now
        return True

    def take(self, now: float) -> None:
        """Count one from now on."""
        self.pending += 1
        self._last_take = now

    def set_aside(self, count: int) -> None:
        """Keep *count* for somebody; a negative one gives them back."""
        self.reserved += count

    def give_back(self) -> None:
        """One that was taken was provably not sent."""
        self.pending -= 1

    def settle(
        self,
        now: float,
        since: float,
        mark: int,
        stated: RateLimit | None,
        *,
        success: bool,
        retry_after: float | None,
    ) -> None:
        """One that was taken was answered, or never will be.

        It was sent at *since* or later, when *mark* had been counted. The rest as in
        `budget.Ticket.settle`.
        """
        self.pending -= 1
        leaves, refused = now + self._stay, retry_after is not None
        if counted := not refused and (success or stated is not None):
            self.counted += 1
            self._pause = self.window / 60
            self._spent.append(leaves)
            self._slowest = max(self._slowest, now - since)
        else:
            insort(self._doubtful, leaves)
        if self.most is not None:
            self._own.append(leaves)
        if stated is not None:
            self._learn(now, since, mark + counted, stated.limit, stated.remaining)
        elif refused and self.stated and self.limit is not None:
            self._learn(now, since, mark, self.limit, 0)
        elif success and not self.stated:
            self.limit = None  # it would have stated one
        if retry_after:
            self._block(now, retry_after)
        elif refused:  # and nobody says for how long: refused requests may count, too
            self._pause = min(2 * self._pause, self._stay)

    def disown(self, now: float) -> None:
        """Whoever took or set aside something is somewhere else now, and may have sent it."""
        self._doubtful += [now + self._stay] * self.pending
        self._doubtful.sort()
        self.pending = self.reserved = 0

    def is_blank(self, now: float) -> bool:
        """Whether nothing would be lost with it but what the next reply states again."""
        return self.used(now) == 0 and self._blocked_until <= now

    def _learn(self, now: float, since: float, mark: int, limit: int, remaining: int) -> None:
        """A reply states this, and the server had counted *mark* of those that were ever counted.

        It was written between *since* and *now*, and nobody knows when exactly: what it holds for
        used is compared with the most and the least of ours that it can have had in mind.
        """
        self.limit = limit = limit or 1  # with none at all, one would never ask again
        self.stated = True
        used = limit - remaining if remaining < limit else 0
        self._forget(now)
        spent, doubtful, gone = self._spent, self._doubtful, self._gone
        possible = len(spent) + len(doubtful) + self.pending
        if gone and gone[-1] > since:
            possible += self._left_after(since)
        if used > possible:
            self._presume(now, used - possible)
        elif doubtful:
            # Those that the server may have forgotten already, or not have got yet, prove nothing.
            fading = bisect_right(spent, now + self._stay - self.window + self._slowest)
            certain = max(0, mark - (self.counted - len(spent)) - fading)
            surplus = len(doubtful) - max(0, used - certain)
            del doubtful[: max(0, min(surplus, bisect_right(doubtful, since + self._stay)))]
        self._last_word = now

    def _presume(self, now: float, count: int) -> None:
        """Others made *count* requests since the last statement."""
        assert self.limit is not None  # noqa: S101  (it was just stated)
        if count > CROWD:
            self.limit, count = self.limit - (count - CROWD), CROWD
        start = max(self._last_word, now - self.window)
        step = (now - start) / count
        self._doubtful += [start + step * (n + 1) + self.window for n in range(count)]
        self._doubtful.sort()

    def _block(self, now: float, seconds: float) -> None:
        """The server refused one, and said when to come back: one will be free then."""
        until = now + blocked_seconds(seconds, self.window)
        self._blocked_until = max(self._blocked_until, until)
        if self.limit is None:
            return
        first = bisect_right(self._doubtful, until)
        staying = self.used(now) - self.reserved - first - bisect_right(self._spent, until)
        for n in range(first, min(first + staying - self.limit + 1, len(self._doubtful))):
            self._doubtful[n] = until

    def _leaving(self, now: float, missing: int, used: int, limit: int) -> float:
        """When *missing* more are free, if whatever becomes free is taken at once."""
        # Beyond what counts now, it is those that are taken in the meantime, a window later.
        rounds = max(0, -(-(missing - max(limit, used)) // limit))
        place = missing - rounds * limit - 1
        if place < len(self._spent) + len(self._doubtful):
            return _nth(self._spent, self._doubtful, place) + rounds * self._stay
        return now + (rounds + 1) * self._stay  # nobody knows: a window after its reply

    def _sure(self, now: float, used: int) -> float:
        """When one more is free if nothing of what is doubtful is true."""
        assert self.limit is not None  # noqa: S101  (else there is nothing to wait for)
        missing = used - len(self._doubtful) + 1 - self.limit
        if missing <= 0:
            return now
        return self._spent[missing - 1] if missing <= len(self._spent) else now + self._stay

    def _sent(self) -> int:
        return len(self._own) + self.pending + self.reserved

    def _left_after(self, since: float) -> int:
        """How many left after *since*, so that what was stated since may have counted them."""
        found = 0
        for left in reversed(self._gone):
            if left <= since:
                break
            found += 1
        return found

    def _forget(self, now: float) -> None:
        spent, doubtful, own = self._spent, self._doubtful, self._own
        while own and own[0] <= now:
            own.popleft()
        if not ((spent and spent[0] <= now) or (doubtful and doubtful[0] <= now)):
            return
        count = bisect_right(doubtful, now)
        left, self._doubtful[:count] = doubtful[:count], []
        while spent and spent[0] <= now:
            left.append(spent.popleft())
        if not spent:
            self._slowest = 0.0
        gone = self._gone
        gone.extend(sorted(left))
        while gone[0] <= now - self.window:
            gone.popleft()
            if not gone:
                break


def _nth(first: Sequence[float], second: Sequence[float], place: int) -> float:
    """What is at *place* (from 0) of two sorted lists put together."""
    low, high = max(0, place - len(first)), min(place, len(second))
    while low < high:  # how many of the second come before it
        middle = (low + high) // 2
        if second[middle] < first[place - middle - 1]:
            low = middle + 1
        else:
            high = middle
    candidates = [items[n] for items, n in ((first, place - low), (second, low)) if n < len(items)]
    return min(candidates)
