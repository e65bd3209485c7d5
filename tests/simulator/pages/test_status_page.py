from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from ev_energy.simulator import Clock

CSRF_TOKEN = re.compile(r'name="seal" value="([^"]+)"')


class Browser:
    """A browser on the status page."""

    def __init__(self, simulator: Any, session: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.session = session
        self.status = 0
        self.source = ""

    async def open(self, query: str = "") -> str:
        """Return the text of the page."""
        async with self.session.get(self.simulator.page_url + query) as reply:
            return await self._read(reply)

    async def press(self, **fields: str) -> str:
        """Send a form of the page; return the text of the next page."""
        (csrf_token, *_) = CSRF_TOKEN.findall(self.source)
        data = {"seal": csrf_token, **fields}
        async with self.session.post(self.simulator.page_url, data=data) as reply:
            return await self._read(reply)

    async def _read(self, reply: aiohttp.ClientResponse) -> str:
        self.status, self.source = reply.status, await reply.text()
        text = re.sub(r"<style>.*?</style>", "", self.source, flags=re.DOTALL)
        words = html.unescape(re.sub(r"<[^>]+>", " ", text)).split()
        return " ".join(words)


@pytest.fixture
async def browser(start: Any, clock: Clock) -> Any:
    api = await start(clock=clock)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        browser = Browser(api.simulator, session)
        browser.api = api  # type: ignore[attr-defined]
        yield browser


async def test_page_shows_clock_counts_first_user_and_credentials(
    browser: Any,
) -> None:
    shown = await browser.open()
    simulator = browser.simulator
    assert "Monday 05 October 2026, 12:00:00 UTC" in shown
    assert "The clock is stopped." in shown
    assert re.search(r"Homes Vehicles EVSEs .*Seed 46 50 51 .*1 First user", shown)
    user = (await browser.api.get(f"/users/{simulator.user_id}")).body
    for thing in (user["id"], user["email"]):
        assert thing in shown
    for url in (*user["vehicles"], *user["evses"]):
        assert url.rpartition("/")[2] in shown
    assert simulator.client_id in shown
    assert simulator.client_secret in shown
    assert simulator.curl() in html.unescape(browser.source)
    assert "None yet." not in shown.partition("Last requests")[0]


async def test_charging_vehicles_agree_with_the_api(browser: Any) -> None:
    browser.simulator.clock.advance(hours=7)
    shown = (await browser.open()).partition("Charging now")[2].partition("Simulated data")[0]
    vehicles = re.findall(r"vhcl\w{26}", shown)
    now = browser.simulator.clock()
    browser.simulator.clock.advance(minutes=30)
    about = {"sampled_at__gte": (now - timedelta(minutes=30)).isoformat(), "page_size": "100"}
    with_logs = 0
    for vehicle_id in vehicles:
        logs = (await browser.api.get(f"/vehicles/{vehicle_id}/status_logs", params=about)).body
        assert not logs or any(log["is_charging"] for log in logs)
        with_logs += bool(logs)
    assert with_logs  # some cars have no logs


async def test_buttons_move_the_clock(browser: Any) -> None:
    await browser.open()
    assert "18:00:00" in await browser.press(advance="6")
    assert "19:00:00" in await browser.press(advance="1")
    assert "60 times as fast" in await browser.press(speed="60")
    assert "runs in real time" in await browser.press(speed="1")
    assert "clock is stopped" in await browser.press(speed="0")
    assert browser.simulator.clock.speed == 0


@pytest.mark.parametrize(
    "fields", [{"advance": "-1"}, {"advance": "soon"}, {"speed": "nan"}, {"speed": ""}, {}]
)
async def test_invalid_button_values_move_nothing(browser: Any, fields: Any) -> None:
    await browser.open()
    before = browser.simulator.clock()
    await browser.press(**fields)
    assert browser.status == 400
    assert browser.simulator.clock() == before


async def test_form_without_its_csrf_token_moves_nothing(browser: Any) -> None:
    await browser.open()
    await browser.press(seal="guessed", advance="6")
    assert browser.status == 403
    await browser.open()
    browser.session.cookie_jar.clear()
    await browser.press(advance="6")
    assert browser.status == 403
    assert browser.simulator.clock() == Clock(speed=0)()


async def test_json_body_and_foreign_host_are_rejected(
    browser: Any,
) -> None:
    url, session = browser.simulator.page_url, browser.session
    async with session.post(url, json={"advance": "6"}) as reply:
        assert reply.status == 400
    async with session.post(url, data={"advance": "6"}, headers={"Host": "evil.example"}) as reply:
        assert reply.status == 403
    assert browser.simulator.clock() == Clock(speed=0)()


async def test_last_requests_exclude_those_of_the_page(browser: Any) -> None:
    await browser.open()
    assert "None yet." in (await browser.open()).partition("Last requests")[2]
    browser.simulator.faults.add("rate_limited", operation="/evses")
    browser.simulator.webhooks.add("http://127.0.0.1:9/hook", events=["charging_sub_session.ended"])
    await browser.api.get("/evses?page_size=%3Cb%3E")
    await browser.api.get("/evses/evse00")
    shown = (await browser.open()).partition("Last requests")[2]
    newest = shown.index("404 GET /v2/evses/evse00")
    assert newest < shown.index("429 GET /v2/evses?page_size=")
    assert browser.simulator.client_id in shown[newest : newest + 80]
    assert "fault-1 rate_limited /evses 1 unlimited" in shown
    assert "http://127.0.0.1:9/hook charging_sub_session.ended 0 none" in shown
    assert not any(seen.path == "/" for seen in browser.simulator.requests)


async def test_sent_texts_are_escaped(browser: Any) -> None:
    await browser.api("PATCH", f"/users/{browser.simulator.user_id}",
                      json={"email": '"<script>"@example.com'})  # fmt: skip
    await browser.api.get("/evses?cpid='><script>alert(1)</script>")
    await browser.open()
    assert "<script" not in browser.source


async def test_refresh_is_set_on_request_only(browser: Any) -> None:
    await browser.open()
    assert "http-equiv" not in browser.source
    await browser.open("?refresh=5")
    assert '<meta http-equiv="refresh" content="5">' in browser.source
    for nonsense in ("?refresh=0;url=//evil.example", "?refresh=-1", "?refresh=", "?refresh=soon"):
        await browser.open(nonsense)
        assert "http-equiv" not in browser.source


async def test_deleted_first_user_is_shown_as_deleted(browser: Any) -> None:
    simulator = browser.simulator
    await browser.open()
    simulator._world.tables["users"].remove(simulator.user_id)
    assert "User deleted" in await browser.open()


async def test_large_fleet_is_examined_in_part(start: Any, clock: Clock) -> None:
    api = await start(vehicles=100_000, clock=clock)
    simulator, asked = api.simulator, []
    state = simulator._world.charging.state

    def counted(*about: Any) -> Any:
        asked.append(about)
        return state(*about)

    simulator._world.charging.state = counted
    clock.advance(hours=8)
    shown = await Browser(simulator, api.session).open()
    assert "100,000" in shown
    assert "Only the latest arrivals are shown." in shown
    assert len(asked) < 250
