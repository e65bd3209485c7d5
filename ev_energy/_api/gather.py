"""Awaiting many calls, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Iterable
from operator import length_hint
from typing import Any, Final, Generic, TypeVar, cast

from ev_energy._arguments import describe_type

T = TypeVar("T")

#: Calls at the same time, unless the caller says otherwise. The client has 100 connections; these
#: leave most of them to other calls, and an allowance of 1000 an hour is used up in seconds.
DEFAULT_LIMIT: Final = 16


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
    *,
    return_exceptions: bool = False,
) -> list[T | Exception]:
    """Return the results of *calls* in their order, of which at most *limit* run at a time."""
    gathering = _Gathering(calls, checked_limit(limit), return_exceptions=return_exceptions)
    return await gathering.run()


class _Gathering(Generic[T]):
    """Some workers that await the calls of one iterator."""

    def __init__(
        self,
        calls: Iterable[Awaitable[T]] | AsyncIterable[Awaitable[T]],
        limit: int,
        *,
        return_exceptions: bool,
    ) -> None:
        self._limit, self._return_exceptions = limit, return_exceptions
        self._is_async = isinstance(calls, AsyncIterable)
        self._calls = _iterator(calls)
        self._next_call = asyncio.Lock()
        """Held while the iterator is advanced, which an async one allows one task at a time."""
        self._results: dict[int, T | Exception] = {}
        self._started = 0

    async def run(self) -> list[T | Exception]:
        count = min(self._limit, length_hint(self._calls, self._limit))
        workers = [asyncio.ensure_future(self._work()) for _ in range(count)]
        try:
            if workers:
                await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            failed = [w for w in workers if w.done() and not w.cancelled() and w.exception()]
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await self._discard_rest()
        for worker in (*failed, *workers):
            worker.result()
        return [self._results[number] for number in range(self._started)]

    async def _work(self) -> None:
        while True:
            async with self._next_call:
                try:
                    call = await self._advance()
                except StopAsyncIteration:
                    return
                number, self._started = self._started, self._started + 1
            try:
                self._results[number] = await call
            except Exception as error:
                if not self._return_exceptions:
                    raise
                self._results[number] = error
            del call

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

    async def _discard_rest(self) -> None:
        """Close the calls that were made but not started, so that Python does not warn of them.

        A generator makes them on demand, so there are none; the calls of a list exist already.
        """
        if self._is_async:
            if (close := getattr(self._calls, "aclose", None)) is not None:
                await close()
        elif (close := getattr(self._calls, "close", None)) is not None:
            close()
        else:
            for _ in range(length_hint(self._calls)):
                discard(next(self._calls, None))


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
