"""Closing a client, whatever it is doing: nothing hangs, and every call hears of it."""

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
from tests.client.conftest import quiet
from tests.helpers.support import SECRET, TOKEN
from tests.helpers.taskless_server import Line


async def never(_: float) -> None:
    await asyncio.Event().wait()


def opened(line: Line, **settings: Any) -> Client:
    auth = ClientCredentials(client_id="an-app", client_secret=SECRET)
    return Client(auth, base_url=line.url, **settings)


async def until(met: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not met():
            await asyncio.sleep(0)


async def assert_ends(client: Client, call: asyncio.Task[Any]) -> BaseException | None:
    """Close the client; what the call then raises, at once."""
    async with asyncio.timeout(4):  # less than closing waits for a token
        await client.close()
        await asyncio.wait({call})
        await quiet()
    return call.exception()


READS: dict[str, Callable[[Client], Awaitable[Any]]] = {
    "read": lambda client: client.evses.get("slow"),
    "listing": lambda client: client.evses.list(cpid="slow").collect(),
    "prefetch": lambda client: client.evses.list(cpid="slow").prefetch().collect(),
}


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("what", READS)
async def test_a_read_under_way_ends_with_the_client(line: Line, what: str, retries: int) -> None:
    client = opened(line, retries=retries)
    await client.evses.get("warm")
    line.silent = "/v2/evses"
    before = line.api_requests
    call = asyncio.ensure_future(READS[what](client))
    await until(lambda: line.api_requests > before)
    assert isinstance(await assert_ends(client, call), errors.ClientClosedError)
    assert line.api_requests == before + 1


@pytest.mark.parametrize("retries", [0, 2])
async def test_a_write_under_way_is_unconfirmed(line: Line, retries: int) -> None:
    client = opened(line, retries=retries)
    line.silent = "slow"
    call = asyncio.ensure_future(client.evses.delete("slow"))
    await until(lambda: line.seen["DELETE /v2/evses/slow"])
    error = await assert_ends(client, call)
    assert isinstance(error, errors.UnconfirmedWriteError)
    assert line.seen["DELETE /v2/evses/slow"] == 1


@pytest.mark.parametrize("retries", [0, 2])
async def test_an_upload_under_way_ends_with_the_client(line: Line, retries: int) -> None:
    client = opened(line, retries=retries)
    line.silent = "/bucket"
    call = asyncio.ensure_future(
        client.rebates.upload_evidence(
            b"bytes", user_rebate="u", rebate_evidence_type="t", file_name="f"
        )
    )
    await until(lambda: line.seen["PUT /bucket/file"])
    error = await assert_ends(client, call)
    assert isinstance(error, errors.ClientClosedError | errors.UploadError)
    assert line.seen["PUT /bucket/file"] == 1


async def test_a_call_in_a_pause_before_its_retry_ends_with_the_client(line: Line) -> None:
    waits: list[object] = []
    client = opened(line, sleep=never, on_wait=waits.append)
    await client.evses.get("warm")
    line.busy = 1
    call = asyncio.ensure_future(client.evses.get("one"))
    await until(lambda: waits)
    assert isinstance(await assert_ends(client, call), errors.ClientClosedError)
    assert not call.cancelling()


async def test_all_who_wait_for_the_budget_end_with_the_client(line: Line) -> None:
    budget = MemoryBudget(1, window=60, sleep=never)
    client = opened(line, budget=budget, deadline=1e6)  # time for all of them
    await client.evses.get("warm")
    calls = [asyncio.ensure_future(client.evses.get(f"evse{n}")) for n in range(50)]
    calls.append(asyncio.ensure_future(client.reserve(1).__aenter__()))  # type: ignore[arg-type]
    bucket = client._caller.state.bucket
    assert bucket is not None
    await until(lambda: (state := budget.state(bucket)) and state.waiting == 51)
    await assert_ends(client, calls[0])
    await asyncio.wait(calls, timeout=5)
    assert {type(call.exception()) for call in calls} == {errors.ClientClosedError}
    state = budget.state(bucket)
    assert state is not None
    assert (state.waiting, state.reserved, state.remaining) == (0, 0, 0)
    assert line.api_requests == 1


async def test_who_waits_for_a_token_ends_at_once_though_closing_waits_for_it(line: Line) -> None:
    client = opened(line)
    line.silent = "/o/"
    calls = [asyncio.ensure_future(client.evses.get(f"evse{n}")) for n in range(3)]
    await until(lambda: line.seen["POST /o/token/"])
    closing = asyncio.ensure_future(client.close())
    await asyncio.wait(calls, timeout=3)
    assert {type(call.exception()) for call in calls} == {errors.ClientClosedError}
    for transport in tuple(line.connections):
        transport.abort()  # so that nobody has to wait for as long as closing would
    async with asyncio.timeout(3):
        await closing
    assert line.seen["POST /o/token/"] == 1


async def test_closing_does_not_wait_for_ever_for_a_token(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ev_energy.auth._token_manager._CLOSE_TIMEOUT", 0.05)
    client = opened(line)
    line.silent = "/o/"
    call = asyncio.ensure_future(client.evses.get("one"))
    await until(lambda: line.seen["POST /o/token/"])
    assert isinstance(await assert_ends(client, call), errors.ClientClosedError)


async def test_closing_that_is_cancelled_closes_all_the_same(line: Line) -> None:
    client = opened(line)
    line.silent = "/o/"
    call = asyncio.ensure_future(client.evses.get("one"))
    await until(lambda: line.seen["POST /o/token/"])
    closing = asyncio.ensure_future(client.close())
    await asyncio.wait({call}, timeout=5)
    closing.cancel()
    await asyncio.wait({closing}, timeout=5)
    assert closing.cancelled()
    assert isinstance(call.exception(), errors.ClientClosedError)
    await until(lambda: not line.connections)
    await quiet()
    with pytest.raises(errors.ClientClosedError):
        await client.evses.get("one")


async def test_a_client_is_closed_once_however_often_and_by_whomever(line: Line) -> None:
    client = opened(line)
    await client.evses.get("one")
    async with asyncio.timeout(5):
        await asyncio.gather(*(client.close() for _ in range(5)))
        await client.close()
    await until(lambda: not line.connections)


async def test_calls_after_it_are_refused_of_every_kind(line: Line) -> None:
    client = opened(line, budget=MemoryBudget(5))
    await client.evses.get("one")
    listing, view = client.evses.list(), client.with_options(retries=0)
    walked = aiter(listing)
    await anext(walked)
    before = dict(line.seen)
    await client.close()
    refused: list[Awaitable[Any]] = [
        view.evses.get("one"),
        client.evses.delete("one"),
        listing.collect(),
        listing.prefetch().first(),
        client.sign_out(),
        client.rebates.upload_evidence(
            b"bytes", user_rebate="u", rebate_evidence_type="t", file_name="f"
        ),
    ]
    for call in refused:
        with pytest.raises(errors.ClientClosedError, match="closed"):
            await call
    assert [(await anext(walked)).id for _ in range(2)] == ["evse01", "evse02"]  # it has those
    with pytest.raises(errors.ClientClosedError) as caught:
        await anext(walked)
    assert caught.value.cursor
    assert dict(line.seen) == before


async def test_a_closed_client_cannot_be_opened_again(line: Line) -> None:
    async with opened(line) as client:
        pass
    with pytest.raises(errors.ClientClosedError):
        await client.__aenter__()
    blocking = ev_energy_sync.Client(TOKEN)
    blocking.close()
    with pytest.raises(errors.ClientClosedError):
        blocking.__enter__()


async def test_the_wrong_kind_of_with_says_which_is_the_right_one() -> None:
    client: Any = Client(TOKEN)
    with pytest.raises(TypeError, match="async with.*ev_energy_sync"), client:
        pass
    blocking: Any = ev_energy_sync.Client(TOKEN)
    with pytest.raises(TypeError, match="`with`.*ev_energy"):
        async with blocking:
            pass
    blocking.close()


async def test_a_call_over_somebody_elses_session_goes_on(line: Line) -> None:
    line.silent = "slow"
    async with aiohttp.ClientSession() as session:
        client = Client(TOKEN, base_url=line.url, session=session)
        call = asyncio.ensure_future(client.evses.get("slow"))
        await until(lambda: line.api_requests)
        await client.close()
        await asyncio.sleep(0)
        assert not session.closed
        assert not call.done()
        call.cancel()
        await asyncio.wait({call})


async def test_a_session_that_its_owner_closed_is_an_error_that_says_so(line: Line) -> None:
    session = aiohttp.ClientSession()
    async with Client(TOKEN, base_url=line.url, session=session, retries=0) as client:
        await client.evses.get("one")
        await session.close()
        with pytest.raises(errors.NotSentError, match="Session is closed"):
            await client.evses.get("one")


async def test_one_call_of_a_group_that_fails_takes_the_others_along_and_no_more(
    line: Line,
) -> None:
    line.silent = "slow"
    async with opened(line) as client:
        await client.evses.get("warm")
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                others = [group.create_task(client.evses.get("slow")) for _ in range(20)]
                await until(lambda: line.seen["GET /v2/evses/slow"] == 20)
                group.create_task(client.evses.get("missing"))
        assert [type(error) for error in caught.value.exceptions] == [errors.NotFoundError]
        assert all(call.cancelled() for call in others)

        async def timed() -> None:
            async with asyncio.timeout(0.05):
                await client.evses.get("slow")

        # In a task of its own: a failed group leaves its task marked as cancelled; Python 3.11.2
        # then lets `asyncio.timeout` raise CancelledError there.
        with pytest.raises(TimeoutError):
            await asyncio.create_task(timed())
        assert (await client.evses.get("after")).id == "after"
        home = client._caller.state.http.transport._current  # type: ignore[attr-defined]
        assert not home.value.connector._acquired


async def test_calls_that_are_cancelled_while_the_client_closes_are_cancelled(line: Line) -> None:
    client = opened(line)
    await client.evses.get("warm")
    line.silent = "slow"
    calls = [asyncio.ensure_future(client.evses.get("slow")) for _ in range(10)]
    await until(lambda: line.seen["GET /v2/evses/slow"] == 10)
    closing = asyncio.ensure_future(client.close())
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.wait({closing, *calls}, timeout=5)
    assert closing.done()
    assert all(call.cancelled() for call in calls)


async def test_a_page_fetched_ahead_that_fails_unseen_makes_no_noise(line: Line) -> None:
    async with opened(line, retries=0) as client:
        pages = client.evses.list().prefetch().pages()
        await anext(pages)
        line.busy = 1
        await until(lambda: not line.busy)
        del pages
        await quiet()  # and nobody is told; see the fixture


# --- nobody closed it ---------------------------------------------------------------------------


async def test_a_client_that_nobody_closed_is_named_once_and_closed(line: Line) -> None:
    client = opened(line)
    await client.evses.get("one")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del client  # it goes at once: nothing of it holds on to it
        assert len(caught) == 1
        await until(lambda: not line.connections)
        await quiet()
        gc.collect()
    (warning,) = caught
    assert warning.category is ResourceWarning
    assert line.url in str(warning.message)
    assert "ClientCredentials(client_id='an-app'" in str(warning.message)
    assert "await client.close()" in str(warning.message)
    assert SECRET not in str(warning.message)


async def test_a_client_that_was_never_used_needs_no_closing(line: Line) -> None:
    for client in (opened(line), Client(TOKEN, base_url=line.url)):
        assert client.evses
    del client
    gc.collect()


async def test_a_client_with_a_session_of_the_users_needs_no_closing(line: Line) -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(TOKEN, base_url=line.url, session=session)
        await client.evses.get("one")
        del client
        gc.collect()


async def test_the_view_keeps_the_client_of_which_nobody_else_knows(line: Line) -> None:
    view = opened(line).with_options(retries=0)
    gc.collect()
    assert (await view.evses.get("one")).id == "one"
    await view.close()


# --- loops ----------------------------------------------------------------------------------------


def test_one_loop_after_the_other_needs_no_closing_in_between(far: str) -> None:
    client = Client(TOKEN, base_url=far)
    for _ in range(5):
        assert asyncio.run(client.evses.get("one")).id == "one"
    assert len(client._caller.state.http.transport._sessions._resources) == 1  # type: ignore[attr-defined]
    asyncio.run(client.close())


def test_two_loops_at_the_same_time_have_connections_of_their_own(far: str) -> None:
    client, together = Client(TOKEN, base_url=far), threading.Barrier(2)
    found: list[int] = []

    async def work() -> None:
        for _ in range(20):
            together.wait(10)
            await asyncio.gather(*(client.evses.get(f"evse{n}") for n in range(5)))
        home = client._caller.state.http.transport._sessions.for_running_loop()  # type: ignore[attr-defined]
        found.append(sum(map(len, home.value.connector._conns.values())))

    threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]
    assert found == [5, 5]
    sessions = client._caller.state.http.transport._sessions  # type: ignore[attr-defined]
    sessions._purge_closed_loops()
    assert not sessions, "both loops have ended"
    asyncio.run(client.close())


def test_closed_from_another_loop_calls_and_waits_end_there(far: str) -> None:
    budget = MemoryBudget(2, window=60)
    client = Client(TOKEN, base_url=far, budget=budget, retries=RetryPolicy(retries=0))
    waiting, found = threading.Event(), list[BaseException]()

    async def work() -> None:
        await client.evses.get("one")
        calls = [asyncio.ensure_future(client.evses.get(name)) for name in ("slow", "late")]
        bucket = client._caller.state.bucket
        assert bucket is not None
        await until(lambda: (state := budget.state(bucket)) and state.waiting)
        waiting.set()
        found.extend(await asyncio.gather(*calls, return_exceptions=True))  # type: ignore[arg-type]

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    assert waiting.wait(10)
    asyncio.run(client.close())
    thread.join(10)
    assert not thread.is_alive()
    assert [type(error) for error in found] == [errors.ClientClosedError] * 2


# --- waits ----------------------------------------------------------------------------------------


@pytest.fixture
async def waits() -> AsyncIterator[CloseScope]:
    made = CloseScope()
    yield made
    assert not made._waits


async def wait(waits: CloseScope, on: asyncio.Future[None]) -> str:
    with waits.cancel_on_close():
        await on
    return "over"


async def test_a_wait_that_is_over_as_the_client_closes_ends_either_way(waits: CloseScope) -> None:
    on = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(wait(waits, on))
    await asyncio.sleep(0)
    on.set_result(None)
    waits.close()  # before the task hears of it
    with pytest.raises(errors.ClientClosedError):
        await task
    assert task.cancelling() == 0


async def test_a_wait_that_begins_after_it_is_refused(waits: CloseScope) -> None:
    waits.close()
    with pytest.raises(errors.ClientClosedError):
        await wait(waits, asyncio.get_running_loop().create_future())


@pytest.mark.parametrize("first", ["closed", "cancelled"])
async def test_who_is_cancelled_too_is_cancelled(waits: CloseScope, first: str) -> None:
    on = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(wait(waits, on))
    await asyncio.sleep(0)
    for what in (waits.close, task.cancel) if first == "closed" else (task.cancel, waits.close):
        what()
    await asyncio.wait({task})
    assert task.cancelled()
    assert task.cancelling() == 1


@pytest.mark.parametrize("first", ["closed", "too late"])
async def test_a_timeout_at_the_same_instant_is_a_timeout(waits: CloseScope, first: str) -> None:
    async def timed() -> None:
        async with asyncio.timeout(60) as limit:
            limits.append(limit)
            await wait(waits, asyncio.get_running_loop().create_future())

    limits: list[Any] = []
    task = asyncio.ensure_future(timed())
    await asyncio.sleep(0)
    over = limits[0]._on_timeout
    for what in (waits.close, over) if first == "closed" else (over, waits.close):
        what()
    with pytest.raises(TimeoutError):
        await task
    assert task.cancelling() == 0


async def test_a_task_that_was_cancelled_before_and_went_on_can_wait(waits: CloseScope) -> None:
    async def stubborn() -> object:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return await wait(waits, on)

    on = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    waits.close()
    with pytest.raises(errors.ClientClosedError):
        await task
    assert task.cancelling() == 1  # theirs, not ours


async def test_a_wait_in_a_wait_ends_once(waits: CloseScope) -> None:
    async def nested() -> str:
        with waits.cancel_on_close():
            return await wait(waits, on)

    on = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(nested())
    await asyncio.sleep(0)
    waits.close()
    with pytest.raises(errors.ClientClosedError):
        await task
    assert task.cancelling() == 0


async def test_what_swallows_the_cancellation_is_not_cancelled_later(waits: CloseScope) -> None:
    async def deaf() -> str:
        with waits.cancel_on_close(), contextlib.suppress(asyncio.CancelledError):
            await on
        await asyncio.sleep(0)
        return "went on"

    on = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(deaf())
    await asyncio.sleep(0)
    waits.close()
    assert await task == "went on"
    assert task.cancelling() == 0


async def test_a_lock_that_somebody_else_holds_does_not_keep_anybody_from_closing(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ev_energy.auth._token_manager._CLOSE_TIMEOUT", 0.05)
    store = MemoryStore()
    auth = ClientCredentials(client_id="an-app", client_secret=SECRET, store=store)
    client = Client(auth, base_url=line.url)
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


def test_a_wait_of_another_loop_that_is_over_by_then_is_left_alone() -> None:
    waits, ready, ended = CloseScope(), threading.Event(), threading.Event()

    async def work() -> tuple[str, int]:
        on = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(wait(waits, on))
        await asyncio.sleep(0)
        on.set_result(None)
        ready.set()
        ended.wait(10)  # the other loop ends the waits, and this one hears of it afterwards
        return await task, task.cancelling()

    found: list[tuple[str, int]] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(work())))
    thread.start()
    ready.wait(10)

    async def end() -> None:
        waits.close()

    asyncio.run(end())
    ended.set()
    thread.join(10)
    assert found == [("over", 0)]
