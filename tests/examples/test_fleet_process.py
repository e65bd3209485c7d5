"""The fleet portal in processes of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from ev_energy.simulator import Clock, Simulator
from examples.fleet_portal.simulated import settings_for
from tests.examples.conftest import announcement, open_stream, sign_in
from tests.helpers.html_browser import open_browser
from tests.helpers.redis_server import PrivateRedis, free_port

pytest.importorskip("jinja2", reason="needs jinja2: pip install -e '.[test]'")
pytest.importorskip("uvicorn", reason="needs uvicorn: pip install -e '.[test]'")

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def run(*arguments: str, **variables: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run Python in the root of the repository, and end it if the test has not."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EV_ENERGY_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        cwd=ROOT,
        env={**environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_portal_stops_at_once_while_a_page_is_open(number: signal.Signals) -> None:
    async with run("-m", "examples.fleet_portal", "--speed", "0") as process, open_browser() as tab:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().split()[-1].rstrip("/")
        await sign_in(tab, url)
        async with open_stream(tab, url) as stream:
            await stream.next()
            started = time.monotonic()
            process.send_signal(number)
            with pytest.raises(EOFError):  # ended properly, not cut off
                await stream.next()
            assert await process.wait() == (0 if number == signal.SIGINT else -number)
        assert time.monotonic() - started < 10
        assert process.stderr is not None
        assert await process.stderr.read() == b""


async def test_pages_of_two_workers_are_told_and_end_at_once(redis: PrivateRedis) -> None:
    # The workers take their time from this machine; the simulator is ahead, so nothing is too old.
    noon = datetime.now(UTC).replace(hour=12, minute=0) + timedelta(days=1)
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(Simulator(clock=Clock(noon, speed=0)))
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        settings = settings_for(sim, url)
        assert settings.webhook_secret is not None
        uvicorn = ("-m", "uvicorn", "--factory", "examples.fleet_portal.app:from_env")
        process = await stack.enter_async_context(
            run(
                *(*uvicorn, "--workers", "2", "--port", str(port), "--log-level", "warning"),
                PORTAL_URL=url,
                EV_ENERGY_CLIENT_ID=settings.client_id,
                EV_ENERGY_CLIENT_SECRET=settings.client_secret,
                EV_ENERGY_BASE_URL=sim.base_url,
                EV_ENERGY_WEBHOOK_SECRET=settings.webhook_secret,
                REDIS_URL=redis.url,
            )
        )
        await answers(f"{url}/health")
        tab = await stack.enter_async_context(open_browser())
        await sign_in(tab, url)
        # The kernel gives connections to both workers; that all eight go to one is unlikely.
        pages = [await stack.enter_async_context(open_stream(tab, url)) for _ in range(8)]
        for page in pages:
            _, html = await page.next()
            assert "Nothing is plugged in." in html
        sim.clock.advance(hours=7)
        await sim.webhooks.settled()
        for page in pages:
            _, html = await page.next()
            assert announcement(html).startswith("A session began: ")
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        for page in pages:
            with pytest.raises(EOFError):
                while True:
                    await page.next()
        await process.wait()
        assert time.monotonic() - started < 10


async def answers(url: str) -> None:
    """Wait until a server answers."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        while True:
            try:
                async with session.get(url) as response:
                    assert response.status == 200
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)
