"""Waits of no certain end, which closing the client ends."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from ev_energy.errors import ClientClosedError


class Waits:
    """The waits under way: for a pause to be over, for one's turn, for a token."""

    def __init__(self) -> None:
        self._tasks: dict[object, asyncio.Task[object]] = {}
        self._ended: set[object] = set()

    @contextmanager
    def ended_by_close(self) -> Generator[None]:
        """The wait inside raises `ClientClosedError` when `end` is called.

        Its task is cancelled for that, and the cancellation taken back where it comes out. If
        somebody else cancelled it too, theirs goes on.
        """
        task = asyncio.current_task()
        if task is None:  # not in a task: nobody can wait here
            yield
            return
        wait, before = object(), task.cancelling()
        self._tasks[wait] = task
        try:
            yield
        except asyncio.CancelledError:
            if wait in self._ended and task.uncancel() <= before:
                raise ClientClosedError from None
            raise
        finally:
            self._tasks.pop(wait, None)
            self._ended.discard(wait)

    def end(self) -> None:
        """End them all."""
        here = asyncio.get_running_loop()
        for wait, task in tuple(self._tasks.items()):
            self._ended.add(wait)
            loop = task.get_loop()
            if loop is here:
                task.cancel()
            elif not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)
