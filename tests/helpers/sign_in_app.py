"""Applications whose users sign in to a simulator, and browsers of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import attrs

from ev_energy.fastapi import EvEnergy, MemorySignInStore
from ev_energy.simulator import Simulator
from tests.helpers.html_browser import HtmlBrowser, Page


def new_listener() -> socket.socket:
    """Return a socket that is bound to a free port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


def hanging_store(method: str) -> MemorySignInStore:
    """Return a store of which one method, ``put`` or ``pop``, never returns."""

    class Hanging(MemorySignInStore):
        async def put(self, browser: str, key: str, pending: str, *, ttl: float) -> None:
            if method == "put":
                await asyncio.Event().wait()
            await super().put(browser, key, pending, ttl=ttl)

        async def pop(self, browser: str, key: str) -> str | None:
            if method == "pop":
                await asyncio.Event().wait()
            return await super().pop(browser, key)

    return Hanging()


@attrs.define
class WebApp:
    """A running application whose users sign in to the simulator."""

    origin: str
    sim: Simulator
    ev: EvEnergy
    new_browser: Callable[[], Any]

    async def browser(self) -> HtmlBrowser:
        """Return a new browser."""
        browser: HtmlBrowser = await self.new_browser()
        browser.session.headers["Accept"] = HTML
        return browser

    async def start(self, browser: HtmlBrowser, return_to: str | None = None) -> str:
        """Start to sign in, and return the URL at the simulator."""
        page = await open_page(browser, f"{self.origin}/sign-in/start", return_to=return_to)
        assert page.location is not None, page.text
        return page.location

    async def consent(self, browser: HtmlBrowser, url: str, button: str = "Allow") -> str:
        """Log in and press *button* at the simulator; return the URL of the callback."""
        page = await browser.open(url)
        if page.heading == "Log in":
            email = next(text for name, text in page.forms[1].fields if name == "email")
            page = await browser.press("Log in", email=email, password="any")
        page = await browser.press(button)
        assert page.location is not None, page.text
        return page.location

    async def sign_in(self, browser: HtmlBrowser, return_to: str | None = None) -> Page:
        """Sign in, and return the page after it."""
        url = await self.start(browser, return_to)
        return await open_page(browser, await self.consent(browser, url))

    async def sign_out(self, browser: HtmlBrowser, **headers: str) -> Page:
        """Sign out as a form of the application does."""
        async with browser.session.post(
            f"{self.origin}/sign-in/sign-out",
            headers={"Origin": self.origin, **headers},
            allow_redirects=False,
        ) as response:
            return Page(response, await response.text())

    def oauth_requests(self) -> list[str]:
        """Return the last segment of the paths that the application has requested."""
        return [s.path.strip("/").rpartition("/")[2] for s in self.sim.requests if "/o/" in s.path]


#: The header ``Accept`` of a browser that opens a page.
HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def open_page(browser: HtmlBrowser, url: str, return_to: str | None = None) -> Page:
    """Open a URL, which is that of a page or of `/start`."""
    params = {} if return_to is None else {"return_to": return_to}
    return await browser.open(url, params=params)


StartApp = Callable[..., Any]


@attrs.define
class FakeWait:
    """A clock that moves only while the application waits."""

    now: float = 0.0
    pauses: list[float] = attrs.Factory(list)
    on_sleep: Callable[[], object] = lambda: None

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)
        self.on_sleep()
