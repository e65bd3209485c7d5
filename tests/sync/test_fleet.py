"""The blocking `resolve`, `gather` and `estimate`."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from ev_energy import errors
from ev_energy.models import Vehicle
from ev_energy_sync import Client, MemoryBudget
from tests.helpers.fleet_server import Fleet, vehicle
from tests.helpers.interrupts import interrupt_start_of_thread
from tests.helpers.recording_server import RecordingServer
from tests.helpers.support import TOKEN

EXAMPLE = "partial(client.vehicles.get, id)"
IDS = [f"vhcl{n:05}" for n in range(200)]


class SlowFleet(Fleet):
    """A fleet with vehicles whose requests are not answered."""

    stalled = 0
    disconnected = 0

    async def __call__(self, request: web.Request) -> web.Response:
        if "slow" in request.path:
            self.stalled += 1
            try:
                await asyncio.sleep(60)
            finally:
                self.stalled -= 1
                self.disconnected += 1
        return await super().__call__(request)


@pytest.fixture(scope="module")
def running() -> Iterator[RecordingServer]:
    fleet = SlowFleet({"vehicles": [vehicle(n) for n in range(200)]})
    with RecordingServer(fleet).in_thread() as server:
        yield server


@pytest.fixture
def fleet(running: RecordingServer) -> SlowFleet:
    assert isinstance(running.handler, SlowFleet)
    running.handler.requests.clear()
    running.handler.disconnected = 0
    running.handler.replies.clear()
    return running.handler


@pytest.fixture
def client(running: RecordingServer) -> Iterator[Client]:
    with Client(TOKEN, base_url=running.url, retries=0) as opened:
        yield opened


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def call_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ev-energy-call"]


def test_fleet_is_resolved_from_its_listing(client: Client, fleet: SlowFleet) -> None:
    links = [found.url for found in client.vehicles.list()]
    fleet.requests.clear()
    resolved = client.resolve([*links, f"{links[0]}0"], expand=["trim"])
    assert [found and found.id for found in resolved] == [*IDS, None]
    assert resolved.missing == [f"{links[0]}0"]
    assert resolved.requests == fleet.count == 3


def test_resolve_continues_after_an_error(client: Client, fleet: SlowFleet) -> None:
    fleet.refuse_from = 2
    with pytest.raises(errors.ServerError) as caught:
        client.resolve(IDS, Vehicle)
    fleet.refuse_from = float("inf")
    resolved = client.resolve(IDS, Vehicle, resume=caught.value.partial)
    assert (len(resolved.found), resolved.requests) == (200, 1)


def test_errors_about_single_resources_are_returned_on_request(
    client: Client, fleet: SlowFleet
) -> None:
    fleet.replies["/vehicles/secret"] = web.json_response({"title": "Forbidden"}, status=403)
    with pytest.raises(errors.ForbiddenError) as caught:
        client.resolve(["secret"], Vehicle)
    assert caught.value.partial is not None
    assert caught.value.partial.errors == {"secret": caught.value}
    resolved = client.resolve([*IDS, "secret"], Vehicle, return_exceptions=True)
    assert [type(error) for error in resolved.errors.values()] == [errors.ForbiddenError]
    assert (len(resolved.found), resolved.pending) == (200, ["secret"])


def test_models_in_hand_are_refreshed_on_request(client: Client, fleet: SlowFleet) -> None:
    [known] = client.resolve(IDS[:1], Vehicle)
    assert known is not None
    assert client.resolve([known])[0] is known
    assert client.resolve([known], refresh=True)[0] is not known
    assert fleet.count == 2


def test_listed_resource_without_an_id_is_skipped(client: Client, fleet: SlowFleet) -> None:
    row, fleet.collections["vehicles"][3] = fleet.collections["vehicles"][3], {"id": None}
    fleet.unlisted = [row]
    try:
        assert [found and found.id for found in client.resolve(IDS, Vehicle)] == IDS
    finally:
        fleet.collections["vehicles"][3], fleet.unlisted = row, []


def test_result_of_another_user_is_not_continued(client: Client) -> None:
    partial = client.acting_for("user1").resolve(IDS[:2], Vehicle)
    with pytest.raises(ValueError, match=r"^resume: this result is of another user \(acting_for, "):
        client.resolve(IDS, Vehicle, resume=partial)
    with pytest.raises(TypeError, match="^resume must be the partial result of an error, not a st"):
        client.resolve(IDS, Vehicle, resume="x")  # type: ignore[arg-type]


def test_calls_run_a_few_at_a_time_and_return_in_order(client: Client, fleet: SlowFleet) -> None:
    found = client.gather(partial(client.vehicles.get, id_) for id_ in IDS)
    assert [one.id for one in found] == IDS
    assert fleet.count == 200
    assert client.gather([]) == []
    assert call_threads() == []


def test_function_may_do_more_than_one_call(client: Client) -> None:
    def both() -> str:
        return client.vehicles.get(client.vehicles.get("vhcl00001")).id

    assert client.gather([both, lambda: "no call"], limit=1) == ["vhcl00001", "no call"]


def test_calls_are_taken_when_they_are_about_to_start(client: Client) -> None:
    made, running, most, lock = 0, 0, 0, threading.Lock()

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            assert made - 20 <= running <= 3
        client.vehicles.get("vhcl00001")
        with lock:
            running -= 1

    def calls() -> Iterator[Callable[[], None]]:
        nonlocal made
        for _ in range(20):
            made += 1
            yield call

    assert client.gather(calls(), limit=3) == [None] * 20
    assert most <= 3


def test_first_failure_cancels_the_rest(client: Client, fleet: SlowFleet) -> None:
    started = []

    def gone() -> None:
        wait_until(lambda: fleet.stalled == 2)
        client.vehicles.get("gone")

    def calls() -> Iterator[Callable[[], Any]]:
        for call in (
            partial(client.vehicles.get, "slow"),
            partial(client.vehicles.get, "slow"),
            gone,
        ):
            started.append(call)
            yield call
        pytest.fail("no call is taken after the failure")

    with pytest.raises(errors.NotFoundError):
        client.gather(calls(), limit=3)
    assert len(started) == 3
    assert call_threads() == []
    wait_until(lambda: fleet.disconnected == 2)
    assert client.vehicles.get("vhcl00001").id == "vhcl00001"


def test_generator_is_closed_after_a_failure(client: Client) -> None:
    closed = False

    def calls() -> Iterator[Callable[[], Any]]:
        nonlocal closed
        try:
            while True:
                yield partial(client.vehicles.get, "gone")
        finally:
            closed = True

    generator = calls()
    with pytest.raises(errors.NotFoundError):
        client.gather(generator)
    assert closed


def test_no_call_is_started_after_a_failure(client: Client) -> None:
    def gone() -> None:
        wait_until(lambda: len(call_threads()) == 2)
        client.vehicles.get("gone")

    def outlive_the_failure() -> None:
        wait_until(lambda: len(call_threads()) == 1)

    started = []
    with pytest.raises(errors.NotFoundError):
        client.gather([gone, outlive_the_failure, lambda: started.append("one more")], limit=2)
    assert started == []


def test_calls_of_other_threads_are_not_cancelled(client: Client, fleet: SlowFleet) -> None:
    outcomes: list[Exception] = []

    def gather_in_thread() -> None:
        try:
            client.gather([partial(client.vehicles.get, "slow")])
        except errors.EvEnergyError as error:
            outcomes.append(error)

    other = threading.Thread(target=gather_in_thread)
    other.start()
    wait_until(lambda: fleet.stalled == 1)

    def gone() -> None:
        wait_until(lambda: fleet.stalled == 2)
        client.vehicles.get("gone")

    with pytest.raises(errors.NotFoundError):
        client.gather([partial(client.vehicles.get, "slow"), gone])
    wait_until(lambda: fleet.disconnected == 1)
    assert (fleet.stalled, outcomes) == (1, [])
    client.close()
    other.join(10)
    assert [type(error) for error in outcomes] == [errors.ClientClosedError]
    wait_until(lambda: fleet.stalled == 0)


def test_errors_are_returned_on_request(client: Client) -> None:
    calls = [partial(client.vehicles.get, id_) for id_ in (IDS[0], "gone", IDS[1])]
    first, gone, second = client.gather(calls, return_exceptions=True)
    assert isinstance(gone, errors.NotFoundError)
    assert isinstance(first, Vehicle)
    assert isinstance(second, Vehicle)


def test_gathering_inside_a_gathered_call_is_cancelled_with_it(
    client: Client, fleet: SlowFleet
) -> None:
    def gone() -> None:
        wait_until(lambda: fleet.stalled == 1)
        client.vehicles.get("gone")

    inner = partial(client.gather, [partial(client.vehicles.get, "slow")])
    start = time.monotonic()
    with pytest.raises(errors.NotFoundError):
        client.gather([inner, gone])
    assert time.monotonic() - start < 20  # and not the timeout of the inner call
    assert call_threads() == []
    wait_until(lambda: fleet.stalled == 0)


def test_interrupt_cancels_all_calls(client: Client, fleet: SlowFleet) -> None:
    main = threading.get_ident()

    def interrupt() -> None:
        wait_until(lambda: fleet.stalled == 4)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        client.gather([partial(client.vehicles.get, "slow")] * 4)
    assert call_threads() == []
    wait_until(lambda: fleet.disconnected == 4)


def test_interrupt_while_a_thread_starts_cancels_its_call(
    client: Client, fleet: SlowFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_start_of_thread(
        "ev-energy-call", monkeypatch, ready=lambda: wait_until(lambda: fleet.stalled == 1)
    )
    with pytest.raises(KeyboardInterrupt):
        client.gather([partial(client.vehicles.get, "slow")] * 4)
    assert call_threads() == []
    wait_until(lambda: fleet.disconnected == 1)


def test_exhausted_budget_stops_the_calls(running: RecordingServer, fleet: SlowFleet) -> None:
    budget = MemoryBudget(20)
    with (
        Client(TOKEN, base_url=running.url, budget=budget, when_exhausted="raise") as client,
        pytest.raises(errors.BudgetExceeded),
    ):
        client.gather((partial(client.vehicles.get, id_) for id_ in IDS), limit=4)
    assert fleet.count <= 20


@pytest.mark.parametrize("limit", [1, 4])
def test_exhausted_budget_ends_calls_whose_errors_are_returned(
    running: RecordingServer, fleet: SlowFleet, limit: int
) -> None:
    made = 0

    def calls(client: Client) -> Iterator[Callable[[], Vehicle]]:
        nonlocal made
        for id_ in [*IDS[:7], "gone", *IDS]:
            made += 1
            yield partial(client.vehicles.get, id_)

    budget = MemoryBudget(20)
    with (
        Client(TOKEN, base_url=running.url, budget=budget, when_exhausted="raise") as client,
        pytest.raises(errors.BudgetExceeded) as caught,
    ):
        client.gather(calls(client), limit=limit, return_exceptions=True)
    gathered = caught.value.gathered
    assert gathered is not None
    assert [*gathered] == [*range(20)]
    assert isinstance(gathered[7], errors.NotFoundError)
    assert (gathered[8].id, made) == (IDS[0], 21)


def test_one_call_waits_for_a_budget_that_is_used_up(running: RecordingServer) -> None:
    budget, waits = MemoryBudget(10), []
    with Client(
        TOKEN, base_url=running.url, budget=budget, deadline=7200, on_wait=waits.append
    ) as client:
        calls = (partial(client.vehicles.get, id_) for id_ in IDS)

        def gather() -> None:
            with pytest.raises(errors.ClientClosedError):
                client.gather(calls)

        thread = threading.Thread(target=gather)
        thread.start()
        wait_until(lambda: len(waits) > 0)
        assert client.rate_limit is not None
        assert client.rate_limit.waiting == 1
    thread.join(10)
    assert not thread.is_alive()
    assert len(waits) == 1


def test_error_has_the_results_before_it(client: Client) -> None:
    calls = [partial(client.vehicles.get, id_) for id_ in [*IDS[:2], "gone", *IDS]]
    with pytest.raises(errors.NotFoundError) as caught:
        client.gather(calls, limit=1)
    gathered = caught.value.gathered
    assert gathered is not None
    assert {number: one.id for number, one in gathered.items()} == {0: IDS[0], 1: IDS[1]}


def test_calls_are_captured(client: Client) -> None:
    with client.capture() as captured:
        client.gather(partial(client.vehicles.get, id_) for id_ in IDS[:3])
    assert len(captured) == 3


@pytest.mark.parametrize(
    ("calls", "limit", "error", "message"),
    [
        ([], 0, ValueError, "limit must be 1 or more, not 0"),
        (7, None, TypeError, "calls must be an iterable of functions, not an int"),
        (
            ["vhcl1"],
            None,
            TypeError,
            f"calls must be functions without arguments, such as {EXAMPLE}, not a str",
        ),
    ],
)
def test_wrong_argument_is_refused(
    client: Client, calls: Any, limit: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        client.gather(calls, limit=limit)
    assert str(caught.value) == message


def test_gathering_on_the_loop_of_the_client_is_refused(running: RecordingServer) -> None:
    refused = []

    def hook(_: object) -> None:
        with pytest.raises(RuntimeError, match="would never return") as caught:
            client.gather([lambda: None])
        refused.append(caught.value)

    with Client(TOKEN, base_url=running.url, on_request=hook) as client:
        client.vehicles.get("vhcl00001")
    assert len(refused) == 1


def test_estimate_sends_nothing(client: Client, fleet: SlowFleet) -> None:
    assert client.estimate(client.vehicles.list(), items=5000).requests == 50
    found = client.estimate(IDS, Vehicle, expand=["trim"])
    assert (found.requests, found.at_most) == (2, 400)
    assert client.estimate(5050).requests == 5050
    assert fleet.count == 0


def test_estimate_of_a_resumed_resolve(client: Client) -> None:
    partial = client.resolve(IDS[:3], Vehicle)
    assert client.estimate(IDS[:4], Vehicle, resume=partial).requests == 1


def test_function_is_refused_since_its_requests_are_unknown(client: Client) -> None:
    for work, kind in (
        (partial(client.resolve, IDS, Vehicle), "a partial"),
        (client.vehicles.list, "a method"),
        (Vehicle, "the class Vehicle"),
    ):
        with pytest.raises(TypeError, match=f"not {kind}: pass the number of calls, since how"):
            client.estimate(work)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="^items must be a whole number, not True"):
        client.estimate(client.vehicles.list(), items=True)
    with pytest.raises(TypeError, match=r"^into= is an argument of resolve\(\)"):
        client.estimate(5, Vehicle)  # type: ignore[call-overload]
