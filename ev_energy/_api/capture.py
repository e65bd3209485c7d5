"""``with client.capture() as calls``: what was sent and what came back.

Who asks for this wants to see a call as it was, e-mail addresses and all; but no secret.
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

#: Headers that are no secret. Others may be: a gateway's key, say.
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
class Call:
    """One call: its request, every attempt, and the last reply. Prints as a ``curl`` command.

    In print, the token and headers of your own are stars, and a presigned URL is but its origin.
    """

    request: Request
    attempts: list[Response | Exception] = attrs.field(factory=list[Response | Exception])
    """What came of each attempt: a reply, or why there was none."""

    @property
    def response(self) -> Response | None:
        """The last reply; None if the last attempt brought none."""
        last = self.attempts[-1] if self.attempts else None
        return last if isinstance(last, Response) else None

    @property
    def status(self) -> int | None:
        """Status of the last reply."""
        return self.response.status if self.response else None

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the last reply; empty without one."""
        return self.response.headers if self.response else {}

    @property
    def body(self) -> bytes | None:
        """Raw body of the last reply."""
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


# Which recordings run, each with the client that it is about. Tasks started inside a recording
# inherit it, as do calls that the blocking twin hands to its loop.
_recordings: Final[ContextVar[tuple[tuple[object, list[Call]], ...]]] = ContextVar(
    "recordings", default=()
)


@contextmanager
def record(owner: object) -> Generator[list[Call], None, None]:
    """Collect the calls of *owner* that start inside, also in tasks started inside."""
    calls: list[Call] = []
    token = _recordings.set((*_recordings.get(), (owner, calls)))
    try:
        yield calls
    finally:
        _recordings.reset(token)


def begin(owner: object, request: Request) -> Call | None:
    """A call of *owner*, entered into every recording of it; None if there is none."""
    running = _recordings.get()
    if not running:
        return None
    recordings = [calls for whose, calls in running if whose is owner]
    if not recordings:
        return None
    call = Call(request)
    for calls in recordings:
        calls.append(call)
    return call
