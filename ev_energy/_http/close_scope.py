"""Waits without a fixed end, which closing the client ends."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

import msgspec

from ev_energy.errors import ClientClosedError


class _Wait(msgspec.Struct, eq=False):
    task: asyncio.Task[object]
    is_cancelled: bool = False
    """Whether `CloseScope.close` cancelled the task."""


class CloseScope:
    """The pending waits of a client: for a retry, for the budget, for a token."""

    def __init__(self) -> None:
        self.closed: bool = False
        self._waits: set[_Wait] = set()

    @contextmanager
    def cancel_on_close(self) -> Generator[None]:
        """Raise `ClientClosedError` from the wait inside once the scope is closed.

        Closing cancels the task and converts that cancellation into `ClientClosedError`; a
        cancellation from outside still propagates.
        """
        task = asyncio.current_task()
        if task is None:  # without a task, nothing can be awaited here
            yield
            return
        wait, cancellations_before = _Wait(task), task.cancelling()
        self._waits.add(wait)
        try:
            if self.closed:  # checked after registering: `close` may run in another thread
                raise ClientClosedError
            yield
        except asyncio.CancelledError:
            if wait.is_cancelled:
                wait.is_cancelled = False
                if task.uncancel() <= cancellations_before:
                    raise ClientClosedError from None
            raise
        finally:
            self._waits.discard(wait)
            if wait.is_cancelled:  # the wait ended by itself before the cancellation arrived
                task.uncancel()

    def close(self) -> None:
        """End all pending waits, and every later one at once."""
        self.closed = True
        running_loop = asyncio.get_running_loop()
        for wait in tuple(self._waits):
            loop = wait.task.get_loop()
            if loop is running_loop:
                self._cancel(wait)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(self._cancel, wait)

    def _cancel(self, wait: _Wait) -> None:
        # Runs on the loop of the wait: from another thread, the wait could end in the meantime.
        if wait in self._waits and not wait.is_cancelled:
            wait.is_cancelled = True
            wait.task.cancel()
