"""The simulator answers as it did when its replies were recorded."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import Final

import pytest

from tests.workshop.frozen import simulator_replies
from tests.workshop.frozen.simulator_reads import contract

_SHOWN: Final = 20


@pytest.mark.slow
@pytest.mark.parametrize("name", simulator_replies.names())
def test_replies_are_those_on_record(name: str) -> None:
    (track,) = [track for track in simulator_replies.recorded() if track.name == name]
    changed = asyncio.run(simulator_replies.replayed(track))
    shown = "\n".join(changed[:_SHOWN])
    assert not changed, (
        f"{len(changed)} of {len(track.steps)} replies of the simulator have changed; the first:\n"
        f"{shown}\nUndo the change; or accept it with `python -m tests.workshop.frozen.write "
        f"--simulator`. `python -m tests.workshop.frozen.simulator_replies {track.name}` prints "
        "the replies in full."
    )


def test_every_operation_succeeds_somewhere_on_record() -> None:
    succeeded = "\n".join(
        step["request"].partition("?")[0]
        for track in simulator_replies.recorded()
        for step, found in track.steps
        if found.get("status", HTTPStatus.BAD_REQUEST) < HTTPStatus.BAD_REQUEST
    )
    missing = [name for name in contract() if not _pattern(name).search(succeeded)]
    assert not missing, (
        f"no request of {missing} is on record that succeeds: add one to simulator_writes.py "
        "(operations that read are found by themselves), then record it with "
        "`python -m tests.workshop.frozen.write --simulator`"
    )


def _pattern(operation: str) -> re.Pattern[str]:
    method, _, template = operation.partition(" ")
    path = re.sub(r"\\\{\w+\\\}", r"[^/\\s]+", re.escape(template))
    return re.compile(f"^{method} /v2{path}/?$", re.MULTILINE)
