"""One call on its way: the request that may be shown, and what travels with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
from yarl import URL

from ev_energy._http.retry_policy import RetryPolicy
from ev_energy._messages import Body, ConnectionFault, Request, Response
from ev_energy._redaction.tracebacks import Secret

#: The result of one attempt.
Outcome: TypeAlias = Response | ConnectionFault


def _ignore(_outcome: Outcome | None) -> None:
    """Do nothing with the outcome of a request that is not budgeted."""


class Outgoing(msgspec.Struct, eq=False, kw_only=True):
    """A call while it is attempted, and attempted again. Hooks and errors see its request only.

    It is a local variable in the frames of every error, so its repr shows no header and no body.
    """

    request: Request
    headers: Mapping[str, str]
    """Sent as they are; those of a token request hold a secret."""
    body: Body | None
    policy: RetryPolicy
    timeout: float
    """Seconds for one attempt, connecting included."""
    deadline: float
    """When the call must be over, by the client's monotonic clock."""
    time_limit: float
    """Seconds from the start of the call to its deadline, for messages."""
    is_write: bool
    """Whether repeating it could repeat an effect. Not so for token requests and uploads."""
    is_token_request: bool = False
    secret_url: Secret[URL] | None = None
    """The presigned URL that is used in place of the request's own."""
    recording: list[Response | Exception] | None = None
    """The outcomes of a captured call."""
    access_token: str | None = None
    """Added to the headers of each attempt."""
    settle: Callable[[Outcome | None], None] = _ignore
    """Called with the outcome of an attempt before any hook: the budget must learn it in any case.

    None after an exception: the request may have been sent.
    """
    was_renewed: bool = False
    """Whether the call was repeated with a new token: that happens once per call."""
    number: int = 0
    """The number of the current attempt, from 1. A repetition with a new token keeps it."""
    was_handed_over: bool = False
    """Whether the current attempt reached the transport, so that it may have been sent.

    `authorized` resets it before each attempt, to release the ticket of one that did not.
    """

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what rich shows, which would be every field of a struct."""
        return [("request", self.request.label), ("number", self.number)]

    def __repr__(self) -> str:
        return f"<Outgoing {self.request.label}, attempt {self.number}>"

    @property
    def hides_reply(self) -> bool:
        """Whether a reply's body is a secret: it holds a token, or repeats a presigned URL."""
        return self.is_token_request or self.secret_url is not None
