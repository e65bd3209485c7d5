"""An event loop on a daemon thread, and calls into it from threads that block.

A blocking client has a `Portal`. Its first call starts a `LoopThread`; each call runs one coroutine
on that loop while the calling thread waits for the result.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import ContextVar, copy_context
from functools import lru_cache, partial
from typing import Any, Final, Generic, TypeAlias, TypeVar

from ev_energy._api import preload
from ev_energy._misuse import NotCopied
from ev_energy._runtime.build_lock import build_lock
from ev_energy._runtime.clocks import REAL
from ev_energy.errors import ClientClosedError, EvEnergyError
from ev_energy_sync._notifiers import Notifier, NotifierPool

T = TypeVar("T")
OnStop: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

#: Seconds to wait for a cancelled task, or for *on_stop*, before going on without it.
_UNWIND_TIMEOUT: Final = 2.0
# Closing makes pending writes fail with `UnconfirmedWriteError`; this is enough time for that.
_GRACE_PERIOD: Final = 0.1
# A waiting thread polls in this interval. Windows does not interrupt the wait for a lock, and on
# other systems a Ctrl-C that arrives just before the thread starts to wait would go unnoticed.
_POLL_INTERVAL: Final = 0.1
#: The end of a thread whose start was interrupted is polled in this interval.
_START_POLL_INTERVAL: Final = 0.01


#: The groups that the calls of the current context belong to, which are cancelled together.
call_groups: Final[ContextVar[tuple[object, ...]]] = ContextVar("call_groups", default=())


class Portal(NotCopied):
    """Runs coroutines on an event loop for threads that wait for the result.

    The loop starts with the first call, and again with the first call in a forked child. It stops
    with `stop`, at the exit of the process, or when the portal is garbage-collected; the coroutine
    function *on_stop* then runs on it, to close the resources that belong to the loop.
    """

    def __init__(self, on_stop: OnStop) -> None:
        self._on_stop = on_stop
        self._loop_thread: LoopThread | None = None
        self._stopped = False

    def call(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run *coro* on the loop and return its result. It sees the caller's context variables.

        An interrupt (Ctrl-C) cancels *coro*, waits for it to unwind, and propagates.
        """
        loop_thread = self._loop_thread
        try:
            if loop_thread is None or not loop_thread.running:
                loop_thread = self._start()
            loop_thread.check_calling_thread()
        except BaseException:
            coro.close()
            raise
        return loop_thread.run(coro)

    def cancel_calls_of(self, group: object) -> None:
        """Cancel the calls under way that belong to *group*."""
        loop_thread = self._loop_thread
        if loop_thread is not None:
            loop_thread.cancel_calls_of(group)

    def check_calling_thread(self) -> None:
        """Raise `RuntimeError` in the loop's own thread, where no call may be made."""
        if self._loop_thread is not None:
            self._loop_thread.check_calling_thread()

    def check_open(self) -> None:
        """Raise `ClientClosedError` if the portal was stopped."""
        if self._stopped:
            raise ClientClosedError

    def stop(self) -> None:
        """Run *on_stop*, then stop the loop and its thread. Later calls raise an error."""
        self.check_calling_thread()
        with build_lock:
            self._stopped = True
            loop_thread, self._loop_thread = self._loop_thread, None
        if loop_thread is not None:
            loop_thread.request_stop()
            loop_thread.thread.join(3 * _UNWIND_TIMEOUT)

    def _start(self) -> LoopThread:
        with build_lock:
            self.check_open()
            if self._loop_thread is None or not self._loop_thread.running:
                if threads_are_greenlets() and any(other.running for other in _loop_threads):
                    # All greenlets share one real thread, in which asyncio runs one loop at a time.
                    raise EvEnergyError(
                        "another blocking client is open, and gevent allows one at a time: share "
                        "that one among all greenlets, or close it first"
                    )
                self._loop_thread = LoopThread(self._on_stop)
            return self._loop_thread

    def __del__(self) -> None:
        # The garbage collector may run this in any thread, even in one that holds the lock:
        # therefore it neither takes the lock nor waits.
        if self._loop_thread is not None:
            self._loop_thread.request_stop()


