"""The Date header of replies: the time of the simulated world."""

from __future__ import annotations

import functools
from email.utils import format_datetime
from typing import TYPE_CHECKING

import attrs
from aiohttp import hdrs, web

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aiohttp.typedefs import Handler


def http_date(instant: datetime) -> str:
    """Return an instant of UTC as an HTTP date (RFC 9110, section 5.6.7)."""
    return _formatted(instant.replace(microsecond=0))


@functools.lru_cache(16)
def _formatted(second: datetime) -> str:
    return format_datetime(second, usegmt=True)


@attrs.frozen
class DateHeader:
    """Dates each reply that has no Date header yet; aiohttp would use this machine's clock."""

    now: Callable[[], datetime]

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Handle a request and date its reply."""
        try:
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.setdefault(hdrs.DATE, http_date(self.now()))
            raise
        response.headers.setdefault(hdrs.DATE, http_date(self.now()))
        return response
