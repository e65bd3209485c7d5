"""Blocking clients of the API: the SDK's twin, code written by hand, and other clients.

As in `clients`, they send the same requests, and check the status of each reply.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final
from unittest.mock import patch

import peers
from clients import CONNECTIONS, HEADERS, IDS, TIMEOUT, TOKEN, generated_client, httpx_settings
from harness import Settings

from ev_energy_sync import Client, ClientCredentials
from ev_energy_sync._loop_thread import new_loop

Get = Callable[[str], object]
#: Event loops that the twin can run on; its own choice is uvloop where that is installed.
LOOPS: Final[dict[str, Callable[[], Any]]] = {
    **({"uvloop": new_loop} if peers.installed("uvloop") else {}),
    "asyncio's loop": asyncio.new_event_loop,
}


def getters(stack: ExitStack, url: str, settings: Settings) -> dict[str, Get]:
    """Return what gets one EVSE, by client: requests, the twin on each loop, and peers."""
    found = {"requests": _requests(stack, url)}
    found |= {kind: _ours(stack, url, loop) for kind, loop in LOOPS.items()}
    if settings.peers:
        for name in ("httpx", "httpx2"):
            if peers.installed(name):
                found[name] = _httpx(stack, url, name)
        if peers.generated():
            found[peers.GENERATOR] = _generated(stack, url)
    for name, get in found.items():
        evse: Any = get(IDS[0])
        cpid = evse["cpid"] if isinstance(evse, dict) else evse.cpid
        assert cpid.startswith("BX"), f"{name}: {evse!r}"
    return found


def _ours(stack: ExitStack, url: str, loop: Callable[[], Any]) -> Get:
    auth = ClientCredentials(client_id=TOKEN, client_secret=TOKEN)
    client = stack.enter_context(Client(auth, base_url=url))
    # The first call creates the event loop, so it has to be made under the patch.
    with patch("ev_energy_sync._loop_thread.new_loop", loop):
        client.evses.get(IDS[0])
    return client.evses.get


def _requests(stack: ExitStack, url: str) -> Get:
    import requests
    from requests.adapters import HTTPAdapter

    session = stack.enter_context(requests.Session())
    # One connection per thread. With the default of 10, connections would be closed constantly.
    session.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS))
    session.headers.update(HEADERS)

    def get(id_: str) -> object:
        reply = session.get(f"{url}/evses/{id_}", timeout=TIMEOUT)
        reply.raise_for_status()
        return reply.json()

    return get


def _httpx(stack: ExitStack, url: str, name: str) -> Get:
    httpx = importlib.import_module(name)
    session = stack.enter_context(httpx.Client(headers=HEADERS, **httpx_settings(httpx)))
    return lambda id_: session.get(f"{url}/evses/{id_}").raise_for_status().json()


def _generated(stack: ExitStack, url: str) -> Get:
    from generated_peer.api.evs_es import get_evses_evse_id

    client = stack.enter_context(generated_client(url))
    return lambda id_: get_evses_evse_id.sync(id_, client=client)
