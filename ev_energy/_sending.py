"""Getting a request answered: authorise, send, decide whether again. Only here is the token."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import attrs
from yarl import URL

from ev_energy import _capture, _policy
from ev_energy._drift import Reporter
from ev_energy._http import ConnectionFault, RateLimit, Request, Response, Transport
from ev_energy._tokens import TokenKeeper
from ev_energy.auth import Auth, Grant, Token, read_token
from ev_energy.errors import (
    ApiError,
    ClientClosedError,
    DeadlineError,
    ForeignOriginError,
    NotSentError,
    TransportError,
    UnconfirmedWriteError,
)

_log: Final = logging.getLogger("ev_energy")


@attrs.frozen(kw_only=True, eq=False)
class Options:
    """What a call may be told besides its arguments."""

    timeout: float = 30.0
    deadline: float = 120.0
    retries: int = 2
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    user: str | None = None

    def __attrs_post_init__(self) -> None:
        for name in ("timeout", "deadline"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0 seconds, not {getattr(self, name)}")
        if self.retries < 0:
            raise ValueError(f"retries must be 0 or more, not {self.retries}")


@attrs.define(eq=False, repr=False)
class Core:
    """What every view of a client shares: connections, token, what was learnt."""

    root: URL
    token_url: URL
    transport: Transport
    auth: Auth | None
    report: Reporter
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    rate_limit_headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """Of the last reply that had some. Read when somebody asks, not for every reply."""
    closed: bool = False
    tokens: TokenKeeper | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        if self.auth is not None:
            self.tokens = TokenKeeper(self.auth, self._fetch_token, self.clock)

    @property
    def rate_limit(self) -> RateLimit | None:
        """The allowance as last stated."""
        return RateLimit.of(self.rate_limit_headers)

    def trusted(self, url: URL) -> URL:
        """*url*, if the token may go there: links come from the wire."""
        root = self.root
        if url.raw_authority == root.raw_authority and url.scheme == root.scheme:
            return url
        if not url.absolute or url.origin() != root.origin():  # another spelling of ours, perhaps
            raise ForeignOriginError(str(url), str(root.origin()))
        return url

    def scrub(self, response: Response) -> Response:
        """*response* without our secrets, should the server have sent one back."""
        known = [] if self.auth is None else self.auth.secrets()
        if self.tokens is not None and self.tokens.current is not None:
            known.append(self.tokens.current)
        # A text this short is no secret, and would be found everywhere.
        return response.without([text for text in known if len(text) >= 8])  # noqa: PLR2004

    async def _fetch_token(self, grant: Grant) -> Token:
        request = Request("POST", self.token_url, authorised=False)
        response = await send(self, Options(), request, grant)
        if response.status == 429 or response.status >= 500:  # noqa: PLR2004  (not about credentials)
            raise ApiError.of(request, self.scrub(response))
        if response.status != 200:  # noqa: PLR2004  (RFC 6749 §5.1)
            response = self.scrub(response)
        return read_token(response.status, response.body)


async def send(  # noqa: C901, PLR0912  (the straight line; every turn of it is a call)
    core: Core, options: Options, request: Request, grant: Grant | None = None
) -> Response:
    """The reply that the retry policy leads to, error or not; `TransportError` if there is none.

    A *grant* goes to the token endpoint instead of a token to the API. It may be sent again.
    """
    over = core.clock() + options.deadline
    call = _capture.begin(core, request) if grant is None else None
    is_write = request.is_write and grant is None
    attempt, renewed = 0, False
    while True:
        attempt += 1
        if core.closed:
            raise ClientClosedError
        headers, body, token = request.headers, request.body, None
        if grant is not None:
            headers, body = grant.headers, grant.body
        elif request.authorised and core.tokens is not None:
            core.trusted(request.url)
            token = core.tokens.at_hand() or await core.tokens.get()
            headers = {**headers, "Authorization": f"Bearer {token}"}
        left = over - core.clock()
        if left <= 0:
            raise DeadlineError(f"not done within {options.deadline:g} s", request)
        came: Response | ConnectionFault
        try:
            came = await core.transport.send(request, headers, body, min(options.timeout, left))
        except ConnectionFault as fault:
            came = fault
        if call is not None:
            call.attempts.append(core.scrub(came) if isinstance(came, Response) else came)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s: %s", request.label, getattr(came, "status", came))
        if isinstance(came, Response) and came.status < 400:  # noqa: PLR2004  (RFC 9110)
            return came
        if token is not None and not renewed and _was_refused(core, came, token):
            attempt, renewed = attempt - 1, True  # an old token is no failure of the API
            continue
        pause = _policy.pause_before_retry(
            attempt,
            _outcome(came),
            is_write=is_write,
            retries=options.retries,
            chance=random.random(),  # noqa: S311  (jitter, no secret)
        )
        if pause is not None and core.clock() + pause < over:
            _log.debug("%s: trying again in %.2f s", request.label, pause)
            await core.sleep(pause)
        elif isinstance(came, Response):
            return came
        else:
            raise _fault(request, came, is_write=is_write) from came


def _was_refused(core: Core, came: Any, token: str) -> bool:
    """Whether the API refused *token*, and another one can be had."""
    refused = isinstance(came, Response) and came.status == 401  # noqa: PLR2004
    return refused and core.tokens is not None and core.tokens.drop(token)


def _outcome(came: Response | ConnectionFault) -> _policy.Outcome:
    if isinstance(came, Response):
        return _policy.Outcome(came.status, retry_after=came.retry_after)
    return _policy.Outcome(sent=came.sent)


def _fault(request: Request, fault: ConnectionFault, *, is_write: bool) -> TransportError:
    if not fault.sent:
        return NotSentError(str(fault), request)
    if is_write:
        return UnconfirmedWriteError(f"{fault}; it may or may not have been carried out", request)
    return TransportError(str(fault), request)