class LoopThread:
    """A running loop and its thread.

    It holds no reference to its portal, so that an unused portal is garbage-collected.
    """

    def __init__(self, on_stop: OnStop) -> None:
        preload.load()  # here rather than on the loop, which the imports would block
        self._on_stop = on_stop
        self._calls: set[_Call[Any]] = set()
        self._submitted: deque[_Call[Any]] = deque()
        self._start_is_scheduled = False
        self._notifiers = NotifierPool(use_locks=threads_are_greenlets())
        self._inherited_tasks: set[asyncio.Task[Any]] = set()
        self.running = True
        """Whether the loop accepts calls."""
        self._finished = False
        """Whether the loop has stopped executing callbacks."""
        self.loop = new_loop()
        self.thread = threading.Thread(target=self._run_loop, name="ev-energy", daemon=True)
        try:
            self.thread.start()
        except BaseException as error:
            if self.thread in threading.enumerate():
                # A signal handler raised, as that of Ctrl-C does. The thread runs or is about to,
                # and only it can close the loop. There was no call yet: the client stays open.
                self._on_stop = _nothing_to_close
                self.request_stop()
                deadline = time.monotonic() + _UNWIND_TIMEOUT
                while self.thread in threading.enumerate() and time.monotonic() < deadline:
                    time.sleep(_START_POLL_INTERVAL)  # before it runs, it cannot be joined
                raise
            self.loop.close()
            if not isinstance(error, RuntimeError):
                raise
            # Python 3.12.1 starts no thread during exit; no version does beyond the user's limit.
            raise EvEnergyError(f"the client's thread cannot be started: {error}") from error
        _loop_threads.add(self)

    def check_calling_thread(self) -> None:
        """Raise `RuntimeError` in the loop's own thread, which would wait for itself."""
        if self.running and threading.get_ident() == self.thread.ident:
            raise RuntimeError(
                "a blocking call on the client's own event loop would never return: "
                "make it in another thread"
            )

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run *coro* on the loop, and return its result or raise its error."""
        notifier = self._notifiers.take()
        call = _Call(coro, self.loop, notifier)
        try:
            # Registered before it is scheduled: a loop that stops abandons the registered calls.
            self._calls.add(call)
            self._submit(call)
            while not notifier.wait(_POLL_INTERVAL):
                if call.task is None:
                    # The loop is busy, or an interrupt hit the thread that was about to wake it.
                    self._call_soon(self._start_submitted)
        except ClientClosedError:
            coro.close()
            raise
        except BaseException:
            with contextlib.suppress(ClientClosedError):
                self._call_soon(call.cancel)
                call.wait_for_unwinding()
            self._notifiers.give_back(notifier, reusable=False)
            raise
        finally:
            self._calls.discard(call)
        self._notifiers.give_back(notifier, reusable=True)
        try:
            return self._result(call)
        finally:
            del call  # an error holds this frame, and with it the call, which holds the error

    def cancel_calls_of(self, group: object) -> None:
        """Cancel the calls under way that belong to *group*."""
        for call in tuple(self._calls):
            if group in call.groups:
                with contextlib.suppress(ClientClosedError):
                    self._call_soon(call.cancel)

    def request_stop(self) -> None:
        """Tell the loop to run *on_stop* and to stop, without waiting for that."""
        with contextlib.suppress(ClientClosedError):
            self._call_soon(self._stop)

    def abandon_after_fork(self) -> None:
        """Abandon the loop in a forked child, where its thread does not exist.

        The child must neither close nor collect any part of it: parent and child share the epoll
        instance, so closing a socket here would unregister the parent's.
        """
        self.running, self._finished = False, True
        self._inherited_tasks = asyncio.all_tasks(self.loop)

    def _submit(self, call: _Call[Any]) -> None:
        """Hand *call* to the loop, and wake it unless another thread has just done so.

        If each call wakes it, 16 threads take 4 to 10 % more CPU time per GET on asyncio's loop.
        """
        self._submitted.append(call)
        if not self._start_is_scheduled:
            self._start_is_scheduled = True
            self._call_soon(self._start_submitted)

    def _start_submitted(self) -> None:
        self._start_is_scheduled = False  # first, so that later calls schedule this again
        while self._submitted:
            self._submitted.popleft().start()

    def _result(self, call: _Call[T]) -> T:
        task = call.task
        if task is None or not (self.running or (task.done() and not task.cancelled())):
            raise ClientClosedError
        try:
            return task.result()
        finally:
            del call, task

    def _call_soon(self, callback: Callable[[], None]) -> None:
        if self._finished:
            raise ClientClosedError
        try:
            self.loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop was closed in the meantime
            raise ClientClosedError from None

    def _run_loop(self) -> None:
        loop = self.loop
        try:
            while self.running:
                # asyncio lets these two errors of a task stop the loop. The caller of the task
                # gets the error from its result; the calls of other threads must continue.
                with contextlib.suppress(KeyboardInterrupt, SystemExit):
                    loop.run_forever()
            loop.run_until_complete(self._shut_down())
        except BaseException:
            # Unexpected. The resources of the loop can no longer be closed, so keep them alive.
            _abandoned.append(self)
            raise
        finally:
            self.running, self._finished = False, True
            _loop_threads.discard(self)
            for call in tuple(self._calls):
                call.abandon()
        loop.close()

    def _stop(self) -> None:
        if self.running:  # a second request must not stop the loop during `_shut_down`
            self.running = False
            self.loop.stop()

    async def _shut_down(self) -> None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._on_stop(), _UNWIND_TIMEOUT)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if tasks:
            await asyncio.wait(tasks, timeout=_GRACE_PERIOD)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_UNWIND_TIMEOUT)
        await self.loop.shutdown_asyncgens()


class _Call(Generic[T]):
    """One coroutine that runs on the loop while the calling thread waits for it."""

    __slots__ = ("_context", "_finished", "_notifier", "coro", "groups", "loop", "task")

    def __init__(
        self, coro: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop, notifier: Notifier
    ) -> None:
        self.coro, self.loop = coro, loop
        self.task: asyncio.Task[T] | None = None
        self.groups = call_groups.get()
        self._context = copy_context()
        self._finished = False
        self._notifier = notifier

    def wait_for_unwinding(self) -> None:
        """Wait for the call that an interrupt cancelled.

        If the interrupt came after the end of the call, the notification may have been received.
        """
        if not self._finished:
            self._notifier.wait(_UNWIND_TIMEOUT)

    def start(self) -> None:
        if not self._finished:  # otherwise it was cancelled before
            self.task = self.loop.create_task(self.coro, context=self._context)
            self.task.add_done_callback(self._finish)

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()
        else:
            self.abandon()

    def abandon(self) -> None:
        if self.task is None:
            self.coro.close()
        self._finish()

    def _finish(self, _: object = None) -> None:
        if not self._finished:
            self._finished = True  # before the notification, for `wait_for_unwinding`
            self._notifier.notify()


async def _nothing_to_close() -> None:
    """Do nothing when the loop stops."""


#: The running loop threads of this process.
_loop_threads: Final[set[LoopThread]] = set()
#: Loops that can no longer be closed, kept from garbage collection.
_abandoned: Final[list[LoopThread]] = []


def _stop_all() -> None:
    loop_threads = tuple(_loop_threads)
    for loop_thread in loop_threads:
        loop_thread.request_stop()
    deadline = time.monotonic() + 2 * _UNWIND_TIMEOUT
    for loop_thread in loop_threads:
        loop_thread.thread.join(max(0.0, deadline - time.monotonic()))


def _after_fork() -> None:
    for loop_thread in _loop_threads:
        loop_thread.abandon_after_fork()
    _abandoned.extend(_loop_threads)
    _loop_threads.clear()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a new loop: uvloop's if it is installed and can be used, otherwise asyncio's."""
    loop_class = None if threads_are_greenlets() else uvloop_class()
    loop = asyncio.new_event_loop() if loop_class is None else loop_class()
    if loop_class is None:
        # Timeouts expire even if a test has frozen the time. libuv has a clock of its own.
        vars(loop)["time"] = REAL.monotonic
    # Set on the instance: the event loop policy of the process decides on the class of the loop.
    vars(loop)["run_in_executor"] = partial(_run_in_executor, loop, loop.run_in_executor)
    return loop


