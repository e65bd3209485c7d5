"""A server on loopback with an `AdverseLog`, which a client follows as the log of an EVSE."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Final

import attrs
from aiohttp import web

from tests.helpers.changes.log_adversary import AdverseLog, Written

_DATE: Final = "%a, %d %b %Y %H:%M:%S GMT"


@attrs.define(eq=False)
class LogServer:
    """Answers ``GET /v2/evses/e/status_logs`` with the pages of a log."""

    log: AdverseLog

    async def answer(self, request: web.Request) -> web.Response:
        """Return a page, an error, or no reply at all, as the log draws it."""
        log, draw, query = self.log, self.log.random, request.query
        log.requests += 1
        log.now += draw.random() * log.world.page_time
        if draw.random() < log.world.failing:
            if draw.random() < 0.5:
                assert request.transport is not None
                request.transport.abort()
            return web.Response(status=503)
        low = datetime.fromisoformat(query["sampled_at__gte"])
        high = query.get("sampled_at__lte")
        last = None
        if "page_after" in query:
            at, _, number = query["page_after"].partition("|")
            last = Written(datetime.fromisoformat(at), log.now, int(number), "punctual")
        until = None if high is None else datetime.fromisoformat(high)
        found = list(islice(log.listed(low, until, last), log.page_size + 1))
        page = found[: log.page_size]
        reply = web.json_response([written.entry.to_dict() for written in page])
        reply.headers["Date"] = log.now.strftime(_DATE)
        following = "about:blank"
        if len(found) > len(page):
            cursor = f"{page[-1].at.isoformat()}|{page[-1].number}"
            following = str(request.url.update_query(page_after=cursor))
        reply.headers["Link"] = f'<about:blank>; rel="previous", <{following}>; rel="next"'
        return reply
