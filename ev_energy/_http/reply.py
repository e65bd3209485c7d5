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
# Numbers: looking up a member of an enum is slow in Python 3.11.
_CONTINUE: Final[int] = HTTPStatus.CONTINUE.value
_OK: Final[int] = HTTPStatus.OK.value
#: RFC 9112 §6.3: these end with their headers, whatever the headers say.
_WITHOUT_BODY: Final = frozenset(
    status.value
    for status in (HTTPStatus.SWITCHING_PROTOCOLS, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
)
#: Interim replies that are looked at. After that, bytes are only passed on, and the connection is
#: used for one reply only.
_MAX_INTERIM_REPLIES: Final = 16
#: The limits of a session, which its parsers have too.
_LIMITS: Final = ("read_bufsize", "max_line_size", "max_field_size", "max_headers")


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
            protocol._parser = _OneReplyParser(parser, protocol, self)  # noqa: SLF001
        await super().start(connection)
        return self

    def new_parser(self, protocol: Any) -> Any:
        """Return a parser like the one that *protocol* has for this reply."""
        limits = {name: getattr(self._session, f"_{name}", None) for name in _LIMITS}
        protocol.set_response_params(
            timer=self._timer,
            skip_payload=self.method == "HEAD",
            read_until_eof=True,
            auto_decompress=True,
            read_timeout=protocol.read_timeout,
            **{name: limit for name, limit in limits.items() if limit is not None},
        )
        return protocol._parser  # noqa: SLF001


class _OneReplyParser:
    """Wraps the parser of a connection and stops at the end of the awaited reply.

    An ordinary reply goes through the parser as it arrives. All others, and replies that the
    parser refuses, are parsed again from their first byte, in parts: a check before parsing whether
    anything follows a reply took 4 % of a call.
    """

    __slots__ = (
        "_in_parts",
        "_interim",
        "_is_complete",
        "_last_bytes",
        "_parser",
        "_payload",
        "_protocol",
        "_received",
        "_reply",
    )

    def __init__(self, parser: Any, protocol: Any, reply: Reply) -> None:
        self._parser, self._protocol = parser, protocol
        self._reply: Reply | None = reply
        """None once the headers are parsed: the connection keeps its parser after the reply."""
        self._payload: Any = None
        """The body of the awaited reply, once its headers are parsed."""
        self._received = b""
        """What was received of the reply before its headers were complete."""
        self._in_parts = False
        """Whether each header section is parsed on its own."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def feed_data(self, data: bytes) -> tuple[Any, bool, bytes]:
        """Parse *data*: messages, whether the protocol was upgraded, and the bytes after that."""
        if self._payload is not None:
            return self._feed_body(data)
        if self._in_parts:
            return self._feed_in_parts(data)
        self._received = received = self._received + data
        try:
            result: tuple[Any, bool, bytes] = self._parser.feed_data(data)
        except Exception:  # noqa: BLE001  (raised again unless a complete reply precedes its cause)
            return self._start_over(received)
        messages = result[0]
        if not messages:
            return result
        if len(messages) == 1:
            message, payload = messages[0]
            if message.code >= _OK and message.code not in _WITHOUT_BODY:
                self._payload, self._reply, self._received = payload, None, b""
                return result
        return self._start_over(received)

    def feed_eof(self) -> Any:
        """Tell the parser that the server has closed the connection."""
        if self._payload is not None and self._payload.is_eof():
            return None  # aiohttp would report an incomplete second reply as an error of the first
        return None if self._in_parts and self._is_complete else self._parser.feed_eof()

    def _start_over(self, received: bytes) -> tuple[Any, bool, bytes]:
        """Parse *received* in parts, by a new parser."""
        if self._reply is not None:
            self._parser, self._reply = self._reply.new_parser(self._protocol), None
        self._protocol._parser = self  # noqa: SLF001
        self._in_parts = True
        self._received = self._last_bytes = b""
        self._interim = 0
        self._is_complete = False
        """Whether the reply has no body, so that it ended with its headers."""
        return self._feed_in_parts(received)

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
            elif _CONTINUE <= message.code < _OK:
                self._interim += 1
                if self._interim == _MAX_INTERIM_REPLIES:  # a surplus reply would go unnoticed
                    self._protocol.force_close()
            else:
                self._payload = payload

    def _disconnect(self) -> None:
        """Close the connection, which must not be used again: it is out of step."""
        self._protocol.force_close()
        if self._protocol.transport is not None:  # None once it is back in the pool
            self._protocol.transport.close()


def _announces_body(headers: MultiMapping[str]) -> bool:
    return "Transfer-Encoding" in headers or headers.get("Content-Length", "0").strip() != "0"
