"""A caller's `aiohttp.ClientSession`: its connections are used, its defaults overridden."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, cast

import aiohttp

from ev_energy._arguments import describe_type
from ev_energy._http.failures import no_auto_retry
from ev_energy._http.reply import Reply
from ev_energy._messages import ConnectionFault
from ev_energy._runtime.lazy_pattern import lazy_pattern
from ev_energy._version import __version__

#: Headers that frame a request. As defaults of a session, they would break every request.
_FRAMING: Final = (
    *("Host", "Content-Length", "Content-Encoding", "Transfer-Encoding"),
    *("Connection", "Upgrade", "Expect"),
)
#: Headers that change what a request means, or the user it is for. The session's are removed.
_SEMANTIC: Final = lazy_pattern(
    "authorization|cookie|accept|accept-encoding|content-.*|range|if-.*|te|evenergy-.*",
    re.IGNORECASE,
)
_AUTHORIZATION: Final = "Authorization"
#: Sent instead of the session's default where a request does not set the header.
_OWN_DEFAULTS: Final[Mapping[str, str]] = {
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"ev-energy-python/{__version__}",
}
_OVERRIDES: Final[Mapping[str, Any]] = {"raise_for_status": False, "auto_decompress": True}


def check(session: aiohttp.ClientSession) -> None:
    """Raise an error if *session* cannot be used, or has an option that breaks every request."""
    given = cast("object", session)
    if not isinstance(given, aiohttp.ClientSession):
        raise TypeError(f"session must be an aiohttp.ClientSession, not {describe_type(given)}")
    if session.closed:
        raise ValueError("session is closed: pass an open aiohttp.ClientSession")
    for name in _FRAMING:
        if name in session.headers:
            raise ValueError(
                f"session: its headers= must not set {name}, which is different in every request"
            )


def adapt(
    session: aiohttp.ClientSession, headers: Mapping[str, str], *, is_inside: bool
) -> tuple[Mapping[str, str], Sequence[aiohttp.ClientMiddlewareType], Mapping[str, Any]]:
    """Return the headers, middlewares and options for a request over *session*.

    Default headers of the session are kept where they are harmless and the request *is_inside* the
    API: a storage may refuse an upload with headers that are not in the signature of its URL.

    The session's middlewares run first. They are passed along here, since the middlewares of a
    request replace those of the session. `ConnectionFault` if it belongs to another event loop.
    """
    if getattr(session, "_loop", None) is not asyncio.get_running_loop():
        message = "session= belongs to another event loop than the one that makes the call"
        raise ConnectionFault(message, sent=False)
    own: Sequence[aiohttp.ClientMiddlewareType] = getattr(session, "_middlewares", ())
    defaults = session.headers
    sent = dict(headers)
    sent |= {n: v for n, v in _OWN_DEFAULTS.items() if n in defaults and n not in headers}
    removed = [n for n in defaults if not is_inside or _SEMANTIC.fullmatch(n)]
    send: aiohttp.ClientMiddlewareType = functools.partial(_override_headers, sent, removed)
    middlewares = (*own, send, no_auto_retry)
    if session.auth is not None or session.trust_env:
        # aiohttp refuses the header next to credentials of the session or of a netrc file. So the
        # middleware sets it, after those were looked up.
        headers = {n: v for n, v in sent.items() if n != _AUTHORIZATION}
        return headers, middlewares, _OVERRIDES
    return sent, middlewares, _OVERRIDES


async def _override_headers(
    headers: Mapping[str, str],
    removed: Sequence[str],
    request: aiohttp.ClientRequest,
    handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
) -> aiohttp.ClientResponse:
    """Send *request* with *headers*, and without those *removed* (an aiohttp middleware)."""
    for name in (*removed, _AUTHORIZATION, "Cookie"):
        request.headers.popall(name, None)
    request.headers.update(headers)
    request.response_class = Reply
    return await handler(request)
