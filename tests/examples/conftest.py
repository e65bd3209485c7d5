"""The fleet portal in this event loop, for a simulator."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from html import unescape

import aiohttp
import attrs
import pytest

from ev_energy.simulator import Clock, Simulator
from tests.helpers.html_browser import HtmlBrowser, open_browser

HTML = {"Accept": "text/html"}


@attrs.define
class Portal:
    """A running portal, its simulator, and browsers."""

    url: str
    sim: Simulator
    stack: AsyncExitStack

    async def browser(self) -> HtmlBrowser:
        """Return a new browser."""
        return await self.stack.enter_async_context(open_browser())

    async def signed_in(self) -> HtmlBrowser:
        """Return a new browser of a user who is signed in and sees the overview."""
        browser = await self.browser()
        await sign_in(browser, self.url)
        return browser

    def live(self, browser: HtmlBrowser) -> AbstractAsyncContextManager[Stream]:
        """Open the stream of an open page."""
        return open_stream(browser, self.url)


async def sign_in(browser: HtmlBrowser, url: str) -> None:
    """Sign in as the first user that the simulator suggests."""
    await browser.open(f"{url}/", headers=HTML)
    await browser.follow("Sign in with ev.energy")
    page = await browser.open(browser.page.location or "")
    email = next(text for name, text in page.forms[1].fields if name == "email")
    await browser.press("Log in", email=email, password="any")
    page = await browser.press("Allow")
    await browser.open(page.location or "", headers=HTML)


@asynccontextmanager
async def open_stream(browser: HtmlBrowser, url: str) -> AsyncIterator[Stream]:
    """Open the stream of an open page."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with browser.session.get(f"{url}/live", timeout=timeout) as response:
        yield Stream(response)


def announcement(html: str) -> str:
    """Return what a screen reader says."""
    found = re.search(r'<p id="announcement"[^>]*>(.*?)</p>', html)
    assert found
    return unescape(found[1])


@attrs.define
class Stream:
    """Reads server-sent events."""

    response: aiohttp.ClientResponse

    async def next(self) -> tuple[str, str]:
        """Return the name and the data of the next event; `EOFError` at the end."""
        name, data = "", list[str]()
        while line := (await self.response.content.readline()).decode().removesuffix("\n"):
            field, _, value = line.partition(":")
            if field == "event":
                name = value.strip()
            elif field == "data":
                data.append(value.removeprefix(" "))
        if not name and not data:
            raise EOFError
        return name, "\n".join(data)


@pytest.fixture
async def portal() -> AsyncIterator[Portal]:
    uvicorn = pytest.importorskip("uvicorn", reason="needs uvicorn: pip install -e '.[test]'")
    pytest.importorskip("jinja2", reason="needs jinja2: pip install -e '.[test]'")
    from examples.fleet_portal.app import create_app
    from examples.fleet_portal.simulated import settings_for

    async with AsyncExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # The clock stands still until a test moves it.
        sim = await stack.enter_async_context(Simulator(clock=Clock(speed=0)))
        settings = settings_for(sim, url)
        settings = replace(settings, client={**settings.client, "retries": 0})
        config = uvicorn.Config(create_app(settings), log_config=None, ws="none")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            assert not task.done(), "uvicorn ended before it started"
            await asyncio.sleep(0.002)
        try:
            async with AsyncExitStack() as browsers:
                yield Portal(url, sim, browsers)
        finally:
            server.should_exit = True
            await task
