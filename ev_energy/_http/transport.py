"""The transport over aiohttp, which is imported on first use: that takes 0.2 s."""

from __future__ import annotations

import asyncio
import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ev_energy._arguments import require_whole_number
from ev_energy._http.network import DIRECT, Network, Route
from ev_energy._messages import Body, ConnectionFault, LimitFault, Request, Response
from ev_energy._redaction.show import request_id
from ev_energy._runtime.build_lock import build_lock
from ev_energy._runtime.clocks import REAL
from ev_energy._runtime.per_loop import AlreadyClosed, LoopResource, PerLoop
from ev_energy.models._json import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    import aiohttp

_running_loop = asyncio.get_running_loop
_clock = REAL.monotonic
#: Seconds without a request, after which a server may have closed a connection.
_IDLE: Final = 1.0
# A number: looking up a member of an enum is slow in Python 3.11.
_BAD_REQUEST: Final[int] = HTTPStatus.BAD_REQUEST.value
#: Bytes of a piece of a body after which other tasks run.
_LARGE_PIECE: Final = 65_536
_NO_TYPE: Final = ("Content-Type",)
_NO_OPTIONS: Final[Mapping[str, Any]] = {}


class AiohttpTransport:
    """Sends over an `aiohttp.ClientSession`: the caller's, or one of its own per event loop."""

    def __init__(
        self,
        session: aiohttp.ClientSession | None,
        owner: Callable[[], str],
        max_body: int,
        network: Network | None = None,
    ) -> None:
        self._caller_session, self._owner = session, owner
        self._network = network or Network()
        self._sessions = PerLoop(_new_session, _close_session, close_now=_close_session_now)
        self._current: LoopResource[aiohttp.ClientSession] | None = None
        """The session that was used last, with its loop."""
        self._middlewares: Sequence[aiohttp.ClientMiddlewareType] = ()
        """The middlewares of requests over a session of its own, once aiohttp is imported."""
        self._used_at = 0.0
        self._max_body = require_whole_number("max_body", max_body, 1)
        if session is not None:
            with build_lock:  # no fork during this import
                from ev_energy._http import caller_session

            caller_session.check(session)

    async def send(
        self, request: Request, headers: Mapping[str, str], body: Body | None, timeout: float
    ) -> Response:
        """Send one request and read the whole reply."""
        session, options = self._caller_session, _NO_OPTIONS
        if session is None:
            current = self._current
            if current is None or current.loop is not _running_loop():
                current = self._current = self._for_running_loop()
            session = current.value
            route = self._network.route(request.url)
            if route is not DIRECT:
                options = _route_options(route)
                if route.proxy is not None and request.url.scheme == "http":
                    # Plain HTTP has no CONNECT request that could carry them.
                    headers = {**headers, **route.proxy.headers}
            middlewares = self._middlewares or self._load_middlewares()
        else:
            from ev_energy._http import caller_session

            headers, middlewares, options = caller_session.adapt(
                session, headers, is_inside=bool(request.template)
            )
        now, is_get = _clock(), request.method == "GET"
        if now - self._used_at > _IDLE or (not is_get and request.is_write):
            await _yield_to_notice_closed_connections()
        self._used_at = now
        status: int | None = None
        try:
            async with session.request(
                request.method,
                request.url,
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=_client_timeout(timeout),
                middlewares=middlewares,
                # aiohttp would send a Content-Type for any body, even for none.
                skip_auto_headers=None if is_get else _NO_TYPE,
                **options,
            ) as reply:
                status = reply.status
                content = await _read_body(reply, self._max_body)
                if status >= _BAD_REQUEST:  # problem documents are shorter
                    content = content[:MAX_DOCUMENT_BYTES]
                return Response(status, reply.reason or "", reply.headers, content)
        except Exception as error:
            from ev_energy._http import failures

            fault = failures.classify(error, timeout, status)
            # aiohttp raises a plain RuntimeError here.
            if session.closed and str(error) == "Session is closed":
                fault = ConnectionFault(str(error), sent=False)
            if fault is None or fault is error:
                raise
            cause = failures.safe_cause(error)
        raise fault from cause  # outside of the handler, so that the error is not its context

    def _for_running_loop(self) -> LoopResource[aiohttp.ClientSession]:
        try:
            return self._sessions.for_running_loop()
        except AlreadyClosed:
            raise ConnectionFault("the client was closed", sent=False) from None

    def _load_middlewares(self) -> Sequence[aiohttp.ClientMiddlewareType]:
        from ev_energy._http import failures

        self._middlewares = (failures.no_auto_retry,)
        return self._middlewares

    async def close(self) -> None:
        """Close the sessions that were opened here; the caller's session stays open."""
        self._current = None
        await self._sessions.close()

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        if not self._sessions:  # closed, or never used, or only by the process this was forked from
            return
        self._sessions.abandon()
        _warn(
            f"unclosed {self._owner()}: close it with `await client.close()`, or open it with "
            "`async with`",
            ResourceWarning,
            source=self,
        )


