"""The share of the client's allowance that a stream uses."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

#: Seconds that the API counts a request for.
_WINDOW: Final = 3600.0


class RequestShare:
    """Keeps the number of requests of a rolling hour within a share of the rate limit.

    Args:
        share: The share, more than 0 and at most 1.
        limit: Returns the number of requests that the API allows in an hour.
        clock: Returns seconds that never go back.
        pause: Sleeps.
    """

    def __init__(
        self,
        share: float,
        limit: Callable[[], int],
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._share, self._limit, self._clock, self._pause = share, limit, clock, pause
        self._sent: deque[float] = deque()

    async def take(self) -> None:
        """Wait until the share allows one more request, and count it."""
        while True:
            count = self.requests
            if count < self._allowed():
                break
            await self._pause(max(self._sent[0] + _WINDOW - self._clock(), 0.001))
        self._sent.append(self._clock())

    @property
    def requests(self) -> int:
        """The number of requests in the last hour."""
        oldest = self._clock() - _WINDOW
        while self._sent and self._sent[0] <= oldest:
            self._sent.popleft()
        return len(self._sent)

    def per_second(self) -> float:
        """Return the number of requests a second that the share allows in the long run."""
        return self._allowed() / _WINDOW

    def _allowed(self) -> int:
        return max(1, int(self._share * self._limit()))
