"""Signing in to ev.energy: the whole flow, over sockets, with browsers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from fastapi import FastAPI

from ev_energy import Client, ClientCredentials
from ev_energy.auth import MemoryStore
from ev_energy.fastapi import (
    EvEnergy,
    MemorySignInStore,
    RedisSignInStore,
    UserClientDep,
    sign_in_router,
)
from ev_energy.fastapi._browser import digest
from ev_energy.redis import RedisTokenStore
from tests.helpers.fastapi_apps import serve_app
from tests.helpers.html_browser import HtmlBrowser
from tests.helpers.redis_server import PrivateRedis
from tests.helpers.sign_in_app import StartApp, WebApp, hanging_store, open_page

UNKNOWN = "This sign-in is no longer valid"
VALID_BUT_FOR_THE_REQUEST = (
    '{"request": {"url": []}, "return_to": "/", "account": null, "expires_at": 9e9}'
)


async def chargers(web: WebApp, browser: HtmlBrowser) -> int:
    """Return the status of a page that needs a user."""
    return (await open_page(browser, f"{web.origin}/chargers")).status


async def set_cookies(url: str, **headers: str) -> SimpleCookie:
    """Return the cookies that a reply sets."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers, allow_redirects=False) as response,
    ):
        return response.cookies


def cookie_names(browser: HtmlBrowser) -> list[str]:
    return sorted(c.key for c in browser.session.cookie_jar if c.key.startswith("ev-energy"))


def purposes(browser: HtmlBrowser) -> set[str]:
    return {name.removeprefix("ev-energy-").rpartition("-")[0] for name in cookie_names(browser)}


def cookie(browser: HtmlBrowser, purpose: str) -> str:
    [found] = [c.value for c in browser.session.cookie_jar if f"-{purpose}-" in c.key]
    return found


async def test_user_signs_in_and_out(start_app: StartApp) -> None:
    web = await start_app()
    browser = await web.browser()
    assert await chargers(web, browser) == 401
    page = await web.sign_in(browser, "/chargers")
    assert (page.status, page.url) == (200, f"{web.origin}/chargers")
    assert page.text.startswith('["evse')
    size = sum(len(c.key) + len(c.value) for c in browser.session.cookie_jar)
    assert size < 400  # browsers refuse cookies of more than 4,096 bytes
    page = await web.sign_out(browser)
    assert (page.status, page.location) == (303, "/")
    assert web.oauth_requests()[-2:] == ["token", "revoke_token"]
    assert await chargers(web, browser) == 401
    assert purposes(browser) == {"sign-in"}


async def test_two_users_have_tokens_of_their_own(start_app: StartApp) -> None:
    web = await start_app()
    first, second = await web.browser(), await web.browser()
    await web.sign_in(first)
    assert await chargers(web, second) == 401
    await web.sign_in(second)
    await web.sign_out(first)
    assert (await chargers(web, first), await chargers(web, second)) == (401, 200)


async def test_callback_with_another_state_is_refused(start_app: StartApp) -> None:
    web = await start_app()
    browser = await web.browser()
    callback = await web.consent(browser, await web.start(browser))
    for forged in (
        callback.replace("state=", "state=x"),
        callback.replace("state=", "other="),
        f"{callback}&state=another",
        f"{callback}{'x' * 5000}",
        callback.partition("?")[0],
    ):
        page = await open_page(browser, forged)
        assert (page.status, page.heading) == (400, UNKNOWN)
    assert web.oauth_requests().count("token") == 0
    # The sign-in itself is not used up by that.
    assert (await open_page(browser, callback)).status == 200


@pytest.mark.parametrize("has_own_sign_in", [False, True])
async def test_callback_in_another_browser_is_refused(
    start_app: StartApp, *, has_own_sign_in: bool
) -> None:
    """As in CVE-2025-68481, which signed the victim in to the account of the attacker."""
    web = await start_app()
    attacker, victim = await web.browser(), await web.browser()
    callback = await web.consent(attacker, await web.start(attacker))
    if has_own_sign_in:
        await web.start(victim)
    page = await open_page(victim, callback)
    assert (page.status, page.heading) == (400, UNKNOWN)
    assert await chargers(web, victim) == 401
    assert web.oauth_requests().count("token") == 0
    assert (await open_page(attacker, callback)).status == 200


