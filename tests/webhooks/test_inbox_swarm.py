"""An inbox that processes share, while handlers fail and processes are killed."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import inbox_worker

WORKER = Path(inbox_worker.__file__)


@pytest.mark.parametrize(
    ("events", "deliveries"),
    [(150, 220), pytest.param(2_000, 3_000, marks=[pytest.mark.swarm, pytest.mark.timeout(600)])],
)
async def test_each_event_succeeds_once_and_is_answered_after_that(
    shared_redis: Any, prefix: str, tmp_path: Path, events: int, deliveries: int
) -> None:
    luck = random.Random(7)
    ids = [f"msg_{number}" for number in range(events)]
    # Repetitions follow at once, so that several processes receive the same event together.
    repetitions = Counter(luck.choices(ids, k=deliveries - events))
    sent = [one for one in ids for _ in range(1 + repetitions[one])]
    log = tmp_path / "log"
    settings = {
        "redis": shared_redis.url,
        "prefix": prefix,
        "log": str(log),
        "processes": 4,
        "deliveries": sent,
        "failing": 0.2,
        "killed": 0.01,
        "seed": 1,
    }
    file = tmp_path / "settings"
    file.write_text(json.dumps(settings))
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), str(file), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert int(output) > 0  # processes were killed
    lines = [line.split() for line in log.read_text().splitlines()]
    succeeded = Counter(line[1] for line in lines if line[0] == "ok")
    assert succeeded == dict.fromkeys(ids, 1)
    answers = Counter(line[2] for line in lines if line[0] == "answered")
    assert answers == Counter(sent)
    done: set[str] = set()
    for kind, *_, delivery_id in lines:
        if kind == "ok":
            done.add(delivery_id)
        else:
            assert delivery_id in done, "answered before its handler succeeded"
