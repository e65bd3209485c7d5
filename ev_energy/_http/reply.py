"""The end of a reply: bytes behind it on the same connection do not invalidate it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
from multidict import MultiMapping

if TYPE_CHECKING:
    from aiohttp.connector import Connection

#: The end of a header section. aiohttp's parser of replies accepts bare line feeds as well.
_HEADERS_END: Final = re.compile(rb"\n\r?\n")
#: RFC 9112 §6.3: these end with their headers, whatever the headers say.
_WITHOUT_BODY: Final = frozenset(
    {HTTPStatus.SWITCHING_PROTOCOLS, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
)
#: Interim replies before the final one; after more than that, bytes are only passed on.
_MAX_INTERIM_REPLIES: Final = 16
#: Starts of replies whose body ends where Content-Length says.
_SUCCESS: Final = (b"HTTP/1.1 200 ", b"HTTP/1.1 201 ")
_CONTENT_LENGTH: Final = b"\r\ncontent-length: "
_TRANSFER_ENCODING: Final = b"\r\ntransfer-encoding"
_CRLF_CRLF: Final = b"\r\n\r\n"
#: Digits of a Content-Length that is possible; Python refuses to convert thousands.
_MAX_DIGITS: Final = 20


class Reply(aiohttp.ClientResponse):
    """A response that counts once it is complete, even if the server sends more than that.

    aiohttp parses a packet as a whole: if the bytes behind a complete reply are not HTTP, it loses
    the reply with them, and a write would be unconfirmed.
    """

    async def start(self, connection: Connection) -> Self:
        """Read status and headers."""
        protocol: Any = connection.protocol
        parser = getattr(protocol, "_parser", None)
        if parser is not None:  # a private name, which a later aiohttp may not have
            protocol._parser = _OneReplyParser(parser, protocol)  # noqa: SLF001
        await super().start(connection)
        return self


class _OneReplyParser:
    """Wraps the parser of a connection and stops at the end of the awaited reply."""

    __slots__ = ("_interim", "_is_complete", "_last_bytes", "_parser", "_payload", "_protocol")

    def __init__(self, parser: Any, protocol: Any) -> None:
        self._parser, self._protocol = parser, protocol
        self._payload: Any = None
        """The body of the awaited reply, once its headers are parsed."""
        self._interim = 0
        self._last_bytes = b""
        self._is_complete = False
        """Whether the reply has no body, so that it ended with its headers."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def feed_data(self, data: bytes) -> tuple[Any, bool, bytes]:
        """Parse *data*: messages, whether the protocol was upgraded, and the bytes after that."""
        if self._payload is not None:
            return self._feed_body(data)
        if not self._is_complete and not self._last_bytes and _is_within_one_reply(data):
            # Nothing follows the reply, so one call of the parser suffices: half the work.
            result: tuple[Any, bool, bytes] = self._parser.feed_data(data)
            self._note(result[0])
            return result
        return self._feed_in_parts(data)

    def feed_eof(self) -> Any:
        return None if self._is_complete else self._parser.feed_eof()

    def _feed_in_parts(self, data: bytes) -> tuple[Any, bool, bytes]:
        """Parse each header section on its own, and then the body."""
        messages: list[Any] = []
        while (
            self._payload is None and not self._is_complete and self._interim < _MAX_INTERIM_REPLIES
        ):
            size = self._headers_size(data)
            if size is None:
                break
            headers, data = data[:size], data[size:]
            parsed, is_upgraded, rest = self._parser.feed_data(headers)
            messages += parsed
            if is_upgraded:
                return messages, True, rest + data
            self._note(parsed)
        if self._is_complete and data:
            self._disconnect()
        if self._is_complete or (messages and not data):
            return messages, False, b""
        parsed, is_upgraded, rest = self._feed_body(data)
        return (*messages, *parsed), is_upgraded, rest

    def _feed_body(self, data: bytes) -> tuple[Any, bool, bytes]:
        try:
            parsed, is_upgraded, rest = self._parser.feed_data(data)
        except Exception:
            if self._payload is None or not self._payload.is_eof():
                raise
            self._disconnect()
            return (), False, b""
        if parsed and self._payload is not None:
            # A reply without a request. aiohttp would take it for the reply to the next one.
            self._disconnect()
            return (), False, b""
        return parsed, is_upgraded, rest

    def _headers_size(self, data: bytes) -> int | None:
        """Return how many bytes of *data* are headers, or None if they do not end in it."""
        before = self._last_bytes
        end = _HEADERS_END.search(before + data)
        self._last_bytes = b"" if end else (before + data)[-2:]
        return None if end is None else end.end() - len(before)

    def _note(self, messages: Any) -> None:
        """Note which of *messages* is the awaited reply, and whether it has a body."""
        for message, payload in messages:
            if message.code in _WITHOUT_BODY:
                self._is_complete = True
                if _announces_body(message.headers):  # that body could precede the next reply
                    self._protocol.force_close()
            elif HTTPStatus.CONTINUE <= message.code < HTTPStatus.OK:
                self._interim += 1
            else:
                self._payload = payload

    def _disconnect(self) -> None:
        """Close the connection, which must not be used again: it is out of step."""
        self._protocol.force_close()
        if self._protocol.transport is not None:  # None once it is back in the pool
            self._protocol.transport.close()


def _is_within_one_reply(data: bytes) -> bool:
    """Return whether *data* has the headers of a successful reply and nothing behind that reply."""
    if not data.startswith(_SUCCESS):
        return False
    end = data.find(_CRLF_CRLF)
    headers = data[:end].lower()
    name = headers.find(_CONTENT_LENGTH)
    # A bare line feed may end the headers earlier.
    if end < 0 or name < 0 or _TRANSFER_ENCODING in headers or _HEADERS_END.search(headers):
        return False
    value = name + len(_CONTENT_LENGTH)
    line_end = headers.find(b"\r\n", value)
    length = headers[value : line_end if line_end >= 0 else end]
    if not length.isdigit() or len(length) > _MAX_DIGITS:
        return False
    return len(data) - end - len(_CRLF_CRLF) <= int(length)  # headers often arrive alone


def _announces_body(headers: MultiMapping[str]) -> bool:
    return "Transfer-Encoding" in headers or headers.get("Content-Length", "0").strip() != "0"
