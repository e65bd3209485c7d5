"""Secrets that a function of the user returns, so that they can be rotated while a client runs."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, cast

from ev_energy._arguments import describe_type
from ev_energy._callbacks import is_async
from ev_energy._redaction.tracebacks import Secret
from ev_energy._runtime.in_thread import in_thread
from ev_energy.errors import CredentialUnavailableError

if TYPE_CHECKING:
    from ev_energy.auth._credentials import SecretProvider


async def ask(name: str, provider: SecretProvider, time_limit: float) -> Secret[str]:
    """Return what *provider* returns, a function that was passed as the argument *name*.

    `CredentialUnavailableError` if it raises an error or takes longer than *time_limit* seconds,
    `TypeError` if it does not return a `str`.
    """
    timeout = asyncio.timeout(time_limit)
    try:
        async with timeout:
            answer = await _call(name, provider)
    except CredentialUnavailableError:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Something that the function waited for was cancelled, and not this task.
        raise _unavailable(name, error) from error
    except Exception as error:
        if timeout.expired():
            message = f"the function passed as {name} did not return within {time_limit:g} s"
            raise CredentialUnavailableError(message) from error
        raise _unavailable(name, error) from error
    if not isinstance(answer.value, str):
        raise TypeError(
            f"the function passed as {name} must return a str, not {describe_type(answer.value)}"
        )
    return cast("Secret[str]", answer)


def _unavailable(name: str, error: BaseException) -> CredentialUnavailableError:
    # Not its message, which may quote the secret.
    return CredentialUnavailableError(
        f"the function passed as {name} raised {type(error).__name__}, the cause of this error"
    )


async def _call(name: str, provider: SecretProvider) -> Secret[object]:
    """Call *provider*: on the event loop if it is async, else in a thread, since it may block."""
    if is_async(provider):
        return Secret(await cast("Any", provider()))
    value, error = (await in_thread(_outcome_of, provider)).value
    if error is not None:
        raise _unavailable(name, error) from error
    if inspect.isawaitable(value):
        return Secret(await value)
    return Secret(value)


def _outcome_of(provider: SecretProvider) -> Secret[tuple[object, Exception | None]]:
    """Return what *provider* returns and raises.

    The future of a thread cannot raise every exception: with a `StopIteration` it would never end.
    """
    try:
        return Secret((provider(), None))
    except Exception as error:  # noqa: BLE001  (it becomes the cause of another one)
        return Secret((None, error))
