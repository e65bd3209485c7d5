"""Processes that share a token file, and a server that rotates refresh tokens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time as real_time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from ev_energy.auth import FileStore
from ev_energy.simulator import Simulator

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@attrs.define
class Race:
    """A server, a token file and processes that share it."""

    simulator: Simulator
    store: FileStore
    path: Path
    key: str
    workers: list[asyncio.subprocess.Process] = attrs.field(factory=list)

    async def keep(self, *, expired: bool) -> None:
        """Save the token of a user who has just signed in."""
        token = self.simulator.sign_in()
        ends = real_time.time() + (-1 if expired else 36000)
        await self.store.save(self.key, attrs.evolve(token, expires_at=ends))

    async def start(self, count: int, *, deadline: float = 60) -> None:
        words = [self.simulator.base_url, self.simulator.client_id, self.path, deadline]
        self.workers += [
            await asyncio.create_subprocess_exec(
                sys.executable,
                HERE.parent / "helpers" / "file_store_worker.py",
                *map(str, words),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={
                    **os.environ,
                    "PYTHONPATH": str(HERE.parents[1]),
                    "CLIENT_SECRET": self.simulator.client_secret,
                },
            )
            for _ in range(count)
        ]
        for worker in self.workers[-count:]:
            assert await self.answer(worker) == "ready\n"

    def tell(self, worker: asyncio.subprocess.Process, line: str) -> None:
        assert worker.stdin is not None
        worker.stdin.write(f"{line}\n".encode())

    async def answer(self, worker: asyncio.subprocess.Process) -> str:
        assert worker.stdout is not None
        return (await asyncio.wait_for(worker.stdout.readline(), 60)).decode()

    async def ask(self, worker: asyncio.subprocess.Process, line: str) -> Any:
        self.tell(worker, line)
        return await self.answer(worker)

    async def calls(self, workers: list[asyncio.subprocess.Process], count: int) -> list[Any]:
        """Return the results of *count* concurrent calls of each process."""
        for worker in workers:
            self.tell(worker, f"calls {count}")
        return [json.loads(await self.answer(worker)) for worker in workers]

    @property
    def token_requests(self) -> int:
        return sum(seen.path == "/o/token/" for seen in self.simulator.requests)

    async def end(self) -> None:
        for worker in self.workers:
            if worker.returncode is None:
                worker.kill()
            await worker.wait()


@pytest.fixture
async def race(tmp_path: Path) -> AsyncIterator[Race]:
    async with Simulator(rate_limit=None) as simulator:
        origin = simulator.base_url.removesuffix("/v2")
        from tests.helpers.file_store_worker import application

        store = FileStore(tmp_path / "tokens.json")
        race = Race(
            simulator,
            store,
            tmp_path / "tokens.json",
            application(simulator.client_id, store).key(origin),
        )
        try:
            yield race
        finally:
            await race.end()


@pytest.mark.slow
async def test_processes_renew_an_expired_token_once_for_all(race: Race) -> None:
    await race.keep(expired=True)
    await race.start(4)
    assert await race.calls(race.workers, 20) == [{"ok": 20}] * 4
    assert race.token_requests == 1
    for renewals in (2, 3):  # rejected by the API before its expiry
        race.simulator.expire_tokens()
        assert await race.calls(race.workers, 20) == [{"ok": 20}] * 4
        assert race.token_requests == renewals
    assert [p.name for p in race.path.parent.iterdir()] == ["tokens.json"]


@pytest.mark.crash_injection
async def test_killed_holder_does_not_block_the_others(race: Race) -> None:
    await race.keep(expired=True)
    await race.start(3)
    holder, *others = race.workers
    assert await race.ask(holder, "hold") == "ready\n"
    for worker in others:
        race.tell(worker, "calls 5")
    await asyncio.sleep(0.2)
    assert race.token_requests == 0
    holder.send_signal(signal.SIGKILL)
    assert [json.loads(await race.answer(worker)) for worker in others] == [{"ok": 5}] * 2
    assert race.token_requests == 1


@pytest.mark.crash_injection
async def test_suspended_holder_costs_the_others_their_deadline_and_no_more(
    race: Race,
) -> None:
    await race.keep(expired=True)
    await race.start(2, deadline=5)
    holder, other = race.workers
    assert await race.ask(holder, "hold") == "ready\n"
    holder.send_signal(signal.SIGSTOP)
    assert await race.calls([other], 5) == [{"DeadlineError": 5}]
    assert race.token_requests == 0
    holder.send_signal(signal.SIGKILL)
    await holder.wait()
    assert await race.calls([other], 5) == [{"ok": 5}]
    assert race.token_requests == 1


@pytest.mark.crash_injection
async def test_saved_token_survives_the_death_of_its_process(race: Race) -> None:
    await race.keep(expired=True)
    await race.start(2)
    first, other = race.workers
    assert await race.ask(first, "die after replace") == "ready\n"
    assert await race.ask(first, "calls 1") == ""
    assert await first.wait() == -signal.SIGKILL
    assert await race.calls([other], 5) == [{"ok": 5}]
    assert race.token_requests == 1


@pytest.mark.crash_injection
@pytest.mark.parametrize("moment", ["before save", "before replace"])
async def test_unsaved_token_requires_signing_in_again(race: Race, moment: str) -> None:
    """No client can prevent this: the refresh token was used, and its successor is lost."""
    await race.keep(expired=True)
    await race.start(2)
    first, other = race.workers
    assert await race.ask(first, f"die {moment}") == "ready\n"
    assert await race.ask(first, "calls 1") == ""
    assert await first.wait() == -signal.SIGKILL
    assert await race.calls([other], 5) == [{"SignInRequiredError": 5}]
    assert race.token_requests == 2  # the request of the lost token and the rejected one
    assert await race.store.load(race.key) is None
    await race.keep(expired=False)
    assert await race.calls([other], 5) == [{"ok": 5}]
    assert race.token_requests == 2
