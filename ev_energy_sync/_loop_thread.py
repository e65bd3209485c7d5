"""One event loop on one daemon thread, and a way into it for callers that block."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeAlias, TypeVar

from ev_energy._api import preload
from ev_energy._runtime.build_lock import build_lock
from ev_energy.errors import ClientClosedError, EvEnergyError
from ev_energy_sync._loop import new_loop, threads_are_greenlets

T = TypeVar("T")
Farewell: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

#: Seconds that a cancelled task, or the farewell, may take before nobody waits for it any longer.
PATIENCE: Final = 2.0
# Writes under way when the client is closed learn that they are unconfirmed; that takes no time.
_GRACE: Final = 0.1
# Seconds after which a waiting thread looks up. Windows does not interrupt the wait for a lock, and
# elsewhere a Ctrl-C that comes while the thread is on its way into the wait would not be noticed.
_LOOK_UP: Final = 0.1


class Portal:
    """Runs coroutines for threads that wait for them.

    Its loop starts with the first call, and anew in a forked child. It ends with `stop`, with the
    process, or when nobody holds the portal any more; the coroutine *farewell* then runs on it, to
    close what lives there.
    """

    def __init__(self, farewell: Farewell) -> None:
        self._farewell = farewell
        self._home: LoopThread | None = None
        self._stopped = False

    def call(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run *coro* on the loop and wait for it; it sees the context variables of this thread.

        An interrupt (Ctrl-C) cancels it, waits for it to unwind, and goes on.
        """
        home = self._home
        try:
            if home is None or not home.alive:
                home = self._start()
            home.refuse_own_thread()
        except BaseException:
            coro.close()
            raise
        return home.run(coro)

    def refuse_if_stopped(self) -> None:
        """Raise `ClientClosedError` after `stop`."""
        if self._stopped:
            raise ClientClosedError

    def stop(self) -> None:
        """Run the farewell, and end the loop and its thread. Later calls are refused."""
        if self._home is not None:
            self._home.refuse_own_thread()
        with build_lock:
            self._stopped = True
            home, self._home = self._home, None
        if home is not None:
            home.end()
            home.thread.join(3 * PATIENCE)

    def _start(self) -> LoopThread:
        with build_lock:
            if self._stopped:
                raise ClientClosedError
            if self._home is None or not self._home.alive:
                if threads_are_greenlets() and any(home.alive for home in _homes):
                    # All greenlets are in one real thread, in which asyncio runs one loop.
                    raise EvEnergyError(
                        "another blocking client is open, and gevent allows one at a time: share "
                        "that one among all greenlets, or close it first"
                    )
                self._home = LoopThread(self._farewell)
            return self._home

    def __del__(self) -> None:
        # May run anywhere, even where the lock is held: no lock, no waiting.
        if self._home is not None:
            self._home.end()


