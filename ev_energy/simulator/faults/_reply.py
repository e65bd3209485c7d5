"""A reply as a value that faults can change, and as the bytes that go over the wire."""

from __future__ import annotations

import json
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Self

import attrs
from aiohttp import hdrs, web
from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


#: Statuses whose replies have no body by definition: there is nothing to break in one.
_NEVER_A_BODY = frozenset({204, 304})


def http_date(instant: datetime) -> str:
    """Return the text HTTP has for an instant of UTC."""
    return format_datetime(instant, usegmt=True)


@attrs.frozen
class Answer:
    """What a handler answered, whole."""

    status: int
    reason: str
    headers: CIMultiDict[str]
    body: bytes = b""

    @classmethod
    def of(cls, reply: web.StreamResponse) -> Self:
        """Return what a reply would send."""
        body = reply.body if isinstance(reply, web.Response) else NotImplemented
        if not isinstance(body, bytes | bytearray | None):
            raise TypeError(f"no fault can change the body of a {type(reply).__name__}")
        headers = CIMultiDict(reply.headers)
        headers.popall(hdrs.CONTENT_LENGTH, None)
        for cookie in reply.cookies.values():
            headers.add(hdrs.SET_COOKIE, cookie.OutputString())
        return cls(reply.status, reply.reason, headers, bytes(body or b""))

    @property
    def has_body(self) -> bool:
        """Whether replies of this status have a body, be it an empty one."""
        return self.status not in _NEVER_A_BODY

    @property
    def is_json(self) -> bool:
        """Whether it is a success that answers with JSON."""
        kind = self.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0]
        return self.status < 300 and kind == "application/json" and bool(self.body)  # noqa: PLR2004

    def json(self) -> Any:
        """Return the body, read."""
        return json.loads(self.body)

    def with_json(self, body: Any) -> Answer:
        """Return the same with another body."""
        return attrs.evolve(self, body=json.dumps(body).encode())

    def with_headers(self, headers: Mapping[str, str]) -> Answer:
        """Return the same with these headers in place of any of the same name."""
        changed = self.headers.copy()
        changed.update(headers)
        return attrs.evolve(self, headers=changed)

    def response(self) -> web.Response:
        """Return it as something that is sent as it should be."""
        return web.Response(
            status=self.status,
            reason=self.reason,
            headers=self.headers,
            body=self.body if self.has_body else None,
        )

    def head(self, now: datetime, *, chunked: bool = False, length: int | None = None) -> bytes:
        """Return the bytes that come before the body, the empty line included.

        The length is the one of the body unless another is named. That the connection will be
        closed is never said.
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

    def wire(self, now: datetime) -> bytes:
        """Return all its bytes."""
        return self.head(now) + (self.body if self.has_body else b"")
