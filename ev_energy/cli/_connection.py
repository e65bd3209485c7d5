"""The client of a command, and the end of a command whose call failed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ev_energy import Client, ClientCredentials
from ev_energy.cli._exit import ExitCode, UsageError, notice, report_error
from ev_energy.errors import (
    CallError,
    EvEnergyError,
    NotSentError,
    RateLimitError,
    SignInRequiredError,
    TokenError,
)

if TYPE_CHECKING:
    from ev_energy.hooks import WaitEvent

_CREDENTIALS: Final = ("EV_ENERGY_TOKEN", "EV_ENERGY_CLIENT_ID", "EV_ENERGY_CLIENT_SECRET")


#: Seconds that a page of a whole listing may wait for the rate limit, whose window is an hour.
PATIENT: Final = 2 * 3600.0
#: Shorter waits, in seconds, are not worth a line.
_LONG_WAIT: Final = 5


def describe_wait(event: WaitEvent) -> str | None:
    """Return a line about a wait, or None if it is short."""
    if event.seconds < _LONG_WAIT:
        return None
    reason = "for the rate limit" if event.reason == "budget" else "before another attempt"
    return f"waiting {event.seconds:.0f} s {reason}"


def _report_wait(event: WaitEvent) -> None:
    if line := describe_wait(event):
        notice(line)


def make_client(values: Mapping[str, Any], *, public: bool = False, **settings: Any) -> Client:
    """Return a client with the options in *values* and the credentials of the environment.

    A *public* operation needs no credentials.
    """
    if "base_url" in values:
        settings["base_url"] = values["base_url"]
    if public and not any(map(os.environ.get, _CREDENTIALS)):
        settings.setdefault("base_url", os.environ.get("EV_ENERGY_BASE_URL") or "live")
        return Client(None, **settings)
    try:
        return Client.from_env(**settings)
    except ValueError as error:
        message = str(error)
        if message.startswith("base_url"):
            name = "--base-url" if "base_url" in values else "EV_ENERGY_BASE_URL"
            message = message.replace("base_url", name, 1)
            raise UsageError(message, "--simulator is a server to try calls on") from None
        raise UsageError(message, "--simulator needs no credentials") from None


@asynccontextmanager
async def open_client(
    values: Mapping[str, Any], *, public: bool = False, **settings: Any
) -> AsyncGenerator[Client]:
    """Open the client that `make_client` returns, or one of an embedded simulator."""
    user = values.get("acting_for")
    settings.setdefault("on_wait", _report_wait)
    if values.get("simulator"):
        if "base_url" in values:
            raise UsageError("--simulator and --base-url exclude each other")
        from ev_energy.simulator import Simulator

        async with Simulator() as simulator:
            auth = ClientCredentials(
                client_id=simulator.client_id, client_secret=simulator.client_secret
            )
            async with Client(auth, base_url=simulator.base_url, **settings) as client:
                yield client.acting_for(user)
        return
    async with make_client(values, public=public, **settings) as client:
        yield client.acting_for(user)


def run(command: Coroutine[Any, Any, ExitCode]) -> ExitCode:
    """Run the coroutine of a command. Errors become one line on stderr and an exit status."""
    try:
        return asyncio.run(command)
    except UsageError:
        raise
    except EvEnergyError as error:
        report_error(f"{type(error).__name__}: {error}", _hint(error), *_notes(error))
        is_unknown_write = (
            isinstance(error, CallError) and error.request.is_write and error.outcome == "unknown"
        )
        return ExitCode.UNKNOWN_OUTCOME if is_unknown_write else ExitCode.FAILED
    except BrokenPipeError:
        raise
    except OSError as error:  # of a file: those of connections are errors of the SDK
        where = f"{error.filename}: " if error.filename else ""
        report_error(f"{where}{error.strerror or error}", *_notes(error))
        return ExitCode.FAILED
    except (TypeError, ValueError) as error:  # an argument that the method refuses
        raise UsageError(str(error)) from None


def _notes(error: BaseException) -> Sequence[str]:
    """Return the hints that a command has added to *error*."""
    return getattr(error, "__notes__", ())


def _hint(error: EvEnergyError) -> str:
    if isinstance(error, RateLimitError):
        at = datetime.now(UTC) + timedelta(seconds=error.retry_after or 0)
        return (
            f"the rate limit is used up; it allows the next request at {at:%Y-%m-%d %H:%M:%S} UTC"
        )
    if isinstance(error, NotSentError):
        return "is the server running, and is the base URL right?"
    if isinstance(error, TokenError | SignInRequiredError):
        return "check EV_ENERGY_CLIENT_ID and EV_ENERGY_CLIENT_SECRET, or EV_ENERGY_TOKEN"
    if isinstance(error, CallError) and error.request.is_write and error.outcome == "unknown":
        return "the change may or may not have been made: look before you repeat it"
    return ""
