"""Watches every simulator of this process."""

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

#: So much is kept for the end of a test; what a test asks beyond is judged on the spot.
_KEPT_BYTES = 64_000_000
_MAX_REPORTS = 10


class ReplyMonitor:
    """Keeps the replies of simulators until somebody wants to know what to think of them.

    They are judged when the test is over, so that no reply comes later for being looked at.
    """

    def __init__(self) -> None:
        self._pending: collections.deque[Exchange] = collections.deque()
        self._size = 0
        self._reports: list[str] = []
        self._checker: ReplyChecker | None = None
        self._lock = threading.Lock()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note what is answered to requests for the API."""
        path = request.rel_url.raw_path
        if path != PREFIX and not path.startswith(f"{PREFIX}/"):
            return await handler(request)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            self._note(request, path, error)
            raise
        except Exception as error:
            self._reports.append(f"{request.method} {path} raised {error!r}")
            raise
        self._note(request, path, response)
        return response

    def _note(self, request: web.Request, path: str, response: web.StreamResponse) -> None:
        body = response.body if isinstance(response, web.Response) else b"(streamed)"
        if not isinstance(body, bytes | bytearray | None):
            body = repr(body).encode()  # a payload that is sent piece by piece
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
        """What was wrong with the replies since the last time, each fault once."""
        self._check_pending()
        found, self._reports = list(dict.fromkeys(self._reports)), []
        return found

    def assert_no_deviations(self) -> None:
        """Fail if any reply since the last time was not as described."""
        if found := self.reports():
            shown = "\n".join(found[:_MAX_REPORTS])
            raise AssertionError(f"replies that are not as described: {len(found)}\n{shown}")


#: The one that all tests share.
MONITOR = ReplyMonitor()
