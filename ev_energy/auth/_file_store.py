"""A token store in a file, for processes on one machine."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, cast

from ev_energy._redaction.tracebacks import with_trimmed_traceback
from ev_energy._runtime.log_fields import log_fields
from ev_energy._runtime.private_file import PrivateFile
from ev_energy.auth._oauth import Token
from ev_energy.errors import TokenStoreError

_log: Final = logging.getLogger("ev_energy")

_FORMAT_VERSION: Final = 1
#: Permission bits of the group and of other users.
_SHARED_MODE: Final = 0o077


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

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = PrivateFile(path, TokenStoreError)
        self._has_warned = False

    def __repr__(self) -> str:
        return f"FileStore({str(self._file.path)!r})"

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
        async with self._file.lock("lock"):
            tokens = self._read()
            if token is not None:
                tokens[key] = token.to_dict()
            elif tokens.pop(key, None) is None:
                return
            self._write(tokens)

    def lock(self, key: str) -> AbstractAsyncContextManager[None]:
        """Return the lock of *key*, exclusive among the processes of this machine."""
        return self._file.lock(f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.lock")

    def _read(self) -> dict[str, Any]:
        """Return the tokens as JSON, by key; empty if there is no file."""
        content = self._file.read()
        if content is None:
            return {}
        if content.mode & _SHARED_MODE and sys.platform != "win32" and not self._has_warned:
            self._has_warned = True
            _log.warning(
                "other users can read or write %s (mode %o) and act with its tokens: run chmod 600 "
                "on it, and revoke the tokens if another user may have read them",
                self._file.path,
                content.mode,
                extra=log_fields("token_store_exposed"),
            )
        return self._parse(content.body) if content.body else {}

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
        document = {"version": _FORMAT_VERSION, "tokens": tokens}
        self._file.replace(json.dumps(document).encode())

    def _damaged(self, reason: str) -> TokenStoreError:
        return TokenStoreError(
            f"{self._file.path} cannot be parsed: {reason}. It was not changed: move it away or "
            "restore a backup. Users whose tokens are lost must sign in again"
        )
