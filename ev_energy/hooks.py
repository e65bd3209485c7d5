"""Hooks: functions that a client calls with events about its requests.

Token requests cause events too. No event holds a token, a client secret or an authorization code:
replies of the token endpoint are reduced to their status and a few headers, and secrets of the
client are masked in replies of the API. Everything else is unchanged, so a `Request` may identify a
person. Its ``operation`` (``GET /evses/{evse_id}``) does not: use that for counting.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal, Protocol, TypeAlias

import attrs

from ev_energy._callbacks import plain_function
from ev_energy._messages import Request, Response

#: What a call waits for: the rate limit; the pause before another attempt; or an access token, once
#: that has taken five seconds, for example because another process holds the lock of the store.
WaitReason: TypeAlias = Literal["budget", "retry", "token"]


@attrs.frozen(eq=False)
class RequestEvent:
    """An attempt starts. A `ResponseEvent` follows in any case."""

    request: Request
    """The request of the attempt."""
    attempt: int
    """1 for the first attempt. One that is repeated at once with a new token keeps its number."""


@attrs.frozen(eq=False)
class ResponseEvent:
    """An attempt has ended."""

    request: Request
    """The request of the attempt."""
    attempt: int
    """The number of the attempt, as in `RequestEvent`."""
    seconds: float
    """The duration of the attempt."""
    response: Response | None
    """The reply, whatever its status; None if there was none."""
    error: BaseException | None
    """The reason for no reply: a connection failure, an exceeded limit, or cancellation."""


@attrs.frozen(eq=False)
class RetryEvent:
    """An attempt has failed, and another one will follow."""

    request: Request
    """The request that will be sent again."""
    attempt: int
    """The number of the failed attempt."""
    pause: float
    """Seconds until the next attempt."""
    status: int | None
    """The status of the reply; None if there was none."""
    error: Exception | None
    """The reason for no reply; None if there was one."""


@attrs.frozen(eq=False)
class WaitEvent:
    """A call starts to wait before it is sent or sent again, or has waited for a token."""

    request: Request | None
    """None for a reservation, and for signing in or out."""
    seconds: float
    """The expected duration of the wait; in `Tracer.waited`, the actual one.

    For the reason ``"token"``, the duration so far: how long it will take is unknown.
    """
    reason: WaitReason
    """What the call waits for."""


class Tracer(Protocol):
    """Context managers around calls and attempts, such as spans. See `ev_energy.otel`."""

    def call(self, request: Request) -> AbstractContextManager[object, None]:
        """Return a context manager that encloses a call and sees the exception it raises."""
        ...

    def attempt(self, request: Request, attempt: int) -> AbstractContextManager[Attempt, None]:
        """Return a context manager that encloses one attempt."""
        ...

    def waited(self, wait: WaitEvent) -> None:
        """Record a wait that has ended, also if it failed or was cancelled."""
        ...


class Attempt(Protocol):
    """An attempt that is being traced."""

    def ended(self, outcome: Response | Exception) -> None:
        """Record the outcome: a reply, or the reason for no reply."""
        ...


#: Called with each attempt that starts. What it returns is ignored, as with the other hooks.
RequestHook: TypeAlias = Callable[[RequestEvent], object]
#: Called with each attempt that has ended.
ResponseHook: TypeAlias = Callable[[ResponseEvent], object]
#: Called with each attempt that has failed and is followed by another one.
RetryHook: TypeAlias = Callable[[RetryEvent], object]
#: Called with each wait.
WaitHook: TypeAlias = Callable[[WaitEvent], object]


@attrs.frozen(kw_only=True, eq=False)
class Hooks:
    """The hooks of a client. They are called on the event loop and must return quickly.

    An exception that a hook raises ends the call that caused the event and reaches its caller;
    nothing else is affected. If the call is already ending with an exception, that of
    ``on_response`` is logged instead. What a hook returns is ignored.
    """

    on_request: RequestHook | None = None
    """Called when an attempt starts."""
    on_response: ResponseHook | None = None
    """Called when an attempt has ended."""
    on_retry: RetryHook | None = None
    """Called before the pause that precedes another attempt."""
    on_wait: WaitHook | None = None
    """Called when a call starts to wait."""
    tracer: Tracer | None = None
    """Makes spans, or what else encloses calls and attempts."""

    def __attrs_post_init__(self) -> None:
        for name in ("on_request", "on_response", "on_retry", "on_wait"):
            object.__setattr__(self, name, plain_function(name, getattr(self, name)))