async def test_callback_is_accepted_once(start_app: StartApp) -> None:
    web = await start_app()
    browser = await web.browser()
    callback = await web.consent(browser, await web.start(browser))
    pages = [
        await open_page(browser, callback),
        await open_page(browser, callback),
    ]
    assert [page.status for page in pages] == [200, 400]
    assert web.oauth_requests().count("token") == 1
    assert await chargers(web, browser) == 200  # the refused one has no consequences


async def test_callback_is_accepted_once_at_the_same_time(start_app: StartApp) -> None:
    web = await start_app()
    browser = await web.browser()
    callback = await web.consent(browser, await web.start(browser))

    async def status() -> int:
        async with browser.session.get(callback, allow_redirects=False) as response:
            return response.status

    assert sorted(await asyncio.gather(*(status() for _ in range(4)))) == [303, 400, 400, 400]
    assert web.oauth_requests().count("token") == 1


@pytest.mark.parametrize("order", [(0, 1), pytest.param((1, 0), marks=pytest.mark.slow)])
async def test_tabs_can_sign_in_at_the_same_time(
    start_app: StartApp, order: tuple[int, int]
) -> None:
    revoked = asyncio.Event()

    def notice(response: Any) -> None:
        if "revoke" in response.url.path:
            revoked.set()

    web = await start_app(settings={"on_response": lambda event: notice(event.request)})
    browser = await web.browser()
    urls = [await web.start(browser, "/chargers"), await web.start(browser, "/garage/7?tab=2")]
    callbacks = [await web.consent(browser, url) for url in urls]
    for tab in order:
        async with browser.session.get(callbacks[tab], allow_redirects=False) as response:
            assert response.headers["Location"] == ["/chargers", "/garage/7?tab=2"][tab]
    async with asyncio.timeout(10):
        await revoked.wait()  # the token of the first tab, which no cookie names any more
    assert await chargers(web, browser) == 200
    assert web.oauth_requests().count("revoke_token") == 1


async def test_sign_in_expires(start_app: StartApp) -> None:
    web = await start_app(expires_after=timedelta(minutes=10))
    browser = await web.browser()
    url = await web.start(browser)
    web.sim.clock.advance(seconds=600)
    page = await open_page(browser, await web.consent(browser, url))
    assert (page.status, page.heading) == (400, UNKNOWN)
    assert "start" in page.links["Try again"]
    await open_page(browser, await web.consent(browser, await web.start(browser)))
    assert await chargers(web, browser) == 200


async def test_code_that_expired_is_explained(start_app: StartApp) -> None:
    web = await start_app()
    browser = await web.browser()
    callback = await web.consent(browser, await web.start(browser, "/chargers"))
    web.sim.clock.advance(seconds=61)
    page = await open_page(browser, callback)
    assert (page.status, page.heading) == (400, "Signing in took too long")
    page = await browser.follow("Try again")  # with the same page to return to
    assert page.location is not None
    page = await open_page(browser, await web.consent(browser, page.location))
    assert page.url == f"{web.origin}/chargers"


async def test_denied_consent_is_explained(start_app: StartApp) -> None:
    web = await start_app()
    browser = await web.browser()
    callback = await web.consent(browser, await web.start(browser), "Deny")
    page = await open_page(browser, callback)
    assert (page.status, page.heading) == (403, "You are not signed in")
    assert web.oauth_requests().count("token") == 0
    assert await chargers(web, browser) == 401


async def test_callback_with_an_error_is_explained(start_app: StartApp) -> None:
    web = await start_app()
    browser = await web.browser()
    statuses = {
        "error=server_error&error_description=<b>secret</b>": 502,
        "error=invalid_scope": 502,
        "code=stolen&iss=https://attacker.example": 400,
        "": 400,
    }
    for query, status in statuses.items():
        state = (await web.start(browser)).partition("state=")[2].partition("&")[0]
        page = await open_page(browser, f"{web.origin}/sign-in/callback?state={state}&{query}")
        assert page.status == status
        assert "secret" not in page.html
    assert web.oauth_requests().count("token") == 0


OFF_THE_LIST = [
    "//attacker.example", "https://attacker.example", "/\\attacker.example", "/garage/../admin",
    "/garage/%2e%2E/admin", "/admin", "/chargers\r\nSet-Cookie: a=b", "javascript:alert(1)",
    "", "/garage/\tx", "/chargers#x", "/chargers/x", "chargers", f"/garage/{'x' * 1000}",
]  # fmt: skip


async def test_return_path_off_the_list_is_refused(start_app: StartApp) -> None:
    web = await start_app()
    browser = await web.browser()
    for return_to in OFF_THE_LIST:
        page = await open_page(browser, f"{web.origin}/sign-in/start", return_to=return_to)
        assert (page.status, page.location) == (400, None)
    assert cookie_names(browser) == []


