"""One attempt at one request: sent, settled with the budget, told to whoever wants to know."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

import attrs
from msgspec.structs import replace
from yarl import URL

from ev_energy._api.state import Core
from ev_energy._http.log import log_attempt
from ev_energy._messages import Body, ConnectionFault, LimitFault, RateLimit, Request, Response
from ev_energy._redaction.show import redact_headers
from ev_energy._redaction.tracebacks import Secret, trim_traceback
from ev_energy.auth._oauth import Token
from ev_energy.budget import Ticket
from ev_energy.errors import LimitError
from ev_energy.hooks import RequestEvent, ResponseEvent

_log: Final = logging.getLogger("ev_energy")
#: The status of a refusal by the rate limit.
REFUSED: Final = 429


@attrs.frozen(eq=False, repr=False)
class Ready:
    """What is sent besides the request, and the turn it is sent in.

    It stands in the frames of every error, so its repr shows nothing.
    """

    headers: Mapping[str, str]
    body: Body | None
    token: Token | None = None
    ticket: Ticket | None = None
    secret_url: Secret[URL] | None = None
    """The presigned URL that it is sent to, in place of the request's."""

    def headers_to_send(self) -> Mapping[str, str]:
        """Return the headers with the token among them."""
        if self.token is None:
            return self.headers
        return {**self.headers, "Authorization": f"Bearer {self.token.access_token}"}


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
        _complete(ready.ticket, None)
        _tell_broken(core, ResponseEvent(request, attempt, core.clock() - began, None, broken))
        if isinstance(broken, LimitFault):
            raise LimitError(str(broken), request, broken.limit, broken.status) from broken
        raise
    _complete(ready.ticket, came)
    if _log.isEnabledFor(logging.DEBUG):
        log_attempt(request, attempt, came, core.clock() - began, core.hide)
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
            ready.ticket.release()
        raise


def _tell_broken(core: Core, event: ResponseEvent) -> None:
    """Tell of an attempt that ends in an exception, which goes on whatever comes of this."""
    if _log.isEnabledFor(logging.DEBUG) and event.error is not None:
        log_attempt(event.request, event.attempt, event.error, event.seconds, core.hide)
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
        return Response(came.status, "", redact_headers(came.headers), b"")
    if came.status < 400:  # noqa: PLR2004  (its body may be large, and is the API's good work)
        return came if ready.token is None else came.without([ready.token.access_token])
    return core.scrub(came)


async def _over_the_wire(
    core: Core, request: Request, ready: Ready, timeout: float
) -> Response | ConnectionFault:
    if ready.secret_url is not None:
        request = replace(request, url=ready.secret_url.value)
    try:
        with trim_traceback():
            return await core.transport.send(request, ready.headers_to_send(), ready.body, timeout)
    except ConnectionFault as fault:
        # It may quote the server, and what caused it may name the URL.
        known = ConnectionFault(core.hide(str(fault)), sent=fault.sent)
        if ready.secret_url is None:
            known.__cause__ = fault.__cause__
    return known


def _complete(ticket: Ticket | None, came: Response | ConnectionFault | None) -> None:
    """Tell the budget what became of a turn; None: nobody knows, so it may have been sent."""
    if ticket is None:
        return
    if isinstance(came, Response):
        ticket.complete(
            RateLimit.of(came.headers),
            success=came.status < 400,  # noqa: PLR2004  (the class of status codes, RFC 9110)
            retry_after=(came.retry_after or 0.0) if came.status == REFUSED else None,
        )
    elif came is not None and not came.sent:
        ticket.release()
    else:
        ticket.complete(None, success=False, retry_after=None)
