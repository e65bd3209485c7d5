"""A process with a client whose token is in Redis; standard input has its commands.

``calls N`` makes N concurrent calls and prints their results with counts; ``hold`` acquires the
lock and keeps it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import Any

from ev_energy import Client
from ev_energy.auth import AuthorizationCode
from ev_energy.redis import RedisTokenStore


def application(settings: dict[str, Any], store: RedisTokenStore) -> AuthorizationCode:
    return AuthorizationCode(
        client_id=settings["client_id"],
        client_secret=settings["client_secret"],
        redirect_uri="https://app.example/back",
        store=store,
    ).for_account("ada")


async def one_call(client: Client, user: str) -> str:
    try:
        await client.users.get(user)
    except Exception as error:  # noqa: BLE001  (its name is the result)
        return type(error).__name__
    return "ok"


async def main(settings: dict[str, Any]) -> None:
    held = []
    async with RedisTokenStore(
        settings["redis"], prefix=settings["prefix"], lock_seconds=1.0
    ) as store:
        auth = application(settings, store)
        async with Client(auth, base_url=settings["url"], deadline=30) as client:
            client.preload("users")
            print("ready", flush=True)
            while line := (await asyncio.to_thread(sys.stdin.readline)).split():
                if line[0] == "calls":
                    calls = (one_call(client, settings["user"]) for _ in range(int(line[1])))
                    print(json.dumps(Counter(await asyncio.gather(*calls))), flush=True)
                else:
                    held.append(store.lock(auth.key(settings["url"].removesuffix("/v2"))))
                    await held[-1].__aenter__()
                    print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
