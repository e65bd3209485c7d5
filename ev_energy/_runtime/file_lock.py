"""A lock that processes share: an exclusive lock on a file.

The file exists while the lock is held, so that a thousand keys leave no thousand files behind. The
operating system releases the lock of a process that dies; the file it leaves is removed by the next
holder.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import attrs

from ev_energy._runtime.locks import FORK_LOCK, poll_until

if sys.platform == "win32":
    import msvcrt

    _FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_NOINHERIT

    def _try_lock(fd: int) -> bool:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(fd: int, path: Path) -> None:  # noqa: ARG001  (Windows cannot remove an open file)
        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    _FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

    def _try_lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        # Without a name it was removed by the previous holder: a lock on it excludes no process.
        return os.fstat(fd).st_nlink > 0

    def _unlock(fd: int, path: Path) -> None:
        with suppress(OSError):  # the folder may be read-only by now: release the lock anyway
            if os.fstat(fd).st_nlink > 0:  # otherwise the path is another holder's file
                path.unlink()
        # Explicitly, not by closing: a child between fork and exec has the same file open.
        fcntl.flock(fd, fcntl.LOCK_UN)


@attrs.frozen(eq=False)
class _HeldLock:
    """A lock that this process holds."""

    path: Path
    fd: int
    loop: asyncio.AbstractEventLoop


#: The locks of this process. Changed under `FORK_LOCK`, so that a child knows all it inherits.
_held: Final[set[_HeldLock]] = set()


@asynccontextmanager
async def file_lock(path: Path, error_type: type[Exception]) -> AsyncGenerator[None]:
    """Hold an exclusive lock on *path* among all processes. It ends when the process dies.

    An error of *error_type* if the file cannot be created.
    """
    loop = asyncio.get_running_loop()
    lock: _HeldLock | None = None

    def try_acquire() -> bool:
        nonlocal lock
        try:
            lock = _acquire(path, loop)
        except OSError as error:
            raise error_type(f"cannot lock {path}: {error.strerror or error}") from error
        return lock is not None

    try:
        await poll_until(try_acquire)
        yield
    finally:
        if lock is not None:
            _release(lock)


def _acquire(path: Path, loop: asyncio.AbstractEventLoop) -> _HeldLock | None:
    """Return the lock, or None if it is held."""
    with FORK_LOCK:
        for abandoned in [lock for lock in _held if lock.loop.is_closed()]:
            _release(abandoned)  # its holder will never run again to release it
        fd = os.open(path, _FLAGS, 0o600)
        try:
            if _try_lock(fd):
                lock = _HeldLock(path, fd, loop)
                _held.add(lock)
                return lock
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
    return None


def _release(lock: _HeldLock) -> None:
    with FORK_LOCK:
        if lock in _held:  # otherwise it belongs to the parent process
            _held.remove(lock)
            # Either call alone releases the lock, should the other one fail.
            with suppress(OSError):
                _unlock(lock.fd, lock.path)
            with suppress(OSError):
                os.close(lock.fd)


def _disown_after_fork() -> None:
    """Close inherited files and leave the locks to the parent.

    Parent and child share the open file, so unlocking it here would release the parent's lock;
    closing it does not.
    """
    for lock in _held:
        os.close(lock.fd)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_after_fork)
