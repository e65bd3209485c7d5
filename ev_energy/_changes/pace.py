"""The pace of a stream's requests: a share of the client's allowance."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from ev_energy._arguments import describe_type

#: Seconds of the rolling window of the API's rate limit.
_WINDOW: Final = 3600.0
#: Requests per hour that the API allows, until a reply states the limit.
_DEFAULT_LIMIT: Final = 1000
#: Seconds. A clock may not move at all in a shorter pause, which is only what rounding left.
SHORTEST_PAUSE: Final = 0.001


def checked_share(budget: object) -> float:
    """Return the argument *budget*, a share of more than 0 and at most 1.

    Raises:
        TypeError: It is not a number.
        ValueError: It is not within the range.
    """
    if isinstance(budget, bool) or not isinstance(budget, int | float):
        raise TypeError(f"budget must be a number, not {describe_type(budget)}")
    if not 0 < budget <= 1:
        raise ValueError(f"budget must be more than 0 and at most 1, not {budget}")
    return float(budget)


class Pace:
    """Keeps the requests of a stream within a share of the client's requests per hour.

    The client's own budget counts all requests, those of the stream included. The share keeps the
    stream from using up what other calls of the client need.
    """

    def __init__(
        self,
        share: float,
        limit: Callable[[], int | None],
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._share, self._limit, self._clock, self._pause = share, limit, clock, pause
        self._sent: deque[float] = deque()

    @property
    def per_hour(self) -> int:
        """The number of requests per hour that the stream may send."""
        limit = self._limit()
        return max(1, int(self._share * (_DEFAULT_LIMIT if limit is None else limit)))

    @property
    def sent(self) -> int:
        """The number of requests in the last hour."""
        self._forget()
        return len(self._sent)

    def seconds_for(self, requests: int) -> float:
        """Return the seconds in which the share allows that many *requests*."""
        return requests * _WINDOW / self.per_hour

    async def request(self) -> None:
        """Wait until the share allows another request, and count it."""
        while self.sent >= self.per_hour:
            seconds = self._sent[0] + _WINDOW - self._clock()
            await self._pause(max(seconds, SHORTEST_PAUSE))
        self._sent.append(self._clock())

    def _forget(self) -> None:
        expired = self._clock() - _WINDOW
        while self._sent and self._sent[0] <= expired:
            self._sent.popleft()
