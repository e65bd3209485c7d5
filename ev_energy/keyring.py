"""A token store in the keyring of the desktop: ``pip install 'ev-energy[keyring]'``."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, TypeVar

from ev_energy._redaction.scrub import printable
from ev_energy._redaction.tracebacks import with_trimmed_traceback
from ev_energy._runtime.file_lock import file_lock
from ev_energy._runtime.in_thread import in_daemon_thread
from ev_energy.auth._oauth import Token
from ev_energy.errors import TokenStoreError

try:
    import keyring
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError("for the keyring, pip install 'ev-energy[keyring]'") from _missing

__all__ = ["KeyringStore"]

T = TypeVar("T")

#: Seconds that a cancelled save is waited for: without it, a rotated refresh token would be lost.
_SAVE_TIMEOUT: Final = 5.0


class KeyringStore:
    """A token store in the user's keyring: Keychain, Secret Service, KWallet and others.

    For programs that a person runs on their own machine. The keyring may ask that person to unlock
    it; meanwhile only calls that need a new token wait.

    Args:
        service: The service name of its keyring entries.
        lock_folder: The folder for lock files. Processes that share the keyring must use the same
            one. Default: the folder of ev_energy in the user's state folder.

    Every method raises `TokenStoreError` if there is no keyring or it denies access.
    """

    def __init__(
        self, service: str = "ev-energy", *, lock_folder: str | os.PathLike[str] | None = None
    ) -> None:
        if not service:
            raise ValueError("service must not be empty")
        self._service = service
        self._folder = _state_folder() if lock_folder is None else Path(lock_folder).absolute()

    def __repr__(self) -> str:
        return f"KeyringStore({self._service!r})"

    @with_trimmed_traceback
    async def load(self, key: str) -> Token | None:
        """Return the token of *key*, or None if there is none."""
        text = await self._run(lambda: keyring.get_password(self._service, key), grace=0)
        if text is None:
            return None
        try:
            return Token.from_dict(json.loads(text))
        except (ValueError, AttributeError):  # not chained: the error may hold the token
            raise TokenStoreError(
                f"the entry {key!r} of {self._service!r} in the keyring is not a token. It was not "
                "changed: delete it there, and have its user sign in again"
            ) from None

    @with_trimmed_traceback
    async def save(self, key: str, token: Token | None) -> None:
        """Replace the token of *key*; None deletes it."""

        def write() -> None:
            if token is not None:
                keyring.set_password(self._service, key, json.dumps(token.to_dict()))
            elif keyring.get_password(self._service, key) is not None:
                keyring.delete_password(self._service, key)

        await self._run(write, grace=_SAVE_TIMEOUT)

    def lock(self, key: str) -> AbstractAsyncContextManager[None]:
        """Return the lock of *key*, exclusive among this user's processes on this machine."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise TokenStoreError(f"cannot create {self._folder}: {error.strerror}") from error
        name = hashlib.sha256(f"{self._service}\0{key}".encode()).hexdigest()[:16]
        return file_lock(self._folder / f"{name}.lock", TokenStoreError)

    async def _run(self, work: Callable[[], T], *, grace: float) -> T:
        """Return the result of *work*, run in a thread: a keyring may wait for a person.

        When the caller is cancelled the work continues, and is waited for *grace* seconds more.
        """
        future = in_daemon_thread(work, "ev_energy keyring")
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            # The thread cannot be stopped, and the caller releases the lock after this.
            await asyncio.wait([future], timeout=grace)
            raise
        error = future.exception()
        if error is None:
            return future.result()
        if not isinstance(error, Exception):
            raise error
        # Backends raise errors of their own besides those of the keyring library.
        raise TokenStoreError(
            f"the keyring cannot be used: {type(error).__name__}: {printable(error)}"
        ) from error


def _state_folder() -> Path:
    """Return a folder that is the same in a shell, under cron and over ssh.

    Environment variables such as ``XDG_STATE_HOME`` differ between these.
    """
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "ev-energy"
    return Path.home() / ".local/state/ev-energy"
