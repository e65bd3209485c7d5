"""Closing a client ends its calls with an error and never hangs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

import ev_energy_sync
from ev_energy import Client, ClientCredentials, MemoryBudget, RetryPolicy, errors
from ev_energy._http.close_scope import CloseScope
from ev_energy.auth import MemoryStore
from tests.client.conftest import wait_for_tasks
from tests.helpers.support import SECRET, TOKEN
from tests.helpers.taskless_server import TasklessServer


async def never(_: float) -> None:
    await asyncio.Event().wait()


def client_of(server: TasklessServer, **settings: Any) -> Client:
    auth = ClientCredentials(client_id="an-app", client_secret=SECRET)
    return Client(auth, base_url=server.url, **settings)


async def wait_until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def assert_ends(client: Client, call: asyncio.Task[Any]) -> BaseException | None:
    """Close the client and return the exception of *call*, which has to end at once."""
    async with asyncio.timeout(4):  # shorter than the wait for a token
        await client.close()
        await asyncio.wait({call})
        await wait_for_tasks()
    return call.exception()


READS: dict[str, Callable[[Client], Awaitable[Any]]] = {
    "read": lambda client: client.evses.get("slow"),
    "listing": lambda client: client.evses.list(cpid="slow").collect(),
    "prefetch": lambda client: client.evses.list(cpid="slow").prefetch().collect(),
}


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("name", READS)
async def test_closing_ends_a_read_in_flight(
    server: TasklessServer, name: str, retries: int
) -> None:
    client = client_of(server, retries=retries)
    await client.evses.get("warm")
    server.silent = "/v2/evses"
    before = server.api_requests
    call = asyncio.ensure_future(READS[name](client))
    await wait_until(lambda: server.api_requests > before)
    assert isinstance(await assert_ends(client, call), errors.ClientClosedError)
    assert server.api_requests == before + 1


@pytest.mark.parametrize("retries", [0, 2])
async def test_closing_makes_a_write_in_flight_unconfirmed(
    server: TasklessServer, retries: int
) -> None:
    client = client_of(server, retries=retries)
    server.silent = "slow"
    call = asyncio.ensure_future(client.evses.delete("slow"))
    await wait_until(lambda: server.counts["DELETE /v2/evses/slow"])
    error = await assert_ends(client, call)
    assert isinstance(error, errors.UnconfirmedWriteError)
    assert server.counts["DELETE /v2/evses/slow"] == 1


@pytest.mark.parametrize("retries", [0, 2])
async def test_closing_ends_an_upload_in_flight(server: TasklessServer, retries: int) -> None:
    client = client_of(server, retries=retries)
    server.silent = "/bucket"
    call = asyncio.ensure_future(
        client.rebates.upload_evidence(
            b"bytes", user_rebate="u", rebate_evidence_type="t", file_name="f"
        )
    )
    await wait_until(lambda: server.counts["PUT /bucket/file"])
    error = await assert_ends(client, call)
    assert isinstance(error, errors.ClientClosedError | errors.UploadError)
    assert server.counts["PUT /bucket/file"] == 1


async def test_closing_ends_a_pause_before_a_retry(server: TasklessServer) -> None:
    scope: list[object] = []
    client = client_of(server, sleep=never, on_wait=scope.append)
    await client.evses.get("warm")
    server.busy = 1
    call = asyncio.ensure_future(client.evses.get("one"))
    await wait_until(lambda: scope)
    assert isinstance(await assert_ends(client, call), errors.ClientClosedError)
    assert not call.cancelling()


async def test_closing_ends_all_waits_for_the_budget(server: TasklessServer) -> None:
    budget = MemoryBudget(1, window=60, sleep=never)
    client = client_of(server, budget=budget, deadline=1e6)  # enough for all of them
    await client.evses.get("warm")
    calls = [asyncio.ensure_future(client.evses.get(f"evse{n}")) for n in range(50)]
    calls.append(asyncio.ensure_future(client.reserve(1).__aenter__()))  # type: ignore[arg-type]
    bucket = client._caller.state.bucket
    assert bucket is not None
    await wait_until(lambda: (state := budget.state(bucket)) and state.waiting == 51)
    await assert_ends(client, calls[0])
    await asyncio.wait(calls, timeout=5)
    assert {type(call.exception()) for call in calls} == {errors.ClientClosedError}
    state = budget.state(bucket)
    assert state is not None
    assert (state.waiting, state.reserved, state.remaining) == (0, 0, 0)
    assert server.api_requests == 1


async def test_closing_ends_waiting_calls_at_once_and_waits_for_the_token(
    server: TasklessServer,
) -> None:
    client = client_of(server)
    server.silent = "/o/"
    calls = [asyncio.ensure_future(client.evses.get(f"evse{n}")) for n in range(3)]
    await wait_until(lambda: server.counts["POST /o/token/"])
    closing = asyncio.ensure_future(client.close())
    await asyncio.wait(calls, timeout=3)
    assert {type(call.exception()) for call in calls} == {errors.ClientClosedError}
    for transport in tuple(server.connections):
        transport.abort()  # so that the test need not wait for the timeout
    async with asyncio.timeout(3):
        await closing
    assert server.counts["POST /o/token/"] == 1


async def test_closing_waits_for_a_token_for_a_limited_time(
    server: TasklessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ev_energy.auth._token_manager._CLOSE_TIMEOUT", 0.05)
    client = client_of(server)
    server.silent = "/o/"
    call = asyncio.ensure_future(client.evses.get("one"))
    await wait_until(lambda: server.counts["POST /o/token/"])
    assert isinstance(await assert_ends(client, call), errors.ClientClosedError)


async def test_cancelled_closing_closes_the_client(server: TasklessServer) -> None:
    client = client_of(server)
    server.silent = "/o/"
    call = asyncio.ensure_future(client.evses.get("one"))
    await wait_until(lambda: server.counts["POST /o/token/"])
    closing = asyncio.ensure_future(client.close())
    await asyncio.wait({call}, timeout=5)
    closing.cancel()
    await asyncio.wait({closing}, timeout=5)
    assert closing.cancelled()
    assert isinstance(call.exception(), errors.ClientClosedError)
    await wait_until(lambda: not server.connections)
    await wait_for_tasks()
    with pytest.raises(errors.ClientClosedError):
        await client.evses.get("one")


async def test_concurrent_and_repeated_closing_closes_once(server: TasklessServer) -> None:
    client = client_of(server)
    await client.evses.get("one")
    async with asyncio.timeout(5):
        await asyncio.gather(*(client.close() for _ in range(5)))
        await client.close()
    await wait_until(lambda: not server.connections)


async def test_calls_of_a_closed_client_are_refused(server: TasklessServer) -> None:
    client = client_of(server, budget=MemoryBudget(5))
    await client.evses.get("one")
    listing, view = client.evses.list(), client.with_options(retries=0)
    iterator = aiter(listing)
    await anext(iterator)
    before = dict(server.counts)
    await client.close()
    calls: list[Awaitable[Any]] = [
        view.evses.get("one"),
        client.evses.delete("one"),
        listing.collect(),
        listing.prefetch().first(),
        client.sign_out(),
        client.rebates.upload_evidence(
            b"bytes", user_rebate="u", rebate_evidence_type="t", file_name="f"
        ),
    ]
    for call in calls:
        with pytest.raises(errors.ClientClosedError, match="closed"):
            await call
    assert [(await anext(iterator)).id for _ in range(2)] == [
        "evse01",
        "evse02",
    ]  # the items of the page that was fetched
    with pytest.raises(errors.ClientClosedError) as caught:
        await anext(iterator)
    assert caught.value.cursor
    assert dict(server.counts) == before


async def test_closed_client_cannot_be_opened_again(server: TasklessServer) -> None:
    async with client_of(server) as client:
        pass
    with pytest.raises(errors.ClientClosedError):
        await client.__aenter__()
    blocking = ev_energy_sync.Client(TOKEN)
    blocking.close()
    with pytest.raises(errors.ClientClosedError):
        blocking.__enter__()


async def test_wrong_with_statement_names_the_right_one() -> None:
    client: Any = Client(TOKEN)
    with pytest.raises(TypeError, match="async with.*ev_energy_sync"), client:
        pass
    blocking: Any = ev_energy_sync.Client(TOKEN)
    with pytest.raises(TypeError, match="`with`.*ev_energy"):
        async with blocking:
            pass
    blocking.close()


async def test_call_over_a_session_of_the_caller_continues_after_closing(
    server: TasklessServer,
) -> None:
    server.silent = "slow"
    async with aiohttp.ClientSession() as session:
        client = Client(TOKEN, base_url=server.url, session=session)
        call = asyncio.ensure_future(client.evses.get("slow"))
        await wait_until(lambda: server.api_requests)
        await client.close()
        await asyncio.sleep(0)
        assert not session.closed
        assert not call.done()
        call.cancel()
        await asyncio.wait({call})


async def test_session_closed_by_its_owner_is_an_error(server: TasklessServer) -> None:
    session = aiohttp.ClientSession()
    async with Client(TOKEN, base_url=server.url, session=session, retries=0) as client:
        await client.evses.get("one")
        await session.close()
        with pytest.raises(errors.NotSentError, match="Session is closed"):
            await client.evses.get("one")


async def test_failed_call_of_a_task_group_cancels_only_the_group(
    server: TasklessServer,
) -> None:
    server.silent = "slow"
    async with client_of(server) as client:
        await client.evses.get("warm")
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                others = [group.create_task(client.evses.get("slow")) for _ in range(20)]
                await wait_until(lambda: server.counts["GET /v2/evses/slow"] == 20)
                group.create_task(client.evses.get("missing"))
        assert [type(error) for error in caught.value.exceptions] == [errors.NotFoundError]
        assert all(call.cancelled() for call in others)

        async def timed() -> None:
            async with asyncio.timeout(0.05):
                await client.evses.get("slow")

        # In a new task: a failed group leaves its task marked as cancelled, and on Python 3.11.2
        # `asyncio.timeout` then raises CancelledError.
        with pytest.raises(TimeoutError):
            await asyncio.create_task(timed())
        assert (await client.evses.get("after")).id == "after"
        session = client._caller.state.http.transport._current  # type: ignore[attr-defined]
        assert not session.value.connector._acquired


async def test_call_cancelled_during_closing_is_cancelled(server: TasklessServer) -> None:
    client = client_of(server)
    await client.evses.get("warm")
    server.silent = "slow"
    calls = [asyncio.ensure_future(client.evses.get("slow")) for _ in range(10)]
    await wait_until(lambda: server.counts["GET /v2/evses/slow"] == 10)
    closing = asyncio.ensure_future(client.close())
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.wait({closing, *calls}, timeout=5)
    assert closing.done()
    assert all(call.cancelled() for call in calls)


async def test_failure_of_an_unused_prefetched_page_is_silent(server: TasklessServer) -> None:
    async with client_of(server, retries=0) as client:
        pages = client.evses.list().prefetch().pages()
        await anext(pages)
        server.busy = 1
        await wait_until(lambda: not server.busy)
        del pages
        await wait_for_tasks()  # the fixture checks that the loop reports nothing


# --- Unclosed clients ---------------------------------------------------------


async def test_unclosed_client_warns_once_and_closes_its_connections(
    server: TasklessServer,
) -> None:
    client = client_of(server)
    await client.evses.get("one")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del client  # it is freed at once: there is no reference cycle
        assert len(caught) == 1
        await wait_until(lambda: not server.connections)
        await wait_for_tasks()
        gc.collect()
    (warning,) = caught
    assert warning.category is ResourceWarning
    assert server.url in str(warning.message)
    assert "ClientCredentials(client_id='an-app'" in str(warning.message)
    assert "await client.close()" in str(warning.message)
    assert SECRET not in str(warning.message)


async def test_unused_client_needs_no_closing(server: TasklessServer) -> None:
    for client in (client_of(server), Client(TOKEN, base_url=server.url)):
        assert client.evses
    del client
    gc.collect()


async def test_client_with_a_session_of_the_caller_needs_no_closing(server: TasklessServer) -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(TOKEN, base_url=server.url, session=session)
        await client.evses.get("one")
        del client
        gc.collect()


async def test_view_keeps_its_client_alive(server: TasklessServer) -> None:
    view = client_of(server).with_options(retries=0)
    gc.collect()
    assert (await view.evses.get("one")).id == "one"
    await view.close()


# --- Event loops --------------------------------------------------------------


def test_consecutive_loops_need_no_closing_in_between(server_url: str) -> None:
    client = Client(TOKEN, base_url=server_url)
    for _ in range(5):
        assert asyncio.run(client.evses.get("one")).id == "one"
    assert len(client._caller.state.http.transport._sessions._resources) == 1  # type: ignore[attr-defined]
    asyncio.run(client.close())


def test_simultaneous_loops_have_separate_connections(server_url: str) -> None:
    client, barrier = Client(TOKEN, base_url=server_url), threading.Barrier(2)
    found: list[int] = []

    async def work() -> None:
        for _ in range(20):
            barrier.wait(10)
            await asyncio.gather(*(client.evses.get(f"evse{n}") for n in range(5)))
        session = client._caller.state.http.transport._sessions.for_running_loop()  # type: ignore[attr-defined]
        found.append(sum(map(len, session.value.connector._conns.values())))

    threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]
    assert found == [5, 5]
    sessions = client._caller.state.http.transport._sessions  # type: ignore[attr-defined]
    sessions._purge_closed_loops()
    assert not sessions, "both loops have ended"
    asyncio.run(client.close())


def test_closing_on_another_loop_ends_calls_and_waits(server_url: str) -> None:
    budget = MemoryBudget(2, window=60)
    client = Client(TOKEN, base_url=server_url, budget=budget, retries=RetryPolicy(retries=0))
    waiting, found = threading.Event(), list[BaseException]()

    async def work() -> None:
        await client.evses.get("one")
        calls = [asyncio.ensure_future(client.evses.get(name)) for name in ("slow", "late")]
        bucket = client._caller.state.bucket
        assert bucket is not None
        await wait_until(lambda: (state := budget.state(bucket)) and state.waiting)
        waiting.set()
        found.extend(await asyncio.gather(*calls, return_exceptions=True))  # type: ignore[arg-type]

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    assert waiting.wait(10)
    asyncio.run(client.close())
    thread.join(10)
    assert not thread.is_alive()
    assert [type(error) for error in found] == [errors.ClientClosedError] * 2


# --- Close scopes -------------------------------------------------------------


@pytest.fixture
async def scope() -> AsyncIterator[CloseScope]:
    scope = CloseScope()
    yield scope
    assert not scope._waits


async def wait(scope: CloseScope, future: asyncio.Future[None]) -> str:
    with scope.cancel_on_close():
        await future
    return "finished"


async def test_wait_that_finishes_during_closing_is_ended(scope: CloseScope) -> None:
    future = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(wait(scope, future))
    await asyncio.sleep(0)
    future.set_result(None)
    scope.close()  # before the task resumes
    with pytest.raises(errors.ClientClosedError):
        await task
    assert task.cancelling() == 0


async def test_wait_after_closing_is_refused(scope: CloseScope) -> None:
    scope.close()
    with pytest.raises(errors.ClientClosedError):
        await wait(scope, asyncio.get_running_loop().create_future())


@pytest.mark.parametrize("first", ["closed", "cancelled"])
async def test_cancellation_during_closing_takes_precedence(scope: CloseScope, first: str) -> None:
    future = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(wait(scope, future))
    await asyncio.sleep(0)
    for name in (scope.close, task.cancel) if first == "closed" else (task.cancel, scope.close):
        name()
    await asyncio.wait({task})
    assert task.cancelled()
    assert task.cancelling() == 1


@pytest.mark.parametrize("first", ["closed", "too late"])
async def test_timeout_during_closing_takes_precedence(scope: CloseScope, first: str) -> None:
    async def timed() -> None:
        async with asyncio.timeout(60) as limit:
            limits.append(limit)
            await wait(scope, asyncio.get_running_loop().create_future())

    limits: list[Any] = []
    task = asyncio.ensure_future(timed())
    await asyncio.sleep(0)
    expire = limits[0]._on_timeout
    for name in (scope.close, expire) if first == "closed" else (expire, scope.close):
        name()
    with pytest.raises(TimeoutError):
        await task
    assert task.cancelling() == 0


async def test_task_that_survived_a_cancellation_can_wait(scope: CloseScope) -> None:
    async def survive_cancellation() -> object:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return await wait(scope, future)

    future = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(survive_cancellation())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    scope.close()
    with pytest.raises(errors.ClientClosedError):
        await task
    assert task.cancelling() == 1  # the cancellation of the test


async def test_nested_wait_is_ended_once(scope: CloseScope) -> None:
    async def nested() -> str:
        with scope.cancel_on_close():
            return await wait(scope, future)

    future = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(nested())
    await asyncio.sleep(0)
    scope.close()
    with pytest.raises(errors.ClientClosedError):
        await task
    assert task.cancelling() == 0


async def test_task_that_swallows_the_cancellation_is_not_cancelled_again(
    scope: CloseScope,
) -> None:
    async def swallow_cancellation() -> str:
        with scope.cancel_on_close(), contextlib.suppress(asyncio.CancelledError):
            await future
        await asyncio.sleep(0)
        return "continued"

    future = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(swallow_cancellation())
    await asyncio.sleep(0)
    scope.close()
    assert await task == "continued"
    assert task.cancelling() == 0


async def test_closing_does_not_wait_for_a_lock_of_another_process(
    server: TasklessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ev_energy.auth._token_manager._CLOSE_TIMEOUT", 0.05)
    store = MemoryStore()
    auth = ClientCredentials(client_id="an-app", client_secret=SECRET, store=store)
    client = Client(auth, base_url=server.url)
    manager = client._caller.state.tokens
    assert manager is not None
    async with store.lock(manager._key):
        calls = [
            asyncio.ensure_future(client.evses.get("one")),
            asyncio.ensure_future(client.sign_out()),
        ]
        await asyncio.sleep(0.01)
        await assert_ends(client, calls[0])
        await asyncio.wait(calls, timeout=5)
        assert {type(call.exception()) for call in calls} == {errors.ClientClosedError}


def test_finished_wait_of_another_loop_is_not_cancelled() -> None:
    scope, ready, closed = CloseScope(), threading.Event(), threading.Event()

    async def work() -> tuple[str, int]:
        future = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(wait(scope, future))
        await asyncio.sleep(0)
        future.set_result(None)
        ready.set()
        closed.wait(10)  # the other loop closes the scope before this one resumes
        return await task, task.cancelling()

    found: list[tuple[str, int]] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(work())))
    thread.start()
    ready.wait(10)

    async def close() -> None:
        scope.close()

    asyncio.run(close())
    closed.set()
    thread.join(10)
    assert found == [("finished", 0)]
