"""One attempt: a single exchange with a server, reported to hooks, tracer, log and recording.

The logger ``ev_energy`` has one line per attempt at level DEBUG, and whatever an operator must know
from WARNING on; ``ev_energy.drift`` has deviations from the models. Neither logs bodies.
"""

from __future__ import annotations

import logging
import sys
from http import HTTPStatus
from typing import Final

from msgspec.structs import force_setattr, replace

from ev_energy._http.context import HttpContext
from ev_energy._http.outgoing import Outcome, Outgoing
from ev_energy._messages import ConnectionFault, LimitFault, Response
from ev_energy._redaction.show import redact_headers, redact_query
from ev_energy._redaction.tracebacks import trim
from ev_energy._runtime.log_fields import LogFields, log_fields
from ev_energy.errors import DeadlineError, LimitError
from ev_energy.hooks import RequestEvent, ResponseEvent

_log: Final = logging.getLogger("ev_energy")


async def attempt(http: HttpContext, out: Outgoing) -> Outcome:
    """Send *out* once and return the reply, or the fault that took its place.

    `DeadlineError` if there is no time left, `LimitError` if the reply exceeds a limit. Other
    exceptions are a hook's, a tracer's or a cancellation.
    """
    hooks, started = http.hooks, http.clock()
    remaining = out.deadline - started
    if remaining <= 0:
        was_sent = out.number > 1 and not out.is_write
        raise DeadlineError(f"not done within {out.time_limit:g} s", out.request, was_sent=was_sent)
    if hooks.on_request is not None:
        hooks.on_request(RequestEvent(out.request, out.number))
    out.was_handed_over = True
    timeout = min(out.timeout, remaining)
    try:
        if hooks.tracer is None:
            outcome = await _exchange(http, out, timeout, started)
        else:
            with hooks.tracer.attempt(out.request, out.number) as span:
                outcome = await _exchange(http, out, timeout, started)
                span.ended(_redacted(http, out, outcome))
    except BaseException as error:
        out.settle(None)
        _report_exception(http, out, error, http.clock() - started)
        if isinstance(error, LimitFault):
            limit_error = LimitError(str(error), out.request, error.limit, error.status)
            if error.request_id is not None:
                limit_error.request_id = http.redactor_of(out).redact(error.request_id)
            raise limit_error from error
        raise
    out.settle(outcome)
    if _log.isEnabledFor(logging.DEBUG):
        _log_attempt(http, out, outcome, http.clock() - started)
    if hooks.on_response is not None:
        seconds, shown = http.clock() - started, _redacted(http, out, outcome)
        response, fault = (shown, None) if isinstance(shown, Response) else (None, shown)
        hooks.on_response(ResponseEvent(out.request, out.number, seconds, response, fault))
    if out.recording is not None:
        shown = http.redact(out, outcome) if isinstance(outcome, Response) else outcome
        out.recording.append(shown)
    return outcome


async def _exchange(http: HttpContext, out: Outgoing, timeout: float, started: float) -> Outcome:
    request = out.request
    if out.secret_url is not None:
        request = replace(request, url=out.secret_url.value)
    handled = sys.exception()
    try:
        response = await http.transport.send(
            request,
            # Not a local variable: tools print those of a traceback.
            out.headers
            if out.access_token is None
            else {**out.headers, "Authorization": f"Bearer {out.access_token}"},
            out.body,
            timeout,
        )
    except BaseException as error:
        trim(error, handled)
        if not isinstance(error, ConnectionFault):
            raise
        # Its message may quote the server, and its cause may name the presigned URL.
        redacted = ConnectionFault(http.redactor_of(out).redact(str(error)), sent=error.sent)
        if out.secret_url is None:
            redacted.__cause__ = error.__cause__
        return redacted
    # The transport has just made it, so no other code holds it yet.
    force_setattr(response, "elapsed", http.clock() - started)
    return response


def _redacted(http: HttpContext, out: Outgoing, outcome: Outcome) -> Outcome:
    """Return *outcome* for hooks; replies with secrets keep status and allow-listed headers."""
    if not isinstance(outcome, Response):
        return outcome
    if out.hides_reply:
        return Response(outcome.status, "", redact_headers(outcome.headers), b"", outcome.elapsed)
    if outcome.status >= HTTPStatus.BAD_REQUEST:
        return http.redact(out, outcome)
    # A success may be large, and does not repeat credentials: only the token is searched for.
    return outcome if out.access_token is None else outcome.without([out.access_token])


def _report_exception(
    http: HttpContext, out: Outgoing, error: BaseException, seconds: float
) -> None:
    """Report an attempt that ends in *error*, which propagates whatever a hook raises."""
    if _log.isEnabledFor(logging.DEBUG):
        _log_attempt(http, out, error, seconds)
    if http.hooks.on_response is None:
        return
    try:
        http.hooks.on_response(ResponseEvent(out.request, out.number, seconds, None, error))
    except Exception:  # noqa: BLE001  (raised from here, it would replace a cancellation)
        _log.exception(
            "%s: on_response raised while a call was failing",
            out.request.label,
            extra=log_fields(
                "callback_failed", operation=out.request.operation, callback="on_response"
            ),
        )


def _log_attempt(
    http: HttpContext, out: Outgoing, outcome: Response | BaseException, seconds: float
) -> None:
    """Log one line, an allow-list: no body, and no personal data from the query."""
    request = out.request
    query = redact_query(request.url) if request.template else ""
    target = f"{request.label}{f'?{query}' if query else ''}"
    result = http.redactor_of(out).redact(_describe(outcome))
    fields: LogFields = {
        "operation": request.operation,
        "attempt": out.number,
        "elapsed": round(seconds, 6),
    }
    if isinstance(outcome, Response):
        fields["status"] = outcome.status
    else:
        fields["error"] = type(outcome.__cause__ or outcome).__name__
    _log.debug(
        "%s: attempt %d: %s in %.3f s",
        target,
        out.number,
        result,
        seconds,
        extra=log_fields("attempt", fields),
    )


def _describe(outcome: Response | BaseException) -> str:
    if isinstance(outcome, Response):
        headers = ", ".join(f"{n}: {v}" for n, v in redact_headers(outcome.headers).items())
        return f"{outcome.status} ({headers})" if headers else str(outcome.status)
    return str(outcome) if isinstance(outcome, ConnectionFault) else type(outcome).__name__
