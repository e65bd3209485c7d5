"""``with client.capture() as calls``: recording requests and replies.

A recording is made to inspect calls, so it contains personal data as it was sent. It contains no
secrets.
"""

from __future__ import annotations

import shlex
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import attrs

from ev_energy._messages import Request, Response
from ev_energy._redaction.scrub import MASK
from ev_energy._redaction.show import redact_url

#: Headers whose values are printed. Others may be secret, such as the API key of a gateway.
_PRINTED_HEADERS: Final = frozenset(
    {
        "accept",
        "accept-language",
        "content-type",
        "evenergy-user",
        "evenergy-version",
        "user-agent",
    }
)


@attrs.define(eq=False)
class CapturedCall:
    """One recorded call: its request, all attempts, and the last reply.

    Prints as a ``curl`` command, in which the token and the headers that you added are masked and
    a presigned URL is reduced to its origin.
    """

    request: Request
    """The request, without the access token."""
    attempts: list[Response | Exception] = attrs.field(factory=list[Response | Exception])
    """The outcome of each attempt: a reply, or the error if there was none."""

    @property
    def response(self) -> Response | None:
        """The reply to the last attempt, or None if that failed without one."""
        last = self.attempts[-1] if self.attempts else None
        return last if isinstance(last, Response) else None

    @property
    def status(self) -> int | None:
        """The status of the last reply, or None without one."""
        return self.response.status if self.response else None

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the last reply; empty without one."""
        return self.response.headers if self.response else {}

    @property
    def body(self) -> bytes | None:
        """The raw body of the last reply, or None without one."""
        return self.response.body if self.response else None

    def __str__(self) -> str:
        request = self.request
        is_api_url = bool(request.template)
        url = str(request.url) if is_api_url else redact_url(request.url, inside=False)
        command = ["curl", "-X", request.method, url]
        for name, value in request.headers.items():
            command += ["-H", f"{name}: {value if name.lower() in _PRINTED_HEADERS else MASK}"]
        if request.authorised:
            command += ["-H", f"Authorization: Bearer {MASK}"]
        if request.body is not None:
            command += ["--data-raw", request.body.decode(errors="replace")]
        return shlex.join(command)


# The active recordings, each with the client that it records. Tasks that are started during a
# recording inherit it, and so do the calls that the blocking client passes to its event loop.
_recordings: Final[ContextVar[tuple[tuple[object, list[CapturedCall]], ...]]] = ContextVar(
    "recordings", default=()
)


@contextmanager
def record(owner: object) -> Generator[list[CapturedCall], None, None]:
    """Yield a list that collects the calls of *owner* made inside, also in tasks started there."""
    calls: list[CapturedCall] = []
    token = _recordings.set((*_recordings.get(), (owner, calls)))
    try:
        yield calls
    finally:
        _recordings.reset(token)


def begin_call(owner: object, request: Request) -> list[Response | Exception] | None:
    """Add a call to the recordings of *owner*; return its list of attempts, or None without one."""
    active = _recordings.get()
    if not active:
        return None
    recordings = [calls for recorded, calls in active if recorded is owner]
    if not recordings:
        return None
    call = CapturedCall(request)
    for calls in recordings:
        calls.append(call)
    return call.attempts
