"""A simulator with a stopped clock, and a browser for its pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from ev_energy import AuthorizationCode
from ev_energy.auth import AuthorizationRequest
from ev_energy.simulator import Clock, Simulator
from tests.helpers.html_browser import HtmlBrowser, open_browser

BACK = "https://app.example.com/back"

SignIn = Callable[[AuthorizationRequest], Awaitable[str]]


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(clock=Clock(speed=0)) as running:
        yield running


@pytest.fixture
def register(sim: Simulator) -> Callable[..., AuthorizationCode]:
    """Register another application, and return its credentials for one user."""

    def make(*, public: bool = False, **settings: Any) -> AuthorizationCode:
        client_id, secret = sim.add_application(redirect_uris=[BACK], public=public)
        return AuthorizationCode(
            client_id=client_id,
            client_secret=None if public else secret,
            redirect_uri=BACK,
            **{"account": "me", **settings},
        )

    return make


@pytest.fixture
async def browser() -> AsyncIterator[HtmlBrowser]:
    async with open_browser() as opened:
        yield opened


@pytest.fixture
def consent(browser: HtmlBrowser) -> SignIn:
    """Log in, consent, and return the URL that the browser is redirected to."""

    async def go(request: AuthorizationRequest) -> str:
        page = await browser.open(request.url)
        if page.heading == "Log in":
            (email, *_) = (text for name, text in page.forms[1].fields if name == "email")
            page = await browser.press("Log in", email=email, password="any")
        page = await browser.press("Allow")
        assert page.location is not None
        return page.location

    return go