def threads_are_greenlets() -> bool:
    """Return whether gevent has replaced the threads of this process by greenlets.

    The portal's thread is then a greenlet, and its loop has to wait in gevent's `select`, as
    asyncio's loop does. libuv would block the only real thread, and the caller's greenlet with it.
    """
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("threading")


def _run_in_executor(
    loop: asyncio.AbstractEventLoop,
    submit: Callable[..., asyncio.Future[Any]],
    executor: Executor | None,
    func: Callable[..., Any],
    *args: Any,
) -> asyncio.Future[Any]:
    """Run *func* in a thread, or on the loop if the process is exiting and starts no more threads.

    Python shuts its thread pools down before it calls the functions registered with `atexit`.
    """
    try:
        return submit(executor, func, *args)
    except RuntimeError:
        if loop.is_closed():
            raise
    future: asyncio.Future[Any] = loop.create_future()
    try:
        future.set_result(func(*args))
    except Exception as error:  # noqa: BLE001  (raised where the future is awaited)
        future.set_exception(error)
    return future


@lru_cache(maxsize=1)
def uvloop_class() -> type[asyncio.AbstractEventLoop] | None:
    """Return a subclass of uvloop's loop that is safe to fork, or None without uvloop."""
    try:
        import uvloop
    except (ImportError, RuntimeError):  # RuntimeError: it cannot be imported at exit
        return None

    class Loop(uvloop.Loop):
        """A uvloop loop that resolves host names in Python's threads instead of libuv's.

        At the exit of a forked child, libuv waits for its threads, which the child does not have,
        and crashes (libuv #4443). uvloop starts them even for addresses that need no resolving.
        """

        async def getaddrinfo(  # pyright: ignore[reportIncompatibleMethodOverride]  # uvloop has narrower types
            self,
            host: Any,
            port: Any,
            *,
            family: int = 0,
            type: int = 0,  # noqa: A002  (named by asyncio)
            proto: int = 0,
            flags: int = 0,
        ) -> list[Any]:
            resolve = partial(socket.getaddrinfo, host, port, family, type, proto)
            try:
                return resolve(flags | socket.AI_NUMERICHOST)
            except socket.gaierror:
                return await self.run_in_executor(None, resolve, flags)

    return Loop
