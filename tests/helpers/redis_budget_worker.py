"""A process that shares a budget in Redis; its argument is a task in JSON.

It prints ``ready``, waits for a line, makes its requests and prints the result.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from ev_energy import Client, ClientCredentials
from ev_energy.errors import ApiError
from ev_energy.redis import RedisBudget


async def work(task: dict[str, Any]) -> dict[str, Any]:
    """Make the requests of *task*, several at a time."""
    auth = ClientCredentials(client_id=task["client_id"], client_secret=task["client_secret"])
    budget = RedisBudget(task["redis"], prefix=task["prefix"], **task.get("settings", {}))
    done, failed, remaining = 0, [], task["requests"]

    async def caller() -> None:
        nonlocal done, remaining
        while remaining > 0:
            remaining -= 1
            try:
                await client.users.get(task["user"])
                done += 1
            except ApiError as error:
                failed.append(error.status)
            if done <= task.get("slow_at_first", 0):
                await asyncio.sleep(0.6)

    async with budget, Client(auth, base_url=task["url"], budget=budget, deadline=100) as client:
        client.preload("users")
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        if task.get("reserve"):
            async with client.reserve(task["reserve"]):
                print("reserved", flush=True)
                await asyncio.sleep(60)  # the test kills this process
        await asyncio.gather(*(caller() for _ in range(task["callers"])))
    return {"done": done, "failed": failed}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(work(json.loads(sys.argv[1])))), flush=True)
