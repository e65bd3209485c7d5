"""A lock that processes share: an exclusive lock on a file, which is gone when its holder is.

The file is there while somebody holds the lock, so that a thousand keys leave no thousand files.
A holder that was killed leaves its file, but no lock on it; the next holder removes it.
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

from ev_energy.auth._stores import GATE, until
from ev_energy.errors import TokenStoreError

if sys.platform == "win32":
    import msvcrt

    _FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_NOINHERIT

    def _try_lock(fd: int) -> bool:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(fd: int, path: Path) -> None:  # noqa: ARG001  (an open file cannot be removed here)
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
        return os.fstat(fd).st_nlink > 0  # else the holder before removed it: nobody will find it

    def _unlock(fd: int, path: Path) -> None:
        with suppress(OSError):  # a folder that became read-only is no reason to keep the lock
            if os.fstat(fd).st_nlink > 0:  # else what is there now is another's
                path.unlink()
        # By name, not by closing: a child on its way to exec has the same open file.
        fcntl.flock(fd, fcntl.LOCK_UN)


@attrs.frozen(eq=False)
class _Holding:
    """A lock that somebody in this process has."""

    path: Path
    fd: int
    loop: asyncio.AbstractEventLoop


#: What this process holds. Changed inside the gate: a child must know all that it inherits.
_held: Final[set[_Holding]] = set()


@asynccontextmanager
async def locked(path: Path) -> AsyncGenerator[None]:
    """Nobody else, in any process, is inside with the same *path*.

    `TokenStoreError` if there can be no such file. Killing the holder ends its lock at once.
    """
    loop = asyncio.get_running_loop()
    holding: _Holding | None = None

    def take() -> bool:
        nonlocal holding
        holding = _take(path, loop)
        return holding is not None

    try:
        await until(take)
        yield
    finally:
        if holding is not None:
            _release(holding)


def _take(path: Path, loop: asyncio.AbstractEventLoop) -> _Holding | None:
    """The lock, or None if somebody has it."""
    with GATE:
        for other in [held for held in _held if held.loop.is_closed()]:
            _release(other)  # what its holder waited for will never come
        try:
            fd = os.open(path, _FLAGS, 0o600)
            try:
                if _try_lock(fd):
                    holding = _Holding(path, fd, loop)
                    _held.add(holding)
                    return holding
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
        except OSError as error:
            raise TokenStoreError(f"{path} cannot be locked: {error.strerror or error}") from error
    return None


def _release(holding: _Holding) -> None:
    with GATE:
        if holding in _held:  # else it is that of the process which this one was forked from
            _held.remove(holding)
            # Whichever of the two fails, the other one lets go.
            with suppress(OSError):
                _unlock(holding.fd, holding.path)
            with suppress(OSError):
                os.close(holding.fd)


def _after_fork_in_child() -> None:
    """Let go of the parent's locks, and leave them to it: closing what both have open does both."""
    for holding in _held:
        os.close(holding.fd)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
