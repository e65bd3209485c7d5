"""Measure each piece of work in fresh processes."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socketserver
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from tests.workshop.counts.measure import WORKS

_HERE: Final = Path(__file__).parent
_ROOT: Final = _HERE.parents[2]
#: Packages whose calls are counted too; the totals are comparable with these versions only.
_PACKAGES: Final = (
    "aiohttp",
    "attrs",
    "cattrs",
    "msgspec",
    "multidict",
    "uvloop",
    "yarl",
)
#: More items of a page of 100 than of a page of 1.
_MORE: Final = 99
Counts = dict[str, Any]


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        while line := self.rfile.readline():
            path = line.split()[1].decode()
            length = 0
            while (header := self.rfile.readline()) != b"\r\n":
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            self.rfile.read(length)
            self.server.requests[path] += 1
            self.wfile.write(self.server.reply(path))


class _Server(socketserver.ThreadingTCPServer):
    """Sends canned replies, each in one piece, and counts the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests = Counter[str]()
        spec = importlib.util.spec_from_file_location("data", _ROOT / "benchmarks" / "data.py")
        assert spec
        assert spec.loader
        data = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(data)
        self._evses = data.evses(expanded=False)

    def reply(self, path: str) -> bytes:
        body: Any = self._evses[0]
        if path.startswith("/o/token"):
            body = {"access_token": "counts", "token_type": "Bearer", "expires_in": 3600}
        elif "page_size=" in path:
            body = self._evses[: int(path.partition("page_size=")[2].partition("&")[0])]
        content = json.dumps(body).encode()
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"
            "x-ratelimit-limit: 1000000000\r\nx-ratelimit-remaining: 999999999\r\n\r\n"
        )
        return head.encode() + content


@contextlib.contextmanager
def _serving() -> Iterator[_Server]:
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def measured(work: str, code: str = "") -> Counts:
    """Return the counts of *work*, with *code* run as a part of it."""
    if work == "one more item":
        return _one_more_item(measured("page of 1", code), measured("page of 100", code))
    # Nothing of the tests' environment, such as coverage of child processes.
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "PYTHONPYCACHEPREFIX"}}
    environment = kept | {"PYTHONHASHSEED": "0", "PYTHONPATH": str(_ROOT)}
    # Where setuptools is installed, it runs a function at each import to replace distutils.
    environment["SETUPTOOLS_USE_DISTUTILS"] = "stdlib"
    found: Counts = {}
    # The memory of a hop depends on which of its two threads is faster.
    for kind in ("calls",) if work == "hop" else ("calls", "memory"):
        with _serving() as server:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            command = [sys.executable, _HERE / "measure.py", work, kind, url, code]
            done = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
            found |= json.loads(done.stdout)
            if kind == "calls" and server.requests:
                found["requests"] = sum(server.requests.values())
    return found


def _one_more_item(one: Counts, hundred: Counts) -> Counts:
    names = ("calls", "calls in all packages", "C calls", "blocks", "bytes", "bytes at the peak")
    found: Counts = {name: round((hundred[name] - one[name]) / _MORE, 1) for name in names}
    for detail in ("functions", "callers", "allocations"):
        rises = {k: v - one[detail].get(k, 0) for k, v in hundred[detail].items()}
        found[detail] = {k: round(v / _MORE, 1) for k, v in rises.items() if v >= _MORE}
    return found | {"lines": hundred["lines"], "places": hundred["places"]}


#: All pieces of work on record.
ALL: Final = (*WORKS, "one more item")


def versions() -> dict[str, str]:
    """Return the versions of the packages whose calls are in the totals."""
    return {one.name: one.version for one in distributions() if one.name in _PACKAGES}
