"""Checks the replies of every simulator in this process."""

from __future__ import annotations

import collections
import threading
from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDictProxy

from tests.helpers.conformity import faults
from tests.helpers.conformity.checker import PREFIX, ReplyChecker
from tests.helpers.conformity.exchange import Exchange

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

#: Bytes of replies that are kept until the end of a test; beyond, they are checked at once.
_KEPT_BYTES = 64_000_000
_MAX_REPORTS = 10


class ReplyMonitor:
    """Records the replies of simulators and checks them on request.

    They are checked after the test, so that checking delays no reply.
    """

    def __init__(self) -> None:
        self._pending: collections.deque[Exchange] = collections.deque()
        self._size = 0
        self._reports: list[str] = []
        self._checker: ReplyChecker | None = None
        self._lock = threading.Lock()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Record the replies to requests for the API."""
        path = request.rel_url.raw_path
        if path != PREFIX and not path.startswith(f"{PREFIX}/"):
            return await handler(request)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            self._record(request, path, error)
            raise
        except Exception as error:
            self._reports.append(f"{request.method} {path} raised {error!r}")
            raise
        self._record(request, path, response)
        return response

    def _record(self, request: web.Request, path: str, response: web.StreamResponse) -> None:
        body = response.body if isinstance(response, web.Response) else b"(streamed)"
        if not isinstance(body, bytes | bytearray | None):
            body = repr(body).encode()  # a streamed payload
        kept = Exchange(
            request.method,
            f"{request.scheme}://{request.host}",
            path,
            request.headers,
            response.status,
            CIMultiDictProxy(response.headers.copy()),
            bytes(body or b""),
        )
        self._pending.append(kept)
        self._size += len(kept.body)
        if self._size > _KEPT_BYTES:
            self._check_pending()

    def _check_pending(self) -> None:
        with self._lock:
            self._size = 0
            while self._pending:
                exchange = self._pending.popleft()
                self._checker = self._checker or ReplyChecker(faults.corrected_document())
                report = self._checker.report(exchange)
                if report is not None:
                    self._reports.append(report)

    def reports(self) -> list[str]:
        """Return the deviations of the replies since the last call, each once."""
        self._check_pending()
        found, self._reports = list(dict.fromkeys(self._reports)), []
        return found

    def assert_no_deviations(self) -> None:
        """Fail if any reply since the last call does not conform to the description."""
        if found := self.reports():
            shown = "\n".join(found[:_MAX_REPORTS])
            raise AssertionError(
                f"replies that do not conform to the description: {len(found)}\n{shown}"
            )


#: The monitor of all tests.
MONITOR = ReplyMonitor()
