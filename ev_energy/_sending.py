"""Getting a request answered: a turn, a token, an attempt, and whether to try again."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from typing import Final, NamedTuple
from weakref import ref

from msgspec.structs import replace
from yarl import URL

from ev_energy import _capture, _policy
from ev_energy._core import Core, Options
from ev_energy._grants import Grant
from ev_energy._http import Body, ConnectionFault, LimitFault, RateLimit, Request, Response
from ev_energy._logging import log_attempt
from ev_energy._redact import shown_headers
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
from ev_energy.hooks import RequestEvent, ResponseEvent, RetryEvent

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


async def post(whose: ref[Core], options: Options, endpoint: Endpoint, grant: Grant) -> Response:
    """The reply of an OAuth endpoint to *grant*, without secrets if it is an error."""
    core = whose()
    if core is None:  # nobody has the client any more, so that nobody wants to know
        raise ClientClosedError
    url = core.endpoints[endpoint]
    request = Request("POST", url, authorised=False, template=url.path)
    reply = await send(core, options, request, grant)
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
            ready = Ready(grant.headers, grant.body)
        elif request.authorised and core.tokens is not None:
            ready = await _authorised(core, options, request, over)
        else:
            ready = Ready(request.headers, request.body)
        left = over - core.clock()
        if left <= 0:
            if ready.ticket is not None:
                ready.ticket.give_back()
            raise DeadlineError(f"not done within {options.deadline:g} s", request)
        came = await attempt_once(core, request, ready, min(options.timeout, left), attempt)
        if call is not None:
            call.attempts.append(core.scrub(came) if isinstance(came, Response) else came)
        if isinstance(came, Response) and came.status < 400:  # noqa: PLR2004  (RFC 9110)
            return came
        if core.closed and isinstance(came, ConnectionFault) and not (is_write and came.sent):
            raise ClientClosedError from came
        if not renewed and _was_refused(core, came, ready.token):
            attempt, renewed = attempt - 1, True  # an old token is no failure of the API
            continue
        if not await again(core, options, request, attempt, came, over, is_write=is_write):
            return _left_at(request, came, is_write=is_write)


async def again(
    core: Core,
    options: Options,
    request: Request,
    attempt: int,
    came: Response | ConnectionFault,
    over: float,
    *,
    is_write: bool,
) -> bool:
    """Whether there is to be another attempt; if so, the pause before it is past."""
    pause = _policy.pause_before_retry(
        options.retries,
        attempt,
        _outcome(came),
        is_write=is_write,
        left=over - core.clock(),
        chance=random.random(),  # noqa: S311  (jitter, no secret)
    )
    if pause is None:
        return False
    await _pause(core, request, attempt, pause, came)
    return True


class Ready(NamedTuple):
    """What is sent besides the request, and the turn it is sent in."""

    headers: Mapping[str, str]
    body: Body | None
    token: str | None = None
    ticket: Ticket | None = None
    secret_url: URL | None = None
    """Where it is really sent to, if nobody may see that."""


async def _authorised(core: Core, options: Options, request: Request, over: float) -> Ready:
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
                token = await core.tokens.get(over - core.clock())
            if token is None:
                raise DeadlineError(f"no token within {options.deadline:g} s", request)
        except BaseException:
            if ticket is not None:
                ticket.give_back()
            raise
    headers = {**request.headers, "Authorization": f"Bearer {token}"}
    return Ready(headers, request.body, token, ticket)


async def attempt_once(
    core: Core, request: Request, ready: Ready, timeout: float, attempt: int
) -> Response | ConnectionFault:
    """What came of sending *request* once. Its turn is settled, however this ends."""
    hooks, began = core.hooks, core.clock()
    _tell_begin(core, request, ready, attempt)
    try:
        if hooks.tracer is None:
            came = await _over_the_wire(core, request, ready, timeout)
        else:
            with hooks.tracer.attempt(request, attempt) as span:
                came = await _over_the_wire(core, request, ready, timeout)
                span.ended(_told(core, request, ready, came))
    except BaseException as broken:  # a cancellation, a tracer: it may have been sent
        _settle(ready.ticket, None)
        _tell_broken(core, ResponseEvent(request, attempt, core.clock() - began, None, broken))
        if isinstance(broken, LimitFault):
            raise LimitError(str(broken), request, broken.limit, broken.status) from broken
        raise
    _settle(ready.ticket, came)
    if _log.isEnabledFor(logging.DEBUG):
        log_attempt(request, attempt, came, core.clock() - began)
    if hooks.on_response is not None:
        told, seconds = _told(core, request, ready, came), core.clock() - began
        reply, error = (told, None) if isinstance(told, Response) else (None, told)
        hooks.on_response(ResponseEvent(request, attempt, seconds, reply, error))
    return came


def _tell_begin(core: Core, request: Request, ready: Ready, attempt: int) -> None:
    if core.hooks.on_request is None:
        return
    try:
        core.hooks.on_request(RequestEvent(request, attempt))
    except BaseException:  # and so it is not sent
        if ready.ticket is not None:
            ready.ticket.give_back()
        raise


def _tell_broken(core: Core, event: ResponseEvent) -> None:
    """Tell of an attempt that ends in an exception, which goes on whatever comes of this."""
    if _log.isEnabledFor(logging.DEBUG) and event.error is not None:
        log_attempt(event.request, event.attempt, event.error, event.seconds)
    if core.hooks.on_response is None:
        return
    try:
        core.hooks.on_response(event)
    except Exception:  # noqa: BLE001  (raised from here, it would put an end to a cancellation)
        _log.exception("%s: on_response raised while a call was failing", event.request.label)


def _told(
    core: Core, request: Request, ready: Ready, came: Response | ConnectionFault
) -> Response | ConnectionFault:
    """*came* without secrets: of a reply to a grant, nothing but its status and a few headers."""
    if not isinstance(came, Response):
        return came
    if ready.body is not request.body:
        return Response(came.status, "", shown_headers(came.headers), b"")
    if came.status < 400:  # noqa: PLR2004  (its body may be large, and is the API's good work)
        return came if ready.token is None else came.without([ready.token])
    return core.scrub(came)


async def _over_the_wire(
    core: Core, request: Request, ready: Ready, timeout: float
) -> Response | ConnectionFault:
    secret = ready.secret_url
    if secret is not None:
        request = replace(request, url=secret)
    try:
        return await core.transport.send(request, ready.headers, ready.body, timeout)
    except ConnectionFault as fault:
        # What caused it may name the URL.
        return fault if secret is None else ConnectionFault(str(fault), sent=fault.sent)


def _settle(ticket: Ticket | None, came: Response | ConnectionFault | None) -> None:
    """Tell the budget what became of a turn; None: nobody knows, so it may have been sent."""
    if ticket is None:
        return
    if isinstance(came, Response):
        ticket.settle(
            RateLimit.of(came.headers),
            success=came.status < 400,  # noqa: PLR2004  (the class of status codes, RFC 9110)
            retry_after=(came.retry_after or 0.0) if came.status == _REFUSED else None,
        )
    elif came is not None and not came.sent:
        ticket.give_back()
    else:
        ticket.settle(None, success=False, retry_after=None)


async def _pause(
    core: Core, request: Request, attempt: int, pause: float, came: Response | ConnectionFault
) -> None:
    """Wait before the next attempt, and tell who wants to know."""
    hooks = core.hooks
    if isinstance(came, Response):
        status, error = came.status, None
    else:
        status, error = None, came
    _log.debug("%s: trying again in %.2f s", request.label, pause)
    if hooks.on_retry is not None:
        hooks.on_retry(RetryEvent(request, attempt, pause, status, error))
    if pause <= 0:
        await core.pause(pause)
        return
    with core.told_of_waits(request, "retry") as tell:
        tell(pause)
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
