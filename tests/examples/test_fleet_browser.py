"""The fleet portal in a real browser, from signing in to a session that appears.

``EV_ENERGY_SCREENSHOTS`` names a folder for a screenshot of each page. ``EV_ENERGY_AXE`` names the
file ``axe.min.js`` of the npm package axe-core, which searches pages for what shuts people out.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.helpers.chromium import NEEDS_CHROMIUM, Browser, open_chromium

for module in ("jinja2", "uvicorn"):
    pytest.importorskip(module, reason=f"needs {module}: pip install -e '.[test]'")

pytestmark = [
    *NEEDS_CHROMIUM,
    pytest.mark.shows_secrets("files", reason="a browser remembers the URL that the code came in"),
]

ROOT = Path(__file__).parents[2]
AXE = os.environ.get("EV_ENERGY_AXE")
#: On a phone and on a desktop. Screenshots are taken of all four combinations.
LOOKS = [("light", 390), ("dark", 1200)]


@attrs.define
class Portal:
    """The portal and its simulator, in a process of their own."""

    url: str
    simulator_url: str
    process: subprocess.Popen[str]

    def move_clock(self, **span: float) -> None:
        """Move the clock of the simulator."""
        data = json.dumps({"advance": span}).encode()
        headers = {"Content-Type": "application/json"}
        url = f"{self.simulator_url}__sim/clock"
        with urllib.request.urlopen(urllib.request.Request(url, data, headers)):
            pass


@pytest.fixture
def portal(request: pytest.FixtureRequest) -> Iterator[Portal]:
    module: str = getattr(request, "param", "examples.fleet_portal")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EV_ENERGY_")}
    command = [sys.executable, "-m", module, "--speed", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        url, simulator_url = lines[0].split()[-1], lines[2].split()[-1]
        try:
            yield Portal(url, simulator_url, process)
        finally:
            process.kill()


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    with open_chromium(tmp_path / "profile", monkeypatch) as browser:
        browser.resize("light", 390)
        yield browser


def sign_in(browser: Browser, portal: Portal) -> None:
    browser.open(portal.url)
    browser.arrives_at("Your charging, live")
    browser.press("Sign in with ev.energy")
    browser.arrives_at("Log in")
    browser.press("@example.com")  # a suggested user
    browser.arrives_at("Allow Fleet portal?")
    browser.press("Allow")
    browser.arrives_at("Overview")


def test_user_connects_a_charger_and_sees_a_session_begin(browser: Browser, portal: Portal) -> None:
    sign_in(browser, portal)
    browser.press("Connect a charger")
    browser.arrives_at("Which make is your charger?")
    browser.press("Easee")
    browser.arrives_at("Which Easee model is it?")
    browser.press("One")
    browser.arrives_at("Connect your Easee")
    browser.fill("Serial number", "EH4711")
    browser.press("Connect")
    browser.arrives_at("Overview")
    browser.shows("Easee One is connected.")
    browser.shows("EH4711")
    browser.shows("Nothing is plugged in.")
    summary = browser.chrome.find_element("css selector", "#energy-table summary")
    summary.click()
    browser.chrome.execute_script("window.hasNotReloaded = true")

    portal.move_clock(hours=5)
    browser.shows("Since\n17:31")
    assert browser.chrome.execute_script("return window.hasNotReloaded")
    said = browser.chrome.find_element("id", "announcement").get_property("textContent")
    assert said == "A session began: Hyundai Kona Electric Long Range."
    # What the user has opened and focused stays so.
    assert browser.chrome.find_element("id", "energy-table").get_property("open")
    assert browser.chrome.switch_to.active_element == summary
    assert browser.console_errors() == []

    portal.process.send_signal(signal.SIGTERM)
    portal.process.wait(timeout=10)


@pytest.mark.parametrize("portal", ["tests.helpers.slow_extension_portal"], indirect=True)
def test_page_is_live_if_its_second_script_arrives_late(browser: Browser, portal: Portal) -> None:
    sign_in(browser, portal)
    browser.shows("Nothing is plugged in.")
    portal.move_clock(hours=5)
    browser.shows("Since\n17:31")


@pytest.mark.skipif(
    AXE is None,
    reason="needs axe-core: npm pack axe-core, and EV_ENERGY_AXE=.../axe.min.js",
)
def test_pages_have_no_barriers(browser: Browser, portal: Portal) -> None:
    browser.open(portal.url)
    browser.arrives_at("Your charging, live")
    inspect(browser, "1-welcome")
    sign_in(browser, portal)
    inspect(browser, "2-nothing-plugged-in")
    portal.move_clock(hours=14, minutes=15)
    browser.shows("Charging, ")
    inspect(browser, "3-charging")
    browser.open(f"{portal.url}connect/return/unknown")
    browser.arrives_at("This link is no longer valid")
    inspect(browser, "4-notice")


def inspect(browser: Browser, name: str) -> None:
    """Search the page for barriers, and for what is wider than the screen."""
    assert AXE is not None
    for look, width in itertools.product(("light", "dark"), (390, 1200)):
        browser.resize(look, width)
        browser.screenshot(name)
        if (look, width) not in LOOKS:
            continue
        browser.chrome.execute_script(Path(AXE).read_text(encoding="utf-8"))
        found: list[dict[str, Any]] = browser.chrome.execute_async_script(
            "axe.run().then(result => arguments[0](result.violations))"
        )
        assert [(one["impact"], one["id"], one["nodes"]) for one in found] == [], browser.look
        script = "return document.documentElement.scrollWidth"
        assert browser.chrome.execute_script(script) <= width, browser.look
