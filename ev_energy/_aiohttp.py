"""The transport: the only module that imports aiohttp, and that late: it takes 0.2 s."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ev_energy._http import Body, ConnectionFault, Request, Response

if TYPE_CHECKING:
    import aiohttp

_running_loop = asyncio.get_running_loop
_NO_TYPE: Final = ("Content-Type",)

# Sessions of loops that go on elsewhere, kept so that nobody closes or collects them. After a fork
# the child shares the parent's epoll: closing the inherited session there would unregister the
# parent's sockets.
_of_other_loops: Final[list[aiohttp.ClientSession]] = []


class AiohttpTransport:
    """Sends with one `aiohttp.ClientSession`: the caller's, or one of its own per event loop."""

    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._injected = session
        self._own: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def send(
        self, request: Request, headers: Mapping[str, str], body: Body | None, timeout: float
    ) -> Response:
        """Send one request and read the whole reply."""
        session = self._injected or self._own
        if session is None or (session is self._own and self._loop is not _running_loop()):
            session = await self._session()
        try:
            async with session.request(
                request.method,
                request.url,
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=_client_timeout(timeout),
                # aiohttp would call any body an octet stream, also one that is not there.
                skip_auto_headers=None if request.method == "GET" else _NO_TYPE,
            ) as reply:
                content = await reply.read()
                return Response(reply.status, reply.reason or "", reply.headers, content)
        except Exception as error:
            fault = _fault_of(error, timeout)
            if fault is None:
                raise
            raise fault from error

    async def close(self) -> None:
        """Close the session, unless it is the caller's."""
        own, self._own = self._own, None
        if own is None:
            return
        if self._loop is asyncio.get_running_loop():
            await own.close()
        else:
            await _leave(own, self._loop)

    async def _session(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._injected is not None:
            return self._injected
        loop = asyncio.get_running_loop()
        if self._own is None or self._loop is not loop:
            if self._own is not None:
                await _leave(self._own, self._loop)
            self._own = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
            self._loop = loop
        return self._own


async def _leave(session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop | None) -> None:
    """Part with the session of another loop: close it if that loop has ended."""
    if loop is not None and loop.is_closed():
        await session.close()
    else:
        _of_other_loops.append(session)


@functools.lru_cache(8)
def _client_timeout(total: float) -> aiohttp.ClientTimeout:
    import aiohttp

    return aiohttp.ClientTimeout(total=total)


def preload() -> None:
    """Import aiohttp now."""
    import aiohttp  # noqa: F401  # pyright: ignore[reportUnusedImport]  # for its side effect


def _fault_of(error: Exception, timeout: float) -> ConnectionFault | None:
    """What *error* says of the connection; None if it is no matter of connections."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return ConnectionFault(_say(error), sent=False)
    if isinstance(error, TimeoutError):
        return ConnectionFault(f"no reply within {timeout:g} s", sent=True)
    if isinstance(error, aiohttp.ClientError | ConnectionError):
        return ConnectionFault(_say(error), sent=True)
    return None


def _say(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
