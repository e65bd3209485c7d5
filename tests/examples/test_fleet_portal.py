"""The pages and the stream of the fleet portal, over sockets."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import aiohttp
import pytest

from ev_energy import Client
from tests.examples.conftest import HTML, Portal, announcement

POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


async def evening(portal: Portal) -> None:
    """Move the clock to 17:00, when one of the user's vehicles is plugged in."""
    portal.sim.clock.advance(hours=5)
    await portal.sim.webhooks.settled()


async def test_visitor_is_asked_to_sign_in(portal: Portal) -> None:
    browser = await portal.browser()
    page = await browser.open(f"{portal.url}/", headers=HTML)
    assert page.status == 200
    assert page.heading == "Your charging, live"
    assert page.links["Sign in with ev.energy"] == "/sign-in/start"
    async with portal.live(browser) as stream:
        assert "You have been signed out" in (await stream.next())[1]
        assert await stream.next() == ("signed-out", "")


async def test_overview_shows_what_the_api_has(portal: Portal) -> None:
    browser = await portal.signed_in()
    page, text = browser.page, browser.page.text
    assert page.heading == "Overview"
    token = portal.sim.sign_in().access_token
    week = portal.sim.clock.now() - timedelta(days=6)
    midnight = week.replace(hour=0) - timedelta(hours=1)  # in London, where it is summer
    async with Client(token, base_url=portal.sim.base_url) as client:
        vehicles = await client.vehicles.list(expand=["latest_status_log"]).collect()
        chargers = await client.evses.list().collect()
        sessions = await client.charging_sub_sessions.list(start__gt=midnight).collect()
    for vehicle in vehicles:
        assert vehicle.description in text
        assert vehicle.latest_status_log is not None
        assert f"Battery {vehicle.latest_status_log.value.state_of_charge_percentage} %" in text
    assert all(charger.cpid in text for charger in chargers)
    totals = re.findall(r"(Energy|Cost|Carbon) (\d+\.\d+) (kWh|GBP|kg CO₂)", text)
    assert [(title, unit) for title, _, unit in totals] == [
        ("Energy", "kWh"), ("Cost", "GBP"), ("Carbon", "kg CO₂")
    ]  # fmt: skip
    assert [float(total) for _, total, _ in totals] == [
        pytest.approx(sum(s.energy_delivered_watt_hours for s in sessions) / 1000, abs=0.051),
        pytest.approx(sum(s.cost or 0 for s in sessions) / 100, abs=0.0051),
        pytest.approx(sum(s.total_co2_grams or 0 for s in sessions) / 1000, abs=0.0051),
    ]
    assert "Nothing is plugged in." in text


async def test_pages_have_a_strict_policy_and_no_inline_code(portal: Portal) -> None:
    browser = await portal.signed_in()
    page = browser.page
    assert page.headers["Content-Security-Policy"] == POLICY
    assert page.headers["Cache-Control"] == "no-store"
    sources = [found[name] for _, found in page.tags for name in ("src", "href") if name in found]
    assert all(source and source.startswith(("/", "#")) for source in sources)
    for tag, found in page.tags:
        assert tag != "style"
        assert tag != "script" or "src" in found
        assert not [name for name in found if name == "style" or name.startswith("on")]
    for source in sources:
        if source and source.startswith("/static/"):
            async with browser.session.get(portal.url + source) as response:
                assert response.status == 200, source
                assert response.headers["Content-Security-Policy"] == POLICY


async def test_open_page_gets_a_session_that_begins(portal: Portal) -> None:
    browser = await portal.signed_in()
    async with portal.live(browser) as stream:
        name, html = await stream.next()
        assert name == ""
        assert "Nothing is plugged in." in html
        assert announcement(html) == ""
        await evening(portal)
        assert [delivery.status for delivery in portal.sim.webhooks.deliveries][-1] == 204
        _, html = await stream.next()
    assert "Nothing is plugged in." not in html
    assert announcement(html) == "A session began: Hyundai Kona Electric Long Range."
    assert 'class="state plugged-in"' in html


async def test_pages_of_a_user_share_readings(portal: Portal) -> None:
    browser = await portal.signed_in()
    before = len(portal.sim.requests)
    async with portal.live(browser) as one, portal.live(browser) as two:
        first, second = await asyncio.gather(one.next(), two.next())
        assert first == second
        assert len(portal.sim.requests) == before  # the page was read a moment ago
        await evening(portal)
        first, second = await asyncio.gather(one.next(), two.next())
        assert announcement(first[1]) == announcement(second[1]) != ""
    read = [request.path for request in portal.sim.requests[before:]]
    assert read.count("/v2/vehicles") == 1


async def test_page_of_a_user_who_signs_out_says_so(portal: Portal) -> None:
    browser = await portal.signed_in()
    async with portal.live(browser) as stream:
        await stream.next()
        async with browser.session.post(
            f"{portal.url}/sign-in/sign-out", headers={"Origin": portal.url, **HTML}
        ) as response:
            assert "Sign in with ev.energy" in await response.text()
        await evening(portal)
        _, html = await stream.next()
        assert "You have been signed out" in html
        assert await stream.next() == ("signed-out", "")
        with pytest.raises(EOFError):
            await stream.next()


async def test_api_that_is_down_leaves_the_latest_reading(portal: Portal) -> None:
    browser = await portal.signed_in()
    fault = portal.sim.faults.add("server_error", operation="GET /vehicles", status=502)
    async with portal.live(browser) as stream:
        await stream.next()
        await evening(portal)
        _, html = await stream.next()
        assert "this may be out of date" in html
        assert "Nothing is plugged in." in html
    portal.sim.faults.remove(fault)


async def test_api_that_is_down_from_the_beginning_is_a_page_of_its_own(portal: Portal) -> None:
    portal.sim.faults.add("server_error", operation="GET /vehicles", status=502)
    browser = await portal.signed_in()
    assert browser.page.status == 503
    assert browser.page.heading == "Your data is not available"


async def test_connected_charger_is_shown_at_once(portal: Portal) -> None:
    browser = await portal.signed_in()
    await browser.follow("Connect a charger")
    await browser.open(browser.page.location or "")
    await browser.follow("Easee")
    await browser.follow("One")
    page = await browser.press("Connect", serial="EH4711")
    page = await browser.open(page.location or "", headers=HTML)
    assert page.heading == "Overview"
    assert "Easee One is connected." in page.text
    assert "EH4711" in page.text


async def test_forged_webhook_is_refused(portal: Portal) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{portal.url}/webhooks", data=b"{}") as response,
    ):
        assert response.status == 400


async def test_health_shows_the_stream(portal: Portal) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{portal.url}/health") as response,
    ):
        report = await response.json()
    assert report["status"] == "ok"
    assert report["streams"]["sub_sessions"]["error"] is None
