"""``with client.capture() as calls``: a recording of requests and replies.

Personal data is recorded as it was sent, since a recording is made to look at a call; secrets are
not.
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

#: Headers that are printed. Others may be secret, such as the API key of a gateway.
_PLAIN: Final = frozenset(
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
    """One call: its request, every attempt, and the last reply. Prints as a ``curl`` command.

    The printed command masks the token and the headers that you added, and shows only the origin of
    a presigned URL.
    """

    request: Request
    attempts: list[Response | Exception] = attrs.field(factory=list[Response | Exception])
    """The outcome of each attempt: a reply, or the error in its place."""

    @property
    def response(self) -> Response | None:
        """The reply to the last attempt, or None if it failed without one."""
        last = self.attempts[-1] if self.attempts else None
        return last if isinstance(last, Response) else None

    @property
    def status(self) -> int | None:
        """The status of the last reply."""
        return self.response.status if self.response else None

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the last reply; empty without one."""
        return self.response.headers if self.response else {}

    @property
    def body(self) -> bytes | None:
        """The raw body of the last reply."""
        return self.response.body if self.response else None

    def __str__(self) -> str:
        request = self.request
        is_inside = bool(request.template)
        url = str(request.url) if is_inside else redact_url(request.url, inside=False)
        words = ["curl", "-X", request.method, url]
        for name, value in request.headers.items():
            words += ["-H", f"{name}: {value if name.lower() in _PLAIN else MASK}"]
        if request.authorised:
            words += ["-H", f"Authorization: Bearer {MASK}"]
        if request.body is not None:
            words += ["--data-raw", request.body.decode(errors="replace")]
        return shlex.join(words)


# The running recordings, each with the client it records. Tasks started inside a recording inherit
# it, as do calls that the blocking client hands to its event loop.
_recordings: Final[ContextVar[tuple[tuple[object, list[CapturedCall]], ...]]] = ContextVar(
    "recordings", default=()
)


@contextmanager
def record(owner: object) -> Generator[list[CapturedCall], None, None]:
    """Collect the calls of *owner* that start inside, also in tasks started inside."""
    calls: list[CapturedCall] = []
    token = _recordings.set((*_recordings.get(), (owner, calls)))
    try:
        yield calls
    finally:
        _recordings.reset(token)


def begin_call(owner: object, request: Request) -> list[Response | Exception] | None:
    """Add a call to every recording of *owner*. Return its list of attempts, or None."""
    running = _recordings.get()
    if not running:
        return None
    recordings = [calls for recorded, calls in running if recorded is owner]
    if not recordings:
        return None
    call = CapturedCall(request)
    for calls in recordings:
        calls.append(call)
    return call.attempts
