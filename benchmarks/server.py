"""Serve prebuilt bytes with bare asyncio, in a separate process.

``python server.py ITEMS`` prints its port and serves until its standard input is closed. It
answers ``/o/token/``, one EVSE, lists of that many EVSEs and sub-sessions in pages of 100
(``expand=`` selects the shape), the command logs of an EVSE in one page, and one operation of each
family.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import sys
from typing import Final, cast

import data
import families
import sub_sessions

_PATH: Final = re.compile(rb"(?:GET|POST) (/[^ ?]*)(?:\?(\S*))? ")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_AFTER: Final = re.compile(rb"page_after=(\d+)")
_TOKEN: Final = b'{"access_token":"benchmark","token_type":"Bearer","expires_in":3600}'
_LISTS: Final = {b"/v2/evses", b"/v2/charging_sub_sessions"}
_SEEDS: Final = range(3, 7)


class Replies:
    """All replies, including headers, made on first use."""

    def __init__(self, items: int = data.ITEMS) -> None:
        self.port = 0
        self._last = items // data.PAGE - 1
        self._evse = {e: data.body(data.evses(1, expanded=e)[0]) for e in (False, True)}
        self._logs = data.body(data.command_logs())
        self._ready: dict[tuple[bytes, bytes], tuple[bytes, bytes]] = {}

    def of(self, path: bytes, query: bytes) -> bytes:
        key = (path, query)
        if key not in self._ready:
            self._ready[key] = self._make(path.rstrip(b"/"), query)
        return b"".join(self._ready[key])

    def _make(self, path: bytes, query: bytes) -> tuple[bytes, bytes]:
        expanded = b"expand=" in query
        if path == b"/o/token":
            return _reply(_TOKEN)
        if path in _LISTS:
            found = _AFTER.search(query)
            number = int(found[1]) if found else 0
            pages = _pages(path, query.count(b"expand="))
            return _reply(pages[number % len(pages)], self._link(path, number, query))
        if path.endswith(b"/command_logs"):
            return _reply(self._logs)
        if path.startswith(b"/v2/evses/") and path.count(b"/") == 3:
            return _reply(self._evse[expanded])
        if found := families.replies().get(path.decode().removeprefix("/v2")):
            return _reply(found)
        return _reply(b'{"type":"not-found","status":404}', status="404 Not Found")

    def _link(self, path: bytes, number: int, query: bytes) -> str:
        kept = [p for p in query.decode().split("&") if p and not p.startswith("page_after")]
        root = f"http://127.0.0.1:{self.port}{path.decode()}?{''.join(f'{p}&' for p in kept)}"
        found = [f'<{root}page_after={number - 1}>; rel="previous"'] if number else []
        if number < self._last:
            found.append(f'<{root}page_after={number + 1}>; rel="next"')
        return f"Link: {', '.join(found)}\r\n"


@functools.cache
def _pages(path: bytes, expanded: int) -> list[bytes]:
    """Return four pages, in the shape that has *expanded* links to expand."""
    if path == b"/v2/evses":
        return [data.body(data.evses(expanded=bool(expanded), seed=s)) for s in _SEEDS]
    shape = next(name for name, e in sub_sessions.EXPAND.items() if len(e) == expanded)
    return [data.body(sub_sessions.sub_sessions(shape, seed=s)) for s in _SEEDS]


def _reply(content: bytes, more: str = "", status: str = "200 OK") -> tuple[bytes, bytes]:
    head = (
        f"HTTP/1.1 {status}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n"
        "Date: Sun, 22 Nov 2026 12:00:00 GMT\r\n"
        "x-ratelimit-limit: 1000000000\r\n"
        "x-ratelimit-remaining: 999999999\r\n"
        f"{more}\r\n"
    )
    return head.encode(), content


class Connection(asyncio.Protocol):
    """One keep-alive connection. A request may arrive in any number of pieces."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[: end + 2]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            found = _PATH.match(head)
            assert found
            self._write(self._replies.of(found[1], found[2] or b""))


async def main() -> None:
    replies = Replies(int(sys.argv[1]))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(replies), "127.0.0.1", 0)
    replies.port = server.sockets[0].getsockname()[1]
    print(replies.port, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    asyncio.run(main())
