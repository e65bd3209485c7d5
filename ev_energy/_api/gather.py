"""Awaiting many calls, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from functools import partial
from itertools import chain, islice
from operator import length_hint
from typing import Any, Final, Generic, TypeVar, cast

from ev_energy._arguments import describe_type
from ev_energy.errors import (
    BudgetExceeded,
    BudgetUnavailableError,
    ClientClosedError,
    EvEnergyError,
)

T = TypeVar("T")

#: Calls at the same time, unless the caller says otherwise. The client has 100 connections; these
#: leave most of them to other calls, and an allowance of 1000 an hour is used up in seconds.
DEFAULT_LIMIT: Final = 16
#: Errors that every further call would raise, too.
FINAL_ERRORS: Final = (BudgetExceeded, BudgetUnavailableError, ClientClosedError)
#: Calls in an iterator of unknown length that are closed at most. Their number may be infinite.
_MAX_DISCARDED: Final = 10_000


def checked_limit(limit: int | None) -> int:
    """Return how many calls may run at the same time."""
    if limit is None:
        return DEFAULT_LIMIT
    if isinstance(limit, bool) or not isinstance(limit, int):  # pyright: ignore[reportUnnecessaryIsInstance]  # of untyped callers
        raise TypeError(f"limit must be an int, not {describe_type(limit)}")
    if limit < 1:
        raise ValueError(f"limit must be 1 or more, not {limit}")
    return limit


async def gather(
    calls: Iterable[Awaitable[T]] | AsyncIterable[Awaitable[T]],
    limit: int | None,
    permits: Callable[[], float],
    *,
    return_exceptions: bool = False,
) -> list[T | BaseException]:
    """Return the results of *calls* in their order, of which at most *limit* run at a time.

    No more run than *permits* returns, but at least one. So one waits for the rate limit, rather
    than many, the last of which would wait too long.
    """
    iterator = _iterator(calls)
    try:
        limit = checked_limit(limit)
    except (TypeError, ValueError):
        await _discard_rest(iterator)
        raise
    gathering = _Gathering[T](iterator, limit, permits, return_exceptions=return_exceptions)
    return await gathering.run()


class _Gathering(Generic[T]):
    """The tasks of the calls of one iterator, and the task that takes calls from it."""

    def __init__(
        self, calls: Any, limit: int, permits: Callable[[], float], *, return_exceptions: bool
    ) -> None:
        self._calls: Any = calls
        self._is_async = isinstance(calls, AsyncIterable)
        self._limit, self._permits = limit, permits
        self._return_exceptions = return_exceptions
        self._running: dict[int, asyncio.Future[T]] = {}
        self._results: dict[int, T | BaseException] = {}
        self._started = 0
        self._error: BaseException | None = None
        """The error to raise. No call is started after it."""
        self._is_cancelling = False
        """Whether the calls under way end with that."""
        self._slot_freed = asyncio.Event()
        self._changed = asyncio.Event()

    async def run(self) -> list[T | BaseException]:
        feeder = asyncio.ensure_future(self._feed())
        feeder.add_done_callback(lambda _: self._changed.set())
        try:
            while not self._is_finished(feeder):
                self._changed.clear()
                await self._changed.wait()
        finally:
            self._is_cancelling = True
            try:
                await _cancel_all([feeder, *self._running.values()])
            finally:
                calls, self._calls = self._calls, None
                await _discard_rest(calls)
        error, self._error = self._error, None
        try:
            if error is None:
                feeder.result()
                return [self._results[number] for number in range(self._started)]
            if isinstance(error, EvEnergyError):
                error.gathered = dict(sorted(self._results.items()))
            raise error
        finally:
            del error, feeder  # an error holds this frame

    def _is_finished(self, feeder: asyncio.Future[None]) -> bool:
        if self._is_cancelling or (feeder.done() and (feeder.cancelled() or feeder.exception())):
            return True
        return not self._running and (feeder.done() or self._error is not None)

    async def _feed(self) -> None:
        """Take calls from the iterator when they may start."""
        while self._error is None:
            while len(self._running) >= max(1, min(self._limit, self._permits())):
                self._slot_freed.clear()
                await self._slot_freed.wait()
            if self._error is not None:
                return
            try:
                call = await self._advance()
            except StopAsyncIteration:
                return
            if self._error is not None:  # an asynchronous iterator may take long
                discard(call)
                return
            number, self._started = self._started, self._started + 1
            task = self._running[number] = asyncio.ensure_future(call)
            task.add_done_callback(partial(self._on_done, number))
            del call, task

    async def _advance(self) -> Awaitable[T]:
        if self._is_async:
            call = await anext(self._calls)
        else:
            try:
                call = next(self._calls)
            except StopIteration:
                raise StopAsyncIteration from None  # no coroutine can raise StopIteration
        if not isinstance(call, Awaitable):
            raise TypeError(
                "calls must be awaitables, such as client.vehicles.get(id), not "
                f"{describe_type(call)}"
            )
        return cast("Awaitable[T]", call)

    def _on_done(self, number: int, task: asyncio.Future[T]) -> None:
        del self._running[number]
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            self._results[number] = task.result()
        elif not self._is_cancelling:
            is_returned = isinstance(error, Exception | asyncio.CancelledError)
            if not (self._return_exceptions and is_returned):
                self._error, self._is_cancelling = self._error or error, True
            elif isinstance(error, FINAL_ERRORS):
                self._error = self._error or error
            else:
                self._results[number] = error
        self._slot_freed.set()
        self._changed.set()


async def _cancel_all(tasks: list[asyncio.Future[Any]]) -> None:
    """Cancel *tasks* and wait until they have ended, even if this task is cancelled again."""
    for task in tasks:
        task.cancel()
    interruption: asyncio.CancelledError | None = None
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            interruption = error
    await asyncio.sleep(0)  # the callbacks of the last one
    if interruption is not None:
        raise interruption


async def _discard_rest(calls: Any) -> None:
    """Close the calls that were made but not started, so that Python does not warn of them.

    A generator makes them on demand, so there are none; the calls of a list exist already.
    """
    if (end := getattr(calls, "aclose", None)) is not None:
        await end()
    elif (close := getattr(calls, "close", None)) is not None:
        close()
    elif not isinstance(calls, AsyncIterable):
        is_view = isinstance(calls, chain | islice)  # of lists, which they do not tell the size of
        for _ in range(_MAX_DISCARDED if is_view else length_hint(calls)):
            if (call := next(calls, None)) is None:
                return
            discard(call)


def _iterator(calls: Any) -> Any:
    """Return an iterator over *calls*, synchronous or asynchronous."""
    if isinstance(calls, AsyncIterable):
        return aiter(cast("AsyncIterable[object]", calls))
    if isinstance(calls, Iterable):
        return iter(cast("Iterable[object]", calls))
    raise TypeError(
        f"calls must be an iterable of awaitables, or an async one, not {describe_type(calls)}"
    )


def discard(call: object) -> None:
    """Close a coroutine, or cancel a future, that is not awaited."""
    for name in ("close", "cancel"):
        if (end := getattr(call, name, None)) is not None:
            end()
            return
