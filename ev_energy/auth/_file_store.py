"""A token store in a file, for the processes of one machine."""

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
from ev_energy.auth._file_lock import locked
from ev_energy.auth._oauth import Token
from ev_energy.errors import TokenStoreError

_log: Final = logging.getLogger("ev_energy")

_VERSION: Final = 1
_OTHERS: Final = 0o077

if sys.platform == "win32":
    _SAFELY: Final = os.O_BINARY | os.O_NOINHERIT
else:
    # Never through a link to a file that somebody else chose; never waiting for a named pipe.
    _SAFELY: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FileStore:
    """Keeps tokens in one file that only its owner can read, for many keys and many processes.

    A token is written to a second file first, which then takes the place of the first: at every
    moment, also if the process or the machine dies, there is a whole file with the old token or
    the new one. Locks are files beside it, there while they are held; a holder that is killed
    lets go.

    Args:
        path: The file. Its folder is made if it is missing, but no folder above that.

    Every method raises `TokenStoreError`, which names the file, if it cannot do its work; what is
    in the file stays as it is. A file that holds anything else than tokens is never written over.
    """

    # All of it happens on the event loop, not in a thread: a few kilobytes, once in the life of
    # a token. So no cancellation comes between the steps, none leaves a thread behind that writes
    # after the lock was let go, and it works while the interpreter shuts down.

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).expanduser().absolute()
        self._next = self._path.with_name(f"{self._path.name}.new")
        self._warned = False

    def __repr__(self) -> str:
        return f"FileStore({str(self._path)!r})"

    @with_trimmed_traceback
    async def load(self, key: str) -> Token | None:
        """The token kept under *key*; None if there is none."""
        kept = self._read().get(key)
        if kept is None:
            return None
        try:
            return Token.from_dict(kept)
        except (ValueError, AttributeError):  # whose text or place may hold the token
            raise self._damaged(f"the token of {key!r} is none") from None

    @with_trimmed_traceback
    async def save(self, key: str, token: Token | None) -> None:
        """Keep *token* under *key*; None to forget it. It is on the disk when this returns."""
        async with self._locked("lock"):
            kept = self._read()
            if token is not None:
                kept[key] = token.to_dict()
            elif kept.pop(key, None) is None:
                return
            self._write(kept)

    def lock(self, key: str) -> AbstractAsyncContextManager[None]:
        """Nobody else is inside, in any process of this machine. Each key has a lock of its own."""
        return self._locked(f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.lock")

    def _locked(self, suffix: str) -> AbstractAsyncContextManager[None]:
        with self._explained("locked"):
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
        return locked(self._path.with_name(f"{self._path.name}.{suffix}"))

    def _read(self) -> dict[str, Any]:
        """Every token as JSON, by key."""
        with self._explained("read"):
            try:
                fd = os.open(self._path, os.O_RDONLY | _SAFELY)
            except FileNotFoundError:
                return {}
            try:
                mode = os.fstat(fd).st_mode
                if not stat.S_ISREG(mode):
                    raise TokenStoreError(f"{self._path} is no file, so no tokens are kept there")
                with open(fd, "rb", closefd=False) as file:
                    text = file.read()
            finally:
                os.close(fd)
        if mode & _OTHERS and sys.platform != "win32" and not self._warned:
            self._warned = True
            _log.warning(
                "%s can be read or written by others (mode %o). Whoever reads it can act as its "
                "owners: chmod 600 it, and if somebody may have read it, revoke its tokens.",
                self._path,
                stat.S_IMODE(mode),
            )
        return self._parsed(text) if text else {}

    def _parsed(self, text: bytes) -> dict[str, Any]:
        try:
            data: Any = json.loads(text)
        except (ValueError, RecursionError):  # the error holds the text, which holds tokens
            raise self._damaged("it is no JSON") from None
        if not isinstance(data, dict):
            raise self._damaged("it is no JSON object")
        found = cast("dict[str, Any]", data)
        tokens, version = found.get("tokens"), found.get("version")
        if not isinstance(tokens, dict) or not isinstance(version, int):
            raise self._damaged("something else wrote it")
        if version != _VERSION:
            raise self._damaged(f"a newer ev_energy wrote it, in version {version} of its format")
        return cast("dict[str, Any]", tokens)

    def _write(self, kept: dict[str, Any]) -> None:
        text = json.dumps({"version": _VERSION, "tokens": kept}).encode()
        with self._explained("written"):
            self._next.unlink(missing_ok=True)  # of one who died here
            try:
                fd = os.open(self._next, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, 0o600)
                try:
                    while text:
                        text = text[os.write(fd, text) :]
                    os.fsync(fd)
                finally:
                    os.close(fd)
                self._next.replace(self._path)
            except BaseException:
                with suppress(OSError):
                    self._next.unlink()
                raise
            if sys.platform != "win32":  # where no folder can be opened
                self._keep_name()

    def _keep_name(self) -> None:
        """Have the folder on the disk too: without it the new file may have no name there."""
        folder = os.open(self._path.parent, os.O_RDONLY | _SAFELY)
        try:
            os.fsync(folder)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # some file systems have no such
                raise
        finally:
            os.close(folder)

    def _damaged(self, why: str) -> TokenStoreError:
        return TokenStoreError(
            f"{self._path} cannot be understood: {why}. It was left as it is. Move it away or "
            "bring back a copy; those whose tokens are gone must sign in again"
        )

    @contextmanager
    def _explained(self, done: str) -> Generator[None]:
        """What the system says becomes an error that says where."""
        try:
            yield
        except OSError as error:
            why = error.strerror or str(error)
            if error.errno == errno.ELOOP:
                why = "it is a symbolic link: give the path of the file itself"
            raise TokenStoreError(f"{self._path} cannot be {done}: {why}") from error
