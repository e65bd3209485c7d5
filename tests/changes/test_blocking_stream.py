"""The blocking stream of sub-sessions, against a simulator over a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ev_energy import errors
from ev_energy.changes import SubSessionStream as AsyncStream
from ev_energy.models.webhook_events import ChargingSubSessionCreatedWebhook
from ev_energy.simulator import Clock, Simulator
from ev_energy_sync import Client, ClientCredentials
from ev_energy_sync.changes import (
    Batch,
    Change,
    Created,
    FileStateStore,
    MemoryStateStore,
    SubSessionStream,
)
from tests.helpers.changes.adversary import make_session

HOUR = timedelta(hours=1)


@pytest.fixture
def simulator() -> Iterator[Simulator]:  # type: ignore[misc]  # the other one is asynchronous
    with Simulator.in_thread(vehicles=12, seed=3, clock=Clock(speed=0)) as running:
        yield running


class Asleep:
    """A sleep of the client that moves the simulated clock, or waits for ever."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator, self.for_ever = simulator, False
        self.began = threading.Event()

    async def __call__(self, seconds: float) -> None:
        self.began.set()
        if self.for_ever:
            import asyncio

            await asyncio.Event().wait()
        self.simulator.clock.advance(timedelta(seconds=seconds))


@pytest.fixture
def asleep(simulator: Simulator) -> Asleep:
    return Asleep(simulator)


@pytest.fixture
def client(simulator: Simulator, asleep: Asleep) -> Iterator[Client]:
    def now() -> float:
        return simulator.clock.now().timestamp()

    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    with Client(
        auth, base_url=simulator.base_url, clock=now, wall_clock=now, sleep=asleep
    ) as opened:
        yield opened


def stream_of(client: Client, simulator: Simulator, **settings: Any) -> SubSessionStream:
    since = simulator.clock.now() - 12 * HOUR
    return client.charging_sub_sessions.changes(since=since, **settings)


def catch_up(stream: SubSessionStream) -> list[Change]:
    changes: list[Change] = []
    for batch in stream.batches():
        assert isinstance(batch, Batch)
        changes += batch
        assert len(batch) == len(batch.changes)
        batch.commit()
        if batch.caught_up:
            break
    return changes


def test_stream_hands_over_what_the_api_has(client: Client, simulator: Simulator) -> None:
    since = simulator.clock.now() - 12 * HOUR
    changes = catch_up(stream_of(client, simulator))
    listed = client.charging_sub_sessions.list(start__gt=since - 99 * HOUR).collect()
    expected = {one.id for one in listed if max(one.start, one.end or one.start) > since}
    assert {change.id for change in changes if isinstance(change, Created)} == expected


def test_iteration_saves_its_state(client: Client, simulator: Simulator, tmp_path: Path) -> None:
    expected = catch_up(stream_of(client, simulator))
    path = tmp_path / "state.json"
    got: list[Change] = []
    for change in stream_of(client, simulator, store=FileStateStore(path)):
        got.append(change)
        if len(got) == len(expected):
            break
    assert got == expected
    stream = stream_of(client, simulator, store=FileStateStore(path))
    last_batch = len(got)
    for change in stream:  # the last batch was not committed, and comes again
        if change not in expected:
            break
        last_batch -= 1
    assert 0 < last_batch < len(got)


def test_state_of_a_batch_continues_the_stream(client: Client, simulator: Simulator) -> None:
    first = next(stream_of(client, simulator).batches())
    assert first.previous_revision is None
    assert not first.is_committed
    rest = catch_up(stream_of(client, simulator, state=first.state))
    assert [*first, *rest] == catch_up(stream_of(client, simulator))
    assert len(first.revision) == 40


def test_next_batch_must_wait_for_the_commit(client: Client, simulator: Simulator) -> None:
    batches = stream_of(client, simulator, store=MemoryStateStore()).batches()
    next(batches)
    with pytest.raises(errors.UncommittedBatchError):
        next(batches)


def test_webhook_of_another_thread_wakes_the_stream(
    client: Client, simulator: Simulator, asleep: Asleep
) -> None:
    stream = stream_of(client, simulator)
    catch_up(stream)
    asleep.for_ever = True
    asleep.began.clear()
    session = make_session("csub1", start=simulator.clock.now())
    event = ChargingSubSessionCreatedWebhook(
        type="charging_sub_session.created", timestamp=session.start, data=session
    )

    def offer() -> None:
        asleep.began.wait(10)
        stream.offer(event)

    thread = threading.Thread(target=offer)
    thread.start()
    assert next(stream) == Created(session, "webhook")
    thread.join()
    assert stream.status().webhooks_received == 1


def test_closing_the_client_ends_the_wait(
    client: Client, simulator: Simulator, asleep: Asleep
) -> None:
    stream = stream_of(client, simulator)
    catch_up(stream)
    asleep.for_ever = True
    asleep.began.clear()

    def close() -> None:
        asleep.began.wait(10)
        client.close()

    thread = threading.Thread(target=close)
    thread.start()
    with pytest.raises(errors.ClientClosedError):
        next(stream)
    thread.join()


def test_bad_arguments_are_named(client: Client, simulator: Simulator) -> None:
    with pytest.raises(ValueError, match="budget must be more than 0"):
        stream_of(client, simulator, budget=0)


def test_blocking_stream_has_the_methods_of_the_asynchronous_one() -> None:
    def names(cls: type[Any]) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    assert names(SubSessionStream) == names(AsyncStream) == {"batches", "offer", "status"}
