"""An application on uvicorn whose users sign in to a simulator, with browsers."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import attrs
import pytest
from fastapi import FastAPI

from ev_energy import AuthorizationCode
from ev_energy.fastapi import (
    EvEnergy,
    SignInStore,
    UserClientDep,
    add_exception_handlers,
    sign_in_router,
)
from ev_energy.simulator import Clock, Simulator
from tests.helpers.fastapi_apps import serve_app
from tests.helpers.html_browser import HtmlBrowser, Page, open_browser


def new_listener() -> socket.socket:
    """Return a socket that is bound to a free port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


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


@pytest.fixture
async def start_app() -> AsyncIterator[StartApp]:
    """Start applications whose users sign in to a simulator."""
    async with AsyncExitStack() as stack:

        async def start(
            sim: Simulator | None = None,
            *,
            account: Callable[[Any], Any] | None = None,
            store: SignInStore | None = None,
            configure: Callable[[FastAPI, EvEnergy], None] | None = None,
            uvicorn_options: dict[str, Any] | None = None,
            settings: dict[str, Any] | None = None,
            redirect_scheme: str = "http",
            **options: Any,
        ) -> WebApp:
            if sim is None:
                sim = await stack.enter_async_context(Simulator(clock=Clock(speed=0), vehicles=2))
            running = sim
            listener = stack.enter_context(new_listener())
            port = listener.getsockname()[1]
            callback = f"{redirect_scheme}://127.0.0.1:{port}/sign-in/callback"
            client_id, secret = sim.add_application(redirect_uris=[callback])
            ev = EvEnergy(
                sign_in=AuthorizationCode(
                    client_id=client_id, client_secret=secret, redirect_uri=callback
                ),
                account=account,
                base_url=sim.base_url,
                wall_clock=lambda: running.clock.now().timestamp(),
                **(settings or {}),
            )
            app = FastAPI(lifespan=ev.lifespan)
            options = {
                "return_paths": ["/chargers", "/garage/*"],
                "clock": lambda: running.clock.now().timestamp(),
                **options,
            }
            app.include_router(sign_in_router(ev, store=store, **options), prefix="/sign-in")

            @app.get("/chargers")
            @app.get("/")
            async def chargers(client: UserClientDep) -> list[str]:
                return [evse.id async for evse in client.evses.list()]

            add_exception_handlers(app)
            if configure is not None:
                configure(app, ev)
            origin = await stack.enter_async_context(
                serve_app(app, sockets=[listener], **(uvicorn_options or {}))
            )
            return WebApp(origin, sim, ev, lambda: stack.enter_async_context(open_browser()))

        yield start
