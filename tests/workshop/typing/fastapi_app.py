"""An application of FastAPI that a type checker accepts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Any, assert_type

from fastapi import APIRouter, Body, FastAPI
from pydantic import BaseModel, TypeAdapter
from starlette.requests import HTTPConnection

from ev_energy import AuthorizationCode, Client, ClientCredentials, Ref
from ev_energy.auth import TokenState
from ev_energy.changes import MemoryEventQueue
from ev_energy.errors import ClientClosedError
from ev_energy.fastapi import (
    ClientDep,
    ClientSettings,
    ConnectedDevices,
    EvEnergy,
    EvEnergyResponse,
    MemorySignInStore,
    Problem,
    RedisSignInStore,
    SignInStore,
    UserClientDep,
    WebhookRouter,
    add_exception_handlers,
    get_client,
    get_user_client,
    health_router,
    onboarding_router,
    sign_in_router,
    wait_until_connected,
    webhook_router,
)
from ev_energy.models import EVSE, EVSELockMode, LocationWrite, User, Vehicle
from ev_energy.webhooks import Delivery, Event, EventRouter, Inbox, Webhook, WebhookReceiver

auth = ClientCredentials(client_id="id", client_secret="secret")
sign_in = AuthorizationCode(client_id="id", redirect_uri="https://app.example.com/back")


def account(connection: HTTPConnection) -> str | None:
    return connection.headers.get("x-user")


async def async_account(connection: HTTPConnection) -> str | None:
    return connection.headers.get("x-user")


settings: ClientSettings = {"timeout": 3.0, "when_exhausted": "raise"}
ev = EvEnergy(auth, sign_in=sign_in, account=account, **settings)
EvEnergy(Client("token"), account=async_account)
EvEnergy.from_env(base_url="staging")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    async with ev.lifespan(app) as state:
        yield {**state, "more": 1}


app = FastAPI(lifespan=ev.lifespan)
other_app = FastAPI(lifespan=lifespan)
ev.add_exception_handlers(app)
add_exception_handlers(other_app)
app.dependency_overrides[get_client] = lambda: ev.client
app.dependency_overrides[get_user_client] = lambda: ev.client_for("ada")


async def handle(event: Event, delivery: Delivery) -> None:
    print(event.type, delivery.id)


async def store(delivery: Delivery) -> int:
    return len(delivery.body)


receiver = WebhookReceiver(Webhook("whsec_"), EventRouter(fallback=handle), Inbox())
webhooks = assert_type(webhook_router(receiver, timeout=timedelta(seconds=9)), WebhookRouter)
webhook_router(Webhook("whsec_"), queue=store)
webhook_router(Webhook("whsec_"), queue=MemoryEventQueue())
health = assert_type(health_router(webhooks=webhooks, max_lag=timedelta(minutes=5)), APIRouter)
app.include_router(webhooks, prefix="/webhooks")
app.include_router(health, prefix="/health")


class OwnSignInStore:
    """A store of pending sign-ins by the protocol alone."""

    async def put(self, browser: str, key: str, pending: str, *, ttl: float) -> None:
        print(browser, key, pending, ttl)

    async def pop(self, browser: str, key: str) -> str | None:
        return f"{browser}:{key}"


def ev_energy_user(connection: HTTPConnection) -> str:
    return connection.headers["x-user"]


stores: list[SignInStore] = [
    OwnSignInStore(),
    MemorySignInStore(per_browser=3),
    RedisSignInStore("redis://127.0.0.1:6379", max_browsers=5),
]
sign_in_routes = assert_type(
    sign_in_router(
        ev,
        store=stores[0],
        return_paths=["/mine"],
        after="/mine",
        session_lifetime=None,
        expires_after=timedelta(minutes=5),
    ),
    APIRouter,
)
app.include_router(sign_in_routes, prefix="/sign-in")
app.include_router(
    onboarding_router(ev, store=stores[1], user_id=ev_energy_user, wait=timedelta(seconds=5)),
    prefix="/connect",
)


@app.get("/connected")
async def connected(evse_id: str, client: UserClientDep) -> bool:
    devices = await wait_until_connected(client, "charger", [evse_id], max_requests=3)
    return assert_type(devices, ConnectedDevices).is_complete


@app.get("/vehicles/{vehicle_id}")
async def vehicle(vehicle_id: str, client: ClientDep) -> Vehicle:
    return assert_type(await client.vehicles.get(vehicle_id), Vehicle)


class Charger(BaseModel):
    """A model of pydantic with members of ours."""

    evse: EVSE
    owner: Ref[User] | None = None
    mode: EVSELockMode = EVSELockMode.SMART


@app.get("/chargers", response_model_include={"__all__": {"id", "cpid"}})
async def chargers(client: ClientDep, lock_mode: EVSELockMode | None = None) -> list[EVSE]:
    return [one async for one in client.evses.list() if lock_mode in (None, one.lock_mode)]


@app.get("/chargers/{evse_id}")
async def charger(evse_id: str, client: ClientDep) -> Charger:
    evse = await client.evses.get(evse_id)
    return assert_type(Charger(evse=evse, owner=evse.user), Charger)


@app.get("/export", response_model=list[EVSE])
async def export(client: ClientDep) -> EvEnergyResponse:
    return EvEnergyResponse(await client.evses.list().collect(), status_code=200)


@app.put("/location")
async def move(location: Annotated[LocationWrite, Body()], client: UserClientDep) -> User:
    return await client.users.update("me", default_location=location)


assert_type(TypeAdapter(list[EVSE]).validate_json("[]"), list[EVSE])


@app.get("/mine")
async def mine(client: UserClientDep) -> list[str]:
    assert_type(client, Client)
    return [one.id async for one in client.vehicles.list()]


assert_type(ev.client, Client)
assert_type(ev.client.token_state, TokenState)
assert_type(ev.client.with_auth("token"), Client)
assert_type(Problem.of(ClientClosedError()).status, int)
