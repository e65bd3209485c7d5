"""Requests with the Host of another site are rejected on every path (DNS rebinding)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ev_energy.simulator import Simulator

OURS = [
    "localhost",
    "LOCALHOST",
    "localhost.",
    "sim.localhost",
    "localhost:80",
    "localhost:",
    "127.0.0.1",
    "127.0.0.1:8420",
    "127.1.2.3",
    "[::1]",
    "[::1]:8420",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
]
FOREIGN = [
    "",
    "evil.example",
    "evil.example:8420",
    "localhost.evil.example",
    "notlocalhost",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil.example",
    "evil.example#@localhost",
    "localhost, evil.example",
    "localhost..",
    "0.0.0.0",
    "[::]",
    "[::1",
    "::1",
    "10.0.0.1",
    "[::ffff:10.0.0.1]",
    "localhost:99x",
]
PATHS = [
    "/",
    "/__sim",
    "/__sim/applications",
    "/v2",
    "/v2/",
    "/v2/evses",
    "/v2/evse_makes",
    "/v2/nowhere",
    "/nowhere",
    "/o/authorize/?client_id=x",
    "/o/token/",
    "/o/revoke_token/",
    "/onboarding/evses/",
    "/onboarding/vehicles/reconnect/",
    "/uploads/rbef01",
    "/webhooks/",
    "/webhooks/?token=x",
]


async def status(simulator: Simulator, request: str) -> int:
    port = simulator._runner.addresses[0][1]  # type: ignore[union-attr]  # it runs
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    answer = (await reader.readline()).split()
    writer.close()
    await writer.wait_closed()
    return int(answer[1])


def asked(path: str, host: str | None, method: str = "GET") -> str:
    head = "" if host is None else f"Host: {host}\r\n"
    return f"{method} {path} HTTP/1.1\r\n{head}Connection: close\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("path", PATHS)
async def test_foreign_host_is_rejected_on_every_path(api: Any, path: str) -> None:
    for method in ("GET", "POST"):
        assert await status(api.simulator, asked(path, "evil.example", method)) == 403
        assert await status(api.simulator, asked(path, None, method)) in {400, 403}
        assert await status(api.simulator, asked(path, "localhost", method)) != 403 or (
            path.startswith("/webhooks/")  # its own 403 is a page for browsers without a link
        )


@pytest.mark.parametrize("host", OURS)
async def test_loopback_host_is_accepted_in_every_notation(api: Any, host: str) -> None:
    assert await status(api.simulator, asked("/v2/evse_makes", host)) == 200


@pytest.mark.parametrize("host", FOREIGN)
async def test_host_similar_to_loopback_is_rejected(api: Any, host: str) -> None:
    assert await status(api.simulator, asked("/v2/evse_makes", host)) in {400, 403}


async def test_foreign_host_in_the_request_target_is_rejected(api: Any) -> None:
    foreign = asked("http://evil.example/v2/evse_makes", "localhost")
    assert await status(api.simulator, foreign) in {400, 403}
    ours = asked("http://localhost/v2/evse_makes", "localhost")
    assert await status(api.simulator, ours) == 200


async def test_rejected_request_triggers_no_fault_and_shows_no_secret(api: Any) -> None:
    fault = api.simulator.faults.add("server_error", count=1)
    async with api.session.get(
        api.simulator.page_url, headers={"Host": "evil.example", "Accept": "text/html"}
    ) as page:
        text = await page.text()
        assert (page.status, page.content_type) == (403, "text/html")
        assert api.simulator.client_secret not in text
    assert await status(api.simulator, asked("/v2/evses", "evil.example")) == 403
    assert fault.struck == 0


async def test_simulator_on_another_address_accepts_any_host() -> None:
    async with Simulator(host="0.0.0.0", vehicles=2) as simulator:
        assert await status(simulator, asked("/v2/evse_makes", "pi.example")) == 200