class LoopThread:
    """A running loop and its thread. It does not know its portal, so that one can be collected."""

    def __init__(self, farewell: Farewell) -> None:
        preload.load()  # not on the loop, which it would hold up
        self._farewell = farewell
        self._calls: set[_Call[Any]] = set()
        self._inherited: set[asyncio.Task[Any]] = set()
        self.alive = True  # takes calls
        self._over = False  # runs nothing any more
        self.loop = new_loop()
        self.thread = threading.Thread(target=self._main, name="ev-energy", daemon=True)
        try:
            self.thread.start()
        except BaseException as error:
            self.loop.close()
            if not isinstance(error, RuntimeError):
                raise
            # Python 3.12.1 starts no thread while it exits, and no Python beyond the user's limit.
            raise EvEnergyError(f"the client's thread cannot be started: {error}") from error
        _homes.add(self)

    def refuse_own_thread(self) -> None:
        """Raise in a thread that would wait for itself."""
        if self.alive and threading.get_ident() == self.thread.ident:
            raise RuntimeError(
                "a blocking call on the client's own event loop would never return: "
                "make it in another thread"
            )

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        """What *coro* returns or raises."""
        call = _Call(coro, self.loop)
        try:
            # Before it is handed over: a loop that ends looks here for calls nobody will run.
            self._calls.add(call)
            self._soon(call.begin)
            call.wait()
        except ClientClosedError:
            coro.close()
            raise
        except BaseException:
            with contextlib.suppress(ClientClosedError):
                self._soon(call.cancel)
                call.wait_for_the_end()
            raise
        finally:
            self._calls.discard(call)
        try:
            return self._result(call)
        finally:
            del call  # an error would hold this frame, and the frame the error

    def end(self) -> None:
        """Have the loop run the farewell and end; does not wait."""
        with contextlib.suppress(ClientClosedError):
            self._soon(self._stop)

    def bury(self) -> None:
        """Give up, in a forked child, a loop whose thread lives on in the parent only.

        Nothing of it may be closed or collected here: parent and child share its epoll, so that
        would unregister the parent's sockets.
        """
        self.alive, self._over = False, True
        self._inherited = asyncio.all_tasks(self.loop)

    def _result(self, call: _Call[T]) -> T:
        task = call.task
        if task is None or not task.done() or (task.cancelled() and not self.alive):
            raise ClientClosedError
        try:
            return task.result()
        finally:
            del call, task

    def _soon(self, callback: Callable[[], None]) -> None:
        if self._over:
            raise ClientClosedError
        try:
            self.loop.call_soon_threadsafe(callback)
        except RuntimeError:  # closed since
            raise ClientClosedError from None

    def _main(self) -> None:
        loop = self.loop
        try:
            while self.alive:
                # What a task raises of these, asyncio lets through. The task's caller gets it all
                # the same, and the calls of other threads must go on.
                with contextlib.suppress(KeyboardInterrupt, SystemExit):
                    loop.run_forever()
            loop.run_until_complete(self._leave())
        except BaseException:
            # Not to be expected. What lives on the loop cannot be closed any more: let it be.
            _buried.append(self)
            raise
        finally:
            self.alive, self._over = False, True
            _homes.discard(self)
            for call in tuple(self._calls):
                call.abandon()
        loop.close()

    def _stop(self) -> None:
        if self.alive:  # asked twice, it would stop the farewell
            self.alive = False
            self.loop.stop()

    async def _leave(self) -> None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._farewell(), PATIENCE)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if tasks:
            await asyncio.wait(tasks, timeout=_GRACE)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=PATIENCE)
        await self.loop.shutdown_asyncgens()


class _Call(Generic[T]):
    """One coroutine, from the thread that waits to the loop and back."""

    __slots__ = ("coro", "ended", "is_over", "loop", "task")

    def __init__(self, coro: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self.coro, self.loop = coro, loop
        self.task: asyncio.Task[T] | None = None
        self.is_over = False
        # One lock instead of an Event or a concurrent Future: a third less time for the hop.
        self.ended = threading.Lock()
        self.ended.acquire()

    def wait(self) -> None:
        while not self.ended.acquire(timeout=_LOOK_UP):
            pass

    def wait_for_the_end(self) -> None:
        """After an interrupt: it may have come when the call was over, and the lock taken."""
        if not self.is_over:
            self.ended.acquire(timeout=PATIENCE)

    def begin(self) -> None:
        self.task = self.loop.create_task(self.coro)
        self.task.add_done_callback(self._end)

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()
        else:
            self.abandon()

    def abandon(self) -> None:
        if self.task is None:
            self.coro.close()
        self._release()

    def _end(self, _: asyncio.Task[T]) -> None:
        self._release()

    def _release(self) -> None:
        if not self.is_over:
            self.is_over = True  # first: see `wait_for_the_end`
            self.ended.release()


_homes: Final[set[LoopThread]] = set()
_buried: Final[list[LoopThread]] = []


def _stop_all() -> None:
    homes = tuple(_homes)
    for home in homes:
        home.end()
    over = time.monotonic() + 2 * PATIENCE
    for home in homes:
        home.thread.join(max(0.0, over - time.monotonic()))


def _after_fork() -> None:
    for home in _homes:
        home.bury()
    _buried.extend(_homes)
    _homes.clear()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
