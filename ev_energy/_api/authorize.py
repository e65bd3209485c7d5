"""Sending an API call: the budget first, then a token, then one attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Final

from ev_energy._api.options import CallOptions
from ev_energy._api.state import ClientState
from ev_energy._http.attempt import attempt
from ev_energy._http.outgoing import Outcome, Outgoing
from ev_energy._http.waits import LONG_WAIT
from ev_energy._messages import RateLimit, Response
from ev_energy.auth._oauth import Token
from ev_energy.auth._token_manager import TokenManager
from ev_energy.budget import Budget, Ticket
from ev_energy.errors import (
    ClientClosedError,
    CredentialUnavailableError,
    DeadlineError,
    EvEnergyError,
)

# Numbers: looking up a member of an enum is slow in Python 3.11.
_BAD_REQUEST: Final[int] = HTTPStatus.BAD_REQUEST.value
_UNAUTHORIZED: Final[int] = HTTPStatus.UNAUTHORIZED.value
_TOO_MANY_REQUESTS: Final[int] = HTTPStatus.TOO_MANY_REQUESTS.value


async def authorized(
    state: ClientState, tokens: TokenManager, options: CallOptions, out: Outgoing
) -> Outcome:
    """Send a call once, with a token and within the budget.

    The first time that the API rejects the token, the call is sent once more with a new one, as the
    same attempt.
    """
    budget, bucket = state.budget, state.bucket
    replacement: Token | None = None
    while True:
        if state.http.close_scope.closed:
            raise ClientClosedError
        state.require_own_origin(out.request.url)
        ticket: Ticket | None = None
        if budget is not None and bucket is not None:
            ticket = budget.try_acquire(bucket, options.reservation)
            if ticket is None:
                ticket = await _wait_for_budget(state, budget, options, out)
        if ticket is not None:
            out.settle = partial(_complete, ticket)
        out.was_handed_over = False
        try:
            token = replacement or tokens.cached()
            if token is None:
                token = await _wait_for_token(state, out, tokens, tokens.get)
            out.access_token = token.access_token
            outcome = await attempt(state.http, out)
        finally:
            if ticket is not None and not out.was_handed_over:
                ticket.release()
        is_rejected = isinstance(outcome, Response) and outcome.status == _UNAUTHORIZED
        if not is_rejected or out.was_renewed or not tokens.invalidate(token):
            return outcome
        out.was_renewed = True
        replacement = await _ask_again(state, out, tokens, token)
        if replacement is token:
            return outcome


async def _wait_for_budget(
    state: ClientState, budget: Budget, options: CallOptions, out: Outgoing
) -> Ticket:
    ticket: Ticket | None = None
    try:
        with state.budget_wait(out.request) as on_wait:
            remaining = out.deadline - state.http.clock()
            ticket = await budget.acquire(state.acquire_for(options, remaining, on_wait))
    except BaseException:
        if ticket is not None:  # a tracer raised as the wait ended
            ticket.release()
        raise
    return ticket


async def _ask_again(
    state: ClientState, out: Outgoing, tokens: TokenManager, rejected: Token
) -> Token | None:
    """Return the token to repeat a call with if a function returns tokens, else None.

    That is *rejected* itself if the function still returns it.
    """
    if not tokens.asks_each_time:
        return None
    get = partial(tokens.replacement_of, rejected)
    token = await _wait_for_token(state, out, tokens, get)
    return rejected if token.access_token == rejected.access_token else token


async def _wait_for_token(
    state: ClientState,
    out: Outgoing,
    tokens: TokenManager,
    get: Callable[[float], Awaitable[Token | None]],
) -> Token:
    http = state.http
    with (
        http.report_wait(out.request, "token", tokens.note_of_wait) as wait,
        http.close_scope.cancel_on_close(),
    ):
        remaining = out.deadline - http.clock()
        try:
            token = await get(min(remaining, LONG_WAIT))
            if token is None and remaining > LONG_WAIT:
                wait.report_so_far(LONG_WAIT)
                token = await get(remaining - LONG_WAIT)
        except EvEnergyError as error:
            error.outcome = "not_sent"  # of the call, whatever became of the token request
            raise
    if token is None:
        function = tokens.function
        if function is not None and function.is_awaited:
            raise CredentialUnavailableError(
                f"the function passed as {function.argument} did not return before the deadline "
                f"of the call ({out.time_limit:g} s)"
            )
        was_sent = out.number > 1 and not out.is_write
        raise DeadlineError(f"no token within {out.time_limit:g} s", out.request, was_sent=was_sent)
    return token


def _complete(ticket: Ticket, outcome: Outcome | None) -> None:
    """Tell the budget the outcome; None, after an exception, may have been sent."""
    if isinstance(outcome, Response):
        is_refusal = outcome.status == _TOO_MANY_REQUESTS
        ticket.complete(
            RateLimit.of(outcome.headers),
            success=outcome.status < _BAD_REQUEST,
            retry_after=(outcome.retry_after or 0.0) if is_refusal else None,
        )
    elif outcome is not None and not outcome.sent:
        ticket.release()
    else:
        ticket.complete(None, success=False, retry_after=None)
