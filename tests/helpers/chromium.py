"""Chromium, steered as a person would use it.

``EV_ENERGY_SCREENSHOTS`` names a folder for a screenshot of each page.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

webdriver = pytest.importorskip(
    "selenium.webdriver", reason="needs selenium: pip install -e '.[test]'"
)
waiting = pytest.importorskip("selenium.webdriver.support.wait")
WebDriverError = pytest.importorskip("selenium.common.exceptions").WebDriverException

CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")

#: The marks of tests that use it.
NEEDS_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None or CHROMEDRIVER is None,
        reason="needs Chromium and its driver: apt-get install chromium chromium-driver",
    ),
]

#: No background traffic; no sandbox, since many containers do not allow one.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-proxy-server", "--hide-scrollbars"),
)
#: Longer than the 50 seconds after which an open page of the portal reads again by itself.
SECONDS = 70


class Browser:
    """Chromium with one page."""

    def __init__(self, chrome: Any) -> None:
        self.chrome = chrome
        self.look = ""

    def resize(self, look: str, width: int) -> None:
        """Show pages in this color scheme and width; narrow screens are those of phones."""
        feature = {"name": "prefers-color-scheme", "value": look}
        size = {"width": width, "height": 844, "deviceScaleFactor": 2, "mobile": width < 500}
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.look = f"{look}-{width}"

    def open(self, url: str) -> None:
        """Open a URL."""
        self.chrome.get(url)

    def press(self, text: str) -> None:
        """Press the button or follow the link with this text."""
        path = f"//button[contains(., '{text}')] | //a[contains(., '{text}')]"
        self.chrome.find_element("xpath", path).click()

    def arrives_at(self, heading: str) -> None:
        """Wait for the page with this heading."""
        # While one page replaces another, the WebDriver may raise errors about either.
        wait = waiting.WebDriverWait(self.chrome, SECONDS, ignored_exceptions=[WebDriverError])
        wait.until(lambda chrome: chrome.find_element("tag name", "h1").text == heading, heading)

    def shows(self, text: str) -> None:
        """Wait until the main part of the page contains this text."""
        wait = waiting.WebDriverWait(self.chrome, SECONDS, ignored_exceptions=[WebDriverError])
        try:
            wait.until(lambda chrome: text in chrome.find_element("tag name", "main").text)
        except waiting.TimeoutException:
            shown = self.chrome.find_element("tag name", "main").text
            pytest.fail(
                f"{text!r} did not appear; errors: {self.console_errors()}; the page says:\n{shown}"
            )

    def fill(self, label: str, text: str) -> None:
        """Type into the field with this label."""
        path = f"//input[@id = //label[contains(., '{label}')]/@for]"
        self.chrome.find_element("xpath", path).send_keys(text)

    def screenshot(self, name: str) -> None:
        """Save a screenshot of the whole page if EV_ENERGY_SCREENSHOTS is set."""
        if folder := os.environ.get("EV_ENERGY_SCREENSHOTS"):
            options = {"captureBeyondViewport": True}
            data = self.chrome.execute_cdp_cmd("Page.captureScreenshot", options)["data"]
            Path(folder, f"{self.look}-{name}.png").write_bytes(base64.b64decode(data))

    def console_errors(self) -> list[str]:
        """Return the messages about failed and blocked loads."""
        return [entry["message"] for entry in self.chrome.get_log("browser")]


@contextmanager
def open_chromium(profile: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """Start Chromium with a new profile in this folder."""
    monkeypatch.setenv("NO_PROXY", "*")  # the WebDriver is itself reached over HTTP
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    chrome.implicitly_wait(SECONDS)  # for elements of a page that is still loading
    try:
        yield Browser(chrome)
    finally:
        chrome.quit()
