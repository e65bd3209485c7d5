"""Crash a file store at each of its system calls in turn, and inspect the result.

Run as ``python crash_injection.py FOLDER crash|partial|error renew|first|forget``. It prints one
line of JSON for each call: its name, the token that was kept, the outcome that the caller saw, and
other problems.
"""

# ruff: noqa: ASYNC240  (this process has no other tasks)

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


class FailingCalls:
    """Counts system calls and lets the one with a given number fail."""

    def __init__(self, number: int, mode: str) -> None:
        self.number, self.mode = number, mode
        self.count = -1
        self.failed = ""
        self.originals = {name: getattr(module, name) for module, name in CALLS}

    def patch(self) -> None:
        for module, name in CALLS:
            setattr(module, name, self.counted(name, self.originals[name]))

    def restore(self) -> None:
        for module, name in CALLS:
            setattr(module, name, self.originals[name])

    def counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.count == self.number:
                self.failed = name
                Path(f"{sys.argv[1]}.call").write_text(name)
                if self.mode == "partial" and name == "write":
                    call(args[0], args[1][: len(args[1]) // 2])
                if self.mode != "error":
                    os._exit(137)
                if name == "close":
                    call(*args)  # a failing close closes the file nevertheless
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*args, **kwargs)

        return counting


async def change(store: FileStore, change_kind: str) -> None:
    """Change the token as a renewal, a sign-in or a sign-out does."""
    async with store.lock(KEY):
        await store.save(KEY, None if change_kind == "forget" else NEW)


async def prepare(folder: Path, change_kind: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if change_kind != "first":
        await FileStore(folder / "tokens.json").save(KEY, OLD)
        await FileStore(folder / "tokens.json").save(OTHER, REST)


async def inspect(folder: Path, change_kind: str) -> dict[str, Any]:
    """Return the token that another process loads, and problems of its further use."""
    store, problems = FileStore(folder / "tokens.json"), []
    async with asyncio.timeout(60):
        kept = await store.load(KEY)
        async with store.lock(KEY):
            if await store.load(KEY) != kept:
                problems.append("the token changed under the lock")
            await store.save(KEY, Token(access_token="later"))
    if (await store.load(KEY)) != Token(access_token="later"):
        problems.append("a later token was not saved")
    if change_kind != "first" and await store.load(OTHER) != REST:
        problems.append("another token is lost")
    if (names := sorted(path.name for path in folder.iterdir())) != ["tokens.json"]:
        problems.append(f"other files: {names}")
    if (mode := (folder / "tokens.json").stat().st_mode & 0o777) != 0o600:
        problems.append(f"mode {mode:o}")
    return {"kept": None if kept is None else kept.access_token, "problems": problems}


def crash_at(number: int, folder: Path, mode: str, change_kind: str) -> bool:
    """Return whether a child process crashed at the call."""
    child = os.fork()
    if child == 0:
        failing = FailingCalls(number, mode)
        failing.patch()
        asyncio.run(change(FileStore(folder / "tokens.json"), change_kind))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def fail_at(number: int, folder: Path, change_kind: str) -> tuple[bool, str]:
    """Return whether there was such a call, and its outcome for the caller."""
    failing, outcome, before = FailingCalls(number, "error"), "no error", open_files()

    async def run() -> None:
        failing.patch()
        try:
            await change(FileStore(folder / "tokens.json"), change_kind)
        finally:
            failing.restore()

    try:
        asyncio.run(run())
    except TokenStoreError as error:
        outcome = "TokenStoreError" if str(folder) in str(error) else f"no path in {error}"
    except OSError as error:
        outcome = repr(error)
    if open_files() != before:
        outcome += ", and a file is still open"
    return bool(failing.failed), outcome


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def main() -> None:
    folder, mode, change_kind = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    for number in itertools.count():
        asyncio.run(prepare(folder, change_kind))
        if mode == "error":
            reached, outcome = fail_at(number, folder, change_kind)
        else:
            reached, outcome = crash_at(number, folder, mode, change_kind), "crash"
        if not reached:
            return
        found = asyncio.run(inspect(folder, change_kind))
        print(json.dumps({"call": Path(f"{folder}.call").read_text(), "outcome": outcome, **found}))


main()
