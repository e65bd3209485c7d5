"""The client of an application and of its users, over the simulator."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_type_hints

import aiohttp
import httpx
import pytest
from fastapi import FastAPI, WebSocket
from starlette.requests import HTTPConnection

from ev_energy import AuthorizationCode, Client, ClientCredentials
from ev_energy.auth import MemoryStore, Token
from ev_energy.errors import ClientClosedError, SignInRequiredError, TokenStoreError
from ev_energy.fastapi import (
    ClientDep,
    ClientSettings,
    EvEnergy,
    NotSignedInError,
    UserClientDep,
    get_client,
)
from ev_energy.simulator import Simulator
from tests.helpers.fastapi_apps import open_app, serve_app

BACK = "https://app.example.com/back"


def credentials(simulator: Simulator) -> ClientCredentials:
    return ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)


def ev_of(simulator: Simulator, **settings: Any) -> EvEnergy:
    return EvEnergy(credentials(simulator), base_url=simulator.base_url, **settings)


def account_of(connection: HTTPConnection) -> str | None:
    return connection.headers.get("x-account")


async def sign_in_of(simulator: Simulator, *accounts: str) -> AuthorizationCode:
    """Return the credentials of an application with a different user signed in for each account."""
    client_id, secret = simulator.add_application(redirect_uris=[BACK])
    store = MemoryStore()
    sign_in = AuthorizationCode(
        client_id=client_id, client_secret=secret, redirect_uri=BACK, store=store
    )
    async with Client(credentials(simulator), base_url=simulator.base_url) as client:
        users = [user.id async for user in client.users.list()]
        origin = str(client.base_url.origin())
    for account, user in zip(accounts, users, strict=False):
        token = simulator.sign_in(user, client_id=client_id)
        await store.save(sign_in.for_account(account).key(origin), token)
    return sign_in


def vehicles_app(ev: EvEnergy) -> FastAPI:
    app = FastAPI(lifespan=ev.lifespan)
    ev.add_exception_handlers(app)

    @app.get("/vehicles")
    async def vehicles(client: ClientDep) -> list[str]:
        return [vehicle.id async for vehicle in client.vehicles.list()]

    @app.get("/mine")
    async def mine(client: UserClientDep) -> list[str]:
        return [vehicle.id async for vehicle in client.vehicles.list()]

    return app


async def test_route_uses_the_client_of_the_application(simulator: Simulator) -> None:
    ev = ev_of(simulator)
    async with open_app(vehicles_app(ev)) as browser:
        assert len((await browser.get("/vehicles")).json()) == 50
        client = ev.client
    with pytest.raises(RuntimeError, match="lifespan=ev.lifespan"):
        _ = ev.client
    with pytest.raises(ClientClosedError):
        await client.vehicles.list().first()


async def test_application_runs_in_uvicorn_and_again_after_that(simulator: Simulator) -> None:
    app = vehicles_app(ev_of(simulator))
    for _ in range(2):
        async with serve_app(app) as url, httpx.AsyncClient() as browser:
            assert len((await browser.get(f"{url}/vehicles")).json()) == 50


async def test_wrong_settings_are_errors_before_the_application_starts() -> None:
    with pytest.raises(ValueError, match="timeout"):
        EvEnergy("token", timeout=-1)
    with pytest.raises(TypeError, match="timeout"):
        EvEnergy(Client("token"), timeout=3)
    with pytest.raises(TypeError, match="sign_in must be AuthorizationCode"):
        EvEnergy(sign_in="me")
    with pytest.raises(ValueError, match="EV_ENERGY_CLIENT_ID"):
        EvEnergy.from_env({})
    with pytest.raises(TypeError, match="nonesuch"):
        EvEnergy("token", nonesuch=1)


def test_settings_are_those_of_the_client() -> None:
    parameters = inspect.signature(Client.__init__).parameters
    expected = {
        name: str(parameter.annotation)
        for name, parameter in parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    found = {
        name: str(getattr(hint, "__forward_arg__", hint))
        for name, hint in ClientSettings.__annotations__.items()
    }
    assert found == expected


async def test_credentials_come_from_the_environment(simulator: Simulator) -> None:
    environ = {
        "EV_ENERGY_CLIENT_ID": simulator.client_id,
        "EV_ENERGY_CLIENT_SECRET": simulator.client_secret,
        "EV_ENERGY_BASE_URL": simulator.base_url,
    }
    async with open_app(vehicles_app(EvEnergy.from_env(environ, retries=0))) as browser:
        assert len((await browser.get("/vehicles")).json()) == 50


async def test_client_that_is_passed_is_used_and_closed(simulator: Simulator) -> None:
    client = Client(credentials(simulator), base_url=simulator.base_url)
    ev = EvEnergy(client)
    async with open_app(vehicles_app(ev)) as browser:
        assert ev.client is client
        assert len((await browser.get("/vehicles")).json()) == 50
    with pytest.raises(ClientClosedError):
        await client.vehicles.list().first()


async def test_second_lifespan_of_a_client_that_is_passed_is_refused(simulator: Simulator) -> None:
    ev = EvEnergy(Client(credentials(simulator), base_url=simulator.base_url))
    async with ev.lifespan():
        pass
    for _ in range(2):
        with pytest.raises(RuntimeError, match="pass credentials to EvEnergy"):
            async with ev.lifespan():
                pass


async def test_lifespan_inside_another_adds_its_state(simulator: Simulator) -> None:
    ev = ev_of(simulator)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with ev.lifespan(app) as state:
            yield {**state, "db": "database"}

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def both(client: ClientDep, connection: HTTPConnection) -> list[bool]:
        return [client is ev.client, connection.state.db == "database"]

    async with serve_app(app) as url, httpx.AsyncClient() as browser:
        assert (await browser.get(url)).json() == [True, True]


async def test_mounted_application_uses_the_client_of_the_outer_one(simulator: Simulator) -> None:
    ev = ev_of(simulator)
    inner, outer = FastAPI(), FastAPI(lifespan=ev.lifespan)

    @inner.get("/is-same")
    async def is_same(client: ClientDep) -> bool:
        return client is ev.client

    outer.mount("/inner", inner)
    async with serve_app(outer) as url, httpx.AsyncClient() as browser:
        assert (await browser.get(f"{url}/inner/is-same")).json() is True


async def test_second_application_is_refused(simulator: Simulator) -> None:
    ev = ev_of(simulator)
    async with ev.lifespan():
        with pytest.raises(RuntimeError, match="in use by another application"):
            async with ev.lifespan():
                pass
    async with ev.lifespan():
        pass


async def test_applications_that_start_at_once_do_not_share(simulator: Simulator) -> None:
    ev = ev_of(simulator)
    both = [ev.lifespan(), ev.lifespan()]
    started = await asyncio.gather(*(one.__aenter__() for one in both), return_exceptions=True)
    assert sorted(type(result).__name__ for result in started) == ["RuntimeError", "dict"]
    assert ev.client is not None
    for one, result in zip(both, started, strict=True):
        if isinstance(result, dict):
            await one.__aexit__(None, None, None)


async def test_failing_application_closes_its_client(simulator: Simulator) -> None:
    ev = ev_of(simulator)
    with pytest.raises(KeyError):
        async with ev.lifespan():
            client = ev.client
            raise KeyError
    with pytest.raises(ClientClosedError):
        await client.vehicles.list().first()


async def test_missing_lifespan_is_explained() -> None:
    app = FastAPI()

    @app.get("/")
    async def use(client: ClientDep) -> None:
        raise AssertionError

    async with open_app(app) as browser:
        with pytest.raises(RuntimeError, match="the lifespan of EvEnergy does not run"):
            await browser.get("/")


async def test_client_is_overridden_in_tests() -> None:
    app = vehicles_app(EvEnergy("token"))
    other = Client("other")
    app.dependency_overrides[get_client] = lambda: other

    @app.get("/is-other")
    async def is_other(client: ClientDep) -> bool:
        return client is other

    async with open_app(app) as browser:
        assert (await browser.get("/is-other")).json() is True


async def test_websocket_uses_the_client_and_gets_no_problem_document() -> None:
    ev = EvEnergy("token")
    app = FastAPI(lifespan=ev.lifespan)
    ev.add_exception_handlers(app)

    @app.websocket("/ws")
    async def talk(socket: WebSocket, client: ClientDep) -> None:
        await socket.accept()
        await socket.send_json(client is ev.client)
        raise NotSignedInError

    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async with ev.lifespan(app) as state:
        scope = {"type": "websocket", "path": "/ws", "headers": [], "query_string": b""}
        with pytest.raises(NotSignedInError):
            await app({**scope, "state": state}, receive, send)
    assert [message.get("text") for message in sent] == [None, "true"]


async def test_users_have_clients_with_their_tokens(simulator: Simulator) -> None:
    sign_in = await sign_in_of(simulator, "ada", "bob")
    ev = ev_of(simulator, sign_in=sign_in, account=account_of)
    async with open_app(vehicles_app(ev)) as browser:
        replies = {
            name: (await browser.get("/mine", headers={"x-account": name})).json()
            for name in ("ada", "bob")
        }
        assert replies["ada"]
        assert replies["bob"]
        assert not {*replies["ada"]} & {*replies["bob"]}
        users = {seen.user_id for seen in simulator.requests if seen.path.endswith("/vehicles")}
        assert len(users - {None}) == 2
        assert ev.client_for("ada") is ev.client_for("ada")
        assert ev.client_for("ada").token_state.present


async def test_user_who_is_not_signed_in_gets_401(simulator: Simulator) -> None:
    ev = ev_of(simulator, sign_in=await sign_in_of(simulator), account=account_of)
    async with open_app(vehicles_app(ev)) as browser:
        before = len(simulator.requests)
        for headers in ({}, {"x-account": "eve"}):
            reply = await browser.get("/mine", headers=headers)
            assert reply.status_code == 401
            assert reply.headers["content-type"] == "application/problem+json"
            assert reply.json()["type"] == "urn:ev-energy:problem:sign-in-required"
        assert len(simulator.requests) == before
    assert issubclass(NotSignedInError, SignInRequiredError)
    assert "sign-in page" in str(NotSignedInError())


async def test_revoked_token_gets_401(simulator: Simulator) -> None:
    sign_in = await sign_in_of(simulator, "ada")
    ev = ev_of(simulator, sign_in=sign_in, account=account_of)
    async with open_app(vehicles_app(ev)) as browser:
        headers = {"x-account": "ada"}
        assert (await browser.get("/mine", headers=headers)).status_code == 200
        origin = str(ev.client.base_url.origin())
        token = await sign_in.store.load(sign_in.for_account("ada").key(origin))
        assert token is not None
        assert token.refresh_token is not None
        simulator.revoke_token(token.refresh_token)
        for _ in range(2):
            assert (await browser.get("/mine", headers=headers)).status_code == 401
        assert (await browser.get("/vehicles")).status_code == 200


async def test_user_who_signs_in_again_elsewhere_is_noticed_within_a_minute(
    simulator: Simulator,
) -> None:
    sign_in, now = await sign_in_of(simulator, "ada", "bob"), [100.0]
    ev = ev_of(simulator, sign_in=sign_in, account=account_of, clock=lambda: now[0])
    async with open_app(vehicles_app(ev)) as browser:

        async def vehicles(account: str) -> list[str]:
            return (await browser.get("/mine", headers={"x-account": account})).json()

        of_ada, of_bob = await vehicles("ada"), await vehicles("bob")
        origin = str(ev.client.base_url.origin())
        ada, bob = (sign_in.for_account(name).key(origin) for name in ("ada", "bob"))
        # Another process signs "ada" in again, to what was the account of "bob".
        await sign_in.store.save(ada, await sign_in.store.load(bob))
        client = ev.client_for("ada")
        now[0] += 59
        assert await vehicles("ada") == of_ada
        now[0] += 1
        assert await vehicles("ada") == of_bob
        assert ev.client_for("ada") is not client
        client = ev.client_for("bob")
        now[0] += 60
        assert await vehicles("bob") == of_bob
        assert ev.client_for("bob") is client


async def test_strangers_do_not_evict_the_clients_of_users(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ev_energy.fastapi._app._MAX_USER_CLIENTS", 2)
    ev = ev_of(simulator, sign_in=await sign_in_of(simulator, "ada", "bob"), account=account_of)

    async def client_of(account: str) -> Client:
        headers = [(b"x-account", account.encode())]
        return await ev.user_client(HTTPConnection({"type": "http", "headers": headers}))

    async with ev.lifespan():
        ada = await client_of("ada")
        bob = ev.client_for("bob")
        await bob.vehicles.list().first()  # has loaded the token, and was not compared
        assert ev.client_for("bob") is bob
        for number in range(3):  # with made-up cookies
            stranger = await client_of(f"stranger {number}")
            with pytest.raises(SignInRequiredError):
                await stranger.vehicles.list().first()
        assert await client_of("ada") is ada
        assert await client_of("bob") is bob
        assert await client_of("stranger 0") is not stranger


async def test_token_store_that_is_down_costs_no_valid_token(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sign_in, now = await sign_in_of(simulator, "ada"), [100.0]
    ev = ev_of(simulator, sign_in=sign_in, account=account_of, clock=lambda: now[0])

    async def fail(store: MemoryStore, key: str) -> Token:
        raise TokenStoreError("the disk is full")

    async with open_app(vehicles_app(ev)) as browser:
        headers = {"x-account": "ada"}
        assert (await browser.get("/mine", headers=headers)).status_code == 200
        monkeypatch.setattr(MemoryStore, "load", fail)
        now[0] += 60
        assert (await browser.get("/mine", headers=headers)).status_code == 200
        assert (await browser.get("/mine", headers={"x-account": "eve"})).status_code == 503
    assert "the disk is full" in caplog.text


async def test_application_acts_for_users_without_sign_in(simulator: Simulator) -> None:
    async def account(connection: HTTPConnection) -> str | None:
        return simulator.user_id

    async with open_app(vehicles_app(ev_of(simulator, account=account))) as browser:
        mine = (await browser.get("/mine")).json()
        everything = (await browser.get("/vehicles")).json()
    assert {*mine} < {*everything}


async def test_unknown_way_to_name_users_is_explained(simulator: Simulator) -> None:
    async with open_app(vehicles_app(ev_of(simulator))) as browser:
        with pytest.raises(RuntimeError, match="pass account= to EvEnergy"):
            await browser.get("/mine")


async def test_only_users_sign_in(simulator: Simulator) -> None:
    sign_in = await sign_in_of(simulator, "ada")
    ev = EvEnergy(sign_in=sign_in, account=account_of, base_url=simulator.base_url)
    async with open_app(vehicles_app(ev)) as browser:
        reply = await browser.get("/mine", headers={"x-account": "ada"})
        assert reply.status_code == 200
        with pytest.raises(ValueError, match="access token"):
            await browser.get("/vehicles")


async def test_clients_of_users_share_connections_and_are_bounded(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ev_energy.fastapi._app._MAX_USER_CLIENTS", 2)
    ev = ev_of(simulator, sign_in=await sign_in_of(simulator, "ada", "bob", "carl"))
    made: list[aiohttp.ClientSession] = []
    create = aiohttp.ClientSession.__init__

    def counting(self: aiohttp.ClientSession, *args: Any, **kwargs: Any) -> None:
        made.append(self)
        create(self, *args, **kwargs)

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", counting)
    async with ev.lifespan():
        ada, bob = ev.client_for("ada"), ev.client_for("bob")
        await ada.vehicles.list().first()
        await bob.vehicles.list().first()
        await ev.client.vehicles.list().first()
        assert len(made) == 1
        assert ev.client_for("bob") is bob
        assert ev.client_for("ada") is ada
        carl = ev.client_for("carl")
        await carl.vehicles.list().first()
        assert ev.client_for("carl") is carl  # the one used least recently is dropped
        assert ev.client_for("ada") is ada
        assert ev.client_for("bob") is not bob
        assert ada.rate_limit != ev.client.rate_limit  # users have their own
    for client in (ada, bob, carl):  # also one that was dropped
        with pytest.raises(ClientClosedError):
            await client.vehicles.list().first()


def test_hints_of_dependencies_resolve() -> None:
    assert get_type_hints(get_client)["return"] is Client
