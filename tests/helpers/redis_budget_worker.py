"""One of many processes that share a budget in Redis. Its argument is a task in JSON.

It prints ``ready``, waits for a line, does its task, and prints the result.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from ev_energy import Client, ClientCredentials
from ev_energy.errors import ApiError
from ev_energy.redis import RedisBudget


async def work(told: dict[str, Any]) -> dict[str, Any]:
    """Make the requests, some at a time."""
    auth = ClientCredentials(client_id=told["client_id"], client_secret=told["client_secret"])
    budget = RedisBudget(told["redis"], prefix=told["prefix"], **told.get("settings", {}))
    done, failed, left = 0, [], told["requests"]

    async def caller() -> None:
        nonlocal done, left
        while left > 0:
            left -= 1
            try:
                await client.users.get(told["user"])
                done += 1
            except ApiError as error:
                failed.append(error.status)
            if done <= told.get("slow_at_first", 0):
                await asyncio.sleep(0.6)

    async with budget, Client(auth, base_url=told["url"], budget=budget, deadline=100) as client:
        client.preload("users")
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        if told.get("aside"):
            async with client.reserve(told["aside"]):
                print("aside", flush=True)
                await asyncio.sleep(60)  # killed meanwhile
        await asyncio.gather(*(caller() for _ in range(told["callers"])))
    return {"done": done, "failed": failed}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(work(json.loads(sys.argv[1])))), flush=True)
