"""The server script of the tests of the blocking client.

It prints its port and serves until it is killed. ``/stats`` returns counters of its requests.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from aiohttp import web

PAGES = 3
stats: Counter[str] = Counter()
routes = web.RouteTableDef()


def evse(request: web.Request, evse_id: str) -> dict[str, str]:
    return {"id": evse_id, "url": f"{request.url.origin()}/v2/evses/{evse_id}", "cpid": "CP-1"}


async def stall() -> None:
    stats["slow"] += 1
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        stats["disconnected"] += 1
        raise


@routes.get("/stats")
async def get_stats(_: web.Request) -> web.Response:
    return web.json_response(stats)


@routes.post("/o/token/")
async def token(request: web.Request) -> web.Response:
    stats["token"] += 1
    if "slow" in (await request.post()).getall("scope", []):
        await asyncio.sleep(1)
    return web.json_response({"access_token": f"token-{stats['token']}", "expires_in": 3600})


@routes.get("/v2/evses")
async def listing(request: web.Request) -> web.Response:
    stats["listing"] += 1
    page = int(request.query.get("page", "0"))
    if request.query.get("cpid") == "slow-from-page-1" and page:
        await stall()
    cpid = request.query.get("cpid", "")
    if cpid.startswith("fails-once") and page == 1 and not stats[cpid]:
        stats[cpid] += 1
        return web.json_response({"title": "Bad request"}, status=400)
    links = {"next": page + 1, "previous": page - 1}
    header = ", ".join(
        f'<{request.url.update_query(page=number)}>; rel="{rel}"'
        for rel, number in links.items()
        if 0 <= number < PAGES
    )
    items = [evse(request, f"evse{page}{i}") for i in range(3)]
    return web.json_response(items, headers={"Link": header})


@routes.get("/v2/evses/{id}")
async def get(request: web.Request) -> web.Response:
    evse_id = request.match_info["id"]
    if evse_id == "slow":
        await stall()
    if evse_id == "missing":
        return web.json_response({"title": "Not found"}, status=404)
    headers = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "999"}
    return web.json_response(evse(request, evse_id), headers=headers)


@routes.patch("/v2/evses/{id}")
async def update(_: web.Request) -> web.Response:
    await stall()
    return web.json_response({})


@routes.delete("/v2/evses/{id}")
async def delete(_: web.Request) -> web.Response:
    stats["deleted"] += 1
    return web.Response(status=204)


async def main() -> None:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
