"""The code of docs/redis.md, run with a real server."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.helpers.pages import ROOT, Page

FRAME = """
import asyncio
from ev_energy.budget import Acquire
from ev_energy.auth import Token

async def page():
{body}
    (await budget.acquire(Acquire("page"))).release()
    if "auth" in dir():
        await auth.store.save("page", Token(access_token="t"))
        await client.close()
    await budget.aclose()
    print("ran")

asyncio.run(page())
"""


@pytest.mark.parametrize("fragment", Page.read("redis.md").snippets, ids=["both", "budget"])
def test_code_blocks_of_the_page_run(shared_redis: Any, fragment: str) -> None:
    code = fragment.replace("redis://localhost:6379/0", shared_redis.url)
    assert code != fragment
    body = "".join(f"    {line}\n" for line in code.splitlines())
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FRAME.format(body=body)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("ran\n", "")
