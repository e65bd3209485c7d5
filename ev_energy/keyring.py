"""Tokens in the keyring of the desktop: ``pip install 'ev-energy[keyring]'``."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from ev_energy._redaction.scrub import printable
from ev_energy._redaction.tracebacks import with_trimmed_traceback
from ev_energy.auth._file_lock import locked
from ev_energy.auth._oauth import Token
from ev_energy.errors import TokenStoreError

try:
    import keyring
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError("for the keyring, pip install 'ev-energy[keyring]'") from _missing

__all__ = ["KeyringStore"]

T = TypeVar("T")

#: Seconds that a cancelled save is waited for: a token the server rotated is lost without it.
_PATIENCE: Final = 5.0


class KeyringStore:
    """Keeps tokens where the user's other passwords are: Keychain, Secret Service, KWallet, ....

    For programs that a person runs on their machine. The keyring may ask that person to unlock it,
    for as long as it takes them; meanwhile only calls that need a new token wait.

    Args:
        service: What its entries are called there.
        lock_folder: Where lock files are. Processes that share the keyring must share it. Default:
            a folder of ev_energy in the user's state folder.

    Every method raises `TokenStoreError` if there is no keyring, or it does not let us.
    """

    def __init__(
        self, service: str = "ev-energy", *, lock_folder: str | os.PathLike[str] | None = None
    ) -> None:
        if not service:
            raise ValueError("service must not be empty")
        self._service = service
        self._folder = _state() if lock_folder is None else Path(lock_folder).absolute()

    def __repr__(self) -> str:
        return f"KeyringStore({self._service!r})"

    @with_trimmed_traceback
    async def load(self, key: str) -> Token | None:
        """The token kept under *key*; None if there is none."""
        text = await self._ask(lambda: keyring.get_password(self._service, key), patience=0)
        if text is None:
            return None
        try:
            return Token.from_dict(json.loads(text))
        except (ValueError, AttributeError):  # whose text or place may hold the token
            raise TokenStoreError(
                f"the entry {key!r} of {self._service!r} in the keyring is no token. It was left "
                "as it is: remove it there, and have its user sign in again"
            ) from None

    @with_trimmed_traceback
    async def save(self, key: str, token: Token | None) -> None:
        """Keep *token* under *key*; None to forget it."""

        def put() -> None:
            if token is not None:
                keyring.set_password(self._service, key, json.dumps(token.to_dict()))
            elif keyring.get_password(self._service, key) is not None:
                keyring.delete_password(self._service, key)

        await self._ask(put, patience=_PATIENCE)

    def lock(self, key: str) -> AbstractAsyncContextManager[None]:
        """Nobody else is inside, in any process of this user on this machine."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise TokenStoreError(f"{self._folder} cannot be made: {error.strerror}") from error
        name = hashlib.sha256(f"{self._service}\0{key}".encode()).hexdigest()[:16]
        return locked(self._folder / f"{name}.lock")

    async def _ask(self, work: Callable[[], T], *, patience: float) -> T:
        """What *work* returns, in a thread: a keyring may wait for a person.

        If this is cancelled, the work goes on; it is waited for *patience* seconds more.
        """
        done = _in_thread(work)
        try:
            await asyncio.wait([done])
        except asyncio.CancelledError:
            # The thread cannot be stopped, and the lock is let go after this.
            await asyncio.wait([done], timeout=patience)
            raise
        error = done.exception()
        if error is None:
            return done.result()
        if not isinstance(error, Exception):
            raise error
        # Every backend has errors of its own besides those of the library.
        raise TokenStoreError(
            f"the keyring cannot be used: {type(error).__name__}: {printable(error)}"
        ) from error


def _in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """What comes of *work* in a thread of its own, which the end of the process does not wait for.

    One of a pool would hold up the end of the program while a dialogue is open.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
            future.exception()  # whoever asked may be gone

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001  (it is raised where it was asked for)
            error = raised
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    try:
        threading.Thread(target=run, name="ev_energy keyring", daemon=True).start()
    except RuntimeError:  # none can be had: Python 3.12.1 starts no thread while it exits
        run()
    return future


def _state() -> Path:
    """The same folder in a shell, in cron and over ssh: whatever else is set differs there."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "ev-energy"
    return Path.home() / ".local/state/ev-energy"