async def test_stored_return_path_is_checked_again(start_app: StartApp) -> None:
    class Tampered(MemorySignInStore):
        async def pop(self, browser: str, key: str) -> str | None:
            text = await super().pop(browser, key)
            return text and text.replace('"/chargers"', '"https://attacker.example"')

    web = await start_app(store=Tampered())
    browser = await web.browser()
    page = await web.sign_in(browser, "/chargers")
    assert page.url == f"{web.origin}/"


async def test_unreadable_entry_of_a_store_is_an_unknown_sign_in(start_app: StartApp) -> None:
    unreadable = ["", "[]", "{}", '{"request": 7}', VALID_BUT_FOR_THE_REQUEST, "\x00"]

    class Broken(MemorySignInStore):
        async def pop(self, browser: str, key: str) -> str | None:
            return unreadable[-1]

    web = await start_app(store=Broken())
    browser = await web.browser()
    await web.start(browser)
    while unreadable:
        page = await open_page(browser, f"{web.origin}/sign-in/callback?state=x&code=y")
        assert (page.status, page.heading) == (400, UNKNOWN)
        del unreadable[-1]


async def test_logs_contain_no_secret(
    start_app: StartApp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    web = await start_app(uvicorn_options={"access_log": False})
    browser = await web.browser()
    url = await web.start(browser)
    callback = await web.consent(browser, url)
    await open_page(browser, callback)
    web.sim.faults.add("problem", operation="token", status=400)
    failing = await web.consent(browser, await web.start(browser))
    await open_page(browser, failing)
    secrets = [cookie(browser, "sign-in"), cookie(browser, "session")]
    await web.sign_out(browser)
    for each in (callback, failing):
        secrets += [value for _, value in parse_qsl(urlsplit(each).query)]
    assert len(secrets) == 6
    own = [record.getMessage() for record in caplog.records if "ev_energy" in record.name]
    assert any("is not revoked" in message for message in own)
    assert not [secret for secret in secrets if secret in "".join(own)]


async def test_cookies_on_http(start_app: StartApp) -> None:
    web = await start_app()
    [(name, found)] = (await set_cookies(f"{web.origin}/sign-in/start")).items()
    assert name.startswith("ev-energy-sign-in-")
    flags = found["httponly"], found["samesite"], found["path"], found["domain"], found["secure"]
    assert flags == (True, "lax", "/", "", "")
    assert found["max-age"] == "600"


@pytest.mark.parametrize(
    ("lifetime", "max_age"), [(timedelta(days=1), "86400"), (None, "")], ids=str
)
async def test_session_cookie_lasts_as_configured(
    start_app: StartApp, lifetime: timedelta | None, max_age: str
) -> None:
    web = await start_app(session_lifetime=lifetime)
    browser = await web.browser()
    callback = await web.consent(browser, await web.start(browser))
    async with browser.session.get(callback, allow_redirects=False) as response:
        [found] = [morsel for name, morsel in response.cookies.items() if "session" in name]
    assert (found["max-age"], found["httponly"], found["samesite"]) == (max_age, True, "lax")


@pytest.mark.parametrize("trusted", [False, True])
async def test_cookies_behind_a_proxy_with_https(start_app: StartApp, *, trusted: bool) -> None:
    proxy = "127.0.0.1" if trusted else "192.0.2.1"
    web = await start_app(uvicorn_options={"forwarded_allow_ips": proxy})
    url = f"{web.origin}/sign-in/start"
    [(name, found)] = (await set_cookies(url, **{"X-Forwarded-Proto": "https"})).items()
    assert name.startswith("__Host-ev-energy-sign-in-") == trusted
    assert bool(found["secure"]) == trusted
    assert (found["path"], found["domain"]) == ("/", "")


async def test_https_ignores_cookies_without_the_host_prefix(start_app: StartApp) -> None:
    """Another subdomain, or a plain http reply, can plant those (RFC 6265bis §8.6)."""
    web = await start_app()
    browser = await web.browser()
    callback = await web.consent(browser, await web.start(browser))
    page = await browser.open(callback, headers={"X-Forwarded-Proto": "https"})
    assert (page.status, page.heading) == (400, UNKNOWN)


async def test_planted_session_cookie_is_replaced(start_app: StartApp) -> None:
    """Session fixation: the attacker knows the cookie that the victim has before signing in."""
    web = await start_app()
    attacker, victim = await web.browser(), await web.browser()
    await web.sign_in(victim)
    name = next(name for name in cookie_names(victim) if "session" in name)
    planted = "p" * 43
    victim.session.cookie_jar.update_cookies({name: planted}, aiohttp.client.URL(web.origin))
    attacker.session.cookie_jar.update_cookies({name: planted}, aiohttp.client.URL(web.origin))
    await web.sign_in(victim)
    assert cookie(victim, "session") != planted
    assert (await chargers(web, attacker), await chargers(web, victim)) == (401, 200)


async def test_malformed_session_cookie_names_no_user(start_app: StartApp) -> None:
    web = await start_app()
    browser = await web.browser()
    await web.sign_in(browser)
    name = next(name for name in cookie_names(browser) if "session" in name)
    async with aiohttp.ClientSession() as session:
        for value in ["", "x" * 42, "x" * 43, "x" * 44, "<>" * 21 + "x", "x" * 5000]:
            headers = {"Cookie": f"{name}={value}"}
            async with session.get(f"{web.origin}/chargers", headers=headers) as response:
                assert response.status == 401


async def test_sign_out_by_another_site_is_refused(start_app: StartApp) -> None:
    web = await start_app()
    browser = await web.browser()
    await web.sign_in(browser)
    foreign = ["https://attacker.example", "null", "http://127.0.0.1:1", "http://[", ""]
    foreign.append(web.origin.replace("://", "://user@"))
    for headers in (
        *({"Sec-Fetch-Site": site} for site in ("cross-site", "same-site", "none")),
        *({"Origin": origin} for origin in foreign),
    ):
        page = await web.sign_out(browser, **headers)
        assert (page.status, page.heading) == (403, "You were not signed out")
    assert await chargers(web, browser) == 200
    assert "revoke_token" not in web.oauth_requests()


async def test_sign_out_from_a_page_without_referrer(start_app: StartApp) -> None:
    """A page with ``Referrer-Policy: no-referrer`` sends ``Origin: null`` with its own forms."""
    web = await start_app()
    browser = await web.browser()
    await web.sign_in(browser)
    page = await web.sign_out(browser, **{"Origin": "null", "Sec-Fetch-Site": "same-origin"})
    assert page.status == 303
    assert await chargers(web, browser) == 401


async def test_sign_out_without_a_user_has_no_effect(start_app: StartApp) -> None:
    web = await start_app(after_sign_out="/bye?now")
    browser = await web.browser()
    page = await web.sign_out(browser)
    assert (page.status, page.location) == (303, "/bye?now")
    assert web.oauth_requests() == []


async def test_sign_out_ends_the_session_if_the_token_is_not_revoked(start_app: StartApp) -> None:
    web = await start_app()
    browser = await web.browser()
    await web.sign_in(browser)
    web.sim.faults.add("problem", operation="token", status=400)
    page = await web.sign_out(browser)
    assert (page.status, "not confirm" in page.heading) == (502, True)
    assert await chargers(web, browser) == 401
    assert [name for name in cookie_names(browser) if "session" in name] == []


async def test_revoked_token_is_a_clear_401(start_app: StartApp) -> None:
    web = await start_app()
    browser = await web.browser()
    await web.sign_in(browser)
    assert web.ev.sign_in is not None
    auth = web.ev.sign_in.for_account(f"web-{digest(cookie(browser, 'session'))}")
    token = await auth.store.load(auth.key(web.sim.base_url.removesuffix("/v2")))
    assert token is not None
    assert token.refresh_token is not None
    web.sim.revoke_token(token.refresh_token)
    assert await chargers(web, browser) == 401
    await web.sign_in(browser)
    assert await chargers(web, browser) == 200


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("server_error", 502),
        ("rate_limited", 503),
        pytest.param("reset_before", 502, marks=pytest.mark.slow),
    ],
)
async def test_outage_during_the_callback_is_explained(
    start_app: StartApp, fault: str, status: int
) -> None:
    web = await start_app(settings={"retries": 0})
    browser = await web.browser()
    callback = await web.consent(browser, await web.start(browser))
    added = web.sim.faults.add(fault, operation="token")
    page = await open_page(browser, callback)
    assert page.status == status
    assert ("Retry-After" in page.headers) == (status == 503)
    assert list(page.links) == ["Try again", "Back to the application"]
    web.sim.faults.remove(added)
    await browser.follow("Try again")
    assert browser.page.location is not None
    await open_page(browser, await web.consent(browser, browser.page.location))
    assert await chargers(web, browser) == 200


