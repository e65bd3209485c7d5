"""The end of a reply: what follows it on the same connection does not undo it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
from multidict import MultiMapping

if TYPE_CHECKING:
    from aiohttp.connector import Connection

#: The end of a header section. aiohttp's parser of replies takes bare line feeds as well.
_HEADERS_END: Final = re.compile(rb"\n\r?\n")
#: RFC 9112 §6.3: these end with their headers, whatever the headers say.
_WITHOUT_BODY: Final = frozenset(
    {HTTPStatus.SWITCHING_PROTOCOLS, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
)
#: Interim replies before the final one; after more than that, bytes are only passed on.
_MOST_INTERIM: Final = 16


class Reply(aiohttp.ClientResponse):
    """A response that counts once it is complete, even if the server sends more than that.

    aiohttp parses a packet as a whole: if bytes behind a complete reply are not HTTP, the reply
    is lost with them, and after a write it would be unknown whether it was carried out.
    """

    async def start(self, connection: Connection) -> Self:
        """Read status and headers."""
        protocol: Any = connection.protocol
        parser = getattr(protocol, "_parser", None)
        if parser is not None:  # as the next aiohttp may not have it: it has no public name
            protocol._parser = _FirstReply(parser, protocol)  # noqa: SLF001
        await super().start(connection)
        return self


class _FirstReply:
    """The parser of a connection, which stops at the end of the reply that is awaited."""

    __slots__ = ("_interim", "_is_over", "_last_bytes", "_parser", "_payload", "_protocol")

    def __init__(self, parser: Any, protocol: Any) -> None:
        self._parser, self._protocol = parser, protocol
        self._payload: Any = None
        self._interim = 0
        self._last_bytes = b""
        self._is_over = False
        """Whether the reply was one without a body, so that nothing more belongs to it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def feed_data(self, data: bytes) -> tuple[Any, bool, bytes]:
        """Parse *data*: messages, whether the protocol was changed, and the bytes after that."""
        messages: list[Any] = []
        while self._payload is None and not self._is_over and self._interim < _MOST_INTERIM:
            size = self._headers_size(data)
            if size is None:
                break
            head, data = data[:size], data[size:]
            found, is_upgraded, rest = self._parser.feed_data(head)
            messages += found
            if is_upgraded:
                return messages, True, rest + data
            self._take_note(found)
        if self._is_over:
            if data:
                self._disconnect()
            return messages, False, b""
        if not data and messages:
            return messages, False, b""
        try:
            found, is_upgraded, rest = self._parser.feed_data(data)
        except Exception:
            if self._payload is None or not self._payload.is_eof():
                raise
            self._disconnect()
            return messages, False, b""
        if found and self._payload is not None:
            # Nothing was asked that this answers. aiohttp would give it to the next request.
            self._disconnect()
            return messages, False, b""
        return (*messages, *found), is_upgraded, rest

    def feed_eof(self) -> Any:
        return None if self._is_over else self._parser.feed_eof()

    def _headers_size(self, data: bytes) -> int | None:
        """Return how many bytes of *data* are headers, or None if they do not end in it."""
        before = self._last_bytes
        end = _HEADERS_END.search(before + data)
        self._last_bytes = b"" if end else (before + data)[-2:]
        return None if end is None else end.end() - len(before)

    def _take_note(self, messages: Any) -> None:
        for message, payload in messages:
            if message.code in _WITHOUT_BODY:
                self._is_over = True
                if _announces_body(message.headers):  # which may come late, to the next request
                    self._protocol.force_close()
            elif HTTPStatus.CONTINUE <= message.code < HTTPStatus.OK:
                self._interim += 1
            else:
                self._payload = payload

    def _disconnect(self) -> None:
        """Have the connection not used again: it is out of step."""
        self._protocol.force_close()
        if self._protocol.transport is not None:  # back in the pool already, perhaps
            self._protocol.transport.close()


def _announces_body(headers: MultiMapping[str]) -> bool:
    return "Transfer-Encoding" in headers or headers.get("Content-Length", "0").strip() != "0"
