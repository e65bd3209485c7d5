"""What became of a request whose connection failed, as far as that can be known."""

from __future__ import annotations

import re
import traceback
from collections.abc import Awaitable, Callable
from typing import Final, cast

import aiohttp
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from ev_energy._messages import ConnectionFault, LimitFault
from ev_energy._redaction.scrub import MASK

#: Errors that led to one another; aiohttp makes chains of four.
_LONGEST_CHAIN: Final = 8
_CONNECT: Final = aiohttp.BaseConnector.connect.__code__
#: A URL in a message: its origin without credentials, and the rest.
_URL: Final = re.compile(r"\b(https?://)(?:[^\s/?#@]*@)?([^\s/?#]+)(?:[/?#]\S*)?")


def fault_of(
    error: Exception, timeout: float, status: int | None = None
) -> ConnectionFault | LimitFault | None:
    """What *error* says of the connection or the reply; None if it is no matter of either.

    *status* is that of the reply, if it came that far.
    """
    if isinstance(error, ConnectionFault | LimitFault):
        return error
    if isinstance(error, RuntimeError) and _was_connecting(error):
        # No thread can be had to look the host up: the process is exiting, or at its limit.
        return ConnectionFault(say(error), sent=False)
    if not isinstance(error, aiohttp.ClientError | ConnectionError | TimeoutError):
        return None
    if (limit := _limit_of(error)) is not None:
        name, message = limit
        return LimitFault(message, limit=name, status=status)
    sent = not _was_connecting(error)
    return ConnectionFault(_message(error, timeout, sent=sent), sent=sent)


def _message(error: Exception, timeout: float, *, sent: bool) -> str:
    if isinstance(error, TimeoutError):
        return f"no {'reply' if sent else 'connection'} within {timeout:g} s"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientResponseError):
        # What follows the colon are the server's words, and nobody knows what is in them.
        return f"the reply is no HTTP: {error.message.partition(':')[0]}"
    return say(error)


def cause_of(error: Exception) -> Exception | None:
    """*error*, if everybody may see it.

    That of a reply which is no HTTP holds the request's headers, with the token, and words of the
    server's that may repeat it; so does one whose body or head broke off. One whose request could
    not be written whole names its URL.
    """
    quotes = aiohttp.ClientResponseError | aiohttp.ClientPayloadError
    if isinstance(error, quotes) or _has_head(error) or _URL.search(str(error)):
        return None
    return error


def _has_head(error: BaseException) -> bool:
    """Whether *error* holds the head of a reply, as far as that arrived."""
    if not isinstance(error, aiohttp.ServerDisconnectedError):
        return False
    return not isinstance(cast("object", error.message), str)


def _was_connecting(error: BaseException) -> bool:
    """Whether it failed before there was a connection, so that nothing can have been sent.

    That is the whole of name resolution, proxies, TLS, and the wait for one's turn; and not to be
    read off the error: the time for an attempt may be over anywhere. So it is read off where the
    error came from. A traceback that says less counts as sent.
    """
    # Found by where they were raised too, unless somebody stands in for aiohttp.
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return True
    found: BaseException | None = error
    while found is not None:
        if any(frame.f_code is _CONNECT for frame, _ in traceback.walk_tb(found.__traceback__)):
            return True
        found = found.__cause__
    return False


async def once(
    request: aiohttp.ClientRequest,
    handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
) -> aiohttp.ClientResponse:
    """Send *request* once: a middleware.

    When a connection breaks, aiohttp sends GET, PUT and DELETE again by itself. But what may be
    sent again is for the retry policy to say, and the budget has to know of every request.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        fault = ConnectionFault(say(error), sent=not _was_connecting(error))
        raise fault from cause_of(error)


def _limit_of(error: BaseException | None) -> tuple[str, str] | None:
    """Which of aiohttp's own limits a reply broke: its name, and what there is to say."""
    for _ in range(_LONGEST_CHAIN):
        if isinstance(error, LineTooLong):
            return "header_size", "a header or the first line of the reply is too long"
        if isinstance(error, BadHttpMessage) and error.message.startswith("Too many headers"):
            return "headers", "the reply has too many headers"
        if type(error).__name__ == "TooManyMembersError":
            return "members", "the body was packed in too many parts"
        error = error and (error.__cause__ or error.__context__)
    return None


def say(error: BaseException) -> str:
    """*error* in words, without the URL: a query may be personal, or a key."""
    text = str(error)
    if isinstance(error, aiohttp.ClientResponseError):
        text = error.message
    elif _has_head(error):
        text = "Server disconnected in the middle of the headers"
    elif isinstance(error, aiohttp.InvalidURL):
        text = error.description or ""
    # Of a body that cannot be written, aiohttp says where it was sent to: a presigned URL, perhaps.
    text = _URL.sub(rf"\1\2/{MASK}", text)
    return f"{type(error).__name__}: {text}".rstrip(": ")
