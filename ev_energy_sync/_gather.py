"""Making many blocking calls, a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from operator import length_hint
from typing import Any, Final, Generic, TypeVar

from ev_energy._api.gather import FINAL_ERRORS, checked_limit
from ev_energy._arguments import describe_type
from ev_energy.errors import EvEnergyError
from ev_energy_sync._loop_thread import Portal, call_groups

T = TypeVar("T")

#: The thread that waits for the others polls in this interval, to notice an interrupt everywhere.
_POLL_INTERVAL: Final = 0.1


def gather(
    calls: Iterable[Callable[[], T]],
    portal: Portal,
    limit: int | None,
    permits: Callable[[], float],
    *,
    return_exceptions: bool = False,
) -> list[T | Exception]:
    """Return the results of *calls* in their order, of which at most *limit* run at a time.

    No more run than *permits* returns, but at least one.
    """
    if not isinstance(calls, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]  # of untyped callers
        raise TypeError(f"calls must be an iterable of functions, not {describe_type(calls)}")
    count = checked_limit(limit)
    portal.check_calling_thread()
    iterator = iter(calls)
    gathering = _Gathering(iterator, permits, return_exceptions=return_exceptions)
    return gathering.run(portal, min(count, length_hint(iterator, count)))


class _Gathering(Generic[T]):
    """Some threads that make the calls of one iterator."""

    def __init__(
        self,
        calls: Iterator[Callable[[], T]],
        permits: Callable[[], float],
        *,
        return_exceptions: bool,
    ) -> None:
        self._calls, self._permits = calls, permits
        self._return_exceptions = return_exceptions
        self._next_call = threading.Condition()
        """Held while the iterator is advanced; notified when a call has ended."""
        self._running = 0
        self._results: dict[int, T | Exception] = {}
        self._started = 0
        self._error: BaseException | None = None
        """The first error; no call is started after it."""
        self._stopped = False
        """Whether the calls under way are cancelled."""
        self._finished = threading.Semaphore(0)
        """Released once by each thread."""

    def run(self, portal: Portal, count: int) -> list[T | Exception]:
        threads = [
            threading.Thread(
                target=copy_context().run, args=(self._work,), name="ev-energy-call", daemon=True
            )
            for _ in range(count)
        ]
        try:
            for thread in threads:
                thread.start()
            for _ in threads:
                while not self._finished.acquire(timeout=_POLL_INTERVAL):
                    pass
                if self._stopped:
                    break
        finally:
            self._stop(portal, threads)
        try:
            if self._error is not None:
                if isinstance(self._error, EvEnergyError):
                    self._error.gathered = dict(sorted(self._results.items()))
                raise self._error
        finally:
            self._error = None  # it holds this frame
        return [self._results[number] for number in range(self._started)]

    def _stop(self, portal: Portal, threads: list[threading.Thread]) -> None:
        """Cancel the calls under way, and wait until all threads have ended.

        An interrupt may have come while a thread was being started. One that does not run yet makes
        no call when it does.
        """
        self._stopped = True
        for thread in threads:
            while thread.is_alive():
                # Again and again: a thread may have been about to make a call.
                portal.cancel_calls_of(self)
                thread.join(_POLL_INTERVAL)
        close: Any = getattr(self._calls, "close", None)
        if close is not None:  # a generator
            close()

    def _work(self) -> None:
        call_groups.set((*call_groups.get(), self))
        try:
            while (call := self._advance()) is not None:
                number, function = call
                try:
                    self._results[number] = function()
                except FINAL_ERRORS as error:
                    if not self._return_exceptions:
                        raise
                    self._error = self._error or error
                except Exception as error:
                    if not self._return_exceptions:
                        raise
                    self._results[number] = error
                finally:
                    with self._next_call:
                        self._running -= 1
                        self._next_call.notify_all()
        except BaseException as error:  # noqa: BLE001  (raised in the calling thread)
            if not self._stopped:
                self._error, self._stopped = error, True
        finally:
            self._finished.release()

    def _advance(self) -> tuple[int, Callable[[], T]] | None:
        with self._next_call:
            while not self._ends() and self._running >= max(1, self._permits()):
                self._next_call.wait(_POLL_INTERVAL)
            if self._ends():
                return None
            try:
                function = next(self._calls)
            except StopIteration:
                return None
            if not callable(function):
                raise TypeError(
                    "calls must be functions without arguments, such as "
                    f"partial(client.vehicles.get, id), not {describe_type(function)}"
                )
            number, self._started = self._started, self._started + 1
            self._running += 1
            return number, function

    def _ends(self) -> bool:
        return self._stopped or self._error is not None
