"""Getting a request answered: a turn, a token, an attempt, and whether to try again."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from typing import Final, NamedTuple

from ev_energy import _capture, _policy
from ev_energy._core import Core, Options
from ev_energy._grants import Grant
from ev_energy._http import Body, ConnectionFault, LimitFault, RateLimit, Request, Response
from ev_energy._logging import log_attempt
from ev_energy.auth import Endpoint
from ev_energy.budget import Ticket
from ev_energy.errors import (
    ApiError,
    ClientClosedError,
    DeadlineError,
    LimitError,
    NotSentError,
    TransportError,
    UnconfirmedWriteError,
)
from ev_energy.hooks import RequestEvent, ResponseEvent, RetryEvent, WaitEvent

_log: Final = logging.getLogger("ev_energy")
_REFUSED: Final = 429


async def send(
    core: Core, options: Options, request: Request, grant: Grant | None = None
) -> Response:
    """The reply that the retry policy leads to, error or not; `TransportError` if there is none.

    A *grant* goes to the token endpoint instead of a token to the API. It may be sent again.
    """
    tracer = core.hooks.tracer
    if tracer is None:
        return await _send(core, options, request, grant)
    with tracer.call(request):
        return await _send(core, options, request, grant)


async def post(core: Core, endpoint: Endpoint, grant: Grant) -> Response:
    """The reply of an OAuth endpoint to *grant*, without secrets if it is an error."""
    url = core.endpoints[endpoint]
    request = Request("POST", url, authorised=False, template=url.path)
    reply = await send(core, Options(), request, grant)
    if reply.status != 200:  # noqa: PLR2004  (RFC 6749 §5.1, RFC 7009 §2.2)
        reply = core.scrub(reply).without(grant.secrets)
    if reply.status == _REFUSED or reply.status >= 500:  # noqa: PLR2004  (not about credentials)
        raise ApiError.of(request, reply)
    return reply


async def _send(  # noqa: C901  (the straight line; every turn of it is a call)
    core: Core, options: Options, request: Request, grant: Grant | None
) -> Response:
    over = core.clock() + options.deadline
    call = _capture.begin(core, request) if grant is None else None
    is_write = request.is_write and grant is None
    attempt, renewed = 0, False
    while True:
        attempt += 1
        if core.closed:
            raise ClientClosedError
        if grant is not None:
            ready = _Ready(grant.headers, grant.body)
        elif request.authorised and core.tokens is not None:
            ready = await _authorised(core, options, request, over)
        else:
            ready = _Ready(request.headers, request.body)
        left = over - core.clock()
        if left <= 0:
            if ready.ticket is not None:
                ready.ticket.give_back()
            raise DeadlineError(f"not done within {options.deadline:g} s", request)
        came = await _attempt(core, request, ready, min(options.timeout, left), attempt)
        if call is not None:
            call.attempts.append(core.scrub(came) if isinstance(came, Response) else came)
        if isinstance(came, Response) and came.status < 400:  # noqa: PLR2004  (RFC 9110)
            return came
        if not renewed and _was_refused(core, came, ready.token):
            attempt, renewed = attempt - 1, True  # an old token is no failure of the API
            continue
        pause = _policy.pause_before_retry(
            options.retries,
            attempt,
            _outcome(came),
            is_write=is_write,
            left=over - core.clock(),
            chance=random.random(),  # noqa: S311  (jitter, no secret)
        )
        if pause is None:
            return _left_at(request, came, is_write=is_write)
        await _pause(core, request, attempt, pause, came)


class _Ready(NamedTuple):
    """What is sent besides the request, and the turn it is sent in."""

    headers: Mapping[str, str]
    body: Body | None
    token: str | None = None
    ticket: Ticket | None = None


async def _authorised(core: Core, options: Options, request: Request, over: float) -> _Ready:
    """*request* with a token, once the budget gives it its turn."""
    assert core.tokens is not None and core.bucket is not None  # noqa: S101, PT018  (asked before)
    core.trusted(request.url)
    ticket = None
    if core.budget is not None:
        ticket = core.budget.at_once(core.bucket, options.share)
        if ticket is None:
            with core.waiting_for_budget(request) as tell:
                ticket = await core.budget.acquire(core.ask(options, over - core.clock(), tell))
    token = core.tokens.at_hand()
    if token is None:
        try:
            with core.waits.ended_by_close():
                token = await core.tokens.get()
        except BaseException:
            if ticket is not None:
                ticket.give_back()
            raise
    headers = {**request.headers, "Authorization": f"Bearer {token}"}
    return _Ready(headers, request.body, token, ticket)


async def _attempt(
    core: Core, request: Request, ready: _Ready, timeout: float, attempt: int
) -> Response | ConnectionFault:
    """What came of sending *request* once. Its turn is settled, however this ends."""
    hooks, began = core.hooks, core.clock()
    try:
        if hooks.on_request is not None:
            hooks.on_request(RequestEvent(request, attempt))
        if hooks.tracer is None:
            came = await _over_the_wire(core, request, ready, timeout)
        else:
            with hooks.tracer.attempt(request, attempt) as span:
                came = await _over_the_wire(core, request, ready, timeout)
                span.ended(came)
    except BaseException as broken:  # a cancellation, a hook: it may have been sent
        _settle(ready.ticket, None)
        if isinstance(broken, LimitFault):
            raise LimitError(str(broken), request, broken.limit, broken.status) from broken
        raise
    _settle(ready.ticket, came)
    if _log.isEnabledFor(logging.DEBUG):
        log_attempt(request, attempt, came, core.clock() - began)
    if hooks.on_response is not None:
        reply, error = (came, None) if isinstance(came, Response) else (None, came)
        hooks.on_response(ResponseEvent(request, attempt, core.clock() - began, reply, error))
    return came


async def _over_the_wire(
    core: Core, request: Request, ready: _Ready, timeout: float
) -> Response | ConnectionFault:
    try:
        return await core.transport.send(request, ready.headers, ready.body, timeout)
    except ConnectionFault as fault:
        return fault


def _settle(ticket: Ticket | None, came: Response | ConnectionFault | None) -> None:
    """Tell the budget what became of a turn; None: nobody knows, so it may have been sent."""
    if ticket is None:
        return
    if isinstance(came, Response):
        ticket.settle(
            RateLimit.of(came.headers),
            success=came.status < 400,  # noqa: PLR2004  (the class of status codes, RFC 9110)
            retry_after=came.retry_after if came.status == _REFUSED else None,
        )
    elif came is not None and not came.sent:
        ticket.give_back()
    else:
        ticket.settle(None, success=False, retry_after=None)


async def _pause(core: Core, request: Request, attempt: int, pause: float, came: object) -> None:
    """Wait before the next attempt, and tell who wants to know."""
    hooks, status = core.hooks, getattr(came, "status", None)
    _log.debug("%s: trying again in %.2f s", request.label, pause)
    if hooks.on_retry is not None:
        hooks.on_retry(RetryEvent(request, attempt, pause, status))
    if hooks.on_wait is not None and pause > 0:
        hooks.on_wait(WaitEvent(request, pause, "retry"))
    await core.pause(pause)


def _was_refused(core: Core, came: Response | ConnectionFault, token: str | None) -> bool:
    """Whether the API refused *token*, and another one can be had."""
    if token is None or not isinstance(came, Response) or came.status != 401:  # noqa: PLR2004
        return False
    return core.tokens is not None and core.tokens.drop(token)


def _outcome(came: Response | ConnectionFault) -> _policy.Outcome:
    if isinstance(came, Response):
        return _policy.Outcome(came.status, retry_after=came.retry_after)
    return _policy.Outcome(sent=came.sent)


def _left_at(request: Request, came: Response | ConnectionFault, *, is_write: bool) -> Response:
    """The reply that it is left at, or the error that says why there is none."""
    if isinstance(came, Response):
        return came
    if not came.sent:
        raise NotSentError(str(came), request) from came
    if is_write:
        message = f"{came}; it may or may not have been carried out"
        raise UnconfirmedWriteError(message, request) from came
    raise TransportError(str(came), request) from came
