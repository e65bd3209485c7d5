"""A process that crashes a file store at every system call in turn, and inspects the result.

Run as ``python crash_injection.py FOLDER die|half|fail renew|first|forget``. Prints JSON per call:
its name, the token that was left, the error that the caller saw, and anything else that is wrong.
"""

# ruff: noqa: ASYNC240  (nothing else happens in this process)

from __future__ import annotations

import asyncio
import errno
import fcntl
import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ev_energy.auth import FileStore, Token
from ev_energy.errors import TokenStoreError

KEY, OTHER = "one user", "another user"
OLD = Token(access_token="old", refresh_token="old-refresh")
NEW = Token(access_token="new", refresh_token="new-refresh")
REST = Token(access_token="rest")
CALLS = [(fcntl, "flock")] + [
    (os, name)
    for name in ("open", "write", "fsync", "close", "replace", "unlink", "fstat", "mkdir")
]


class Breaker:
    """Counts system calls; the call of a given number fails."""

    def __init__(self, number: int, how: str) -> None:
        self.number, self.how = number, how
        self.made = -1
        self.broken = ""
        self.whole = {name: getattr(module, name) for module, name in CALLS}

    def arm(self) -> None:
        for module, name in CALLS:
            setattr(module, name, self.counted(name, self.whole[name]))

    def disarm(self) -> None:
        for module, name in CALLS:
            setattr(module, name, self.whole[name])

    def counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **kwargs: Any) -> Any:
            self.made += 1
            if self.made == self.number:
                self.broken = name
                Path(f"{sys.argv[1]}.call").write_text(name)
                if self.how == "half" and name == "write":
                    call(args[0], args[1][: len(args[1]) // 2])
                if self.how != "fail":
                    os._exit(137)
                if name == "close":
                    call(*args)  # it fails to say that all went well, and closes
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*args, **kwargs)

        return counting


async def change(store: FileStore, deed: str) -> None:
    """Do what renewing, signing in and signing out do."""
    async with store.lock(KEY):
        await store.save(KEY, None if deed == "forget" else NEW)


async def prepare(folder: Path, deed: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if deed != "first":
        await FileStore(folder / "tokens.json").save(KEY, OLD)
        await FileStore(folder / "tokens.json").save(OTHER, REST)


async def inspect(folder: Path, deed: str) -> dict[str, Any]:
    """Return what another process sees, and whether it can continue."""
    store, wrong = FileStore(folder / "tokens.json"), []
    async with asyncio.timeout(60):
        kept = await store.load(KEY)
        async with store.lock(KEY):
            if await store.load(KEY) != kept:
                wrong.append("it changed")
            await store.save(KEY, Token(access_token="later"))
    if (await store.load(KEY)) != Token(access_token="later"):
        wrong.append("it does not work on")
    if deed != "first" and await store.load(OTHER) != REST:
        wrong.append("another token is lost")
    if (left := sorted(path.name for path in folder.iterdir())) != ["tokens.json"]:
        wrong.append(f"litter: {left}")
    if (mode := (folder / "tokens.json").stat().st_mode & 0o777) != 0o600:
        wrong.append(f"mode {mode:o}")
    return {"kept": None if kept is None else kept.access_token, "wrong": wrong}


def die_at(number: int, folder: Path, how: str, deed: str) -> bool:
    """Return whether a child died at the call."""
    child = os.fork()
    if child == 0:
        breaker = Breaker(number, how)
        breaker.arm()
        asyncio.run(change(FileStore(folder / "tokens.json"), deed))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def fail_at(number: int, folder: Path, deed: str) -> tuple[bool, str]:
    """Return whether there was such a call, and the failure it caused."""
    breaker, seen, before = Breaker(number, "fail"), "nothing", open_files()

    async def run() -> None:
        breaker.arm()
        try:
            await change(FileStore(folder / "tokens.json"), deed)
        finally:
            breaker.disarm()

    try:
        asyncio.run(run())
    except TokenStoreError as error:
        seen = "TokenStoreError" if str(folder) in str(error) else f"no path in {error}"
    except OSError as error:
        seen = repr(error)
    if open_files() != before:
        seen += ", and a file stayed open"
    return bool(breaker.broken), seen


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def main() -> None:
    folder, how, deed = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    for number in itertools.count():
        asyncio.run(prepare(folder, deed))
        if how == "fail":
            broke, seen = fail_at(number, folder, deed)
        else:
            broke, seen = die_at(number, folder, how, deed), "death"
        if not broke:
            return
        found = asyncio.run(inspect(folder, deed))
        print(json.dumps({"call": Path(f"{folder}.call").read_text(), "seen": seen, **found}))


main()
