"""The health route."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from ev_energy import Client, ClientCredentials
from ev_energy.auth import TokenState
from ev_energy.changes import StreamStatus
from ev_energy.fastapi import EvEnergy, WebhookRouter, WebhookStatus, get_client, health_router
from ev_energy.simulator import Simulator
from tests.helpers.fastapi_apps import open_app


class Stream:
    """A stream whose status is made up."""

    def __init__(self, lag: timedelta | None, error: Exception | None = None) -> None:
        self._values = {"lag": lag, "error": error}

    def status(self) -> StreamStatus:
        return StreamStatus(
            through=None,
            open=0,
            remembered=0,
            requests=7,
            next_pass=None,
            webhooks_received=0,
            webhooks_missed=2,
            gaps=(),
            has_server_time=True,
            **self._values,
        )


class BusyRouter(WebhookRouter):
    """A router with a delivery that has been running for a minute."""

    def __init__(self) -> None:
        pass

    def status(self) -> WebhookStatus:
        return WebhookStatus(running=1, lag=timedelta(minutes=1), late=3)


def health_app(ev: EvEnergy | None, **options: Any) -> FastAPI:
    app = FastAPI(lifespan=None if ev is None else ev.lifespan)
    app.include_router(health_router(**options), prefix="/health")
    return app


def ev_of(simulator: Simulator) -> EvEnergy:
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    return EvEnergy(auth, base_url=simulator.base_url)


async def test_health_shows_rate_limit_and_token_without_secrets(simulator: Simulator) -> None:
    ev = ev_of(simulator)
    async with open_app(health_app(ev)) as browser:
        before = await browser.get("/health")
        assert before.json() == {
            "status": "ok",
            "problems": [],
            "rate_limit": None,
            "token": {"present": False, "expires_in": None},
        }
        assert simulator.requests == []
        await ev.client.vehicles.list().first()
        sent = len(simulator.requests)
        after = await browser.get("/health")
        assert len(simulator.requests) == sent
    assert (after.status_code, after.headers["cache-control"]) == (200, "no-store")
    report = after.json()
    assert report["rate_limit"] == {"limit": 1000, "remaining": 999, "waiting": 0, "next_in": 0}
    assert report["token"]["present"] is True
    assert 0 < report["token"]["expires_in"] <= 36_000
    assert simulator.client_secret not in after.text


async def test_health_is_503_without_a_client() -> None:
    async with open_app(health_app(None)) as browser:
        reply = await browser.get("/health")
    assert reply.status_code == 503
    assert reply.json() == {"status": "unavailable", "problems": ["the client is not open"]}


async def test_health_shows_the_client_that_overrides_the_dependency() -> None:
    app = health_app(None)
    app.dependency_overrides[get_client] = lambda: Client("token")
    async with open_app(app) as browser:
        reply = await browser.get("/health")
    assert reply.status_code == 200
    assert reply.json()["token"] == {"present": True, "expires_in": None}


@pytest.mark.parametrize(("lag", "status"), [(None, 200), (10, 200), (31, 503)])
async def test_health_is_503_if_a_stream_is_behind(lag: int | None, status: int) -> None:
    stream = Stream(None if lag is None else timedelta(seconds=lag), ValueError("secret"))
    options = {"streams": {"fleet": stream}, "max_lag": timedelta(seconds=30)}
    async with open_app(health_app(EvEnergy("token"), **options)) as browser:
        reply = await browser.get("/health")
    report = reply.json()
    assert reply.status_code == status
    assert report["streams"] == {
        "fleet": {"lag": lag, "requests": 7, "webhooks_missed": 2, "error": "ValueError"}
    }
    assert report["problems"] == (["the stream fleet is behind"] if status == 503 else [])


async def test_health_is_503_if_webhooks_are_behind() -> None:
    for max_lag, status in ((None, 200), (timedelta(minutes=2), 200), (timedelta(seconds=9), 503)):
        app = health_app(EvEnergy("token"), webhooks=BusyRouter(), max_lag=max_lag)
        async with open_app(app) as browser:
            reply = await browser.get("/health")
        assert reply.status_code == status
        assert reply.json()["webhooks"] == {"running": 1, "late": 3, "lag": 60.0}


async def test_token_state_follows_the_token(simulator: Simulator) -> None:
    now = [1_800_000_000.0]
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    async with Client(auth, base_url=simulator.base_url, wall_clock=lambda: now[0]) as client:
        await client.vehicles.list().first()
        present, expires_in = client.token_state
        assert present
        assert expires_in is not None
        now[0] += expires_in - 1
        assert client.token_state == TokenState(present=True, expires_in=1)
        now[0] += 1
        assert client.token_state == TokenState(present=False, expires_in=None)
    assert Client("token").token_state == TokenState(present=True, expires_in=None)
    assert Client().token_state == TokenState(present=False, expires_in=None)
