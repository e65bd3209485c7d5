"""The programs of docs/fastapi.md and of the README."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from ev_energy import Client
from ev_energy.errors import SignInRequiredError
from ev_energy.simulator import Simulator
from ev_energy.webhooks import Webhook
from tests.helpers.fastapi_apps import open_app
from tests.helpers.guides import EVENT, WEBHOOK_SECRET
from tests.helpers.html_browser import open_browser
from tests.helpers.pages import Page

PAGE = Page.read("fastapi.md")
(
    KIT,
    OWN_LIFESPAN,
    OVERRIDE,
    MODELS,
    OWN_HANDLER,
    SIGN_IN,
    ONBOARDING,
    QUEUE,
    WITHOUT_THE_KIT,
) = PAGE.snippets


@pytest.fixture
def environment(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared_redis: Any
) -> None:
    """The environment variables that the programs read, and a folder for their files."""
    variables = {
        "EV_ENERGY_CLIENT_ID": simulator.client_id,
        "EV_ENERGY_CLIENT_SECRET": simulator.client_secret,
        "EV_ENERGY_BASE_URL": simulator.base_url,
        "WEBHOOK_SECRET": WEBHOOK_SECRET,
        "REDIS_URL": shared_redis.url,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def run(program: str) -> dict[str, Any]:
    """Run a program of the page and return its names."""
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(program, "docs/fastapi.md", "exec", dont_inherit=True), names)
    return names


async def test_webhooks_of_the_first_program_are_handled(
    environment: None, capsys: pytest.CaptureFixture[str]
) -> None:
    app = run(KIT)["app"]
    body = json.dumps(EVENT).encode()
    headers = Webhook(WEBHOOK_SECRET).sign(body, delivery_id=f"msg_{secrets.token_hex(4)}")
    async with open_app(app) as browser:
        replies = [await browser.post("/webhooks", content=body, headers=headers) for _ in range(2)]
        chargers = await browser.get("/chargers")
        health = await browser.get("/health")
    assert [reply.status_code for reply in replies] == [204, 204]
    assert capsys.readouterr().out == "bill csub01\n"
    assert chargers.json()[0].startswith("evse")
    assert {*health.json()} == {*example_of_health()}


def example_of_health() -> dict[str, Any]:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE.text, re.DOTALL)
    example: dict[str, Any] = json.loads(text)
    return example


async def test_own_lifespan_and_override_work(environment: None) -> None:
    names = run(OWN_LIFESPAN)
    async with names["app"].router.lifespan_context(names["app"]) as state:
        assert state["greeting"] == "hello"
        assert state["ev_energy"] is names["ev"]
    async with open_app(run(OVERRIDE)["app"]) as browser:
        assert (await browser.get("/is-test")).json() is True


async def test_user_signs_in_to_the_program(
    environment: None, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    callback = "https://app.example.com/sign-in/callback"
    client_id, client_secret = simulator.add_application(redirect_uris=[callback])
    monkeypatch.setenv("EV_ENERGY_CLIENT_ID", client_id)
    monkeypatch.setenv("EV_ENERGY_CLIENT_SECRET", client_secret)
    app = run(SIGN_IN)["app"]
    async with open_app(app) as browser, open_browser() as at_the_simulator:
        browser.base_url = httpx.URL("https://app.example.com")
        start = await browser.get("/sign-in/start?return_to=/chargers")
        page = await at_the_simulator.open(start.headers["location"])
        (email, *_) = (text for name, text in page.forms[1].fields if name == "email")
        await at_the_simulator.press("Log in", email=email, password="any")
        page = await at_the_simulator.press("Allow")
        assert page.location is not None
        back = await browser.get(page.location)
        assert back.headers["location"] == "/chargers"
        assert (await browser.get("/chargers")).json()[0].startswith("evse")
        origin = {"origin": "https://app.example.com"}
        assert (await browser.post("/sign-in/sign-out", headers=origin)).status_code == 303
        assert (await browser.get("/chargers")).status_code == 401


async def test_charger_is_connected_to_the_program(
    environment: None, simulator: Simulator, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client_id, secret = simulator.add_application(redirect_uris=["https://app.example.com/"])
    monkeypatch.setenv("EV_ENERGY_CLIENT_ID", client_id)
    monkeypatch.setenv("EV_ENERGY_CLIENT_SECRET", secret)
    monkeypatch.setenv("EV_ENERGY_USER_ID", simulator.user_id)
    app = run(ONBOARDING)["app"]
    async with open_app(app) as browser:
        browser.base_url = httpx.URL("https://app.example.com")
        start = await browser.get("/connect/charger?return_to=/chargers")
        assert simulator.user_id in start.headers["location"]
        query = parse_qs(urlsplit(start.headers["location"]).query)
        evse = await anext(e async for e in client.acting_for(simulator.user_id).evses.list())
        back = await browser.get(f"{query['redirect_uri'][0]}?evse_uid={evse.id}")
    assert back.headers["location"] == f"/chargers?evse_id={evse.id}"


async def test_models_are_responses_and_bodies(environment: None, client: Client) -> None:
    evse = await client.evses.list().first()
    assert evse is not None
    assert evse.user is not None
    location = {"address_1": "1 High St", "city": "Ely", "postal_code": "CB7", "country_code": "GB"}
    async with open_app(run(MODELS)["app"]) as browser:
        locked = (await browser.get("/chargers", params={"lock_mode": "LOCKED"})).json()
        every = (await browser.get("/chargers")).json()
        one = (await browser.get(f"/chargers/{evse.id}")).json()
        user = (await browser.put(f"/users/{evse.user.id}/location", json=location)).json()
        wrong = await browser.put(f"/users/{evse.user.id}/location", json={"cty": "Ely"})
        export = (await browser.get("/export")).json()
    assert every
    assert [row for row in every if row["lock_mode"] == "LOCKED"] == locked
    assert every[0]["model"]["name"]
    assert one["owner"] == evse.user.url
    assert user["default_location"]["city"] == "Ely"
    assert (wrong.status_code, wrong.json()["detail"][0]["loc"]) == (422, ["body", "cty"])
    assert export[0] == evse.to_dict()


async def test_own_handler_of_errors_redirects_browsers(environment: None) -> None:
    app = run(OWN_HANDLER)["app"]

    @app.get("/mine")
    async def mine() -> None:
        raise SignInRequiredError("ada")

    async with open_app(app) as browser:
        page = await browser.get("/mine", headers={"accept": "text/html"})
        problem = await browser.get("/mine")
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in/start")
    assert (problem.status_code, problem.json()["status"]) == (401, 401)


async def test_queue_keeps_a_repeated_delivery_once(environment: None) -> None:
    names = run(QUEUE)
    body = json.dumps(EVENT).encode()
    headers = Webhook(WEBHOOK_SECRET).sign(body)
    async with open_app(names["app"]) as browser:
        for _ in range(2):
            reply = await browser.post("/webhooks", content=body, headers=headers)
            assert reply.status_code == 204
    rows = names["database"].execute("SELECT id, body FROM deliveries").fetchall()
    names["database"].close()
    assert rows == [("msg_test", body)]


async def test_program_without_the_kit_serves_its_routes(
    environment: None, simulator: Simulator, client: Client
) -> None:
    evse = await client.evses.list().first()
    assert evse is not None
    body = json.dumps(EVENT).encode()
    headers = Webhook(WEBHOOK_SECRET).sign(body)
    async with open_app(run(WITHOUT_THE_KIT)["app"]) as browser:
        assert (await browser.get(f"/chargers/{evse.id}")).json()["id"] == evse.id
        assert (await browser.get("/chargers/nonesuch")).status_code == 404
        assert (await browser.post("/webhooks", content=body, headers=headers)).status_code == 204
