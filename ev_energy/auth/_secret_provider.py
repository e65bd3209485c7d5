"""Secrets that a function of the user returns, so that they can be rotated while a client runs."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import msgspec

from ev_energy._arguments import describe_type
from ev_energy._callbacks import is_async
from ev_energy._redaction.tracebacks import Secret
from ev_energy._runtime.in_thread import in_daemon_thread
from ev_energy.auth._credentials import StaticToken
from ev_energy.auth._oauth import is_client_secret, is_visible_ascii
from ev_energy.errors import CredentialUnavailableError

if TYPE_CHECKING:
    from ev_energy.auth._credentials import Auth, SecretProvider

#: What a function returned, and the error that it raised instead.
_Outcome: TypeAlias = Secret[tuple[object, Exception | None]]


class SecretKind(msgspec.Struct, frozen=True):
    """The kind of secret that a function returns."""

    argument: str
    """The name of the argument that the function is passed as."""
    is_valid: Callable[[str], bool]
    requirement: str
    """What a valid one is, for messages."""


CLIENT_SECRET: Final = SecretKind(
    "client_secret", is_client_secret, "non-empty text without line breaks or surrounding spaces"
)
ACCESS_TOKEN: Final = SecretKind(
    "token", is_visible_ascii, "the bare access token: ASCII text without spaces or line breaks"
)


class SecretFunction:
    """A function of the user that returns a secret, as a client calls it.

    It runs in the context that the client was made in: its answer is for all calls that wait for
    it, so a function that depends on the context of one of them fails at once.
    """

    def __init__(self, kind: SecretKind, provider: SecretProvider, time_limit: float) -> None:
        self._kind, self._provider, self._time_limit = kind, provider, time_limit
        self._context = contextvars.copy_context()
        self._blocking: asyncio.Future[_Outcome] | None = None
        """The call in a thread. It goes on after the time limit, and no other is started then."""
        self.is_awaited: bool = False
        """Whether the function was called and has not returned yet."""

    @classmethod
    def of(cls, auth: Auth, time_limit: float) -> SecretFunction | None:
        """Return the function in *auth*; None if it has none."""
        kind, secret = (
            (ACCESS_TOKEN, auth.token)
            if isinstance(auth, StaticToken)
            else (CLIENT_SECRET, auth.client_secret)
        )
        return None if isinstance(secret, str | None) else cls(kind, secret, time_limit)

    @property
    def argument(self) -> str:
        """The name of the argument that the function was passed as."""
        return self._kind.argument

    async def ask(self) -> Secret[str]:
        """Return what the function returns, without a final line break.

        `CredentialUnavailableError` if it raises an error, takes longer than the time limit, or
        returns no secret.
        """
        self.is_awaited, timeout = True, asyncio.timeout(self._time_limit)
        call = asyncio.get_running_loop().create_task(self._call(), context=self._context.copy())
        try:
            async with timeout:
                answer = await call
        except CredentialUnavailableError:
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Something that the function waited for was cancelled, and not this task.
            raise self._unavailable(error) from error
        except Exception as error:
            if timeout.expired():
                raise CredentialUnavailableError(
                    f"the function passed as {self.argument} did not return within "
                    f"{self._time_limit:g} s, the deadline of the client"
                ) from error
            raise self._unavailable(error) from error
        finally:
            self.is_awaited = False
            del call  # else its exception would refer to itself, by the frame of its traceback
        return self._checked(answer)

    def _checked(self, answer: Secret[object]) -> Secret[str]:
        """Return *answer* without a final line break, which files and commands end with."""
        if not isinstance(answer.value, str):
            raise CredentialUnavailableError(
                f"the function passed as {self.argument} must return a str, not "
                f"{describe_type(answer.value)}"
            )
        secret = Secret(answer.value.removesuffix("\n").removesuffix("\r"))
        if not self._kind.is_valid(secret.value):
            raise CredentialUnavailableError(
                f"the function passed as {self.argument} must return {self._kind.requirement}"
            )
        return secret

    def _unavailable(self, error: BaseException) -> CredentialUnavailableError:
        # Not its message, which may quote the secret.
        return CredentialUnavailableError(
            f"the function passed as {self.argument} raised {type(error).__name__}, the cause of "
            "this error"
        )

    async def _call(self) -> Secret[object]:
        """Call the function: on the event loop if it is async, else in a thread."""
        if is_async(self._provider):
            return Secret(await cast("Any", self._provider()))
        outcome = await self._call_in_thread()
        error = outcome.value[1]
        if error is not None:
            raise self._unavailable(error) from error
        if inspect.isawaitable(outcome.value[0]):
            return Secret(await outcome.value[0])
        return Secret(outcome.value[0])

    async def _call_in_thread(self) -> _Outcome:
        """Call the function in a thread, or join the call that still runs there."""
        running = self._blocking
        # A call of another loop (before a fork, or in an earlier asyncio.run) never ends here.
        if running is None or running.get_loop() is not asyncio.get_running_loop():
            context = contextvars.copy_context()
            running = in_daemon_thread(
                lambda: context.run(_outcome_of, self._provider),
                f"ev_energy {self.argument}",
            )
            self._blocking = running
            running.add_done_callback(self._on_return)
        await asyncio.wait([running])
        return running.result()

    def _on_return(self, call: asyncio.Future[_Outcome]) -> None:
        if self._blocking is call:
            self._blocking = None


def _outcome_of(provider: SecretProvider) -> _Outcome:
    """Return what *provider* returns and raises.

    The future of a thread cannot raise every exception: with a `StopIteration` it would never end.
    """
    try:
        return Secret((provider(), None))
    except Exception as error:  # noqa: BLE001  (it becomes the cause of another one)
        return Secret((None, error))
