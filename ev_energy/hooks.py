"""What a user is told while calls are made: plain functions, each with one event.

Token requests are told too. No event holds a token, a client secret or an authorization code: what
the token endpoint answers is told without its body, and what the API answers without our secrets,
should it have sent one back. The rest is as it was sent: a `Request` knows whom a call is about.
Its ``operation`` (``GET /evses/{evse_id}``) does not, and is what to count by.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal, Protocol, TypeAlias

import attrs

from ev_energy._messages import Request, Response


@attrs.frozen(eq=False)
class RequestEvent:
    """An attempt begins. A `ResponseEvent` follows, however it ends."""

    request: Request
    attempt: int
    """1 for the first. One that is repeated at once, with a new token, keeps its number."""


@attrs.frozen(eq=False)
class ResponseEvent:
    """An attempt ended."""

    request: Request
    attempt: int
    seconds: float
    response: Response | None
    """What came; None if there was no reply."""
    error: BaseException | None
    """Why there was no reply: a broken connection, a limit, or the call was cancelled."""


@attrs.frozen(eq=False)
class RetryEvent:
    """There will be another attempt, after a pause."""

    request: Request
    attempt: int
    """The number of the attempt that failed."""
    pause: float
    """Seconds until the next one."""
    status: int | None
    """What the server answered; None if it did not."""
    error: Exception | None
    """Why it did not."""


@attrs.frozen(eq=False)
class WaitEvent:
    """A call begins to wait, and is not sent meanwhile."""

    request: Request | None
    """None for a reservation."""
    seconds: float
    """How long, as far as is known."""
    reason: Literal["budget", "retry"]


class Tracer(Protocol):
    """What surrounds calls and attempts, as spans do. `ev_energy.otel` has one."""

    def call(self, request: Request) -> AbstractContextManager[object, None]:
        """Entered when a call begins, and left when it ends, with what it raises."""
        ...

    def attempt(self, request: Request, attempt: int) -> AbstractContextManager[Attempt, None]:
        """Entered when an attempt begins, and left when it ends."""
        ...

    def waited(self, wait: WaitEvent) -> None:
        """A wait is over, also if it was in vain; ``seconds`` is how long it was."""
        ...


class Attempt(Protocol):
    """An attempt that is being traced."""

    def ended(self, came: Response | Exception) -> None:
        """What came of it: a reply, or why there was none."""
        ...


RequestHook: TypeAlias = Callable[[RequestEvent], object]
ResponseHook: TypeAlias = Callable[[ResponseEvent], object]
RetryHook: TypeAlias = Callable[[RetryEvent], object]
WaitHook: TypeAlias = Callable[[WaitEvent], object]


@attrs.frozen(kw_only=True, eq=False)
class Hooks:
    """Who wants to be told of what. They are called on the event loop, so they must be quick.

    What one raises goes to the caller of the call it was told of, and ends that call; nothing else
    is harmed. Where the call ends in an exception already, what ``on_response`` raises is logged.
    """

    on_request: RequestHook | None = None
    on_response: ResponseHook | None = None
    on_retry: RetryHook | None = None
    on_wait: WaitHook | None = None
    tracer: Tracer | None = None
