from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
import pytest

from ev_energy.simulator import Clock, Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


@attrs.frozen
class Answer:
    """A reply, read to the end."""

    status: int
    headers: Mapping[str, str]
    body: Any
    url: str


class Api:
    """Plain requests to a simulator. A token is sent unless ``token`` is None."""

    def __init__(self, simulator: Simulator, session: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.session = session
        self.token: str | None = None

    async def __call__(
        self,
        method: str,
        path: str,
        *,
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        """Send a request; a path without a host is below the API's base URL."""
        sent = dict(headers or {})
        token = self.token if token == "" else token
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token}")
        url = path if path.startswith("http") else self.simulator.base_url + path
        async with self.session.request(
            method, url, headers=sent, allow_redirects=False, **options
        ) as response:
            body = await response.json(content_type=None) if await response.read() else None
            return Answer(response.status, response.headers.copy(), body, str(response.url))

    async def get(self, path: str, **options: Any) -> Answer:
        """Send a GET request."""
        return await self("GET", path, **options)

    async def log_in(
        self, client_id: str | None = None, secret: str | None = None, **form: str
    ) -> Answer:
        """Request a token with HTTP Basic, and send it from now on."""
        credentials = (
            f"{client_id or self.simulator.client_id}:{secret or self.simulator.client_secret}"
        )
        basic = "Basic " + base64.b64encode(credentials.encode()).decode()
        answer = await self(
            "POST",
            self.simulator.token_url,
            token=None,
            headers={"Authorization": basic},
            data={"grant_type": "client_credentials", **form},
        )
        self.token = answer.body.get("access_token")
        return answer


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until a test moves it."""
    return Clock(speed=0)


@pytest.fixture
async def start() -> AsyncIterator[Any]:
    """Start simulators with chosen options, and log in to them."""
    running: list[tuple[Simulator, aiohttp.ClientSession]] = []

    async def start_one(**options: Any) -> Api:
        simulator = await Simulator(**options).__aenter__()
        session = aiohttp.ClientSession()
        running.append((simulator, session))
        api = Api(simulator, session)
        await api.log_in()
        simulator.requests.clear()
        return api

    yield start_one
    for simulator, session in running:
        await session.close()
        await simulator.__aexit__(None, None, None)


@pytest.fixture
async def api(start: Any) -> Api:
    """A simulator without a rate limit, and a token with all scopes."""
    return await start(rate_limit=None)
