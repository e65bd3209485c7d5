"""The code of docs/proxies.md, run behind a proxy with an API that requires a certificate."""

from __future__ import annotations

import asyncio
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.helpers.pages import Page
from tests.helpers.support import TOKEN

PAGE = Page.read("proxies.md")
PROXY = "http://user:password@proxy.example:3128"
HOST = "api.example.invalid"


@pytest.mark.parametrize("fragment", PAGE.snippets, ids=["async", "blocking", "trust_env"])
async def test_snippets_of_the_page_about_proxies_run(
    start_api,
    start_proxy,
    authority,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fragment: str,
) -> None:
    api = await start_api(authority.server(HOST, wants_client=True))
    proxy = await start_proxy(api.port, "user:password")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EV_ENERGY_TOKEN", TOKEN)
    monkeypatch.setenv("EV_ENERGY_BASE_URL", f"https://{HOST}/v2")
    (tmp_path / "corporate-ca.pem").write_bytes(authority.file.read_bytes())
    certificate = authority.issue("a-client").read_bytes()
    for name in ("client.pem", "client-key.pem"):
        (tmp_path / name).write_bytes(certificate)
    code = fragment.replace(PROXY, f"http://user:password@127.0.0.1:{proxy.port}")
    names: dict[str, Any] = {}
    if "await" in code:
        exec(f"async def run():\n{textwrap.indent(code, '    ')}    return locals()", names)
        found = await names["run"]()
    else:
        await asyncio.to_thread(exec, code, names)
        found = names
    if PROXY in fragment:
        assert found["evse"].cpid == "SHIR1"
        assert len(proxy.heads) == len(api.requests) == 1


def test_table_of_options_names_existing_options() -> None:
    known = set(inspect.signature(aiohttp.ClientSession.__init__).parameters)
    table = PAGE.text.partition("| Option of the session |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {name for name in named if name.islower()} <= known
