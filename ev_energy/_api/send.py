"""Getting a request answered: a turn, a token, an attempt, and whether to try again."""

from __future__ import annotations

import logging
import random
from typing import Final
from weakref import ref

from ev_energy._api import capture
from ev_energy._api.attempt import REFUSED, Ready, attempt_once
from ev_energy._api.state import Core, Options
from ev_energy._http import retry_policy
from ev_energy._http.slash_redirects import other_slash_form
from ev_energy._messages import ConnectionFault, Request, Response
from ev_energy.auth._credentials import Endpoint
from ev_energy.auth._oauth import Token, TokenRequest
from ev_energy.errors import (
    ApiError,
    ClientClosedError,
    DeadlineError,
    NotSentError,
    TransportError,
    UnconfirmedWriteError,
)
from ev_energy.hooks import RetryEvent

_log: Final = logging.getLogger("ev_energy")


async def send(
    core: Core, options: Options, request: Request, grant: TokenRequest | None = None
) -> Response:
    """The reply that the retry policy leads to, error or not; `TransportError` if there is none.

    A *grant* goes to the token endpoint instead of a token to the API. It may be sent again.
    """
    tracer = core.hooks.tracer
    if tracer is None:
        return await _send(core, options, request, grant)
    with tracer.call(request):
        return await _send(core, options, request, grant)


async def post(
    whose: ref[Core], options: Options, endpoint: Endpoint, grant: TokenRequest
) -> Response:
    """The reply of an OAuth endpoint to *grant*, without secrets if it is an error."""
    core = whose()
    if core is None:  # nobody has the client any more, so that nobody wants to know
        raise ClientClosedError
    url = core.endpoints[endpoint]
    request = Request("POST", url, authorised=False, template=url.path)
    reply = await send(core, options, request, grant)
    core.note_repair("Token", reply.body)
    if reply.status != 200:  # noqa: PLR2004  (RFC 6749 §5.1, RFC 7009 §2.2)
        reply = core.scrub(reply).without(grant.secrets)
    if reply.status == REFUSED or reply.status >= 500:  # noqa: PLR2004  (not about credentials)
        raise ApiError.of(request, reply)
    return reply


async def _send(  # noqa: C901  (the straight line; every turn of it is a call)
    core: Core, options: Options, request: Request, grant: TokenRequest | None
) -> Response:
    over = core.clock() + options.deadline
    call = capture.begin(core, request) if grant is None else None
    is_write = request.is_write and grant is None
    attempt, renewed, redirected = 0, False, False
    request = core.in_slash_form(request)
    while True:
        attempt += 1
        if core.closed:
            raise ClientClosedError
        ready = await _prepare(core, options, request, grant, over)
        left = over - core.clock()
        if left <= 0:
            if ready.ticket is not None:
                ready.ticket.release()
            raise DeadlineError(f"not done within {options.deadline:g} s", request)
        came = await attempt_once(core, request, ready, min(options.timeout, left), attempt)
        if call is not None:
            call.attempts.append(core.scrub(came) if isinstance(came, Response) else came)
        if isinstance(came, Response) and came.status < 400:  # noqa: PLR2004  (RFC 9110)
            if redirected or not _is_for_other_slash_form(core, request, came, grant):
                return came
            # Once, and through the budget as any request.
            request, attempt, redirected = core.in_slash_form(request), attempt - 1, True
            continue
        if core.closed and isinstance(came, ConnectionFault) and not (is_write and came.sent):
            raise ClientClosedError from came
        if not renewed and _was_refused(core, came, ready.token):
            attempt, renewed = attempt - 1, True  # an old token is no failure of the API
            continue
        if not await again(core, options, request, attempt, came, over, is_write=is_write):
            return _left_at(request, came, is_write=is_write)


async def _prepare(
    core: Core, options: Options, request: Request, grant: TokenRequest | None, over: float
) -> Ready:
    """Return what to send: a grant, a request with a token, or a request as it is."""
    if grant is not None:
        return Ready(grant.headers, grant.body)
    if request.authorised and core.tokens is not None:
        return await _authorised(core, options, request, over)
    return Ready(request.headers, request.body)


def _is_for_other_slash_form(
    core: Core, request: Request, response: Response, grant: TokenRequest | None
) -> bool:
    """Whether to read from where *response* redirects to, which later calls are told of too.

    A write is never sent again by itself: RFC 9110 §15.4 leaves open what 301 and 302 mean for one.
    """
    if grant is not None or (other := other_slash_form(request.url, response)) is None:
        return False
    core.slashes[request.template] = other.raw_path.endswith("/")
    return not request.is_write


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
    pause = retry_policy.pause_before_retry(
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


async def _authorised(core: Core, options: Options, request: Request, over: float) -> Ready:
    """*request* with a token, once the budget gives it its turn."""
    assert core.tokens is not None and core.bucket is not None  # noqa: S101, PT018  (asked before)
    core.trusted(request.url)
    ticket = None
    if core.budget is not None:
        ticket = core.budget.try_acquire(core.bucket, options.reservation)
        if ticket is None:
            with core.waiting_for_budget(request) as tell:
                ticket = await core.budget.acquire(core.ask(options, over - core.clock(), tell))
    token: Token | None = core.tokens.cached()
    if token is None:
        try:
            token = await _token(core, options, request, over)
        except BaseException:
            if ticket is not None:
                ticket.release()
            raise
    return Ready(request.headers, request.body, token, ticket)


async def _token(core: Core, options: Options, request: Request, over: float) -> Token:
    """An access token, if there is one in time."""
    assert core.tokens is not None  # noqa: S101  (asked before)
    with core.waits.ended_by_close():
        token = await core.tokens.get(over - core.clock())
    if token is None:
        raise DeadlineError(f"no token within {options.deadline:g} s", request)
    return token


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


def _was_refused(core: Core, came: Response | ConnectionFault, token: Token | None) -> bool:
    """Whether the API refused *token*, and another one can be had."""
    if token is None or not isinstance(came, Response) or came.status != 401:  # noqa: PLR2004
        return False
    return core.tokens is not None and core.tokens.invalidate(token)


def _outcome(came: Response | ConnectionFault) -> retry_policy.Outcome:
    if isinstance(came, Response):
        return retry_policy.Outcome(came.status, retry_after=came.retry_after)
    return retry_policy.Outcome(sent=came.sent)


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
