"""Connecting chargers and vehicles: the whole flow, over sockets, with browsers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI

from ev_energy import AuthorizationCode, ClientCredentials, MemoryBudget
from ev_energy.fastapi import EvEnergy, MemorySignInStore, RedisSignInStore, onboarding_router
from ev_energy.simulator import Simulator
from tests.helpers.fastapi_apps import open_app, serve_app
from tests.helpers.html_browser import HtmlBrowser, Page, open_browser
from tests.helpers.redis_server import PrivateRedis
from tests.helpers.sign_in_app import (
    HTML,
    FakeWait,
    StartApp,
    WebApp,
    hanging_store,
    new_listener,
    open_page,
)

UNKNOWN = "This link is no longer valid"


StartOnboarding = Callable[..., Any]


@pytest.fixture
def time() -> FakeWait:
    return FakeWait()


@pytest.fixture
def start_onboarding(start_app: StartApp, time: FakeWait) -> StartOnboarding:
    """Start an application with the routes, and sign a user in with a browser."""

    async def start(
        *, options: dict[str, Any] | None = None, **app_options: Any
    ) -> tuple[WebApp, HtmlBrowser]:
        def configure(app: FastAPI, ev: EvEnergy) -> None:
            settings: dict[str, Any] = {
                "return_paths": ["/chargers", "/garage/*"],
                "clock": lambda: web.sim.clock.now().timestamp(),
                "monotonic": lambda: time.now,
                "sleep": time.sleep,
            }
            router = onboarding_router(ev, **(settings | (options or {})))
            app.include_router(router, prefix="/connect")

        web: WebApp = await start_app(configure=configure, **app_options)
        browser = await web.browser()
        await web.sign_in(browser)
        web.sim.requests.clear()
        return web, browser

    return start


async def start_charger(web: WebApp, browser: HtmlBrowser, return_to: str | None = None) -> str:
    """Start to connect a charger, and return the URL at the simulator."""
    page = await open_page(browser, f"{web.origin}/connect/charger", return_to=return_to)
    assert page.location is not None, page.text
    return page.location


async def enter_serial(browser: HtmlBrowser, url: str, serial: str = "S-1") -> str:
    """Connect a charger at the simulator, and return the URL that the browser is sent back to."""
    await browser.open(url)
    await browser.follow("Wallbox")
    await browser.follow("Pulsar")
    page = await browser.press("Connect", serial=serial)
    assert page.location is not None, page.text
    return page.location


def looks(web: WebApp) -> int:
    """Return how often the application has requested a single device."""
    return sum(
        seen.method == "GET" and seen.path.count("/") == 3 and "users" not in seen.path
        for seen in web.sim.requests
        if seen.path.startswith("/v2/")
    )


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


async def test_charger_is_connected(start_onboarding: StartOnboarding) -> None:
    web, browser = await start_onboarding()
    url = await start_charger(web, browser, "/chargers?tab=1")
    page = await open_page(browser, await enter_serial(browser, url))
    assert page.status == 200
    assert page.url.startswith(f"{web.origin}/chargers?tab=1&evse_id=evse")
    assert query(page)["evse_id"][0] in page.text  # it is in the list of the user's chargers
    assert looks(web) == 1


async def test_vehicles_are_connected(start_onboarding: StartOnboarding) -> None:
    web, browser = await start_onboarding()
    page = await open_page(browser, f"{web.origin}/connect/vehicle", return_to="/garage/new")
    assert page.location is not None
    await browser.open(page.location)
    await browser.follow("Tesla")
    page = await browser.press("Sign in", password="any")
    labels = list(page.forms[0].boxes)
    page = await browser.press("Allow", *labels)
    assert page.location is not None
    page = await open_page(browser, page.location)
    assert page.status == 404  # the application of this test has no such page
    ids = query(page)["vehicle_id"]
    assert len(ids) == len(labels) == 2
    assert looks(web) == 2


async def test_page_of_the_make_is_skipped(start_onboarding: StartOnboarding) -> None:
    web, browser = await start_onboarding()
    make = (await anext(aiter(web.ev.client.evse_makes.list()))).id
    page = await open_page(browser, f"{web.origin}/connect/charger?make_id={make}")
    assert page.location is not None
    assert f"make_id={make}" in page.location
    page = await open_page(browser, f"{web.origin}/connect/vehicle?trim_id=..")
    assert (page.status, page.heading) == (400, "This link does not work")
    page = await open_page(browser, f"{web.origin}/connect/vehicle?trim_id=unknown")
    assert page.status == 404


async def test_user_must_be_signed_in(start_onboarding: StartOnboarding) -> None:
    web, _ = await start_onboarding()
    page = await open_page(await web.browser(), f"{web.origin}/connect/charger")
    assert page.status == 401
    assert page.headers["Content-Type"].startswith("text/html")
    assert web.sim.requests == []


async def test_cancelling_is_explained(start_onboarding: StartOnboarding) -> None:
    web, browser = await start_onboarding()
    await browser.open(await start_charger(web, browser, "/chargers"))
    await browser.follow("Wallbox")
    page = await browser.press("Cancel")
    assert page.location is not None
    page = await open_page(browser, page.location)
    assert (page.status, page.heading) == (403, "Nothing was connected")
    page = await browser.follow("Try again")
    assert page.location is not None
    page = await open_page(browser, await enter_serial(browser, page.location))
    assert page.url.startswith(f"{web.origin}/chargers?evse_id=")


async def test_attempt_has_a_cookie_of_its_own(start_onboarding: StartOnboarding) -> None:
    """That of a sign-in, which expires earlier, must not replace it."""
    web, browser = await start_onboarding()
    await start_charger(web, browser)
    cookies = [c for c in browser.session.cookie_jar if c.key.startswith("ev-energy-")]
    lifetimes = {c.key.split("-")[2]: c["max-age"] for c in cookies}
    assert (lifetimes["onboarding"], lifetimes["sign"]) == ("3600", "600")


async def test_error_of_ev_energy_is_not_taken_for_success(
    start_onboarding: StartOnboarding,
) -> None:
    web, browser = await start_onboarding()
    back = await enter_serial(browser, await start_charger(web, browser))
    page = await open_page(browser, f"{back}&error=access_denied")
    assert (page.status, page.heading) == (403, "Nothing was connected")


async def test_attempt_expires(start_onboarding: StartOnboarding) -> None:
    web, browser = await start_onboarding(options={"expires_after": timedelta(minutes=10)})
    back = await enter_serial(browser, await start_charger(web, browser))
    web.sim.clock.advance(seconds=600)
    page = await open_page(browser, back)
    assert (page.status, page.heading) == (400, UNKNOWN)
    assert looks(web) == 0


async def test_attempt_is_completed_once(start_onboarding: StartOnboarding) -> None:
    web, browser = await start_onboarding()
    back = await enter_serial(browser, await start_charger(web, browser))
    assert (await open_page(browser, back)).status == 200
    assert (await open_page(browser, back)).heading == UNKNOWN
    assert looks(web) == 1


async def test_attempt_belongs_to_its_browser(start_onboarding: StartOnboarding) -> None:
    web, browser = await start_onboarding()
    back = await enter_serial(browser, await start_charger(web, browser))
    other = await web.browser()
    await web.sign_in(other)
    for _ in range(2):  # without an attempt of its own, and with one
        page = await open_page(other, back)
        assert (page.status, page.heading) == (400, UNKNOWN)
        await start_charger(web, other)
    assert looks(web) == 0
    assert (await open_page(browser, back)).status == 200


async def test_attempt_belongs_to_its_user(start_onboarding: StartOnboarding) -> None:
    web, browser = await start_onboarding()
    back = await enter_serial(browser, await start_charger(web, browser))
    await web.sign_in(browser)  # in the same browser, but another session
    page = await open_page(browser, back)
    assert (page.status, page.heading) == (409, "This link belongs to another user")
    assert looks(web) == 0


@pytest.mark.parametrize(
    ("user", "status"), [(None, 401), ("bob", 409), (RuntimeError("no database"), 500)]
)
async def test_return_without_its_user_does_not_end_the_attempt(
    start_onboarding: StartOnboarding, user: object, status: int
) -> None:
    current: list[Any] = ["ada"]

    def account(_: object) -> str | None:
        if isinstance(current[0], Exception):
            raise current[0]
        return current[0]

    web, browser = await start_onboarding(account=account)
    back = await enter_serial(browser, await start_charger(web, browser))
    current[0] = user
    page = await open_page(browser, back)
    assert page.status == status
    assert looks(web) == 0
    current[0] = "ada"
    page = await (open_page(browser, back) if status == 500 else browser.follow("Check again"))
    assert page.url.startswith(f"{web.origin}/?evse_id=")


async def test_link_to_check_again_stays_in_the_application(
    start_onboarding: StartOnboarding,
) -> None:
    web, _ = await start_onboarding()
    page = await open_page(await web.browser(), f"{web.origin}/connect/return/javascript:alert(1)")
    assert (page.status, page.links["Check again"]) == (401, "./javascript%3Aalert%281%29")


async def test_device_that_connects_late_is_waited_for(
    start_onboarding: StartOnboarding, time: FakeWait
) -> None:
    web, browser = await start_onboarding()
    back = await enter_serial(browser, await start_charger(web, browser))
    web.sim.faults.add("problem", operation="GET /evses/{evse_id}", status=404, count=3)
    page = await open_page(browser, back)
    assert page.url.startswith(f"{web.origin}/?evse_id=")
    assert time.pauses == [0.5, 1.0, 2.0]
    assert looks(web) == 4


async def test_device_that_never_connects_is_given_up(
    start_onboarding: StartOnboarding, time: FakeWait
) -> None:
    web, browser = await start_onboarding(options={"max_requests": 12})
    back = (await enter_serial(browser, await start_charger(web, browser))).partition("?")[0]
    page = await open_page(browser, f"{back}?evse_uid=evse0unknown")
    assert (page.status, page.heading) == (503, "Not connected yet")
    assert page.headers["Retry-After"] == "5"
    assert (looks(web), time.now) == (5, 7.5)  # a wait of ten seconds has no time for a sixth
    assert (await browser.follow("Check again")).status == 503
    assert looks(web) == 10
    assert (await browser.follow("Check again")).status == 503
    assert looks(web) == 12
    page = await open_page(browser, back)
    assert (page.status, page.heading) == (504, "Still not connected")
    assert looks(web) == 12
    assert list(page.links) == ["Try again", "Back to the application"]


async def test_requests_are_bounded_if_the_page_is_loaded_many_times(
    start_onboarding: StartOnboarding, time: FakeWait
) -> None:
    web, browser = await start_onboarding(options={"max_requests": 12})
    back = (await enter_serial(browser, await start_charger(web, browser))).partition("?")[0]

    async def load() -> None:
        async with browser.session.get(f"{back}?evse_uid=evse0unknown") as response:
            await response.read()

    await asyncio.gather(*(load() for _ in range(10)))
    assert looks(web) <= 12


async def test_device_of_another_user_is_not_connected(start_onboarding: StartOnboarding) -> None:
    web, browser = await start_onboarding()
    back = (await enter_serial(browser, await start_charger(web, browser))).partition("?")[0]
    credentials = ClientCredentials(
        client_id=web.sim.client_id, client_secret=web.sim.client_secret
    )
    every = web.ev.client.with_auth(credentials)
    foreign = [e.id async for e in every.evses.list() if e.user and e.user.id != web.sim.user_id]
    page = await open_page(browser, f"{back}?evse_uid={foreign[0]}")
    assert (page.status, page.heading) == (503, "Not connected yet")


async def test_return_without_a_device_is_explained(start_onboarding: StartOnboarding) -> None:
    web, browser = await start_onboarding()
    for forged in (
        "", "x=1", "evse_uid=", "evse_uid=..", "evse_uid=a%2Fb", "evse_uid=%00",
        "vehicle_uid=evse01", f"evse_uid={'e' * 101}",
    ):  # fmt: skip
        back = parse_qs(urlsplit(await start_charger(web, browser)).query)["redirect_uri"][0]
        page = await open_page(browser, f"{back}?{forged}")
        assert (page.status, page.heading) == (502, "ev.energy did not say what was connected")
    assert looks(web) == 0


async def test_exhausted_budget_is_explained(start_onboarding: StartOnboarding) -> None:
    web, browser = await start_onboarding(sim=None)
    back = await enter_serial(browser, await start_charger(web, browser))
    fault = web.sim.faults.add("rate_limited", operation="GET /evses/{evse_id}")
    page = await open_page(browser, back)
    assert (page.status, page.heading) == (503, "Too many requests to ev.energy")
    assert int(page.headers["Retry-After"]) > 0
    sent = looks(web)
    page = await browser.follow("Check again")  # the budget knows now: nothing is sent
    assert (page.status, looks(web)) == (503, sent)
    web.sim.faults.remove(fault)


async def test_requests_that_are_not_sent_do_not_count(start_onboarding: StartOnboarding) -> None:
    now = [100.0]
    web, browser = await start_onboarding(
        options={"max_requests": 3}, settings={"clock": lambda: now[0]}
    )
    back = await enter_serial(browser, await start_charger(web, browser))
    fault = web.sim.faults.add("rate_limited", operation="GET /evses/{evse_id}")
    for _ in range(4):  # the first one is sent, and refused
        assert (await open_page(browser, back)).heading == "Too many requests to ev.energy"
    assert looks(web) == 1
    web.sim.faults.remove(fault)
    now[0] += 2
    web.sim.faults.add("server_error", operation="GET /evses/{evse_id}", count=1)
    assert (await open_page(browser, back)).status == 502
    now[0] += 60
    page = await open_page(browser, back)
    assert page.url.startswith(f"{web.origin}/?evse_id=")
    assert looks(web) == 3


async def test_reload_during_a_wait_does_not_end_the_attempt(
    start_onboarding: StartOnboarding, time: FakeWait
) -> None:
    """A wait may have all requests of the attempt, and return some."""

    async def sleep(seconds: float) -> None:
        await time.sleep(10)  # one look, of five that were deducted
        async with browser.session.get(back, allow_redirects=False) as response:
            reloads.append(response.status)

    reloads: list[int] = []
    web, browser = await start_onboarding(options={"max_requests": 5, "sleep": sleep})
    back = await enter_serial(browser, await start_charger(web, browser))
    web.sim.faults.add("problem", operation="GET /evses/{evse_id}", status=404, count=1)
    assert (await open_page(browser, back)).status == 503
    assert reloads == [504]
    page = await open_page(browser, back)
    assert page.url.startswith(f"{web.origin}/?evse_id=")


async def test_outage_is_explained(start_onboarding: StartOnboarding) -> None:
    web, browser = await start_onboarding()
    fault = web.sim.faults.add("server_error", operation="GET /evse_onboarding")
    page = await open_page(browser, f"{web.origin}/connect/charger")
    assert page.status == 502
    web.sim.faults.remove(fault)
    back = await enter_serial(browser, await start_charger(web, browser))
    fault = web.sim.faults.add("server_error", operation="GET /evses/{evse_id}")
    page = await open_page(browser, back)
    assert page.status == 502
    web.sim.faults.remove(fault)
    page = await browser.follow("Check again")
    assert page.url.startswith(f"{web.origin}/?evse_id=")


async def test_return_path_off_the_list_is_refused(start_onboarding: StartOnboarding) -> None:
    web, browser = await start_onboarding()
    for return_to in ("//attacker.example", "https://attacker.example", "/admin", "/\\a.example"):
        page = await open_page(browser, f"{web.origin}/connect/charger", return_to=return_to)
        assert (page.status, page.location) == (400, None)
    assert web.sim.requests == []


async def test_attempts_are_kept_in_redis(
    start_onboarding: StartOnboarding, redis: PrivateRedis
) -> None:
    async with RedisSignInStore(redis.url) as store:
        web, browser = await start_onboarding(store=store, options={"store": store})
        back = await enter_serial(browser, await start_charger(web, browser))
        assert (await open_page(browser, back)).url.startswith(f"{web.origin}/?evse_id=")
        back = await enter_serial(browser, await start_charger(web, browser), "S-2")
        redis.kill()
        for url in (back, f"{web.origin}/connect/charger"):
            page = await open_page(browser, url)
            assert (page.status, page.heading) == (503, "Temporarily unavailable")


@pytest.mark.parametrize("hangs", ["put", "pop"])
async def test_store_that_hangs_is_not_waited_for(
    start_onboarding: StartOnboarding, hangs: str
) -> None:
    options = {"store": hanging_store(hangs), "timeout": timedelta(milliseconds=50)}
    web, browser = await start_onboarding(options=options)
    url = f"{web.origin}/connect/charger"
    if hangs == "pop":
        url = await enter_serial(browser, await start_charger(web, browser))
    page = await open_page(browser, url)
    assert (page.status, page.heading) == (503, "Temporarily unavailable")


async def test_unreadable_entry_of_a_store_is_an_unknown_attempt(
    start_onboarding: StartOnboarding,
) -> None:
    unreadable = ["", "{}", '{"kind": "battery"}']

    class Broken(MemorySignInStore):
        async def pop(self, browser: str, key: str) -> str | None:
            return unreadable.pop()

    web, browser = await start_onboarding(options={"store": Broken()})
    back = await enter_serial(browser, await start_charger(web, browser))
    while unreadable:
        assert (await open_page(browser, back)).heading == UNKNOWN


async def test_application_acts_for_its_users(simulator: Simulator, time: FakeWait) -> None:
    """With client credentials, the account is the ev.energy id of the user."""
    with new_listener() as listener:
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client_id, secret = simulator.add_application(redirect_uris=[f"{origin}/any"])
        ev = EvEnergy(
            ClientCredentials(client_id=client_id, client_secret=secret),
            account=lambda _: simulator.user_id,
            base_url=simulator.base_url,
        )
        app = FastAPI(lifespan=ev.lifespan)
        router = onboarding_router(
            ev, client_id=client_id, monotonic=lambda: time.now, sleep=time.sleep
        )
        app.include_router(router)
        async with serve_app(app, sockets=[listener]), open_browser() as browser:
            browser.session.headers["Accept"] = HTML
            url = (await open_page(browser, f"{origin}/charger")).location
            assert url is not None
            back = await enter_serial(browser, url)
            every = [evse async for evse in ev.client.evses.list() if evse.user is not None]
            foreign = next(e.id for e in every if e.user and e.user.id != simulator.user_id)
            page = await open_page(browser, f"{back.partition('?')[0]}?evse_uid={foreign}")
            assert (page.status, page.heading) == (503, "Not connected yet")
            page = await open_page(browser, back)
            [connected] = query(page)["evse_id"]
            assert (page.url, page.status) == (f"{origin}/?evse_id={connected}", 404)
            evse = await ev.client.evses.get(connected)
            assert evse.user is not None
            assert evse.user.id == simulator.user_id


@pytest.mark.parametrize("is_stripped", [True, False])
async def test_browser_returns_to_the_path_in_front_of_the_proxy(
    simulator: Simulator, *, is_stripped: bool
) -> None:
    """With ``root_path``, whether the proxy strips the prefix or not."""
    client_id, secret = simulator.add_application(redirect_uris=["http://app/any"])
    ev = EvEnergy(
        ClientCredentials(client_id=client_id, client_secret=secret),
        account=lambda _: simulator.user_id,
        base_url=simulator.base_url,
    )
    app = FastAPI(lifespan=ev.lifespan)
    app.include_router(onboarding_router(ev, client_id=client_id), prefix="/connect")
    async with open_app(app, root_path="/app") as browser:
        reply = await browser.get(f"{'' if is_stripped else '/app'}/connect/charger")
    [back] = parse_qs(urlsplit(reply.headers["location"]).query)["redirect_uri"]
    assert back.startswith("http://app/app/connect/return/")


def test_settings_are_checked() -> None:
    app = AuthorizationCode(client_id="a", client_secret="b", redirect_uri="https://a.example/b")
    ev = EvEnergy(sign_in=app, budget=MemoryBudget())
    bad: list[dict[str, Any]] = [
        {"after": "x"}, {"return_paths": ["//x"]}, {"expires_after": timedelta()},
        {"wait": timedelta()}, {"timeout": timedelta()},
        {"max_requests": 0}, {"origin": "https://a.example/"}, {"origin": "a.example"},
        {"origin": "https://a.example?x"}, {"origin": "ftp://a.example"},
    ]  # fmt: skip
    for settings in bad:
        with pytest.raises(ValueError, match=next(iter(settings))):
            onboarding_router(ev, **settings)
    with pytest.raises(ValueError, match="client_id is required"):
        onboarding_router(EvEnergy("token"))
