"""Failures of a connection: whether the request was sent, and what may be shown of the error."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from typing import Final, cast

import aiohttp
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from ev_energy._messages import ConnectionFault, LimitFault
from ev_energy._redaction.scrub import MASK
from ev_energy._runtime.lazy_pattern import lazy_pattern

#: Causes of an error that are followed; aiohttp's chains have up to four.
_MAX_CAUSES: Final = 8
_CONNECT: Final = aiohttp.BaseConnector.connect.__code__
#: A URL in a message: its origin without credentials, and the rest.
_URL: Final = lazy_pattern(r"\b(https?://)(?:[^\s/?#@]*@)?([^\s/?#]+)(?:[/?#]\S*)?")


def classify(
    error: Exception, timeout: float, status: int | None = None
) -> ConnectionFault | LimitFault | None:
    """Return the fault that *error* stands for; None if it is not one of connection or reply.

    *status* is that of the reply, if its headers had arrived.
    """
    if isinstance(error, ConnectionFault | LimitFault):
        return error
    if isinstance(error, RuntimeError) and _is_unsent(error):
        # No thread can be started for the DNS lookup: the process is exiting, or at its limit.
        return ConnectionFault(describe(error), sent=False)
    if not isinstance(error, aiohttp.ClientError | ConnectionError | TimeoutError):
        return None
    if (limit := _limit_of(error)) is not None:
        name, message = limit
        return LimitFault(message, limit=name, status=status)
    sent = not _is_unsent(error)
    return ConnectionFault(_message(error, timeout, sent=sent), sent=sent)


def _message(error: Exception, timeout: float, *, sent: bool) -> str:
    if isinstance(error, TimeoutError):
        return f"no {'reply' if sent else 'connection'} within {timeout:g} s"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientResponseError):
        # After the colon, the message quotes the server, which may have repeated a secret.
        return f"the reply is not valid HTTP: {error.message.partition(':')[0]}"
    return describe(error)


def safe_cause(error: Exception) -> Exception | None:
    """Return *error* if it may be shown, else None.

    The error of a malformed or truncated reply holds the request's headers, with the token, and
    quotes the server, which may repeat it. The error of a request that could not be written names
    its URL, which may be a presigned one.
    """
    quotes = aiohttp.ClientResponseError | aiohttp.ClientPayloadError
    if isinstance(error, quotes) or _holds_reply(error) or _URL.search(str(error)):
        return None
    return error


def _holds_reply(error: BaseException) -> bool:
    """Return whether *error* holds the beginning of a reply."""
    if not isinstance(error, aiohttp.ServerDisconnectedError):
        return False
    return not isinstance(cast("object", error.message), str)


def _is_unsent(error: BaseException) -> bool:
    """Return whether *error* was raised before there was a connection to send anything over.

    That covers DNS, proxies, TLS and the wait for a free connection. The type of the error does not
    tell, since an attempt can time out anywhere; its traceback does: it passes through the
    connector. Without such a frame, the request counts as sent.
    """
    # The traceback tells for these too, except where a test double raises them.
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return True
    cause: BaseException | None = error
    while cause is not None:
        if any(frame.f_code is _CONNECT for frame, _ in traceback.walk_tb(cause.__traceback__)):
            return True
        cause = cause.__cause__
    return False


async def no_auto_retry(
    request: aiohttp.ClientRequest,
    handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
) -> aiohttp.ClientResponse:
    """Send *request* once (an aiohttp middleware).

    When a connection breaks, aiohttp itself repeats GET, PUT and DELETE. Here the retry policy
    decides what is repeated, and the budget counts every request.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        fault = ConnectionFault(describe(error), sent=not _is_unsent(error))
        raise fault from safe_cause(error)


def _limit_of(error: BaseException | None) -> tuple[str, str] | None:
    """Return the name of aiohttp's limit that the reply exceeded, and a message; or None."""
    for _ in range(_MAX_CAUSES):
        if isinstance(error, LineTooLong):
            return "header_size", "a header or the first line of the reply is too long"
        if isinstance(error, BadHttpMessage) and error.message.startswith("Too many headers"):
            return "headers", "the reply has too many headers"
        if type(error).__name__ == "TooManyMembersError":
            return "members", "the body has too many compressed members"
        error = error and (error.__cause__ or error.__context__)
    return None


def describe(error: BaseException) -> str:
    """Return *error* as text without its URL, whose query may hold personal data or a key."""
    text = str(error)
    if isinstance(error, aiohttp.ClientResponseError):
        text = error.message
    elif _holds_reply(error):
        text = "Server disconnected in the middle of the headers"
    elif isinstance(error, aiohttp.InvalidURL):
        text = error.description or ""
    # Where a body cannot be written, aiohttp names the URL, which may be a presigned one.
    text = _URL.sub(rf"\1\2/{MASK}", text)
    return f"{type(error).__name__}: {text}".rstrip(": ")