async def test_server_that_hangs_is_not_waited_for(start_app: StartApp) -> None:
    # The client gives up a little later; until then, the application does not stop.
    settings = {"timeout": 0.3, "retries": 0}
    web = await start_app(timeout=timedelta(milliseconds=50), settings=settings)
    browser = await web.browser()
    callback = await web.consent(browser, await web.start(browser))
    web.sim.faults.add("hang", operation="token")
    page = await open_page(browser, callback)
    assert (page.status, page.heading) == (504, "ev.energy does not answer")


@pytest.mark.parametrize("hangs", ["put", "pop"])
async def test_store_that_hangs_is_not_waited_for(
    start_app: StartApp, caplog: pytest.LogCaptureFixture, hangs: str
) -> None:
    web = await start_app(store=hanging_store(hangs), timeout=timedelta(milliseconds=50))
    browser = await web.browser()
    url = f"{web.origin}/sign-in/start"
    if hangs == "pop":
        url = await web.consent(browser, await web.start(browser))
    page = await open_page(browser, url)
    assert (page.status, page.heading) == (503, "Temporarily unavailable")
    assert hangs == "put" or "did not answer within 0.05 s" in caplog.text


class TestApplicationWithUsers:
    """An application that has users of its own, to whom it adds ev.energy."""

    @staticmethod
    def account(connection: Any) -> str | None:
        name = connection.headers.get("X-User")
        return f"user {name}" if name else None

    async def test_user_without_a_login_cannot_start(self, start_app: StartApp) -> None:
        web = await start_app(account=self.account)
        browser = await web.browser()
        page = await open_page(browser, f"{web.origin}/sign-in/start")
        assert (page.status, page.heading) == (401, "Please sign in to this application first")

    async def test_token_belongs_to_the_user(self, start_app: StartApp) -> None:
        web = await start_app(account=self.account)
        browser = await web.browser()
        browser.session.headers["X-User"] = "ada"
        await web.sign_in(browser)
        assert purposes(browser) == {"sign-in"}
        assert await chargers(web, browser) == 200
        assert web.ev.sign_in is not None
        auth = web.ev.sign_in.for_account("user ada")
        origin = web.sim.base_url.removesuffix("/v2")
        assert await auth.store.load(auth.key(origin)) is not None
        browser.session.headers["X-User"] = "bob"
        assert await chargers(web, browser) == 401
        await web.sign_out(browser)
        browser.session.headers["X-User"] = "ada"
        assert await chargers(web, browser) == 200
        await web.sign_out(browser)
        assert await auth.store.load(auth.key(origin)) is None

    async def test_later_sign_in_in_another_process_is_noticed(self, start_app: StartApp) -> None:
        """The client that completed the first sign-in has its token without having loaded it."""
        tokens, now = MemoryStore(), [0.0]
        web = await start_app(
            account=lambda _: "ada", tokens=tokens, settings={"clock": lambda: now[0]}
        )
        browser = await web.browser()
        callback = await web.consent(browser, await web.start(browser))
        async with browser.session.get(callback, allow_redirects=False) as response:
            assert response.status == 303
        application = ClientCredentials(
            client_id=web.sim.client_id, client_secret=web.sim.client_secret
        )
        async with Client(application, base_url=web.sim.base_url) as client:
            first, second = [user.id async for user in client.users.list()][:2]
        auth = web.ev.sign_in.for_account("ada") if web.ev.sign_in else None
        assert auth is not None
        key = auth.key(web.sim.base_url.removesuffix("/v2"))
        before = await tokens.load(key)
        assert before is not None
        web.sim.requests.clear()
        for user in (second, first):
            await tokens.save(key, web.sim.sign_in(user, client_id=auth.client_id))
            assert await chargers(web, browser) == 200
            assert web.sim.requests[-1].user_id == user
            now[0] += 60

    async def test_callback_of_another_user_is_refused(self, start_app: StartApp) -> None:
        web = await start_app(account=self.account)
        browser = await web.browser()
        browser.session.headers["X-User"] = "ada"
        callback = await web.consent(browser, await web.start(browser))
        browser.session.headers["X-User"] = "bob"
        page = await open_page(browser, callback)
        assert (page.status, page.heading) == (409, "This sign-in belongs to another user")
        assert web.oauth_requests() == [path for path in web.oauth_requests() if path != "token"]

    async def test_sign_out_that_is_not_confirmed_says_so(self, start_app: StartApp) -> None:
        web = await start_app(account=self.account)
        browser = await web.browser()
        browser.session.headers["X-User"] = "ada"
        await web.sign_in(browser)
        web.sim.faults.add("problem", operation="token", status=400, count=1)
        page = await web.sign_out(browser)
        assert (page.status, "You are still connected" in page.text) == (502, True)
        assert (await web.sign_out(browser)).status == 303


