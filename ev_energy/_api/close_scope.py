"""Waits of no certain end, which closing the client ends."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

import attrs

from ev_energy.errors import ClientClosedError


@attrs.define(eq=False)
class _Wait:
    task: asyncio.Task[object]
    is_ended: bool = False


class Waits:
    """The waits under way: for a pause to be over, for one's turn, for a token."""

    def __init__(self) -> None:
        self._waits: set[_Wait] = set()
        self._over = False

    @contextmanager
    def ended_by_close(self) -> Generator[None]:
        """The wait inside raises `ClientClosedError` when `end` is called, or at once after that.

        Its task is cancelled for that, and the cancellation taken back where it comes out. If
        somebody else cancelled it too, theirs goes on.
        """
        task = asyncio.current_task()
        if task is None:  # not in a task: nobody can wait here
            yield
            return
        wait, before = _Wait(task), task.cancelling()
        self._waits.add(wait)
        try:
            if self._over:  # looked at once it is found in there: `end` may run in another thread
                raise ClientClosedError
            yield
        except asyncio.CancelledError:
            if wait.is_ended:
                wait.is_ended = False
                if task.uncancel() <= before:
                    raise ClientClosedError from None
            raise
        finally:
            self._waits.discard(wait)
            if wait.is_ended:  # it was over just then, or came to another end
                task.uncancel()

    def end(self) -> None:
        """End them all, and those to come."""
        self._over = True
        here = asyncio.get_running_loop()
        for wait in tuple(self._waits):
            loop = wait.task.get_loop()
            if loop is here:
                self._end(wait)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(self._end, wait)

    def _end(self, wait: _Wait) -> None:
        # On the loop of the wait; elsewhere it could be over by the time it is cancelled.
        if wait in self._waits and not wait.is_ended:
            wait.is_ended = True
            wait.task.cancel()
