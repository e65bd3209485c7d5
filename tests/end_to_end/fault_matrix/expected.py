"""The results of each fault of the simulator in each use, for the tests and docs/faults.md.

An expectation is an error class (or ``ok``), the status that the error holds, if any, and how often
the request was sent. If there are two, separated by ``|``, the first is for a fault that strikes
once and the second for one that strikes every attempt; a single one is for both. A sentence in
brackets says why a case does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

USES: Final = ("read", "write", "walk", "token", "upload")

_NO_LINK: Final = "(the reply has no Link header)"
_NO_BODY: Final = "(the storage's reply has no body)"
_NO_JSON: Final = "(the storage's reply is not JSON)"
_NO_LINK_THERE: Final = "(the storage's reply has no Link header)"


class Row(NamedTuple):
    """The expected results of one kind of fault."""

    read: str
    write: str
    walk: str
    token: str
    upload: str
    details: Mapping[str, Any] = {}
    timeout: float = 30.0
    """The timeout of an attempt in seconds."""
    retries: int = 2


def _all(expected: str, *, upload: str | None = None, **more: Any) -> Row:
    return Row(expected, expected, expected, expected, upload or expected, **more)


def _lost(token_and_read: str, **more: Any) -> Row:
    """Return the row of a fault without a reply: a write is not repeated."""
    read, upload = token_and_read, token_and_read.replace("TransportError", "UploadError")
    return Row(read, "UnconfirmedWriteError 1", read, read, more.pop("upload", upload), **more)


def _limit(**more: Any) -> Row:
    """Return the row of a fault whose reply has an oversized body."""
    read, write = "LimitError 200 1", "LimitError 201 1"
    return Row(read, write, read, read, "UploadError 1", **more)


_LOST: Final = "ok 2 | TransportError 3"
#: The timeout is waited for up to twice, and long enough for an undisturbed request.
_LATE: Final = {"timeout": 0.5, "retries": 1}

ROWS: Final[Mapping[str, Row]] = {
    "rate_limited": _all("ok 2 | RateLimitError 429 3", upload="ok 2 | UploadError 429 3"),
    "server_error": Row(
        read="ok 2 | ServerError 502 3",
        write="ServerError 502 1",
        walk="ok 2 | ServerError 502 3",
        token="ok 2 | ServerError 502 3",
        upload="ok 2 | UploadError 502 3",
    ),
    "problem": Row(
        read="ConflictError 409 1",
        write="ConflictError 409 1",
        walk="ConflictError 409 1",
        token="TokenError 409 1",
        upload="UploadError 409 1",
    ),
    "redirect": Row(
        read="DecodeError 302 1",
        write="DecodeError 302 1",
        walk="DecodeError 302 1",
        token="TokenError 302 1",
        upload="UploadError 302 1",
    ),
    "token_revoked": Row(
        read="ok 2 | UnauthorizedError 401 2",
        write="ok 2 | UnauthorizedError 401 2",
        walk="ok 2 | UnauthorizedError 401 2",
        token="(a token request carries no access token)",
        upload="(the storage receives no access token)",
    ),
    "reset_before": _lost(_LOST),
    "reset_after": _lost(_LOST),
    "truncated": _lost(_LOST, upload=_NO_BODY),
    "bad_chunk": _lost(_LOST, upload=_NO_BODY),
    "slow_drip": _lost("ok 2 | TransportError 2", upload=_NO_BODY, **_LATE),
    "slow_start": _lost("ok 2 | TransportError 2", **_LATE, details={"seconds": 60}),
    "hang": _lost("ok 2 | TransportError 2", **_LATE),
    "duplicate_reply": _all("ok 1"),
    "informational": _all("ok 1"),
    "connection_close": _all("ok 1"),
    "wrong_content_type": _all("ok 1", upload=_NO_BODY),
    "not_json": Row(
        read="DecodeError 200 1",
        write="DecodeError 201 1",
        walk="DecodeError 200 1",
        token="TokenError 200 1",
        upload=_NO_JSON,
    ),
    "wrong_shape": Row(
        read="DecodeError 200 1",
        write="DecodeError 201 1",
        walk="DecodeError 200 1",
        token="TokenError 200 1",
        upload=_NO_JSON,
    ),
    "empty_body": Row(
        read="DecodeError 200 1",
        write="DecodeError 201 1",
        walk="DecodeError 200 1",
        token="TokenError 200 1",
        upload=_NO_BODY,
    ),
    "missing_link": Row(_NO_LINK, _NO_LINK, "PagingError 1", _NO_LINK, _NO_LINK_THERE),
    "broken_link": Row(_NO_LINK, _NO_LINK, "PagingError 1", _NO_LINK, _NO_LINK_THERE),
    "link_loop": Row(_NO_LINK, _NO_LINK, "PagingError 1", _NO_LINK, _NO_LINK_THERE),
    "foreign_link": Row(_NO_LINK, _NO_LINK, "ForeignOriginError 1", _NO_LINK, _NO_LINK_THERE),
    "huge_header": _all("LimitError 1", upload="UploadError 1"),
    "many_headers": _all("LimitError 1", upload="UploadError 1"),
    "clock_skew": _all("ok 1"),
    "giant_body": _limit(details={"megabytes": 2}),
    "gzip_bomb": _limit(details={"megabytes": 2}),
    "deep_json": Row(
        read="DecodeError 200 1",
        write="DecodeError 201 1",
        walk="DecodeError 200 1",
        token="TokenError 200 1",
        upload="ok 1",
        details={"levels": 10_000},
    ),
    "unknown_members": _all("ok 1", upload=_NO_JSON),
    "missing_members": Row(
        read="ok 1",
        write="ok 1",
        walk="ok 1",
        token="TokenError 200 1",
        upload=_NO_JSON,
        details={"names": ["name", "description", "access_token"]},
    ),
    "new_enum_value": Row(
        read="ok 1",
        write="(no field of the reply is an enum)",
        walk="ok 1",
        token="(no field of the reply is an enum)",
        upload=_NO_JSON,
    ),
}