async def test_other_programs_get_problem_json(start_app: StartApp) -> None:
    web = await start_app()
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{web.origin}/sign-in/callback?state=x") as response,
    ):
        problem = await response.json(content_type="application/problem+json")
    assert response.status == problem["status"] == 400
    assert problem["type"] == "urn:ev-energy:problem:sign-in-unknown"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Vary"] == "Accept"


class TestRedis:
    """Sign-ins in Redis, where another process can complete them."""

    async def test_user_signs_in(self, start_app: StartApp, redis: PrivateRedis) -> None:
        async with RedisSignInStore(redis.url) as store:
            web = await start_app(store=store)
            browser = await web.browser()
            callback = await web.consent(browser, await web.start(browser))
            assert (await open_page(browser, callback)).status == 200
            assert (await open_page(browser, callback)).heading == UNKNOWN

    async def test_another_process_completes_the_sign_in(
        self, start_app: StartApp, redis: PrivateRedis, prefix: str
    ) -> None:
        async with (
            RedisSignInStore(redis.url, prefix=prefix) as store,
            RedisTokenStore(redis.url, prefix=prefix) as tokens,
        ):
            first = await start_app(store=store, tokens=tokens)
            assert first.ev.sign_in is not None
            ev = EvEnergy(sign_in=first.ev.sign_in, base_url=first.sim.base_url)
            app = FastAPI(lifespan=ev.lifespan)
            app.include_router(
                sign_in_router(ev, store=RedisSignInStore(redis.url, prefix=prefix)),
                prefix="/sign-in",
            )

            @app.get("/count")
            async def count(client: UserClientDep) -> int:
                return len([evse async for evse in client.evses.list()])

            browser = await first.browser()
            async with serve_app(app) as origin:
                page = await open_page(browser, f"{origin}/sign-in/start")
                assert page.location is not None
                callback = await first.consent(browser, page.location)
                assert (await open_page(browser, callback)).status == 200
                # Cookies are shared by all ports of a host.
                page = await open_page(browser, f"{origin}/count")
                assert (page.status, int(page.text) > 0) == (200, True)
                await first.sign_out(browser)

    async def test_outage_is_explained(self, start_app: StartApp, redis: PrivateRedis) -> None:
        async with RedisSignInStore(redis.url) as store:
            web = await start_app(store=store)
            browser = await web.browser()
            callback = await web.consent(browser, await web.start(browser))
            redis.kill()
            for url in (f"{web.origin}/sign-in/start", callback):
                page = await open_page(browser, url)
                assert page.status == 503
                assert "cannot be reached" in page.text
            assert "token" not in web.oauth_requests()


