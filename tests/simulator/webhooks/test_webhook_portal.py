from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import attrs
import pytest
from aiohttp import ClientSession, CookieJar, web

from ev_energy.simulator._secrets import Secrets
from ev_energy.simulator._seeded_random import SeededRandom
from ev_energy.simulator.clock._clock import Clock
from ev_energy.simulator.pages import BrowserSessions
from ev_energy.simulator.webhooks import Outcome, Portal, Webhooks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OWN_APPLICATION = "simulated-mine"
OTHER_APPLICATION = "simulated-theirs"
CREATED = "charging_sub_session.created"
#: A URL without a server.
NOWHERE = "http://127.0.0.1:1/"


@attrs.frozen
class Page:
    status: int
    text: str
    url: str

    @property
    def seal(self) -> str:
        found = re.search(r'name="seal" value="([^"]+)"', self.text)
        assert found
        return found[1]


@attrs.define
class Browser:
    """What a person does with the pages, form by form."""

    session: ClientSession
    last: Page | None = None

    async def open(self, url: str) -> Page:
        async with self.session.get(url) as response:
            self.last = Page(response.status, await response.text(), str(response.url))
        return self.last

    async def submit(self, *pairs: tuple[str, str], seal: str | None = None) -> Page:
        assert self.last
        form = [("seal", self.last.seal if seal is None else seal), *pairs]
        async with self.session.post(self.last.url, data=form) as response:
            return Page(response.status, await response.text(), str(response.url))


@attrs.frozen
class Site:
    origin: str
    portal: Portal
    webhooks: Webhooks
    clock: Clock

    def link(self, client_id: str = OWN_APPLICATION) -> str:
        return self.portal.link(client_id, self.origin)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    clock, random = Clock(speed=0), SeededRandom(1)
    webhooks = Webhooks(clock, random)
    portal = Portal(webhooks, Secrets(random), BrowserSessions())
    app = web.Application()
    portal.install(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with webhooks:
            origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield Site(origin, portal, webhooks, clock)
    finally:
        await runner.cleanup()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        yield Browser(session)


async def test_link_opens_the_portal_once_and_the_browser_may_return(
    site: Site, browser: Browser
) -> None:
    link = site.link()
    page = await browser.open(link)
    assert page.status == 200
    assert page.url == f"{site.origin}/webhooks/"  # the token is not in the address bar
    assert OWN_APPLICATION in page.text
    assert (await browser.open(f"{site.origin}/webhooks/")).status == 200

    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        other = Browser(session)
        assert (await other.open(link)).status == 403
        assert (await other.open(f"{site.origin}/webhooks/")).status == 403
        assert (await other.open(f"{site.origin}/webhooks/?token=guessed")).status == 403


async def test_endpoint_is_added_with_the_ticked_events(site: Site, browser: Browser) -> None:
    page = await browser.open(site.link())
    assert "No endpoints yet" in page.text
    url = "http://localhost:8000/hooks?a=1&b=<2>"
    page = await browser.submit(("do", "add"), ("url", f" {url} "), ("event", CREATED))
    [endpoint] = site.webhooks.endpoints
    assert (endpoint.url, endpoint.events, endpoint.application) == (
        url,
        (CREATED,),
        OWN_APPLICATION,
    )
    assert page.status == 200
    assert html.escape(url) in page.text
    assert "<2>" not in page.text
    assert endpoint.secret in page.text


async def test_invalid_url_is_shown_again_with_the_error(site: Site, browser: Browser) -> None:
    await browser.open(site.link())
    page = await browser.submit(("do", "add"), ("url", "ftp://x/"), ("event", CREATED))
    assert page.status == 400
    assert 'value="ftp://x/"' in page.text
    assert "The URL must be an absolute http or https URL" in page.text
    assert not site.webhooks.endpoints


async def test_secrets_are_rotated_and_endpoints_removed(site: Site, browser: Browser) -> None:
    old = site.webhooks.add(NOWHERE)
    await browser.open(site.link())
    page = await browser.submit(("do", "rotate"), ("endpoint", old.id))
    [new] = site.webhooks.endpoints
    assert new.secret != old.secret
    assert new.secret in page.text
    page = await browser.submit(("do", "remove"), ("endpoint", old.id))
    assert not site.webhooks.endpoints
    assert NOWHERE not in page.text
    page = await browser.submit(("do", "remove"), ("endpoint", old.id))
    assert (page.status, "does not exist any more" in page.text) == (404, True)


async def test_deliveries_are_shown_and_can_be_replayed(site: Site, browser: Browser) -> None:
    endpoint = site.webhooks.add(NOWHERE)
    message_id = site.webhooks.publish(CREATED, {})
    await site.webhooks.settled()
    page = await browser.open(site.link())
    assert message_id in page.text
    assert "retrying" in page.text
    about = (("message", message_id), ("endpoint", endpoint.id))
    page = await browser.submit(("do", "replay"), *about)
    assert page.status == 200
    await site.webhooks.settled()
    assert [d.outcome for d in site.webhooks.deliveries] == [Outcome.RETRYING, Outcome.FAILED]
    for wrong in ([("endpoint", endpoint.id)], [("message", message_id)]):
        assert (await browser.submit(("do", "replay"), *wrong)).status == 404


async def test_application_neither_sees_nor_changes_endpoints_of_another(
    site: Site, browser: Browser
) -> None:
    foreign_endpoint = site.webhooks.add(NOWHERE, application=OTHER_APPLICATION)
    message_id = site.webhooks.publish(CREATED, {})
    await site.webhooks.settled()
    page = await browser.open(site.link(OWN_APPLICATION))
    assert foreign_endpoint.secret not in page.text
    assert message_id not in page.text
    for what in ("remove", "rotate", "replay"):
        about = (("endpoint", foreign_endpoint.id), ("message", message_id))
        assert (await browser.submit(("do", what), *about)).status == 404
    assert site.webhooks.endpoints == [foreign_endpoint]
    assert len(site.webhooks.deliveries) == 1


async def test_forms_from_other_sites_change_nothing(site: Site, browser: Browser) -> None:
    await browser.open(site.link())
    add = (("do", "add"), ("url", NOWHERE))
    assert (await browser.submit(*add, seal="0" * 64)).status == 403
    assert (await browser.submit(*add, seal="")).status == 403
    assert (await browser.submit(("do", "dance"))).status == 400
    url = f"{site.origin}/webhooks/"
    async with browser.session.post(url, json={"do": "add"}) as response:
        assert response.status == 400
    async with ClientSession() as stranger, stranger.post(url, data=dict(add)) as response:
        assert response.status == 403
    assert not site.webhooks.endpoints
