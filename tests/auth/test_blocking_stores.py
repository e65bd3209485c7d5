"""Token stores of the blocking client, whose loop runs in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import attrs

from ev_energy.auth import AuthorizationCode, FileStore, Token
from ev_energy.simulator import Simulator
from ev_energy_sync import Client


def test_blocking_clients_in_threads_share_a_file_and_renew_once(tmp_path: Path) -> None:
    with Simulator.in_thread() as simulator:
        auth = AuthorizationCode(
            client_id=simulator.client_id,
            client_secret=simulator.client_secret,
            redirect_uri="https://app.example/back",
            store=FileStore(tmp_path / "tokens.json"),
        ).for_account("ada")
        given = simulator.sign_in()
        with Client(auth, base_url=simulator.base_url) as client:
            found: list[str] = []

            def call() -> None:
                with Client(auth, base_url=simulator.base_url) as other:
                    for one in (client, other):
                        found.append(str(one.evses.list(page_size=1).first().id))

            expired = attrs.evolve(given, expires_at=time.time() - 1)
            keep(auth, simulator, expired)
            threads = [threading.Thread(target=call) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        assert len(found) == 16
        assert [s.status for s in simulator.requests if s.path == "/o/token/"] == [200]


def keep(auth: AuthorizationCode, simulator: Simulator, token: Token) -> None:
    asyncio.run(auth.store.save(auth.key(simulator.base_url.removesuffix("/v2")), token))
