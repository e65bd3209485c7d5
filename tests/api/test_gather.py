"""`Client.gather`: many calls, a few at a time."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any

import pytest

from ev_energy import Client, MemoryBudget, errors
from tests.helpers.fleet_server import Fleet, vehicle
from tests.helpers.recording_server import RecordingServer
from tests.helpers.support import FakeTime

IDS = [f"vhcl{n:05}" for n in range(60)]


@pytest.fixture
def fleet() -> Fleet:
    return Fleet({"vehicles": [vehicle(n) for n in range(60)]})


@pytest.fixture
async def client(
    serve: Callable[[Any], Awaitable[RecordingServer]], fleet: Fleet
) -> AsyncIterator[Client]:
    server = await serve(fleet)
    async with server.client(retries=0) as opened:
        yield opened


class Jobs:
    """Jobs that run until they are released, and counts of them."""

    def __init__(self) -> None:
        self.made = self.running = self.most = self.cancelled = 0
        self.release = asyncio.Event()

    async def job(self, number: int) -> int:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        return number

    def make(self, count: int) -> Iterator[Awaitable[int]]:
        for number in range(count):
            self.made += 1
            yield self.job(number)


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_results_are_in_the_order_of_the_calls(client: Client, fleet: Fleet) -> None:
    found = await client.gather([client.vehicles.get(id_) for id_ in IDS])
    assert [one.id for one in found] == IDS
    assert fleet.count == len(IDS)
    assert await client.gather([]) == []


async def test_calls_are_made_when_they_are_about_to_start(client: Client) -> None:
    jobs = Jobs()
    gathering = asyncio.ensure_future(client.gather(jobs.make(100_000), limit=7))
    await turns()
    assert (jobs.made, jobs.running) == (7, 7)
    gathering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathering
    assert (jobs.made, jobs.running, jobs.cancelled) == (7, 0, 7)


async def test_limit_is_16_by_default(client: Client) -> None:
    jobs = Jobs()
    gathering = asyncio.ensure_future(client.gather(jobs.make(50)))
    await turns()
    jobs.release.set()
    assert await gathering == [*range(50)]
    assert (jobs.made, jobs.most) == (50, 16)


async def test_calls_of_an_asynchronous_generator(client: Client, fleet: Fleet) -> None:
    closed = False

    async def calls() -> AsyncIterator[Awaitable[Any]]:
        nonlocal closed
        try:
            async for found in client.vehicles.list():
                yield client.vehicles.get(found)
        finally:
            closed = True

    found = await client.gather(calls(), limit=4)
    assert [one.id for one in found] == IDS
    assert fleet.count == 61
    assert closed


async def test_first_failure_cancels_the_rest_and_closes_what_was_not_started(
    client: Client, fleet: Fleet
) -> None:
    jobs = Jobs()
    calls: list[Awaitable[Any]] = [jobs.job(1), client.vehicles.get("gone"), *jobs.make(40)]
    with pytest.raises(errors.NotFoundError):
        await client.gather(calls, limit=3)  # pytest fails for coroutines that are never awaited
    assert (jobs.running, jobs.cancelled) == (0, 2)
    assert fleet.count == 1


async def test_generator_is_closed_after_a_failure(client: Client) -> None:
    closed = False

    def calls() -> Iterator[Awaitable[Any]]:
        nonlocal closed
        try:
            while True:
                yield client.vehicles.get("gone")
        finally:
            closed = True

    with pytest.raises(errors.NotFoundError):
        await client.gather(calls())
    assert closed


async def test_asynchronous_generator_is_closed_after_a_failure(client: Client) -> None:
    closed = False

    async def calls() -> AsyncIterator[Awaitable[Any]]:
        nonlocal closed
        try:
            while True:
                yield client.vehicles.get("gone")
        finally:
            closed = True

    with pytest.raises(errors.NotFoundError):
        await client.gather(calls())
    assert closed


async def test_error_of_a_generator_is_raised(client: Client) -> None:
    def calls() -> Iterator[Awaitable[Any]]:
        yield client.vehicles.get(IDS[0])
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        await client.gather(calls())


async def test_errors_are_returned_on_request(client: Client) -> None:
    calls = [client.vehicles.get(id_) for id_ in (IDS[0], "gone", IDS[1])]
    first, gone, second = await client.gather(calls, return_exceptions=True)
    assert isinstance(gone, errors.NotFoundError)
    assert not isinstance(first, Exception)
    assert not isinstance(second, Exception)
    assert [first.id, second.id] == IDS[:2]


async def test_futures_that_were_not_reached_are_cancelled(client: Client) -> None:
    waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    with pytest.raises(errors.NotFoundError):
        await client.gather([client.vehicles.get("gone"), waiting], limit=1)
    assert waiting.cancelled()


async def test_one_call_waits_for_a_budget_that_is_used_up(
    serve: Callable[[Any], Awaitable[RecordingServer]], fleet: Fleet
) -> None:
    server = await serve(fleet)
    async with server.client(budget=MemoryBudget(20), deadline=7200) as client:
        gathering = asyncio.ensure_future(
            client.gather((client.vehicles.get(id_) for id_ in IDS * 1000), limit=5)
        )
        while (state := client.rate_limit) is None or not state.waiting:
            await asyncio.sleep(0)
        await turns()
        assert client.rate_limit is not None
        assert client.rate_limit.waiting == 1
        gathering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gathering
        assert client.rate_limit.waiting == 0
    assert fleet.count == 20


async def test_job_succeeds_that_a_loop_of_calls_would_finish(
    serve: Callable[[Any], Awaitable[RecordingServer]], fleet: Fleet, time: FakeTime
) -> None:
    server = await serve(fleet)
    budget = MemoryBudget(10, clock=time, sleep=time.sleep)
    async with server.client(budget=budget, clock=time, deadline=4000) as client:
        found = await client.gather(client.vehicles.get(id_) for id_ in IDS[:45])
    assert [one.id for one in found] == IDS[:45]


async def test_exhausted_budget_stops_the_calls(
    serve: Callable[[Any], Awaitable[RecordingServer]], fleet: Fleet
) -> None:
    server = await serve(fleet)
    async with server.client(budget=MemoryBudget(20), when_exhausted="raise") as client:
        calls = [client.vehicles.get(id_) for id_ in IDS]
        with pytest.raises(errors.BudgetExceeded):
            await client.gather(calls, limit=5)
    assert fleet.count <= 20


@pytest.mark.parametrize("limit", [1, 5])
async def test_exhausted_budget_ends_calls_whose_errors_are_returned(
    serve: Callable[[Any], Awaitable[RecordingServer]], fleet: Fleet, limit: int
) -> None:
    made = 0

    def calls(client: Client) -> Iterator[Awaitable[Any]]:
        nonlocal made
        for id_ in [*IDS[:7], "gone", *IDS * 300]:
            made += 1
            yield client.vehicles.get(id_)

    server = await serve(fleet)
    async with server.client(budget=MemoryBudget(20), when_exhausted="raise") as client:
        with pytest.raises(errors.BudgetExceeded) as caught:
            await client.gather(calls(client), limit=limit, return_exceptions=True)
    gathered = caught.value.gathered
    assert gathered is not None
    assert [*gathered] == [*range(20)]
    assert isinstance(gathered[7], errors.NotFoundError)
    assert (gathered[8].id, made) == (IDS[0], 21)


async def test_closed_client_ends_calls_whose_errors_are_returned(client: Client) -> None:
    async def close() -> None:
        await client.close()

    with pytest.raises(errors.ClientClosedError) as caught:
        await client.gather(
            [client.vehicles.get(IDS[0]), close(), *map(client.vehicles.get, IDS)],
            limit=1,
            return_exceptions=True,
        )
    assert caught.value.gathered is not None
    assert [*caught.value.gathered] == [0, 1]


async def test_error_has_the_results_before_it(client: Client) -> None:
    with pytest.raises(errors.NotFoundError) as caught:
        await client.gather(map(client.vehicles.get, [*IDS[:2], "gone", *IDS]), limit=1)
    gathered = caught.value.gathered
    assert gathered is not None
    assert {number: one.id for number, one in gathered.items()} == {0: IDS[0], 1: IDS[1]}


async def cancelled() -> None:
    raise asyncio.CancelledError


async def test_call_that_is_cancelled_ends_the_others(client: Client) -> None:
    jobs = Jobs()
    with pytest.raises(asyncio.CancelledError):
        await client.gather([jobs.job(1), cancelled(), *jobs.make(30)])
    assert (jobs.running, jobs.cancelled) == (0, 15)


async def test_call_that_is_cancelled_is_returned_as_an_error(client: Client) -> None:
    calls = [*(cancelled() for _ in range(20)), client.vehicles.get(IDS[0])]
    *returned, last = await client.gather(calls, return_exceptions=True)
    assert [type(one) for one in returned] == [asyncio.CancelledError] * 20
    assert not isinstance(last, BaseException | None)
    assert last.id == IDS[0]


async def test_second_cancellation_does_not_leave_calls_behind(client: Client) -> None:
    ended = []

    async def unwind_slowly(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await turns()
            ended.append(number)

    calls = [unwind_slowly(number) for number in range(9)]
    gathering = asyncio.ensure_future(client.gather(calls, limit=4))
    await turns()
    gathering.cancel()
    await asyncio.sleep(0)
    gathering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathering
    assert ended == [0, 1, 2, 3]  # pytest fails for the others if they are not closed


@pytest.mark.parametrize("wrap", [list, iter, chain, lambda calls: chain(calls[:3], calls[3:])])
@pytest.mark.parametrize("limit", [0, 2])
async def test_calls_are_closed_whatever_iterator_they_are_in(
    client: Client, wrap: Callable[[Any], Any], limit: int
) -> None:
    calls = [client.vehicles.get("gone") for _ in range(8)]
    with pytest.raises((ValueError, errors.NotFoundError)):
        await client.gather(wrap(calls), limit=limit)
    for call in calls:
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            call.send(None)


@pytest.mark.parametrize("fails", [False, True])
async def test_calls_are_not_kept_alive(client: Client, fails: bool) -> None:
    class Call:
        def __await__(self) -> Any:
            return client.vehicles.get("gone" if fails else IDS[0]).__await__()

    call = Call()
    alive = weakref.ref(call)
    calls = [call]
    del call
    gc.disable()
    try:
        with suppress(errors.NotFoundError):
            await client.gather(calls)
        calls.clear()
        await turns()
        assert alive() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("calls", "limit", "error", "message"),
    [
        ([], 0, ValueError, "limit must be 1 or more, not 0"),
        ([], 2.0, TypeError, "limit must be an int, not a float"),
        ([], True, TypeError, "limit must be an int, not a bool"),
        (
            7,
            None,
            TypeError,
            "calls must be an iterable of awaitables, or an async one, not an int",
        ),
        (
            ["vhcl1"],
            None,
            TypeError,
            "calls must be awaitables, such as client.vehicles.get(id), not a str",
        ),
    ],
)
async def test_wrong_argument_is_refused(
    client: Client, calls: Any, limit: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        await client.gather(calls, limit=limit)
    assert str(caught.value) == message


async def test_calls_are_captured(client: Client) -> None:
    with client.capture() as captured:
        await client.gather(client.vehicles.get(id_) for id_ in IDS[:3])
    assert len(captured) == 3
