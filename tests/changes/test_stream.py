"""The stream of sub-sessions of a client, against a simulator over a socket."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ev_energy import Client, ClientCredentials, errors
from ev_energy.auth import FileStore
from ev_energy.changes import (
    Change,
    Created,
    Ended,
    FileStateStore,
    MemoryEventQueue,
    MemoryStateStore,
    SubSessionStream,
)
from ev_energy.models import ChargingSubSession, UnknownEvent
from ev_energy.models.webhook_events import (
    ChargingSubSessionCreatedWebhook,
    ChargingSubSessionEndedWebhook,
)
from tests.helpers.changes.adversary import make_session
from tests.helpers.changes.fleet import Fleet, running_fleet

HOUR = timedelta(hours=1)


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    async with running_fleet(vehicles=12, seed=3) as running:
        yield running


def stream_of(fleet: Fleet, **settings: Any) -> SubSessionStream:
    since = settings.pop("since", fleet.now() - 12 * HOUR)
    return fleet.client.charging_sub_sessions.changes(since=since, **settings)


async def catch_up(stream: SubSessionStream) -> list[Change]:
    """Return the changes until the stream waits."""
    changes: list[Change] = []
    async for batch in stream.batches():
        changes += batch
        await batch.commit()
        if batch.caught_up:
            break
    return changes


def created_event(session: ChargingSubSession) -> ChargingSubSessionCreatedWebhook:
    return ChargingSubSessionCreatedWebhook(
        type="charging_sub_session.created", timestamp=session.start, data=session
    )


async def test_stream_hands_over_what_the_api_has(fleet: Fleet) -> None:
    since = fleet.now() - 12 * HOUR
    changes = await catch_up(stream_of(fleet, since=since))
    truth = await fleet.truth(since)
    assert {change.id for change in changes if isinstance(change, Created)} == {*truth}
    ended = {change.id for change in changes if isinstance(change, Ended)}
    assert ended == {id_ for id_, one in truth.items() if one.end is not None}
    assert all(change.session == truth[change.id] for change in changes if change.id in ended)


@pytest.mark.parametrize("ahead", [48 * HOUR, 60 * 24 * HOUR])
async def test_clock_that_is_days_ahead_of_the_servers_hides_nothing(
    fleet: Fleet, ahead: timedelta
) -> None:
    since, simulator = fleet.now() - 36 * HOUR, fleet.simulator

    def wall_clock() -> float:
        return (fleet.now() + ahead).timestamp()

    async with Client(
        ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret),
        base_url=simulator.base_url,
        wall_clock=wall_clock,
        sleep=fleet.sleep,
    ) as client:
        stream = client.charging_sub_sessions.changes(since=since)
        found = {change.id for change in await catch_up(stream)}
        through = stream.status().through
    assert found == {*await fleet.truth(since)}
    assert through is not None
    assert through <= fleet.now()


async def test_since_in_the_future_of_the_server_is_logged(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    await catch_up(stream_of(fleet, since=fleet.now() + 54 * 24 * HOUR))
    assert "the stream of sub-sessions begins at 2026-11-28" in caplog.text
    evse = await fleet.client.evses.list().first()
    assert evse is not None
    log = fleet.client.evses.status_logs(evse).follow(since=fleet.now() + HOUR)
    await anext(log.batches())
    assert "the stream of log entries begins at" in caplog.text


async def test_repr_of_a_stream_tells_how_far_it_has_read(fleet: Fleet) -> None:
    since = fleet.now() - HOUR
    shown = f"since {since:%Y-%m-%d %H:%M:%S} UTC"
    evse = await fleet.client.evses.list().first()
    assert evse is not None
    log = fleet.client.evses.status_logs(evse).follow(since=since)
    listing = f"<LogStream of /v2/evses/{evse.id}/status_logs, {shown}"
    assert repr(log) == f"{listing}, not yet read>"
    sessions = stream_of(fleet, since=since)
    assert repr(sessions) == f"<SubSessionStream of 127.0.0.1, {shown}, not yet read>"
    async for batch in log.batches():
        await batch.commit()
        if batch.caught_up:
            break
    through = log.status().through
    assert repr(log) == f"{listing}, read through {through:%Y-%m-%d %H:%M:%S} UTC>"
    await catch_up(sessions)
    assert ", read through 2026-" in repr(sessions)


async def test_late_tells_what_happened_hours_before(fleet: Fleet) -> None:
    changes = await catch_up(stream_of(fleet))
    for change in changes:
        assert isinstance(change, Created | Ended)
        latest = max(change.session.start, change.session.end or change.session.start)
        assert change.late == (fleet.now() - latest > 3 * HOUR)
    assert {change.late for change in changes} == {True, False}


async def test_iteration_waits_for_changes_in_the_time_of_the_client(fleet: Fleet) -> None:
    stream = stream_of(fleet)
    known = {change.id for change in await catch_up(stream)}
    begin = fleet.now()
    change = await anext(stream)
    assert fleet.now() > begin
    assert isinstance(change, Ended) or change.id not in known


async def test_next_batch_must_wait_for_the_commit(fleet: Fleet) -> None:
    batches = stream_of(fleet).batches()
    batch = await anext(batches)
    with pytest.raises(errors.UncommittedBatchError, match="commit"):
        await anext(batches)
    await batch.commit()
    await batch.commit()  # which does nothing
    assert batch.is_committed
    assert (await anext(batches)) is not batch


async def test_other_process_continues_from_the_state(fleet: Fleet) -> None:
    batch = await anext(stream_of(fleet).batches())
    first, state = list(batch), batch.state
    rest = await catch_up(stream_of(fleet, state=state))
    whole = await catch_up(stream_of(fleet))
    assert [*first, *rest] == whole
    assert first
    assert rest


async def test_batch_without_commit_is_handed_over_again_by_the_next_process(fleet: Fleet) -> None:
    store = MemoryStateStore()
    lost = await anext(stream_of(fleet, store=store).batches())
    assert await store.load() is None
    batch = await anext(stream_of(fleet, store=store).batches())
    assert list(batch) == list(lost)
    await batch.commit()
    stored = await store.load()
    assert stored is not None
    assert (stored.text, stored.revision) == (batch.state, batch.revision)


async def test_revisions_of_batches_follow_each_other(fleet: Fleet) -> None:
    revision: str | None = None
    async for batch in stream_of(fleet).batches():
        assert batch.previous_revision == revision
        revision = batch.revision
        await batch.commit()
        if batch.caught_up:
            break


async def test_state_is_read_before_the_commit(fleet: Fleet) -> None:
    batches = stream_of(fleet).batches()
    batch = await anext(batches)
    await batch.commit()
    with pytest.raises(ValueError, match="before it is committed"):
        _ = batch.state


async def test_iteration_commits_a_batch_when_the_change_after_it_is_asked_for(
    fleet: Fleet, tmp_path: Path
) -> None:
    store = FileStateStore(tmp_path / "state.json")
    stream = stream_of(fleet, store=store)
    batch_size = len(await anext(stream_of(fleet).batches()))
    for _ in range(batch_size):
        await anext(stream)
    assert await store.load() is None
    await anext(stream)
    stored = await store.load()
    assert stored is not None
    assert len(json.loads(stored.text)["seen"]) >= batch_size / 2


async def test_second_process_with_the_same_store_is_refused(fleet: Fleet) -> None:
    store = MemoryStateStore()
    first, second = (stream_of(fleet, store=store).batches() for _ in range(2))
    mine, theirs = await anext(first), await anext(second)
    await theirs.commit()
    await (await anext(second)).commit()
    with pytest.raises(errors.StateConflictError):
        await mine.commit()
    with pytest.raises(errors.UncommittedBatchError):
        await anext(first)


async def test_two_streams_that_read_the_same_conflict(fleet: Fleet) -> None:
    store = MemoryStateStore()
    first, second = (stream_of(fleet, store=store).batches() for _ in range(2))
    mine, theirs = await anext(first), await anext(second)
    assert [change.id for change in mine] == [change.id for change in theirs]
    await theirs.commit()
    with pytest.raises(errors.StateConflictError):
        await mine.commit()


async def test_store_that_fails_once_loses_nothing(fleet: Fleet) -> None:
    class FailingOnce(MemoryStateStore):
        failures = 1

        async def save(self, text: str, revision: str | None) -> str:
            if self.failures:
                self.failures -= 1
                raise errors.StateStoreError("the disk is full")
            return await super().save(text, revision)

    stream, changes = stream_of(fleet, store=FailingOnce()), []
    batch_size = len(await anext(stream_of(fleet).batches()))
    for _ in range(batch_size):
        changes.append(await anext(stream))
    with pytest.raises(errors.StateStoreError, match="the disk is full"):
        await anext(stream)
    changes.append(await anext(stream))
    assert len({(type(change), change.id) for change in changes}) == batch_size + 1


@pytest.mark.parametrize("fault", ["server_error", "rate_limited", "reset_before"])
async def test_transient_errors_do_not_end_the_stream(
    fleet: Fleet, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    stream, expected = stream_of(fleet), await catch_up(stream_of(fleet))
    operation = "GET /charging_sub_sessions"
    fleet.simulator.faults.add(fault, operation=operation, after=1, count=7)
    begin = fleet.now()
    with caplog.at_level(logging.WARNING, "ev_energy"):
        assert [change.id for change in await catch_up(stream)] == [one.id for one in expected]
    assert fleet.now() > begin
    assert "tries again in 15 s" in caplog.text
    assert stream.status().error is None


async def test_status_has_the_error_while_the_stream_waits(fleet: Fleet) -> None:
    fleet.simulator.faults.add("server_error", operation="GET /charging_sub_sessions", count=3)
    seen: list[Exception | None] = []
    stream = stream_of(fleet)
    sleep = fleet.sleep

    async def noting(seconds: float) -> None:
        seen.append(stream.status().error)
        await sleep(seconds)

    fleet.sleep = noting  # type: ignore[method-assign]
    await anext(stream)
    assert any(isinstance(error, errors.ServerError) for error in seen)


async def test_other_errors_are_raised_and_leave_the_stream_usable(fleet: Fleet) -> None:
    stream, expected = stream_of(fleet), await catch_up(stream_of(fleet))
    changes: list[Change] = []
    for fault in ("problem", "not_json", "broken_link"):
        fleet.simulator.faults.add(fault, operation="GET /charging_sub_sessions", count=1)
        with pytest.raises(errors.CallError):
            await anext(stream.batches())
        batch = await anext(stream.batches())
        changes += batch
        await batch.commit()
    changes += await catch_up(stream)
    assert [change.id for change in changes] == [one.id for one in expected]


async def test_failure_of_the_token_endpoint_does_not_end_the_stream(fleet: Fleet) -> None:
    fleet.simulator.faults.add("server_error", operation="token", count=4)
    assert await catch_up(stream_of(fleet))
    fleet.simulator.expire_tokens()
    fleet.simulator.faults.add("problem", operation="token", count=1)
    with pytest.raises(errors.TokenError):
        await catch_up(stream_of(fleet))


async def test_cancelled_iteration_continues(fleet: Fleet) -> None:
    expected = await catch_up(stream_of(fleet))
    stream, changes = stream_of(fleet), []
    for turns in range(1, 400, 7):
        task = asyncio.ensure_future(anext(stream))
        for _ in range(turns):
            await asyncio.sleep(0)
            if task.done():
                break
        task.cancel()
        try:
            changes.append(await task)
        except asyncio.CancelledError:
            continue
        if len(changes) == len(expected):
            break
    while len(changes) < len(expected):
        changes.append(await anext(stream))
    assert [(type(one), one.id) for one in changes] == [(type(one), one.id) for one in expected]


async def test_two_tasks_cannot_wait_for_the_same_stream(fleet: Fleet) -> None:
    stream = stream_of(fleet)
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="already waiting"):
        await anext(stream)
    await first


async def test_closed_client_ends_the_wait_and_leaves_the_batch(fleet: Fleet) -> None:
    store = MemoryStateStore()
    stream = stream_of(fleet, store=store)
    await catch_up(stream)
    batch = await anext(stream.batches())
    await fleet.client.close()
    await batch.commit()
    stored = await store.load()
    assert stored is not None
    assert stored.revision == batch.revision
    with pytest.raises(errors.ClientClosedError):
        await anext(stream)


async def test_closing_the_client_wakes_a_stream_that_waits() -> None:
    asleep = asyncio.Event()

    async def sleep_for_ever(_: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    async with running_fleet(vehicles=2) as fleet:
        stream = stream_of(fleet)
        await catch_up(stream)
        fleet.sleep = sleep_for_ever  # type: ignore[method-assign]
        waiting = asyncio.ensure_future(anext(stream))
        await asleep.wait()
        await fleet.client.close()
        with pytest.raises(errors.ClientClosedError):
            await waiting


async def test_webhook_of_another_thread_wakes_the_stream(fleet: Fleet) -> None:
    asleep = asyncio.Event()

    async def sleep_for_ever(_: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    stream = stream_of(fleet)
    await catch_up(stream)
    fleet.sleep = sleep_for_ever  # type: ignore[method-assign]
    waiting = asyncio.ensure_future(anext(stream))
    await asleep.wait()
    session = make_session("csub1", start=fleet.now())
    thread = threading.Thread(target=stream.offer, args=[created_event(session)])
    thread.start()
    change = await asyncio.wait_for(waiting, 10)
    thread.join()
    assert change == Created(session, "webhook")
    assert stream.status().webhooks_received == 1


async def test_webhooks_before_the_first_iteration_are_kept(fleet: Fleet) -> None:
    stream = stream_of(fleet, since=fleet.now() - timedelta(minutes=3), store=MemoryStateStore())
    session = make_session("csub1", start=fleet.now())
    stream.offer(created_event(session))
    assert stream.status().webhooks_received == 1
    assert Created(session, "webhook") in await catch_up(stream)


async def test_events_of_unknown_types_are_ignored_and_other_objects_refused(fleet: Fleet) -> None:
    stream = stream_of(fleet)
    stream.offer(UnknownEvent(type="a.new.type"))
    with pytest.raises(TypeError, match="event must be an event of ev_energy.webhooks, not a dict"):
        stream.offer({"type": "charging_sub_session.ended"})  # type: ignore[arg-type]
    assert stream.status().webhooks_received == 0


async def test_inbox_brings_webhooks_of_other_processes(fleet: Fleet) -> None:
    inbox = MemoryEventQueue()
    stream = stream_of(fleet, inbox=inbox)
    await catch_up(stream)
    session = make_session("csub1", start=fleet.now(), end=fleet.now())
    await inbox.put(
        ChargingSubSessionEndedWebhook(
            type="charging_sub_session.ended", timestamp=fleet.now(), data=session
        )
    )
    begin = fleet.now()
    changes = [await anext(stream), await anext(stream)]
    assert changes == [Created(session, "webhook"), Ended(session, "webhook")]
    assert fleet.now() - begin < timedelta(minutes=2)


async def test_inbox_that_fails_does_not_end_the_stream(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(MemoryEventQueue):
        async def take(self) -> Any:
            raise errors.EventQueueError("Redis does not answer")

    assert await catch_up(stream_of(fleet, inbox=Broken()))
    assert "continues without its inbox: Redis does not answer" in caplog.text


async def test_status_counts_what_the_stream_knows(fleet: Fleet) -> None:
    stream = stream_of(fleet)
    assert stream.status().through is None
    changes = await catch_up(stream)
    status = stream.status()
    ended = {change.id for change in changes if isinstance(change, Ended)}
    assert status.open == len({change.id for change in changes}) - len(ended)
    assert status.remembered == len({change.id for change in changes})
    assert status.requests == fleet.requests
    assert status.through == fleet.now().replace(microsecond=0)
    assert status.next_pass == fleet.now().replace(microsecond=0) + timedelta(minutes=5)
    assert status.lag is not None
    assert status.lag < timedelta(seconds=2)
    assert (status.has_server_time, status.gaps, status.webhooks_missed) == (True, (), 0)


async def test_stream_that_is_up_to_date_says_so_at_once(fleet: Fleet) -> None:
    store, begin = MemoryStateStore(), fleet.now()
    await catch_up(stream_of(fleet, store=store))
    before = fleet.requests
    batch = await anext(stream_of(fleet, store=store).batches())
    assert (len(batch), batch.caught_up, fleet.requests, fleet.now()) == (0, True, before, begin)


async def test_requests_stay_within_the_share() -> None:
    async with running_fleet(vehicles=12, rate_limit=100) as fleet:
        stream = stream_of(fleet, budget=0.1, since=fleet.now() - 72 * HOUR)
        begin, most = fleet.now(), 0
        async for batch in stream.batches():
            await batch.commit()
            most = max(most, stream.status().requests)
            if fleet.now() > begin + 5 * HOUR:
                break
        assert most <= 10
        assert stream.status().through is not None


async def test_stream_since_ever_has_everything(fleet: Fleet) -> None:
    stream = stream_of(fleet, since=datetime.min.replace(tzinfo=UTC))
    async for batch in stream.batches():
        await batch.commit()
        if batch.changes:
            break
    assert batch.changes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"since": datetime(2026, 1, 1)}, "since is a naive datetime"),
        ({"since": datetime.max.replace(tzinfo=UTC)}, "since must be before the year 9000"),
        ({"look_back": timedelta.max}, "look_back must be 3650 days or less"),
        ({"horizon": timedelta.max}, "horizon must be 3650 days or less"),
        ({"budget": 0}, "budget must be more than 0 and at most 1, not 0"),
        ({"budget": 1.1}, "budget must be more than 0 and at most 1, not 1.1"),
        ({"freshness": timedelta()}, "freshness must be 0:00:01 or more, not 0:00:00"),
        ({"look_back": timedelta(minutes=9)}, "look_back must be 1:00:00 or more"),
        ({"sweep": timedelta(minutes=9)}, "sweep must be 1:00:00 or more"),
        ({"horizon": HOUR}, "horizon must be look_back"),
    ],
)
async def test_bad_arguments_are_named(fleet: Fleet, settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stream_of(fleet, **settings)
    assert fleet.requests == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"since": "2026-01-01"}, "since must be a datetime, not"),
        ({"since": None}, "since must be a datetime, not"),
        ({"state": 12}, "state must be"),
        ({"freshness": 300}, "freshness must be a timedelta, not"),
        ({"sweep": False}, "sweep must be a timedelta, not"),
        ({"budget": True}, "budget must be a number, not"),
        ({"budget": "half"}, "budget must be a number, not"),
        ({"budget": None}, "budget must be a number, not"),
        (
            {"store": "sub_sessions.state"},
            r"store must be an object with the methods load\(\) and save\(\)",
        ),
        ({"store": FileStore("tokens.json")}, "store must be a state store, such as"),
        ({"store": MemoryStateStore}, "store must be an object with the methods load"),
        ({"inbox": []}, "inbox must be an object with the method take"),
    ],
)
async def test_arguments_of_the_wrong_type_are_named(
    fleet: Fleet, settings: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        stream_of(fleet, **settings)
    assert fleet.requests == 0


async def test_state_of_another_user_or_api_is_refused(fleet: Fleet) -> None:
    batch = await anext(stream_of(fleet).batches())
    other = fleet.client.acting_for("user01ABC")
    with pytest.raises(errors.StateError, match="belongs to the user None"):
        other.charging_sub_sessions.changes(since=fleet.now(), state=batch.state)
    state = json.loads(batch.state)
    text = json.dumps({**state, "host": "api.ev.energy"})
    with pytest.raises(errors.StateError, match="belongs to the API 'api.ev.energy'"):
        stream_of(fleet, state=text)


async def test_abandoned_stream_leaves_no_task(fleet: Fleet) -> None:
    stream = stream_of(fleet)
    await anext(stream)
    before = asyncio.all_tasks()
    waiting = asyncio.ensure_future(anext(stream.batches()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    del stream, waiting
    gc.collect()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
