"""The pages, and the stream that keeps an open page up to date."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from ev_energy.errors import EvEnergyError, SignInRequiredError
from ev_energy.fastapi import EvEnergy

from .announcements import announce
from .fleet import Fleet, Fleets
from .hub import Hub
from .views import render

#: Seconds after which an open page reads again, since no webhook tells of the state of a battery.
#: Many proxies end a connection on which nothing was sent for a minute.
_REFRESH: Final = 50.0
#: Seconds between two readings for one page at least, however much happens.
_SHORTEST_PAUSE: Final = 1.0
#: A reading of so many seconds ago is good enough for a page that is opened.
_RECENT: Final = 5.0
_NEVER_STORED: Final = {"Cache-Control": "no-store"}
_STREAMED: Final = {**_NEVER_STORED, "X-Accel-Buffering": "no"}  # nginx would collect the events


def pages_router(ev: EvEnergy, fleets: Fleets, hub: Hub) -> APIRouter:
    """Return the router of the pages."""
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/")
    async def overview(
        request: Request, evse_id: str | None = None, vehicle_id: str | None = None
    ) -> Response:
        """Show what belongs to the user; or how to sign in.

        After a device was connected, its id is in the query.
        """
        account = await ev.account_of(request)
        if account is None:
            return _page("welcome.html")
        connected = evse_id or vehicle_id
        try:
            newer_than = time.monotonic() - (0 if connected else _RECENT)
            fleet = await fleets.read(account, ev.client_for(account), newer_than=newer_than)
        except SignInRequiredError:
            return _page("welcome.html")
        except EvEnergyError:
            return _page("unavailable.html", status=HTTPStatus.SERVICE_UNAVAILABLE)
        name = fleet.names.get(connected or "")
        return _page("overview.html", fleet=fleet, announcement="", connected=name)

    @router.get("/live")
    async def live(request: Request) -> StreamingResponse:
        """Send the content of the overview whenever it has changed, as server-sent events."""
        account = await ev.account_of(request)
        events = _signed_out() if account is None else _events(ev, fleets, hub, account)
        return StreamingResponse(events, media_type="text/event-stream", headers=_STREAMED)

    return router


async def _events(ev: EvEnergy, fleets: Fleets, hub: Hub, account: str) -> AsyncGenerator[str]:
    shown: Fleet | None = None
    newer_than = time.monotonic() - _RECENT
    while not hub.is_closed:
        try:
            fleet = await fleets.read(account, ev.client_for(account), newer_than=newer_than)
        except SignInRequiredError:
            async for event in _signed_out():
                yield event
            return
        except EvEnergyError:
            return  # the page connects again, later each time
        yield _event(render("_fleet.html", fleet=fleet, announcement=announce(shown, fleet)))
        shown = fleet
        await hub.wait_for_change((), since=0, seconds=_SHORTEST_PAUSE)
        changed_at = await hub.wait_for_change(fleet.names, since=fleet.read_at, seconds=_REFRESH)
        newer_than = time.monotonic() - _REFRESH / 2 if changed_at is None else changed_at


async def _signed_out() -> AsyncGenerator[str]:
    yield _event(render("_signed_out.html"))
    yield _event("", name="signed-out")  # the page does not connect again


def _event(data: str, name: str | None = None) -> str:
    """Return a server-sent event. Each line of its data has a field of its own."""
    fields = [f"data: {line}" for line in data.splitlines()] or ["data:"]
    if name is not None:
        fields.insert(0, f"event: {name}")
    return "\n".join(fields) + "\n\n"


def _page(template: str, *, status: int = HTTPStatus.OK, **values: object) -> HTMLResponse:
    return HTMLResponse(render(template, **values), status, _NEVER_STORED)
