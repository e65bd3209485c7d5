"""Processes that receive deliveries, share an inbox in Redis, fail and are killed.

``python inbox_worker.py FILE``, where the settings in the file are JSON: ``redis``, ``prefix``,
``log``, ``processes``, ``deliveries`` (ids), ``failing`` and ``killed`` (shares of handlers),
``seed``. Each process delivers its part, one after another, until it is answered with success. The
log gets a line ``ok ID`` at the end of each successful handler and ``answered NUMBER ID`` for each
delivery answered with success.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from ev_energy.redis import RedisInboxStore
from ev_energy.webhooks import Inbox


class FailedError(Exception):
    """A handler failed on purpose."""


async def receive(settings: Any, deliveries: Sequence[tuple[int, str]], seed: int) -> None:
    """Deliver until each delivery is answered with success."""
    log = os.open(settings["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    luck = random.Random(seed)

    async def handler(delivery_id: str) -> None:
        await asyncio.sleep(luck.random() / 500)
        if luck.random() < settings["killed"]:
            os.kill(os.getpid(), signal.SIGKILL)
        if luck.random() < settings["failing"]:
            raise FailedError
        os.write(log, f"ok {delivery_id}\n".encode())

    async def deliver(inbox: Inbox, delivery_id: str) -> None:
        while True:
            try:
                if await inbox.process(delivery_id, lambda: handler(delivery_id)) != "busy":
                    return
            except FailedError:
                continue
            await asyncio.sleep(0.01)

    store = RedisInboxStore(settings["redis"], prefix=settings["prefix"])
    async with Inbox(store, lease=timedelta(seconds=0.5)) as inbox:
        for number, delivery_id in deliveries:
            await deliver(inbox, delivery_id)
            os.write(log, f"answered {number} {delivery_id}\n".encode())


def answered(log: Path) -> set[int]:
    """Return the numbers of the deliveries that were answered with success."""
    lines = log.read_text("ascii").splitlines() if log.exists() else []
    return {int(line.split()[1]) for line in lines if line.startswith("answered")}


def main() -> None:
    """Start the processes, and a new one for each that is killed."""
    settings: Any = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    numbered = list(enumerate(settings["deliveries"]))
    parts = [numbered[start :: settings["processes"]] for start in range(settings["processes"])]
    running: dict[int, int] = {}
    kills = 0

    def start(part: int) -> None:
        done = answered(Path(settings["log"]))
        remaining = [one for one in parts[part] if one[0] not in done]
        pid = os.fork()
        if pid == 0:
            asyncio.run(receive(settings, remaining, settings["seed"] + part + 100 * kills))
            os._exit(0)
        running[pid] = part

    for part in range(settings["processes"]):
        start(part)
    while running:
        pid, status = os.wait()
        part = running.pop(pid)
        if status != 0:
            kills += 1
            start(part)
    sys.stdout.write(f"{kills}\n")


if __name__ == "__main__":
    main()
