"""A reply with its whole body, which faults change and send as bytes."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import attrs
from aiohttp import hdrs, web
from multidict import CIMultiDict

from ev_energy.simulator.http._date import http_date

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


#: Statuses without a body (RFC 9110, sections 15.3.5 and 15.4.5).
_WITHOUT_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


@attrs.frozen
class BufferedReply:
    """The reply of a handler, with its whole body."""

    status: int
    reason: str
    headers: CIMultiDict[str]
    body: bytes = b""

    @classmethod
    def of(cls, reply: web.StreamResponse) -> Self:
        """Buffer a reply of aiohttp."""
        body = reply.body if isinstance(reply, web.Response) else NotImplemented
        if not isinstance(body, bytes | bytearray | None):
            raise TypeError(f"faults cannot change the body of a {type(reply).__name__}")
        headers = CIMultiDict(reply.headers)
        headers.popall(hdrs.CONTENT_LENGTH, None)
        for cookie in reply.cookies.values():
            headers.add(hdrs.SET_COOKIE, cookie.OutputString())
        return cls(reply.status, reply.reason, headers, bytes(body or b""))

    @property
    def has_body(self) -> bool:
        """Whether replies of this status have a body, even if it is empty."""
        return self.status not in _WITHOUT_BODY

    @property
    def is_json(self) -> bool:
        """Whether this is a success with a JSON body."""
        kind = self.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0]
        return (
            self.status < HTTPStatus.MULTIPLE_CHOICES
            and kind == "application/json"
            and bool(self.body)
        )

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)

    def with_json(self, body: Any) -> BufferedReply:
        """Return a copy with another JSON body."""
        return attrs.evolve(self, body=json.dumps(body).encode())

    def with_headers(self, headers: Mapping[str, str]) -> BufferedReply:
        """Return a copy in which these headers replace those of the same names."""
        changed = self.headers.copy()
        changed.update(headers)
        return attrs.evolve(self, headers=changed)

    def response(self) -> web.Response:
        """Return the reply for aiohttp to send."""
        return web.Response(
            status=self.status,
            reason=self.reason,
            headers=self.headers,
            body=self.body if self.has_body else None,
        )

    def head(self, now: datetime, *, chunked: bool = False, length: int | None = None) -> bytes:
        """Return the status line and the headers as bytes, with the empty line.

        ``length`` overrides the length of the body. ``Connection: close`` is never sent, even if
        the connection will be closed.
        """
        headers = self.headers.copy()
        headers.setdefault(hdrs.DATE, http_date(now))
        if chunked:
            headers[hdrs.TRANSFER_ENCODING] = "chunked"
        elif self.has_body:
            headers[hdrs.CONTENT_LENGTH] = str(len(self.body) if length is None else length)
        lines = [f"HTTP/1.1 {self.status} {self.reason}"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()

    def to_bytes(self, now: datetime) -> bytes:
        """Return the whole reply as bytes."""
        return self.head(now) + (self.body if self.has_body else b"")
