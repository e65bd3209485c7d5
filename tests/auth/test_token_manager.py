"""`TokenManager`: renewing, saving and losing tokens."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock, call
from urllib.parse import parse_qsl

import attrs
import pytest
from aiohttp import web

from ev_energy import Client, errors
from ev_energy.auth import (
    AuthorizationCode,
    FileStore,
    MemoryStore,
    Token,
    TokenStore,
    _stores,
    _token_manager,
)
from ev_energy.budget import MemoryBudget
from tests.helpers.recording_server import RecordingServer
from tests.helpers.support import SECRET, TOKEN, FakeTime

EVSE = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}
BACK = "https://app.example/back"


class Api:
    """An API whose refresh tokens are valid once; each renewal issues another one."""

    def __init__(self) -> None:
        self.number = 1
        self.refused: set[str] = set()
        self.forms: list[dict[str, str]] = []
        self.replies: list[tuple[int, object]] = []
        """The first replies of the token endpoint: status and JSON."""
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, request: web.Request) -> web.Response:
        if request.path == "/v2/evses/evse01":
            given = request.headers["Authorization"].removeprefix("Bearer ")
            fresh = given == f"{TOKEN}-{self.number}" and given not in self.refused
            return web.json_response(EVSE, status=200 if fresh else 401)
        form = dict(parse_qsl((await request.read()).decode()))
        self.forms.append(form)
        self.asked.set()
        await self.gate.wait()
        if self.replies:
            status, body = self.replies.pop(0)
            return web.json_response(body, status=status)
        if form.get("refresh_token", f"refresh-{self.number}") != f"refresh-{self.number}":
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.number += 1
        return web.json_response(
            {
                "access_token": f"{TOKEN}-{self.number}",
                "refresh_token": f"refresh-{self.number}",
                "expires_in": 36000,
            }
        )


def token(number: int, *, ends: float = 900.0) -> Token:
    """Return a token of the API; `FakeTime` starts at 1000."""
    return Token(
        access_token=f"{TOKEN}-{number}",
        refresh_token=f"refresh-{number}",
        expires_at=ends,
        lifetime=36000,
    )


class FailingStore(MemoryStore):
    """A store whose saves fail while ``works`` is false."""

    works = False

    async def save(self, key: str, token: Token | None) -> None:
        if not self.works:
            raise errors.TokenStoreError("the disk is full")
        await super().save(key, token)


@attrs.define
class Setup:
    """A server, a store with an expired token, and clients of both."""

    server: RecordingServer
    api: Api
    time: FakeTime
    store: TokenStore

    @property
    def auth(self) -> AuthorizationCode:
        return AuthorizationCode(
            client_id="an-app", client_secret=SECRET, redirect_uri=BACK, store=self.store
        ).for_account("ada")

    @property
    def key(self) -> str:
        return self.auth.key(self.server.url.removesuffix("/v2"))

    async def kept(self) -> Token | None:
        return await self.store.load(self.key)

    def client(self, **settings: Any) -> Client:
        return self.server.client(
            self.auth,
            **{"wall_clock": self.time, "sleep": self.time.sleep, "budget": None} | settings,
        )

    def as_new(self, number: int) -> Token:
        return token(number, ends=self.time.now + 36000)


@pytest.fixture
async def setup(serve, time: FakeTime) -> Setup:
    api = Api()
    setup = Setup(await serve(api), api, time, MemoryStore())
    await setup.store.save(setup.key, token(1))
    return setup


async def test_thousand_calls_with_an_expired_token_make_one_token_request(setup: Setup) -> None:
    setup.api.gate.clear()
    async with setup.client() as client:
        calls = [asyncio.ensure_future(client.evses.get("evse01")) for _ in range(1000)]
        await setup.api.asked.wait()
        for call in calls[:100]:
            call.cancel()
        setup.api.gate.set()
        done = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(one, asyncio.CancelledError) for one in done) == 100
    assert sum(getattr(one, "id", None) == "evse01" for one in done) == 900
    assert [form["refresh_token"] for form in setup.api.forms] == ["refresh-1"]
    assert await setup.kept() == setup.as_new(2)


async def test_renewal_is_finished_and_saved_although_every_caller_was_cancelled(
    setup: Setup,
) -> None:
    setup.api.gate.clear()
    async with setup.client() as client:
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await setup.api.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        setup.api.gate.set()
        await client.evses.get("evse01")
    assert len(setup.api.forms) == 1
    assert await setup.kept() == setup.as_new(2)


async def test_valid_token_is_loaded_from_the_store_without_a_lock(setup: Setup) -> None:
    await setup.store.save(setup.key, setup.as_new(1))
    async with setup.client() as client, asyncio.timeout(10), setup.store.lock(setup.key):
        await client.evses.get("evse01")
    assert setup.api.forms == []


async def test_replacement_of_a_rejected_token_is_loaded_from_the_store(
    setup: Setup,
) -> None:
    await setup.store.save(setup.key, setup.as_new(1))
    async with setup.client() as client:
        await client.evses.get("evse01")
        setup.api.number = 2
        await setup.store.save(setup.key, setup.as_new(2))
        await client.evses.get("evse01")
        assert setup.api.forms == []
        setup.api.refused.add(f"{TOKEN}-2")  # this token is the one that is kept
        await client.evses.get("evse01")
    assert [form["refresh_token"] for form in setup.api.forms] == ["refresh-2"]


async def test_refresh_token_that_is_not_rotated_is_used_again(setup: Setup) -> None:
    plain = {"access_token": f"{TOKEN}-1", "expires_in": 36000}
    setup.api.replies = [(200, plain), (200, plain)]
    async with setup.client() as client:
        await client.evses.get("evse01")
        setup.time.now += 36000
        await client.evses.get("evse01")
    assert [form["refresh_token"] for form in setup.api.forms] == ["refresh-1", "refresh-1"]
    assert await setup.kept() == setup.as_new(1)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"error": "invalid_client"}, errors.InvalidClientError),
        (400, {"error": "invalid_request"}, errors.InvalidRequestError),
        (400, {"error": "unauthorized_client"}, errors.UnauthorizedClientError),
        (400, {"error": "temporarily_unavailable"}, errors.TokenError),
        (403, None, errors.TokenError),
        (200, None, errors.TokenError),
        (429, None, errors.RateLimitError),
        (500, {"error": "invalid_grant"}, errors.ServerError),
        (503, None, errors.ServerError),
    ],
)
async def test_refresh_token_survives_all_other_errors(
    setup: Setup, status: int, body: object, error: type[Exception]
) -> None:
    setup.api.replies = [(status, body)] * 3  # token requests have retries of their own
    async with setup.client() as client:
        with pytest.raises(error):
            await client.evses.get("evse01")
        assert await setup.kept() == token(1)
        setup.api.replies.clear()
        await client.evses.get("evse01")
    assert {form["refresh_token"] for form in setup.api.forms} == {"refresh-1"}


async def test_rejected_refresh_token_requires_signing_in_again(setup: Setup) -> None:
    setup.api.number = 7
    async with setup.client() as client:
        for _ in range(3):
            with pytest.raises(errors.SignInRequiredError) as caught:
                await client.evses.get("evse01")
        assert caught.value.account == "ada"
        assert await setup.kept() is None
        assert len(setup.api.forms) == 1
        assert len(setup.server.requests) == 1
        await setup.store.save(
            setup.key, setup.as_new(7)
        )  # in another process, the user signed in again
        await client.evses.get("evse01")
    assert len(setup.api.forms) == 1


async def test_newer_token_of_another_process_is_never_deleted(setup: Setup) -> None:
    """A lock that expires may have been lost, and another process may have renewed the token."""
    setup.api.gate.clear()
    async with setup.client() as client:
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await setup.api.asked.wait()
        setup.api.number = 2
        await setup.store.save(setup.key, setup.as_new(2))
        setup.api.gate.set()
        assert (await call).id == "evse01"
    assert len(setup.api.forms) == 1
    assert await setup.kept() == setup.as_new(2)


async def test_unsaved_token_is_used_and_saved_later(setup: Setup, caplog) -> None:
    setup.store = broken = FailingStore()
    broken._tokens = {setup.key: token(1)}
    async with setup.client() as client:
        with caplog.at_level(logging.ERROR, "ev_energy"):
            await asyncio.gather(*(client.evses.get("evse01") for _ in range(5)))
        (record,) = caplog.records
        assert "the disk is full" in record.getMessage()
        assert await setup.kept() == token(1)
        setup.time.now += 36000
        broken.works = True
        await client.evses.get("evse01")
    assert [form["refresh_token"] for form in setup.api.forms] == ["refresh-1", "refresh-2"]
    assert await setup.kept() == setup.as_new(3)


async def test_unsaved_token_is_saved_by_closing(setup: Setup, caplog) -> None:
    setup.store = broken = FailingStore()
    broken._tokens = {setup.key: token(1)}
    async with setup.client() as client:
        await client.evses.get("evse01")
        assert await setup.kept() == token(1)
        broken.works = True
    assert await setup.kept() == setup.as_new(2)


async def test_unsaved_token_does_not_overwrite_a_newer_one(setup: Setup, caplog) -> None:
    setup.store = broken = FailingStore()
    broken._tokens = {setup.key: token(1)}
    async with setup.client() as client:
        await client.evses.get("evse01")
        broken._tokens[setup.key] = setup.as_new(9)  # in another process, the user signed in again
        broken.works = True
    assert await setup.kept() == setup.as_new(9)


async def test_lost_token_is_logged(setup: Setup, caplog) -> None:
    setup.store = broken = FailingStore()
    broken._tokens = {setup.key: token(1)}
    async with setup.client() as client:
        await client.evses.get("evse01")
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "cannot save a new token; it is kept in memory until it can be saved: the disk is full",
        "a new token is lost: it could not be saved: the disk is full",
    ]


async def test_sign_in_fails_if_the_token_cannot_be_saved(setup: Setup) -> None:
    setup.store = FailingStore()
    async with setup.client() as client:
        request = setup.auth.start_authorization(setup.server.url)
        with pytest.raises(errors.TokenStoreError, match="the disk is full"):
            await client.sign_in(request, f"{BACK}?code=a-code&state={request.state}")
        assert (await client.evses.get("evse01")).id == "evse01"


async def test_closing_waits_for_a_running_renewal(setup: Setup) -> None:
    setup.api.gate.clear()
    client = setup.client()
    call = asyncio.ensure_future(client.evses.get("evse01"))
    await setup.api.asked.wait()
    closing = asyncio.ensure_future(client.close())
    with pytest.raises(errors.ClientClosedError):
        await call
    assert not closing.done()
    setup.api.gate.set()
    await asyncio.wait_for(closing, 10)
    assert await setup.kept() == setup.as_new(2)


async def test_closing_waits_for_a_limited_time(setup: Setup, monkeypatch) -> None:
    monkeypatch.setattr(_token_manager, "_CLOSE_TIMEOUT", 0.05)
    setup.api.gate.clear()
    client = setup.client()
    call = asyncio.ensure_future(client.evses.get("evse01"))
    await setup.api.asked.wait()
    await asyncio.wait_for(client.close(), 10)
    with pytest.raises(errors.ClientClosedError):
        await call
    assert await setup.kept() == token(1)
    async with asyncio.timeout(10), setup.store.lock(setup.key):
        pass


async def test_closing_does_not_wait_for_client_credentials(serve, monkeypatch) -> None:
    monkeypatch.setattr(_token_manager, "_CLOSE_TIMEOUT", 1000)
    api = Api()
    api.gate.clear()
    server = await serve(api)
    client = server.client(server.credentials())
    call = asyncio.ensure_future(client.evses.get("evse01"))
    await api.asked.wait()
    await asyncio.wait_for(client.close(), 10)
    with pytest.raises(errors.ClientClosedError):
        await call


async def test_closing_does_not_wait_for_a_lock_held_elsewhere(setup: Setup, monkeypatch) -> None:
    monkeypatch.setattr(_token_manager, "_CLOSE_TIMEOUT", 1000)
    client = setup.client()
    async with setup.store.lock(setup.key):
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await asyncio.sleep(0.01)
        await asyncio.wait_for(client.close(), 10)
        with pytest.raises(errors.ClientClosedError):
            await call
    assert setup.api.forms == []


async def test_closing_does_not_hang_on_a_hanging_store(setup: Setup, monkeypatch) -> None:
    monkeypatch.setattr(_token_manager, "_CLOSE_TIMEOUT", 0.05)
    let_go = asyncio.Event()

    class Stubborn(MemoryStore):
        async def load(self, key: str) -> Token | None:
            while not let_go.is_set():
                try:
                    await let_go.wait()
                except asyncio.CancelledError:
                    continue
            return None

    setup.store = Stubborn()
    client = setup.client()
    call = asyncio.ensure_future(client.evses.get("evse01"))
    await asyncio.sleep(0.01)
    await asyncio.wait_for(client.close(), 10)
    with pytest.raises(errors.ClientClosedError):
        await call
    let_go.set()
    await asyncio.sleep(0.01)
    assert len(asyncio.all_tasks()) == 1


async def test_lock_that_is_never_released_costs_a_call_its_deadline_and_no_budget(
    setup: Setup,
) -> None:
    ticket = Mock()

    class Watched(MemoryBudget):
        def try_acquire(self, *words: Any) -> Any:
            return ticket

    async with setup.client(budget=Watched(), deadline=0.1) as client:
        async with setup.store.lock(setup.key):
            with pytest.raises(errors.DeadlineError, match="no token within"):
                await client.evses.get("evse01")
        assert setup.server.requests == []
        assert ticket.mock_calls == [call.release()]


async def test_lock_that_is_never_released_is_an_error_in_the_end(
    setup: Setup, monkeypatch
) -> None:
    monkeypatch.setattr(_stores, "_LOCK_TIMEOUT", 0.05)
    async with setup.client() as client, setup.store.lock(setup.key):
        for attempt in (client.evses.get("evse01"), client.sign_out()):
            with pytest.raises(errors.TokenStoreError, match="the lock was not released"):
                await attempt


async def test_timeout_of_a_store_is_raised_unchanged(setup: Setup) -> None:
    class Slow(MemoryStore):
        @asynccontextmanager
        async def lock(self, key: str) -> AsyncGenerator[None]:
            raise TimeoutError("the store was slow")
            yield

    setup.store = Slow()
    async with setup.client() as client:
        with pytest.raises(TimeoutError, match="the store was slow"):
            await client.evses.get("evse01")


async def test_signing_out_waits_for_a_renewal_and_revokes_its_token(setup: Setup) -> None:
    setup.api.gate.clear()
    async with setup.client() as client:
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await setup.api.asked.wait()
        leaving = asyncio.ensure_future(client.sign_out())
        await asyncio.sleep(0.01)
        setup.api.gate.set()
        await call
        await leaving
        assert await setup.kept() is None
        with pytest.raises(errors.SignInRequiredError):
            await client.evses.get("evse01")
    assert [form.get("token") for form in setup.api.forms] == [None, "refresh-2"]


async def test_clients_in_two_loops_share_one_renewal_through_the_store(setup: Setup) -> None:
    done: list[str] = []

    async def calls() -> None:
        async with setup.client() as client:
            for evse in await asyncio.gather(*(client.evses.get("evse01") for _ in range(20))):
                done.append(str(evse.id))

    threads = [threading.Thread(target=lambda: asyncio.run(calls())) for _ in range(3)]
    for thread in threads:
        thread.start()
    async with asyncio.timeout(60):
        while any(thread.is_alive() for thread in threads):
            await asyncio.sleep(0.01)
    assert done == ["evse01"] * 60
    assert len(setup.api.forms) == 1


async def test_abandoned_renewal_of_a_closed_loop_blocks_no_caller(setup: Setup) -> None:
    """A program may stop its loop during a call."""

    class Stuck(MemoryStore):
        loads = 0

        async def load(self, key: str) -> Token | None:
            self.loads += 1
            if self.loads == 2:  # the first load precedes the lock
                await asyncio.Event().wait()
            return await super().load(key)

    setup.store = stuck = Stuck()
    await stuck.save(setup.key, token(1))
    client = setup.client()

    def leave_one_behind() -> list[asyncio.Task[Any]]:
        loop = asyncio.new_event_loop()
        call = loop.create_task(client.evses.get("evse01"))
        while stuck.loads < 2:
            loop.run_until_complete(asyncio.sleep(0.001))
        left = [call, *client._caller.state.token_manager._tasks]
        for task in left:
            task._log_destroy_pending = False  # the report of asyncio is expected
        loop.close()
        return left

    left = await asyncio.to_thread(leave_one_behind)
    async with asyncio.timeout(10), client:
        assert (await client.evses.get("evse01")).id == "evse01"
        assert stuck.loads == 4
    assert [task.done() for task in left] == [False, False]


async def test_refresh_token_that_the_server_repeats_shows_in_no_error(setup: Setup) -> None:
    description = "no good: refresh-1 of an-app"
    setup.api.replies = [(400, {"error": "invalid_request", "error_description": description})]
    async with setup.client() as client:
        with pytest.raises(errors.InvalidRequestError) as caught:
            await client.evses.get("evse01")
    assert "no good: " in str(caught.value)
    assert "refresh-1" not in str(caught.value)


async def test_closing_at_any_moment_loses_no_token_and_leaves_no_lock(
    setup: Setup, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(_token_manager, "_CLOSE_TIMEOUT", 60)
    setup.store = store = FileStore(tmp_path / "tokens.json")
    for steps in itertools.count():
        await store.save(setup.key, token(setup.api.number))
        client = setup.client()
        call = asyncio.ensure_future(client.evses.get("evse01"))
        for _ in range(steps):
            await asyncio.sleep(0)
        was_done = call.done()
        await asyncio.wait_for(client.close(), 30)  # shorter than the timeout
        await asyncio.gather(call, return_exceptions=True)
        kept = await setup.kept()
        assert kept is not None
        assert kept.refresh_token == f"refresh-{setup.api.number}", f"after {steps} steps"
        assert os.listdir(tmp_path) == ["tokens.json"]  # noqa: PTH208  (no file is waited for here)
        if was_done:
            break
    assert setup.api.number > 2
    assert steps > 10


async def test_cancelling_a_call_at_any_moment_does_not_affect_others(
    setup: Setup, tmp_path: Path
) -> None:
    setup.store = store = FileStore(tmp_path / "tokens.json")
    for steps in itertools.count():
        number = setup.api.number
        await store.save(setup.key, token(number))
        async with setup.client(budget=MemoryBudget()) as client, asyncio.timeout(10):
            call = asyncio.ensure_future(client.evses.get("evse01"))
            for _ in range(steps):
                await asyncio.sleep(0)
            was_done = call.done()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            assert (await client.evses.get("evse01")).id == "evse01"
        assert setup.api.number == number + 1, f"after {steps} steps"
        assert await setup.kept() == setup.as_new(number + 1)
        if was_done:
            break
    assert steps > 10