def _new_session() -> aiohttp.ClientSession:
    import aiohttp

    from ev_energy._http.reply import Reply

    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), response_class=Reply)


async def _close_session(session: aiohttp.ClientSession) -> None:
    await session.close()


def _close_session_now(session: aiohttp.ClientSession) -> None:
    # The first step closes the connections; the others only wait for that.
    closing = session.close()
    try:
        closing.send(None)
    except StopIteration:
        return
    closing.close()


def _route_options(route: Route) -> dict[str, Any]:
    """Return the arguments of aiohttp for a request over *route*."""
    options: dict[str, Any] = {"ssl": route.tls}
    if route.proxy is not None:
        options |= {"proxy": route.proxy.url, "proxy_headers": route.proxy.headers}
    return options


@functools.lru_cache(8)
def _client_timeout(total: float) -> aiohttp.ClientTimeout:
    import aiohttp

    return aiohttp.ClientTimeout(total=total)


async def _yield_to_notice_closed_connections() -> None:
    """Let the loop notice which pooled connections the server has closed.

    A request sent over one of those gets no reply, and a write would be unconfirmed. The loop
    notices within two iterations, but may not have had any since it was blocked or stopped.
    """
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def _read_body(reply: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the decompressed body of *reply*; `LimitFault` if it exceeds *max_bytes*.

    Releasing a reply that was not read to its end closes its connection.
    """
    content = reply.content
    if content.is_eof():  # the body arrived together with the headers
        if content.total_bytes <= max_bytes:
            return await reply.read()
    elif (length := _content_length(reply)) is None:
        return await _in_pieces(reply, max_bytes)
    elif length <= max_bytes:
        return await reply.read()
    raise _too_large(reply, max_bytes)


def _content_length(reply: aiohttp.ClientResponse) -> int | None:
    """Return the length of the body; None if the headers do not determine it."""
    headers = reply.headers
    if "Content-Encoding" in headers or "Transfer-Encoding" in headers:
        return None
    return reply.content_length


async def _in_pieces(reply: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the body of *reply*, whose length is unknown.

    Read in pieces, aiohttp decompresses it in pieces; `reply.read` would decompress all it has.
    """
    body = bytearray()
    while piece := await reply.content.readany():
        if len(body) + len(piece) > max_bytes:
            raise _too_large(reply, max_bytes)
        body += piece
        if len(piece) > _LARGE_PIECE:  # compressed data may come without a wait
            await asyncio.sleep(0)
    return bytes(body)


def _too_large(reply: aiohttp.ClientResponse, max_bytes: int) -> LimitFault:
    message = f"the body has more than {max_bytes} bytes (max_body)"
    return LimitFault(
        message, limit="max_body", status=reply.status, request_id=request_id(reply.headers)
    )
