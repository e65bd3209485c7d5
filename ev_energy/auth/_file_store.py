"""A token store in a file, for processes on one machine."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import stat
import sys
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

from ev_energy._redaction.tracebacks import with_trimmed_traceback
from ev_energy.auth._file_lock import file_lock
from ev_energy.auth._oauth import Token
from ev_energy.errors import TokenStoreError

_log: Final = logging.getLogger("ev_energy")

_FORMAT_VERSION: Final = 1
#: Permission bits of the group and of other users.
_SHARED_MODE: Final = 0o077

if sys.platform == "win32":
    _OPEN_FLAGS: Final = os.O_BINARY | os.O_NOINHERIT
else:
    # Another user may have put a symbolic link or a named pipe there: neither follow nor wait.
    _OPEN_FLAGS: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FileStore:
    """A token store in one file that only its owner can read, for many keys and processes.

    A save writes a second file and renames it over the first. At any moment, also if the process or
    the machine dies, there is a complete file with either the old token or the new one. Locks are
    files beside it that exist while they are held; the lock of a killed process is released.

    Args:
        path: The file. Its folder is created if it is missing, but no folder above that.

    Every method raises `TokenStoreError`, which names the file, if it fails; the file stays
    unchanged. A file that holds anything but tokens is never overwritten.
    """

    # File operations run on the event loop, not in a thread: a few kilobytes once per token
    # lifetime. So a cancellation cannot separate the steps, no thread writes after the lock was
    # released, and it works while the interpreter shuts down.

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).expanduser().absolute()
        self._new_path = self._path.with_name(f"{self._path.name}.new")
        self._has_warned = False

    def __repr__(self) -> str:
        return f"FileStore({str(self._path)!r})"

    @with_trimmed_traceback
    async def load(self, key: str) -> Token | None:
        """Return the token of *key*, or None if there is none."""
        stored = self._read().get(key)
        if stored is None:
            return None
        try:
            return Token.from_dict(stored)
        except (ValueError, AttributeError):  # not chained: the error may hold the token
            raise self._damaged(f"the entry for {key!r} is not a token") from None

    @with_trimmed_traceback
    async def save(self, key: str, token: Token | None) -> None:
        """Replace the token of *key*; None deletes it. It is on disk when this returns."""
        async with self._lock("lock"):
            tokens = self._read()
            if token is not None:
                tokens[key] = token.to_dict()
            elif tokens.pop(key, None) is None:
                return
            self._write(tokens)

    def lock(self, key: str) -> AbstractAsyncContextManager[None]:
        """Return the lock of *key*, exclusive among the processes of this machine."""
        return self._lock(f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.lock")

    def _lock(self, suffix: str) -> AbstractAsyncContextManager[None]:
        with self._store_errors("lock"):
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
        return file_lock(self._path.with_name(f"{self._path.name}.{suffix}"))

    def _read(self) -> dict[str, Any]:
        """Return the tokens as JSON, by key; empty if there is no file."""
        with self._store_errors("read"):
            try:
                fd = os.open(self._path, os.O_RDONLY | _OPEN_FLAGS)
            except FileNotFoundError:
                return {}
            try:
                mode = os.fstat(fd).st_mode
                if not stat.S_ISREG(mode):
                    raise TokenStoreError(f"{self._path} is not a regular file")
                with open(fd, "rb", closefd=False) as file:
                    text = file.read()
            finally:
                os.close(fd)
        if mode & _SHARED_MODE and sys.platform != "win32" and not self._has_warned:
            self._has_warned = True
            _log.warning(
                "other users can read or write %s (mode %o) and act with its tokens: run chmod 600 "
                "on it, and revoke the tokens if another user may have read them",
                self._path,
                stat.S_IMODE(mode),
            )
        return self._parse(text) if text else {}

    def _parse(self, text: bytes) -> dict[str, Any]:
        try:
            data: Any = json.loads(text)
        except (ValueError, RecursionError):  # not chained: the error holds the text
            raise self._damaged("it is not JSON") from None
        if not isinstance(data, dict):
            raise self._damaged("it is not a JSON object")
        document = cast("dict[str, Any]", data)
        tokens, version = document.get("tokens"), document.get("version")
        if not isinstance(tokens, dict) or not isinstance(version, int):
            raise self._damaged("it was not written by a FileStore")
        if version != _FORMAT_VERSION:
            raise self._damaged(f"it has format version {version}, of a newer ev_energy")
        return cast("dict[str, Any]", tokens)

    def _write(self, tokens: dict[str, Any]) -> None:
        text = json.dumps({"version": _FORMAT_VERSION, "tokens": tokens}).encode()
        with self._store_errors("write"):
            self._new_path.unlink(missing_ok=True)  # left by a process that died here
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN_FLAGS
                fd = os.open(self._new_path, flags, 0o600)
                try:
                    while text:
                        text = text[os.write(fd, text) :]
                    os.fsync(fd)
                finally:
                    os.close(fd)
                self._new_path.replace(self._path)
            except BaseException:
                with suppress(OSError):
                    self._new_path.unlink()
                raise
            if sys.platform != "win32":  # Windows cannot open a folder
                self._sync_folder()

    def _sync_folder(self) -> None:
        """Sync the folder: without that, the new name of the file may be lost in a crash."""
        fd = os.open(self._path.parent, os.O_RDONLY | _OPEN_FLAGS)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # unsupported by the file system
                raise
        finally:
            os.close(fd)

    def _damaged(self, reason: str) -> TokenStoreError:
        return TokenStoreError(
            f"{self._path} cannot be parsed: {reason}. It was not changed: move it away or restore "
            "a backup. Users whose tokens are lost must sign in again"
        )

    @contextmanager
    def _store_errors(self, action: str) -> Generator[None]:
        """Convert ``OSError`` into a `TokenStoreError` that names the file."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno == errno.ELOOP:
                reason = "it is a symbolic link: give the path of the file itself"
            raise TokenStoreError(f"cannot {action} {self._path}: {reason}") from error
