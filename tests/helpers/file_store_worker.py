"""A process with a client whose token is in a file; standard input has its commands.

``python file_store_worker.py BASE_URL CLIENT_ID FILE DEADLINE``, then lines: ``calls N`` makes N
concurrent calls and counts their results; ``die before NAME`` (or ``after``) kills the process at
the next call of that function; ``hold`` acquires the lock and keeps it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from typing import Any

from ev_energy import Client
from ev_energy.auth import AuthorizationCode, FileStore

BACK = "https://app.example/back"


def application(client_id: str, store: Any) -> AuthorizationCode:
    return AuthorizationCode(
        client_id=client_id, client_secret=SECRET, redirect_uri=BACK, store=store
    ).for_account("ada")


SECRET = os.environ.get("CLIENT_SECRET")


def kill_at(name: str) -> None:
    """Kill this process before or after the call of a function, as in ``before save``."""
    when, _, function = name.partition(" ")
    owner: Any = FileStore if function == "save" else os
    original = getattr(owner, function)

    def call(*args: Any, **kwargs: Any) -> Any:
        if when == "after":
            original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, function, call)


async def one_call(client: Client) -> str:
    try:
        await client.evses.list(page_size=1).first()
    except Exception as error:  # noqa: BLE001  (its name is the result)
        return type(error).__name__
    return "ok"


async def main() -> None:
    base_url, client_id, path = sys.argv[1:4]
    store, held = FileStore(path), []
    auth = application(client_id, store)
    async with Client(auth, base_url=base_url, deadline=float(sys.argv[4])) as client:
        print("ready", flush=True)
        while line := (await asyncio.to_thread(sys.stdin.readline)).split():
            if line[0] == "calls":
                done = await asyncio.gather(*(one_call(client) for _ in range(int(line[1]))))
                print(json.dumps(Counter(done)), flush=True)
            elif line[0] == "die":
                kill_at(" ".join(line[1:]))
                print("ready", flush=True)
            else:
                held.append(store.lock(auth.key(base_url.removesuffix("/v2"))))
                await held[-1].__aenter__()
                print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
