"""A server without tasks, so that all tasks of the loop belong to the client.

It sends head and body of a reply separately, so that a client waits for each. As a script, it
prints its port and serves until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from typing import Any

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
PAGES = 3


class TasklessServer:
    """Counters of requests, and settings for the next replies."""

    def __init__(self) -> None:
        self.port = 0
        self.counts: Counter[str] = Counter()
        """The number of requests by method and path."""
        self.connections: set[asyncio.Transport] = set()
        self.busy = 0
        """The number of requests to `busy_at` that are answered with 503."""
        self.busy_at = ""
        """A part of the paths that `busy` refers to."""
        self.lifetime = 3600
        """The ``expires_in`` of tokens."""
        self.silent = ""
        """A part of the paths whose requests are not answered."""
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2"

    @property
    def api_requests(self) -> int:
        return sum(count for what, count in self.counts.items() if " /v2/" in what)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for transport in tuple(self.connections):
            transport.abort()

    def answer(self, method: str, target: str) -> bytes | None:
        path, _, query = target.partition("?")
        self.counts[f"{method} {path}"] += 1
        if self.silent and self.silent in path:
            return None
        status, more, body = 200, "", self._body(method, path, query)
        if self.busy and self.busy_at in path:
            self.busy -= 1
            status, body = 503, {"title": "Busy"}
        elif "missing" in path:
            status, body = 404, {"title": "Not found"}
        elif path == "/v2/evses":
            page = int(query.partition("page=")[2] or 0)
            if page + 1 < PAGES:
                more = f'Link: <{self.url}/evses?page={page + 1}>; rel="next"\r\n'
        content = json.dumps(body).encode()
        head = (
            f"HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n{more}\r\n"
        )
        return head.encode() + content

    def _body(self, method: str, path: str, query: str) -> Any:
        if path == "/o/token/":
            number = self.counts[f"{method} {path}"]
            return {
                "access_token": f"access-token-{number}",
                "refresh_token": f"refresh-token-{number}",
                "token_type": "Bearer",
                "expires_in": self.lifetime,
            }
        if path == "/v2/evses":
            page = int(query.partition("page=")[2] or 0)
            return [self._one(f"/v2/evses/evse{page}{number}") for number in range(3)]
        if path.endswith(":start_upload"):
            file = self._one("/v2/rebate_evidence_files/rbef01")
            return {**file, "presigned_url": f"http://127.0.0.1:{self.port}/bucket/file?signed=1"}
        return self._one(path.partition(":")[0])

    def _one(self, path: str) -> dict[str, str]:
        name = path.rpartition("/")[2]
        return {"id": name, "url": f"https://api.ev.energy{path}", "cpid": "CP-1"}


class Connection(asyncio.Protocol):
    """The protocol of one connection."""

    def __init__(self, server: TasklessServer) -> None:
        self._server, self._buffer = server, b""

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport
        self._server.connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[: end + 2]
            if CHUNKED.search(head):
                whole = self._buffer.find(b"\r\n0\r\n\r\n", end) + 7
                if whole < 7:
                    return
            else:
                length = LENGTH.search(head)
                whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            method, target, _ = head.split(b" ", 2)
            reply = self._server.answer(method.decode(), target.decode())
            if reply is not None:
                first, blank_line, rest = reply.partition(b"\r\n\r\n")
                self._transport.write(first + blank_line)
                loop = asyncio.get_running_loop()
                loop.call_soon(loop.call_soon, self._write, rest)

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


async def main() -> None:
    server = TasklessServer()
    server.silent = "slow"
    await server.start()
    print(server.port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.stop()


if __name__ == "__main__":
    asyncio.run(main())
