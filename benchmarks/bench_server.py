"""Measure the server itself with bare sockets, to show that it is not what limits the clients."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from clients import IDS
from harness import Row, Settings, server

_CONNECTIONS: Final = 8
#: Requests that are sent at once on a connection, so that the client costs next to nothing.
_PIPELINED: Final = {"requests": 50, "pages": 4}
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_EVSES: Final = "/evses?page_size=100&expand=model&page_after="


def rows(settings: Settings) -> Iterator[Row]:
    batches = 4 if settings.quick else 100
    with server() as url:
        for what in _PIPELINED:
            rate = _rate(url, what, batches)
            note = f"{rate:,.0f} {what}/s on {_CONNECTIONS} connections"
            yield Row(f"the server alone, {what}/s", None, note=note)


def _rate(url: str, what: str, batches: int) -> float:
    address = urlsplit(url)
    paths = (
        [f"/evses/{id_}" for id_ in IDS]
        if what == "requests"
        else [f"{_EVSES}{n}" for n in range(1, 100)]
    )
    count = _PIPELINED[what]
    sent = b"".join(
        f"GET {address.path}{p} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for p in paths[:count]
    )
    size = _size(address.hostname, address.port, sent, count)

    def work() -> None:
        buffer = bytearray(1 << 20)
        with socket.create_connection((address.hostname, address.port)) as connection:
            for _ in range(batches):
                connection.sendall(sent)
                left = size
                while left:
                    left -= connection.recv_into(buffer, min(left, len(buffer)))

    threads = [threading.Thread(target=work) for _ in range(_CONNECTIONS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _CONNECTIONS * batches * count / (time.perf_counter() - started)


def _size(host: str | None, port: int | None, sent: bytes, count: int) -> int:
    """Return the bytes of the *count* replies to *sent*, which are the same each time."""
    with socket.create_connection((host, port)) as connection, connection.makefile("rb") as file:
        connection.sendall(sent)
        size = 0
        for _ in range(count):
            head = b"".join(iter(file.readline, b"\r\n")) + b"\r\n"
            assert head.startswith(b"HTTP/1.1 200"), head
            found = _LENGTH.search(head)
            assert found
            size += len(head) + len(file.read(int(found[1])))
        return size
