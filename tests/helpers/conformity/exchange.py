"""A request and its reply, as they went over the wire."""

from __future__ import annotations

from typing import NamedTuple

from multidict import CIMultiDictProxy


class Exchange(NamedTuple):
    """The parts of an exchange that `ReplyChecker` checks."""

    method: str
    origin: str
    """Scheme, host and port of the request."""
    raw_path: str
    """The path as it was sent, percent-encoded, without the query."""
    asked: CIMultiDictProxy[str]
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def has_header(self, *names: str) -> bool:
        """Return whether the request had any of these headers."""
        return any(name in self.asked for name in names)

    @property
    def request_size(self) -> int:
        return int(self.asked.get("Content-Length", 0))
