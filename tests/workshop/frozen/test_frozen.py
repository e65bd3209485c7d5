"""Public names, requests and results change only on purpose."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.helpers.names import assert_same_names
from tests.workshop.frozen import exchanges, public_names
from tests.workshop.frozen.exchanges import Exchange, ReplayServer

_HERE: Final = Path(__file__).parent
_CHANGES: Final = json.loads((_HERE / "changes.json").read_text(encoding="utf-8"))
_RECORDED: Final = exchanges.recorded()


def _renamed(text: str) -> str:
    for before, after in _CHANGES["renamed"].items():
        text = re.sub(rf"(?<![\w.]){re.escape(before)}(?!\w)", after, text)
    return text


def test_public_names_change_only_as_intended() -> None:
    before = (_HERE / "public_names.txt").read_text(encoding="utf-8").splitlines()
    expected = {_renamed(line) for line in before} - {*_CHANGES["removed"]} | {*_CHANGES["added"]}
    # In a process of its own: the tests instrument some of the classes.
    script = Path(public_names.__file__)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    found = {*done.stdout.splitlines()}
    missing, new = sorted(expected - found), sorted(found - expected)
    assert (missing, new) == ([], []), (
        "missing and new public names or signatures: undo the change; or list a rename in "
        "tests/workshop/frozen/changes.json; or accept it with "
        "`python -m tests.workshop.frozen.write --names`"
    )


def test_operations_are_on_record() -> None:
    record = "run `python -m tests.workshop.frozen.write --names --exchanges` to record"
    assert_same_names(
        {one.call for one in _RECORDED},
        exchanges.OPERATIONS,
        missing=f"{record} its request and its result",
        unexpected=f"no method has this name any more; {record} the operations that exist",
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[ReplayServer]:
    async with ReplayServer() as running:
        yield running


@pytest.mark.matrix("exchange")
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("client", ["async", "blocking"])
@pytest.mark.parametrize("exchange", _RECORDED, ids=[one.name for one in _RECORDED])
async def test_requests_and_results_are_those_on_record(
    server: ReplayServer, exchange: Exchange, client: str
) -> None:
    found = await server.replay(exchange, blocking=client == "blocking")
    assert found.request == exchange.request
    assert found.result == exchange.result, (
        "the result is not what it was; `described` of exchanges.py shows all of it"
    )