def without_sign_in() -> EvEnergy:
    return EvEnergy(ClientCredentials(client_id="a", client_secret="b"))


async def test_settings_are_checked(start_app: StartApp) -> None:
    with pytest.raises(ValueError, match="pass sign_in="):
        sign_in_router(without_sign_in())
    bad: list[dict[str, Any]] = [
        {"after": "https://a.example"}, {"after": "//a.example"}, {"after_sign_out": "a"},
        {"return_paths": ["a"]}, {"return_paths": ["*"]}, {"return_paths": ["/a/../*"]},
        {"expires_after": timedelta()}, {"timeout": timedelta(-1)},
        {"session_lifetime": timedelta()},
    ]  # fmt: skip
    for settings in bad:
        with pytest.raises(ValueError, match=next(iter(settings))):
            await start_app(**settings)


async def test_routes_work_in_a_mounted_application(start_app: StartApp) -> None:
    """A redirect within the router is relative, so that a prefix of a proxy does not matter."""

    def mount(app: FastAPI, ev: EvEnergy) -> None:
        inner = FastAPI()
        inner.include_router(sign_in_router(ev), prefix="/again")
        app.mount("/inner", inner)

    web = await start_app(configure=mount)
    browser = await web.browser()
    page = await open_page(browser, f"{web.origin}/inner/again/callback?state=x")
    assert page.status == 400
    page = await browser.follow("Try again")
    assert page.location is not None
    assert page.url.startswith(f"{web.origin}/inner/again/start")
