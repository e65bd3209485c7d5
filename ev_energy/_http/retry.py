"""The retry loop: the only one, for API calls, token requests and uploads alike."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeAlias

from ev_energy._http.context import HttpContext
from ev_energy._http.outgoing import Outcome, Outgoing
from ev_energy._http.retry_policy import pause_before_retry
from ev_energy._http.waits import WaitNote
from ev_energy._messages import Response
from ev_energy._runtime.log_fields import LogFields, log_fields
from ev_energy.errors import (
    ClientClosedError,
    NotSentError,
    TransportError,
    UnconfirmedWriteError,
)
from ev_energy.hooks import RetryEvent

_log: Final = logging.getLogger("ev_energy")

# A number: looking up a member of an enum is slow in Python 3.11.
_BAD_REQUEST: Final[int] = HTTPStatus.BAD_REQUEST.value
#: Sends a call once: `attempt`, or what adds a token and the budget to it.
SendOnce: TypeAlias = Callable[[Outgoing], Awaitable[Outcome]]


async def retry(http: HttpContext, out: Outgoing, send_once: SendOnce) -> Response:
    """Return the reply that the retry policy settles for, which may be an error response.

    `TransportError` or one of its subclasses if the last attempt brought no reply.
    """
    close_scope = http.close_scope
    while True:
        if close_scope.closed:
            raise ClientClosedError
        out.number += 1
        outcome = await send_once(out)
        if isinstance(outcome, Response):
            if outcome.status < _BAD_REQUEST:
                return outcome
        elif close_scope.closed and not (out.is_write and outcome.sent):
            raise ClientClosedError from outcome
        pause = pause_before_retry(
            out.policy,
            out.number,
            outcome,
            is_write=out.is_write,
            remaining=out.deadline - http.clock(),
            jitter=random.random(),  # noqa: S311  (jitter is not a secret)
        )
        if pause is None:
            return _raise_or_return(out, outcome)
        await _pause(http, out, outcome, pause)


async def _pause(http: HttpContext, out: Outgoing, outcome: Outcome, seconds: float) -> None:
    """Report the retry, and wait before it."""
    status, fault = (outcome.status, None) if isinstance(outcome, Response) else (None, outcome)
    fields: LogFields = {
        "operation": out.request.operation,
        "attempt": out.number,
        "status": status,
        "error": None if fault is None else type(fault.__cause__ or fault).__name__,
    }
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug(
            "%s: trying again in %.2f s",
            out.request.label,
            seconds,
            extra=log_fields("retry", fields, wait=seconds),
        )
    if http.hooks.on_retry is not None:
        http.hooks.on_retry(RetryEvent(out.request, out.number, seconds, status, fault))
    if seconds <= 0:
        await http.pause(seconds)
        return

    def note() -> WaitNote:
        cause = f"was answered with {status}" if fault is None else f"failed: {fields['error']}"
        return WaitNote(f"before attempt {out.number + 1}", f"the last one {cause}", fields)

    with http.report_wait(out.request, "retry", note) as wait:
        wait.begin(seconds)
        await http.pause(seconds)


def _raise_or_return(out: Outgoing, outcome: Outcome) -> Response:
    if isinstance(outcome, Response):
        return outcome
    if not outcome.sent:
        raise NotSentError(str(outcome), out.request) from outcome
    if out.is_write:
        message = f"{outcome}; it may or may not have been carried out"
        raise UnconfirmedWriteError(message, out.request) from outcome
    raise TransportError(str(outcome), out.request) from outcome
