"""The client of an application and of its users, over the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from ev_energy import ClientCredentials
from ev_energy.fastapi import ClientDep, EvEnergy
from ev_energy.simulator import Simulator


def ev_of(simulator: Simulator) -> EvEnergy:
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    return EvEnergy(auth, base_url=simulator.base_url)


@asynccontextmanager
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Run the lifespan of *app*, and yield a browser of it."""
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope, receive, send) -> None:
            scope["state"] = dict(state or {})
            await app(scope, receive, send)

        transport = httpx.ASGITransport(app=with_state)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as browser:
            yield browser


async def test_route_uses_the_client_of_the_application(simulator: Simulator) -> None:
    ev = ev_of(simulator)
    app = FastAPI(lifespan=ev.lifespan)

    @app.get("/vehicles")
    async def vehicles(client: ClientDep) -> list[str]:
        assert client is ev.client
        return [vehicle.id async for vehicle in client.vehicles.list()]

    async with browser(app) as visitor:
        reply = await visitor.get("/vehicles")
    assert len(reply.json()) == 50
    with pytest.raises(RuntimeError, match="lifespan=ev.lifespan"):
        _ = ev.client
