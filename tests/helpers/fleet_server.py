"""A server with collections of any size, in pages of 100, for tests that count requests."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import attrs
from aiohttp import web

#: Items on a page, whatever smaller size is requested.
PAGE = 100


def vehicle(number: int) -> dict[str, Any]:
    """Return a vehicle as the API sends it."""
    id_ = f"vhcl{number:05}"
    return {"id": id_, "url": f"/vehicles/{id_}", "trim": "/vehicle_trims/trim1"}


def sub_session(number: int, of_vehicle: int) -> dict[str, Any]:
    """Return a sub-session with a link to its vehicle."""
    id_ = f"csub{number:05}"
    return {
        "id": id_,
        "url": f"/charging_sub_sessions/{id_}",
        "start": "2026-01-01T00:00:00Z",
        "vehicle": f"/vehicles/vhcl{of_vehicle:05}",
    }


@attrs.define
class Fleet:
    """The collections by the names of their families, and the requests so far.

    URLs of resources are stored without the base URL. Everything below them is answered with 404.
    """

    collections: dict[str, list[dict[str, Any]]]
    unlisted: list[dict[str, Any]] = attrs.field(factory=list[dict[str, Any]])
    """Resources that no listing contains."""
    requests: list[str] = attrs.field(factory=list[str])
    """The path of each request, with its query."""
    refuse_from: float = float("inf")
    """The number of the first request that is answered with 500."""
    replies: dict[str, web.Response] = attrs.field(factory=dict[str, web.Response])
    """Replies to use instead, by the path of the request, with or without its query."""

    @property
    def count(self) -> int:
        """The number of requests so far."""
        return len(self.requests)

    @property
    def by_path(self) -> Counter[str]:
        """The number of requests by path."""
        return Counter(request.partition("?")[0] for request in self.requests)

    async def __call__(self, request: web.Request) -> web.Response:
        self.requests.append(request.path_qs.removeprefix("/v2"))
        if self.count >= self.refuse_from:
            return web.json_response({"title": "Broken"}, status=500)
        for path in (self.requests[-1], self.requests[-1].partition("?")[0]):
            if (reply := self.replies.get(path)) is not None:
                return web.Response(
                    body=reply.body, status=reply.status, content_type=reply.content_type
                )
        base = f"{request.url.origin()}/v2"
        path = request.path.removeprefix("/v2")
        expand = request.query.getall("expand", [])
        family, _, id_ = path.strip("/").partition("/")
        items = self.collections.get(family)
        if items is None:
            return web.json_response({"title": "No family"}, status=404)
        if id_:
            found = [item for item in (*items, *self.unlisted) if item["id"] == id_]
            status, body = (200, _sent(found[0], base, expand)) if found else (404, {"title": "No"})
            return web.json_response(body, status=status)
        start = int(request.query.get("page_after", 0))
        more = start + PAGE < len(items)
        following = request.url.update_query(page_after=start + PAGE) if more else "about:blank"
        return web.Response(
            body=json.dumps([_sent(item, base, expand) for item in items[start : start + PAGE]]),
            content_type="application/json",
            headers={"Link": f'<about:blank>; rel="previous", <{following}>; rel="next"'},
        )


def _sent(item: dict[str, Any], base: str, expand: list[str]) -> dict[str, Any]:
    """Return *item* with whole URLs, and with the links in *expand* as objects."""
    sent: dict[str, Any] = {}
    for name, value in item.items():
        is_link = isinstance(value, str) and value.startswith("/")
        sent[name] = f"{base}{value}" if is_link else value
        if name in expand:
            id_ = value.rpartition("/")[2]
            sent[name] = {"id": id_, "url": sent[name], "model": f"{base}/vehicle_models/vmod1"}
    return sent
