"""Every snippet and example is run as it stands; every figure of speech about commands holds."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ev_energy.simulator import Simulator

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PAGES = sorted((ROOT / "docs").glob("*.md"))

# What the fragments on the pages of docs/ stand in: names that a reader has at that point.
FRAME = """
import asyncio, datetime
import ev_energy
from ev_energy.models import LatLong

async def page():
    async with ev_energy.Client.from_env() as client:
        evse = await client.evses.list().first()
        evse_id, here = evse.id, LatLong(latitude=51.5, longitude=-0.1)
        since = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        saved = []
        load, save, store = lambda: saved[-1] if saved else None, saved.append, list
{body}

asyncio.run(page())
"""


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """The environment of somebody who followed the README, with the simulator as the API."""
    with Simulator.in_thread() as simulator:
        yield {
            **os.environ,
            "EV_ENERGY_CLIENT_ID": simulator.client_id,
            "EV_ENERGY_CLIENT_SECRET": simulator.client_secret,
            "EV_ENERGY_BASE_URL": simulator.base_url,
        }


def run(code: str, environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def snippet(mark: str) -> str:
    [found] = [text for text in SNIPPETS if mark in text]
    return found


def test_the_async_and_the_blocking_snippet_print_the_same(environment: dict[str, str]) -> None:
    asynchronous = run(snippet("asyncio.run"), environment)
    blocking = run(snippet("ev_energy_sync"), environment)
    assert len(asynchronous.splitlines()) == 40
    assert re.match(r"evse\w{26} .+ \d+ W\n", asynchronous)
    assert asynchronous == blocking


def test_the_fastapi_snippet_serves_its_route(environment: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    (tmp_path / "shop.py").write_text(snippet("FastAPI"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-m", "uvicorn", "shop:app", "--port", str(port)]
    with subprocess.Popen(
        [sys.executable, *words], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        try:
            for line in server.stderr:
                if "Uvicorn running" in line:
                    break
            evse_id = run(
                "from ev_energy_sync import Client\n"
                "with Client.from_env() as c: print(c.evses.list().first().id)",
                environment,
            ).strip()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/chargers/{evse_id}") as reply:
                assert evse_id.encode() in reply.read()
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/chargers/evse00")
        finally:
            server.terminate()
            rest = server.stderr.read()
    assert "Traceback" not in rest


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_fragment_in_the_docs_runs(page: Path, environment: dict[str, str]) -> None:
    fragments = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert fragments or page.name == "index.md"
    for fragment in fragments:
        code = fragment.replace('"evse01..."', "evse")
        if "ev_energy_sync" in code:
            code = code.replace(
                'Client(ClientCredentials(client_id="...", client_secret="..."))',
                "Client.from_env()",
            )
            run(code, environment)
            continue
        indented = "".join(f"        {line}\n" for line in code.splitlines())
        run(FRAME.format(body=indented), environment)


def test_the_examples_run(environment: dict[str, str], tmp_path: Path) -> None:
    shown = run((ROOT / "examples/charging_now.py").read_text(), environment)
    assert len(shown.splitlines()) > 5
    evse_id = shown.split()[0]
    target = tmp_path / "log.jsonl"
    copy = (ROOT / "examples/follow_log.py").read_text()
    run(copy, environment, evse_id, str(target))
    assert len(target.read_text().splitlines()) > 200
    assert target.with_suffix(".cursor").exists()


def test_what_the_readme_links_to_is_there() -> None:
    for text, base in ((README, ROOT), *((page.read_text(), ROOT / "docs") for page in PAGES)):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
            assert (base / target).exists(), target


def test_the_readme_has_the_two_commands_on_a_line_each() -> None:
    commands = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)
    assert [command.count("\n") for command in commands] == [0, 0]
    assert commands[0].endswith("python -m ev_energy demo")
    assert commands[1].endswith("pytest")
