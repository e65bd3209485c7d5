"""Login and onboarding in a real browser, from an application and back.

``EV_ENERGY_SCREENSHOTS`` names a folder for a screenshot of each page.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from aiohttp import web

from tests.helpers.chromium import NEEDS_CHROMIUM, Browser, open_chromium
from tests.helpers.html_browser import Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(params=[("light", 390), ("dark", 1100)], ids=lambda look: look[0])
def browser(request: Any, tmp_path: Path, monkeypatch: Any) -> Iterator[Browser]:
    with open_chromium(tmp_path / "profile", monkeypatch) as browser:
        browser.resize(*request.param)
        yield browser


class DriverApp(Site):
    """An application: a page with links, which drivers return to."""

    def __init__(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._home)
        super().__init__(app)
        self.links: dict[str, str] = {}
        self.returned_queries: list[dict[str, str]] = []

    async def _home(self, request: web.Request) -> web.Response:
        if request.query:
            self.returned_queries.append(dict(request.query))
        links = "".join(f'<p><a href="{url}">{text}</a>' for text, url in self.links.items())
        text = f'<!doctype html><link rel="icon" href="data:,"><h1>Acme Drive</h1>{links}'
        return web.Response(text=text, content_type="text/html")


@pytest.fixture
async def driver_app() -> AsyncIterator[DriverApp]:
    site = DriverApp()
    await site.start()
    yield site
    await site.close()


@pytest.mark.shows_secrets("files", reason="a browser remembers the URL that the code came in")
async def test_driver_logs_in_and_connects_a_charger(
    browser: Browser, driver_app: DriverApp, start: Any, clock: Any
) -> None:
    api = await start(rate_limit=None, clock=clock)
    simulator = api.simulator
    home = f"{driver_app.origin}/"
    scopes = ("evse:read", "evse:write", "user:read", "vehicle:read", "charging_session:read")
    acme = simulator._auth_server.register(scopes, [home], name="Acme Drive")
    asked = {"client_id": acme.client_id, "response_type": "code", "state": "ünï&=code"}
    about = {"client_id": acme.client_id, "user_id": simulator.user_id, "redirect_uri": home}
    root = simulator.base_url.removesuffix("/v2")
    driver_app.links |= {
        "Log in with ev.energy": f"{root}/o/authorize/?{urlencode(asked)}".replace("&", "&amp;"),
        "Connect a charger": f"{root}/v2/evse_onboarding?{urlencode(about)}".replace("&", "&amp;"),
    }
    user = (await api.get(f"/users/{simulator.user_id}")).body

    def run() -> None:
        browser.open(home)
        browser.press("Log in with ev.energy")
        browser.arrives_at("Log in")
        browser.screenshot("1-login")
        browser.fill("E-mail", user["email"])
        browser.fill("Password", "anything")
        browser.press("Log in")
        browser.arrives_at("Allow Acme Drive?")
        browser.screenshot("2-consent")
        browser.press("Allow")
        browser.arrives_at("Acme Drive")
        browser.press("Connect a charger")
        browser.arrives_at("Which make is your charger?")
        browser.screenshot("3-makes")
        browser.press("Easee")
        browser.arrives_at("Which Easee model is it?")
        browser.screenshot("4-models")
        browser.press("One")
        browser.arrives_at("Connect your Easee")
        browser.screenshot("5-connect")
        browser.fill("Serial number", "EH4711")
        browser.press("Connect")
        browser.arrives_at("Acme Drive")
        browser.screenshot("6-back")
        assert browser.console_errors() == []

    await asyncio.to_thread(run)
    logged_in, connected = driver_app.returned_queries
    assert logged_in["state"] == "ünï&=code"
    form = {
        "grant_type": "authorization_code",
        "code": logged_in["code"],
        "client_id": acme.client_id,
        "client_secret": acme.client_secret,
    }
    token = (await api("POST", simulator.token_url, token=None, data=form)).body["access_token"]
    evses = (await api.get("/evses", token=token)).body
    assert {evse["user"].rpartition("/")[2] for evse in evses} == {simulator.user_id}
    assert connected["evse_uid"] in [evse["id"] for evse in evses]
    assert "EH4711" in [evse["cpid"] for evse in evses]


async def test_driver_denies_and_cancels(
    browser: Browser, driver_app: DriverApp, start: Any, clock: Any
) -> None:
    api = await start(rate_limit=None, clock=clock)
    home = f"{driver_app.origin}/"
    acme = api.simulator._auth_server.register(["evse:read"], [home], name="Acme Drive")
    asked = urlencode({"client_id": acme.client_id, "response_type": "code"})
    about = urlencode({"client_id": acme.client_id, "user_id": api.simulator.user_id})
    root = api.simulator.base_url.removesuffix("/v2")

    def run() -> None:
        browser.open(f"{root}/o/authorize/?{asked}")
        browser.press("@example.com")  # a suggested user
        browser.arrives_at("Allow Acme Drive?")
        browser.press("Deny")
        browser.arrives_at("Acme Drive")
        browser.open(f"{root}/v2/evse_onboarding?{about}&redirect_uri={home}")
        browser.arrives_at("Which make is your charger?")
        browser.press("Cancel")
        browser.arrives_at("Acme Drive")

    await asyncio.to_thread(run)
    assert [query["error"] for query in driver_app.returned_queries] == ["access_denied"] * 2
