"""A plugin of pytest that runs the Python blocks of ``docs/``, each as a test of its own.

pytest-markdown-docs finds and compiles the blocks. Each gets a fresh simulator as the API, and the
names of `page_names`. It must print what its comments ``# -> ...`` say, in which ``...`` stands for
any text. Blocks with a title are programs, which other tests run, as they run those of `ELSEWHERE`.
"""

# pytest loads this module before it measures coverage, so the package is imported in the fixture.
from __future__ import annotations

import asyncio
import contextlib
import doctest
import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from pytest_markdown_docs.plugin import MarkdownInlinePythonItem, MarkdownTextFile

if TYPE_CHECKING:
    from ev_energy import Client
    from ev_energy.simulator import Simulator

DOCS: Final = Path(__file__).parents[2] / "docs"

#: The pages whose blocks need more than a simulator, with the tests that run all of them.
ELSEWHERE: Final = {
    "auth.md": "tests/auth/test_page.py",
    "fastapi.md": "tests/fastapi/test_page.py",
    "proxies.md": "tests/http/network/test_page.py",
    "redis.md": "tests/budget/redis/test_page.py",
    "testing.md": "tests/docs/test_docs.py",
    "uploads.md": "tests/docs/test_docs.py",
}

WEBHOOK_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT: Final = {
    "type": "charging_sub_session.ended",
    "timestamp": "2026-01-01T07:00:00Z",
    "data": {
        "id": "csub01",
        "url": "https://api.ev.energy/v2/charging_sub_sessions/csub01",
        "start": "2026-01-01T01:00:00Z",
        "end": "2026-01-01T07:00:00Z",
        "mode": "SMART",
        "energy_delivered_watt_hours": 21_000,
        "cost": 189,
        "location": {"name": "Home"},
        "currency": "GBP",
        "total_co2_grams": None,
        "co2_intensity_grams_per_kilowatt_hour": None,
        "co2_intensity_classification": None,
        "duration_minutes": 180,
        "grid_energy_delivered_watt_hours": None,
        "solar_energy_delivered_watt_hours": None,
    },
}


class Block(MarkdownInlinePythonItem):
    """A Python block of a page."""

    def setup(self) -> None:
        self.fixturenames = ("page_names", "_function_scoped_runner")
        super().setup()

    def runtest(self) -> None:
        """Run the block once, and compare what it prints.

        The method of the plugin runs a block that raises `TypeError` a second time, and does not
        let its output be captured.
        """
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            self.runner.runtest(
                self.test_definition,
                self.funcargs["page_names"],
                asyncio_runner=self.funcargs["_function_scoped_runner"],
            )
        missing = missing_output(self.test_definition.source, printed.getvalue())
        if missing:
            raise AssertionError(f"{missing!r} was not printed, but:\n{printed.getvalue()}")


class BlocksOfPage(MarkdownTextFile):
    """The Python blocks of a page that are not programs."""

    def collect(self) -> Iterator[Block]:
        lines = self.path.read_text(encoding="utf-8").splitlines()
        for found in super().collect():
            block = found.test_definition
            if "title=" not in lines[block.start_line - 1]:
                yield Block.from_parent(self, name=found.name, test_definition=block)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the blocks of a page of ``docs``."""
    if file_path.suffix != ".md" or not file_path.is_relative_to(DOCS):
        return None
    if file_path.relative_to(DOCS).as_posix() in ELSEWHERE:
        return None
    collector: pytest.Collector = BlocksOfPage.from_parent(parent, path=file_path)
    return collector


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let the API of the pages state the rate limit that the real one has."""
    if isinstance(item, Block):
        item.add_marker(pytest.mark.ev_energy_simulator(rate_limit=1000))


def missing_output(code: str, printed: str) -> str | None:
    """Return the first output that a comment of *code* states and that is not in *printed*."""
    matches = doctest.OutputChecker().check_output
    lines = iter(printed.splitlines(keepends=True))
    for expected in re.findall(r"# -> (.*\n)", code):
        if not any(matches(expected, line, doctest.ELLIPSIS) for line in lines):
            return expected.strip()
    return None


@pytest.fixture
async def page_names(
    ev_energy_simulator: Simulator,
    ev_energy_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> dict[str, Any]:
    """The names that the pages use without defining them; the simulator is in the environment."""
    import ev_energy
    from ev_energy.models import LatLong

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EV_ENERGY_CLIENT_ID", ev_energy_simulator.client_id)
    monkeypatch.setenv("EV_ENERGY_CLIENT_SECRET", ev_energy_simulator.client_secret)
    monkeypatch.setenv("EV_ENERGY_BASE_URL", ev_energy_simulator.base_url)
    evse = await ev_energy_client.evses.list().first()
    assert evse is not None
    recently = ev_energy_simulator.clock.now() - timedelta(hours=12)
    saved: list[Any] = []
    body = json.dumps(EVENT).encode()
    return {
        "__name__": "page",
        "asyncio": asyncio,
        "ev_energy": ev_energy,
        "client": ev_energy_client,
        "evse": evse,
        "evse_id": evse.id,
        "here": LatLong(latitude=51.5, longitude=-0.1),
        "recently": recently,
        "since": recently,
        "saved": saved,
        "load": lambda: saved[-1] if saved else None,
        "save": saved.append,
        "store": list,
        "secret": WEBHOOK_SECRET,
        "body": body,
        "headers": ev_energy.webhooks.Webhook(WEBHOOK_SECRET).sign(body),
    }
