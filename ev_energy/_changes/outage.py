"""Errors that pass by themselves: a stream waits and tries again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from ev_energy._runtime.log_fields import log_fields
from ev_energy.errors import (
    BudgetExceeded,
    BudgetUnavailableError,
    CredentialUnavailableError,
    EvEnergyError,
    RateLimitError,
    ServerError,
    TransportError,
)

_log: Final = logging.getLogger("ev_energy")

#: The errors. The client has already tried such a call again for a while.
TRANSIENT: Final = (
    TransportError,
    ServerError,
    RateLimitError,
    BudgetExceeded,
    BudgetUnavailableError,
    CredentialUnavailableError,
)
#: Seconds before the first repetition after such an error. They double up to the longest.
_FIRST_PAUSE: Final = 15.0
_LONGEST_PAUSE: Final = 900.0
_MAX_DOUBLINGS: Final = 6


class Outage:
    """The transient errors since the latest success of a stream."""

    def __init__(self, stream: str, pause: Callable[[float], Awaitable[None]]) -> None:
        self.error: EvEnergyError | None = None
        """The latest error; None after a success."""
        self._stream, self._pause, self._failures = stream, pause, 0

    async def wait_after(self, error: EvEnergyError) -> None:
        """Log *error*, and wait until it is time to try again."""
        self.error = error
        seconds = min(_FIRST_PAUSE * 2 ** min(self._failures, _MAX_DOUBLINGS), _LONGEST_PAUSE)
        self._failures += 1
        _log.warning(
            "%s tries again in %g s: %s",
            self._stream,
            seconds,
            error,
            extra=log_fields(
                "stream_retry", stream=self._stream, wait=seconds, error=type(error).__name__
            ),
        )
        await self._pause(seconds)

    def end(self) -> None:
        """Note a success."""
        self.error, self._failures = None, 0
