"""The recipe about proxies, with a proxy that requires a password and a company's authority."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest

from tests.helpers.pages import Page
from tests.helpers.programs import printed_by

HOST = "api.example.invalid"


@pytest.mark.slow
async def test_recipe_about_proxies(start_api, start_proxy, authority, tmp_path: Path) -> None:
    page = Page.read("recipes/proxy.md")
    page.write_programs(tmp_path)
    (tmp_path / "corporate-ca.pem").write_bytes(authority.file.read_bytes())
    api = await start_api(authority.server(HOST))
    proxy = await start_proxy(api.port, "user:p@ss")
    environment = {
        **os.environ,
        "EV_ENERGY_CLIENT_ID": "an-app",
        "EV_ENERGY_CLIENT_SECRET": "a-secret-of-some-length",
        "EV_ENERGY_BASE_URL": f"https://{HOST}/v2",
    }
    for command, output in zip(page.commands, page.outputs, strict=True):
        here = command.replace("proxy.example:3128", f"127.0.0.1:{proxy.port}")
        printed = await asyncio.to_thread(printed_by, here, tmp_path, environment)
        assert _on_any_python(printed.replace(HOST, "api.ev.energy")) == _on_any_python(output)
    assert len(api.requests) == 2  # a token and the chargers


def _on_any_python(text: str) -> str:
    """Return *text* without the line of OpenSSL's module that reports an error."""
    return re.sub(r"_ssl\.c:\d+", "_ssl.c", text)
