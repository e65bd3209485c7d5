"""Logs of the simulator, followed by a client over a socket while they grow."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

import ev_energy_sync
from ev_energy import Client, ClientCredentials, LogPager, MemoryBudget, StaticToken, errors
from ev_energy._changes.digest import Projection
from ev_energy._operations import operation_table
from ev_energy.changes import FileStateStore, LogStream, MemoryStateStore
from ev_energy.models import EVSEStatusLog
from ev_energy.simulator import Simulator
from tests.helpers.support import TOKEN, FakeTime
from tests.helpers.tiers import examples

if TYPE_CHECKING:
    from pathlib import Path

    from ev_energy.budget import Acquire, Ticket
    from ev_energy.hooks import ResponseEvent
    from tests.helpers.recording_server import Handler, RecordingServer

    Serve = Callable[[Handler], Awaitable[RecordingServer]]

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def credentials(simulator: Simulator) -> ClientCredentials:
    return ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)


@pytest.fixture
async def moving(simulator: Simulator) -> AsyncIterator[Client]:
    """A client whose waits, and whose requests, move the simulator's clock."""

    async def sleep(seconds: float) -> None:
        simulator.clock.advance(seconds=seconds)
        await asyncio.sleep(0)

    def on_response(event: ResponseEvent) -> None:
        del event
        simulator.clock.advance(minutes=7)

    async with Client(
        credentials(simulator),
        base_url=simulator.base_url,
        budget=None,
        deadline=1e6,
        on_response=on_response,
        clock=lambda: simulator.clock.now().timestamp(),
        sleep=sleep,
        wall_clock=lambda: 0.0,  # far behind: only the server's time counts
    ) as opened:
        yield opened


async def caught_up(stream: LogStream[EVSEStatusLog]) -> list[EVSEStatusLog]:
    """Return the new entries of one pass, and commit them."""
    found: list[EVSEStatusLog] = []
    async for batch in stream.batches():
        found += [entry.item for entry in batch]
        await batch.commit()
        if batch.caught_up:
            break
    return found


async def listed(
    client: Client, evse: str, since: datetime, until: datetime
) -> list[EVSEStatusLog]:
    """Return the entries of a log in the order of time."""
    pager = client.evses.status_logs(evse, sampled_at__gte=since, sampled_at__lte=until)
    return (await pager.collect())[::-1]


async def first_evse(client: Client) -> str:
    evse = await client.evses.list().first()
    assert evse is not None
    return evse.id


@examples(fast=1, slow=4)
async def test_growing_log_is_followed_through_kills(
    simulator: Simulator, moving: Client, tmp_path: Path, examples: int
) -> None:
    for seed in range(examples):
        draw = random.Random(seed)
        evse = await first_evse(moving)
        since = simulator.clock.now() - draw.uniform(0.1, 9) * DAY
        end = simulator.clock.now() + 2 * DAY
        store = FileStateStore(tmp_path / f"{seed}.json")
        received: list[EVSEStatusLog] = []
        while simulator.clock.now() < end:
            listing = moving.evses.status_logs(evse, page_size=draw.choice([3, 20, 100]))
            stream = listing.follow(since=since, store=store)
            with suppress(TimeoutError):
                # Killed during a request or a wait; nothing that is committed is lost.
                async with asyncio.timeout(None) as limit:
                    async for batch in stream.batches():
                        received += [entry.item for entry in batch]
                        assert not any(entry.late for entry in batch)
                        await batch.commit()
                        if draw.random() < 0.2:
                            limit.reschedule(asyncio.get_running_loop().time())
                        if simulator.clock.now() > end:
                            break
            if draw.random() < 0.3:
                simulator.clock.advance(hours=draw.uniform(0, 40))
        received += await caught_up(moving.evses.status_logs(evse).follow(since=since, store=store))
        last = received[-1].sampled_at
        assert last is not None
        assert last > end - HOUR
        assert received == await listed(moving, evse, since, last)


async def test_plain_iteration_commits_when_the_next_batch_is_needed(
    simulator: Simulator, client: Client
) -> None:
    evse, since = await first_evse(client), simulator.clock.now() - DAY
    store = MemoryStateStore()
    expected = await listed(client, evse, since, simulator.clock.now())
    stream = client.evses.status_logs(evse).follow(since=since, store=store)
    received = [await anext(stream) for _ in range(5)]
    assert await store.load() is None
    async for entry in stream:  # leaving the iteration lost nothing
        received.append(entry)
        if len(received) == len(expected):
            break
    assert received == expected
    # The last entry may not have been dealt with, so its batch is handed over again.
    again = client.evses.status_logs(evse).follow(since=since, store=store)
    repeated = [await anext(again) for _ in expected]
    assert repeated == expected[-len(repeated) :]


async def test_state_continues_a_stream_and_since_is_ignored(
    simulator: Simulator, client: Client
) -> None:
    evse, since = await first_evse(client), simulator.clock.now() - DAY
    state: str | None = None
    stream = client.evses.status_logs(evse).follow(since=since)
    async for batch in stream.batches():
        assert (batch.previous_revision is None) == (state is None)
        state = batch.state
        await batch.commit()
        if batch.caught_up:
            break
    simulator.clock.advance(hours=3)
    now = simulator.clock.now()
    later = client.evses.status_logs(evse, expand=["evse"]).follow(since=now - 9 * DAY, state=state)
    new = await caught_up(later)
    expected = await listed(client, evse, now - 3 * HOUR, now)
    assert [entry.sampled_at for entry in new] == [entry.sampled_at for entry in expected]


async def test_state_of_a_release_with_fewer_fields_is_continued(
    simulator: Simulator, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing, since = client.evses.status_logs(await first_evse(client)), simulator.clock.now() - DAY
    store = MemoryStateStore()
    fields = Projection.of(EVSEStatusLog).names
    with monkeypatch.context() as earlier:
        older = Projection(tuple(name for name in fields if name != "charge_rate_watts"))
        earlier.setattr(Projection, "of", lambda _model: older)
        assert len(await caught_up(listing.follow(since=since, store=store))) > 90
    simulator.clock.advance(hours=1)
    assert len(await caught_up(listing.follow(since=since, store=store))) == 4


async def test_going_on_without_committing_is_refused(simulator: Simulator, client: Client) -> None:
    since = simulator.clock.now() - DAY
    batches = client.evses.status_logs(await first_evse(client)).follow(since=since).batches()
    batch = await anext(batches)
    with pytest.raises(errors.UncommittedBatchError):
        await anext(batches)
    await batch.commit()
    await batch.commit()  # does nothing
    assert batch.is_committed


async def test_two_streams_on_one_store_conflict(simulator: Simulator, client: Client) -> None:
    store, since = MemoryStateStore(), simulator.clock.now() - DAY
    listing = client.evses.status_logs(await first_evse(client))
    one, other = [await anext(listing.follow(since=since, store=store).batches()) for _ in range(2)]
    await one.commit()
    simulator.clock.advance(hours=1)
    third = await anext(listing.follow(since=since, store=store).batches())
    await third.commit()
    with pytest.raises(errors.StateConflictError):
        await other.commit()
    assert not other.is_committed


async def test_held_entries_come_in_strict_order(simulator: Simulator, moving: Client) -> None:
    evse, since = await first_evse(moving), simulator.clock.now() - 2 * DAY
    stream = moving.evses.status_logs(evse).follow(since=since, hold=DAY)
    received = await caught_up(stream) + await caught_up(stream)
    through = stream.status().through
    assert through is not None
    assert simulator.clock.now() - through > DAY
    assert received == await listed(moving, evse, since, through)


async def test_all_listings_by_time_can_be_followed(simulator: Simulator, client: Client) -> None:
    evse = await first_evse(client)
    since = simulator.clock.now() - DAY
    for listing in await _listings(client, evse):
        stream = listing.follow(since=since)
        times: list[datetime] = []
        async for batch in stream.batches():
            times += [getattr(entry.item, listing._log.key) for entry in batch]
            await batch.commit()
            if batch.caught_up:
                break
        assert times == sorted(times)
        bounds = {listing._log.low_name: since}
        expected = await listing._log.pager(client._caller, **bounds).collect()
        known = [getattr(item, listing._log.key) for item in expected]
        # The simulator's clock runs: the log may have grown since.
        assert times == sorted(time for time in known if time <= max(times, default=since))


async def _listings(client: Client, evse: str) -> list[LogPager[Any]]:
    async def first(family: Any) -> Any:
        return await family.list().first()

    sub_session = await first(client.charging_sub_sessions)
    vehicle, coordinator = await first(client.vehicles), await first(client.dispatch_coordinators)
    listings: list[LogPager[Any]] = [
        client.evses.status_logs(evse),
        client.evses.command_logs(evse),
        client.evses.error_logs(evse),
        client.evses.ocpp_logs(evse),
        client.ct_clamps.logs(await first(client.ct_clamps)),
        client.vehicles.status_logs(vehicle),
        client.vehicles.error_logs(vehicle),
        client.vehicles.location_logs(vehicle),
        client.vehicles.command_logs(vehicle),
        client.home_batteries.status_logs(await first(client.home_batteries)),
        client.boundary_meters.status_logs(await first(client.boundary_meters)),
        client.solar_forecasts.forecast_logs(await first(client.solar_forecasts)),
        client.dispatch_coordinators.dispatch_logs(coordinator),
        client.carbon_feeds.carbon_intensities(await first(client.carbon_feeds)),
        client.grid_feeds.levels(await first(client.grid_feeds)),
        client.tariffs.prices(await first(client.tariffs)),
        client.dispatcher_logs.list(charging_sub_session_id=sub_session),
    ]
    assert {listing._log.path for listing in listings} == _listed_by_time()
    return listings


def _listed_by_time() -> set[str]:
    """Return the paths of all listings whose only filter of a time is one for its key."""
    found = set[str]()
    for operation in operation_table():
        bounds = [name.removesuffix("__gte") for name in operation.query if "_at__gte" in name]
        if operation.kind == "list" and len(bounds) == 1:
            found.add(operation.path)
    return found


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"since": datetime(2026, 1, 1)}, ValueError, "since is a naive datetime"),
        ({"since": "2026-01-01"}, TypeError, "since must be a datetime, not a str"),
        ({"since": datetime.max.replace(tzinfo=UTC)}, ValueError, "before the year 9000"),
        ({"horizon": HOUR}, ValueError, "horizon must be look_back"),
        ({"sweep": 5}, TypeError, "sweep must be a timedelta"),
        ({"store": "a file"}, TypeError, "store must be an object with the methods load"),
        ({"hold": -HOUR}, ValueError, "hold must be 0:00:00 or more"),
        ({"hold": 5}, TypeError, "hold must be a timedelta, not an int"),
        ({"interval": timedelta(0)}, ValueError, "interval must be 0:00:01 or more"),
        ({"look_back": -HOUR}, ValueError, "look_back must be 0:00:00 or more"),
        ({"budget": 0}, ValueError, "budget must be more than 0"),
        ({"budget": 1.5}, ValueError, "budget must be more than 0"),
        ({"state": 5}, TypeError, "state must be a str"),
        ({"hold": timedelta.max}, ValueError, "hold must be 3650 days or less"),
        ({"budget": "0.5"}, TypeError, "budget must be a number"),
        ({"state": "nonsense"}, errors.StateError, "not the state of a stream"),
        ({"state": "{}"}, errors.StateError, "not one of follow"),
        ({"state": '{"kind":"log","v":1,"listing":"/x"}'}, errors.StateError, "another listing"),
        ({"state": '{"kind":"log","v":2}'}, errors.StateError, "another version"),
    ],
)
async def test_wrong_argument_is_refused_before_a_request(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    async with Client(TOKEN, base_url="http://127.0.0.1:9/v2") as client:
        listing = client.evses.status_logs("evse01")
        with pytest.raises(error, match=message):
            listing.follow(**{"since": datetime(2026, 1, 1, tzinfo=UTC), **arguments})


async def test_listing_with_bounds_or_a_cursor_is_refused(client: Client) -> None:
    now = datetime.now(UTC)
    bounded = client.evses.status_logs("evse01", sampled_at__lte=now)
    with pytest.raises(ValueError, match="follow\\(\\) sets sampled_at__lte itself"):
        bounded.follow(since=now)
    listing = client.evses.status_logs(await first_evse(client))
    cursor = (await listing.page()).next_cursor
    assert cursor is not None
    for other in (listing.resume(cursor), listing.backward()):
        assert isinstance(other, LogPager)
        with pytest.raises(ValueError, match="cannot start at a cursor"):
            other.follow(since=now)


async def test_damaged_state_is_refused(simulator: Simulator, client: Client) -> None:
    listing = client.evses.status_logs(await first_evse(client))
    since = simulator.clock.now() - DAY
    batch = await anext(listing.follow(since=since).batches())
    state = batch.state
    resumed = await anext(listing.follow(since=since, state=state).batches())
    assert resumed.previous_revision == batch.revision
    content = json.loads(state)
    for name, value in (
        ("floor", "yesterday"),
        ("floor", "2026-01-01T00:00:00"),
        ("digests", {"0": "AAA="}),
        ("digests", None),
        ("through", []),
        ("fields", "a-b"),
    ):
        with pytest.raises(errors.StateError):
            listing.follow(since=since, state=json.dumps({**content, name: value}))
    del content["places"]  # an earlier version had none
    listing.follow(since=since, state=json.dumps(content))
    del content["latest"]
    with pytest.raises(errors.StateError, match="the state is damaged: KeyError\\('latest'\\)"):
        listing.follow(since=since, state=json.dumps(content))


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


class Log:
    """A server with a log of one entry a minute, and a client of it."""

    client: Client

    def __init__(self) -> None:
        self.time = FakeTime()
        self.dates = True
        self.failures = 0
        self.spoil: Callable[[dict[str, Any]], None] = lambda entry: None
        self.queries: list[dict[str, str]] = []

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time.now, UTC)

    async def answer(self, request: web.Request) -> web.Response:
        self.queries.append(dict(request.query))
        if self.failures:
            self.failures -= 1
            return web.Response(status=503)
        low = datetime.fromisoformat(request.query["sampled_at__gte"])
        high = datetime.fromisoformat(request.query.get("sampled_at__lte", "9999-01-01T00:00:00Z"))
        at = min(self.now, high).replace(second=0, microsecond=0)
        entries: list[dict[str, str]] = []
        while at >= low and len(entries) < 100:
            text = _text(at)
            entry = {"url": f"{request.url.origin()}/v2/evses/e/status_logs/{text}"}
            entries.append({**entry, "sampled_at": text})
            self.spoil(entries[-1])
            at -= timedelta(minutes=1)
        reply = web.json_response(entries)
        if at >= low:
            reply.headers["Link"] = (
                f'<{request.url.update_query(page_after=_text(at))}>; rel="next"'
            )
        reply.headers["Date"] = f"{self.now:%a, %d %b %Y %H:%M:%S GMT}" if self.dates else "?"
        return reply

    def follow(self, **settings: Any) -> LogStream[EVSEStatusLog]:
        """Return a stream of the last ten hours."""
        return self.client.evses.status_logs("e").follow(since=self.now - 10 * HOUR, **settings)


@pytest.fixture
async def log(serve: Serve) -> AsyncIterator[Log]:
    log = Log()
    log.time.now = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    server = await serve(log.answer)
    async with server.client(
        clock=log.time, sleep=log.time.sleep, wall_clock=log.time, retries=0, budget=None
    ) as log.client:
        yield log


async def test_failing_server_is_waited_for(log: Log) -> None:
    stream = log.follow()
    log.failures = 3
    assert len(await caught_up(stream)) == 602  # two minutes have passed
    assert log.time.slept == [15.0, 30.0, 60.0]
    assert stream.status().error is None
    log.failures = 10**6
    task = asyncio.create_task(caught_up(stream))
    while len(log.time.slept) < 14:
        await asyncio.sleep(0)
    assert max(log.time.slept[4:]) == 900.0
    error = stream.status().error
    assert isinstance(error, errors.ServerError)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    log.failures = 0
    missed = len(await caught_up(stream))  # the stream goes on where it was
    assert missed >= sum(log.time.slept[3:14]) // 60


async def test_other_errors_raise_and_the_stream_goes_on(log: Log) -> None:
    entries: list[dict[str, Any]] = []

    def without_time(entry: dict[str, Any]) -> None:
        entries.append(entry)
        if len(entries) == 150:
            del entry["sampled_at"], entry["url"]

    log.spoil = without_time
    stream = log.follow()
    with pytest.raises(errors.DecodeError, match="no sampled_at, so it has no place") as caught:
        await caught_up(stream)
    assert caught.value.path == "$[49].sampled_at"
    log.spoil = lambda entry: entry.pop("sampled_at")  # the URL has the time, too
    found = await caught_up(stream)
    assert len(found) == 601
    assert all(entry.sampled_at is None for entry in found)


async def test_waits_between_passes_keep_to_interval_and_budget(log: Log) -> None:
    stream = log.follow(interval=timedelta(minutes=20))
    for expected in (601, 20, 20):
        assert len(await caught_up(stream)) == expected
    assert log.time.slept == pytest.approx([1200.0, 1200.0])
    status = stream.status()
    assert status.requests == len(log.queries)
    assert status.next_pass is not None
    assert (status.next_pass - log.now).total_seconds() == pytest.approx(1200.0)

    # A share of 4 requests per hour: the first pass needs 6, and the next one waits for its turn.
    log.time.slept.clear()
    log.queries.clear()
    start = log.time.now
    stream = log.follow(budget=0.004)
    for _ in range(3):
        await caught_up(stream)
    assert len(log.queries) <= 4 * ((log.time.now - start) / 3600 + 1)
    assert log.time.now - start > 2 * 3600


async def test_time_without_a_date_is_this_machines_less_five_minutes(log: Log) -> None:
    log.dates = False
    stream = log.follow()
    await caught_up(stream)
    status = stream.status()
    assert not status.has_server_time
    assert status.through == log.now - timedelta(minutes=5)
    assert status.lag == timedelta(minutes=5)


async def test_wait_ends_when_the_client_is_closed(simulator: Simulator, client: Client) -> None:
    since = simulator.clock.now() - HOUR
    stream = client.evses.status_logs(await first_evse(client)).follow(since=since)
    await caught_up(stream)
    waiting = asyncio.create_task(caught_up(stream))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another task is waiting"):
        await anext(stream.batches())
    await client.close()
    with pytest.raises(errors.ClientClosedError):
        await waiting


async def test_deep_passes_leave_precedence_to_other_calls(simulator: Simulator) -> None:
    class Recorded(MemoryBudget):
        async def acquire(self, params: Acquire) -> Ticket:
            priorities.append(params.priority)
            return await super().acquire(params)

        def try_acquire(self, *_: object) -> None:
            return None

    priorities: list[str] = []
    time = FakeTime()
    async with Client(
        credentials(simulator),
        base_url=simulator.base_url,
        budget=Recorded(),
        clock=time,
        sleep=time.sleep,
        wall_clock=lambda: simulator.clock.now().timestamp(),
    ) as client:
        since = simulator.clock.now() - HOUR
        stream = client.evses.status_logs(await first_evse(client)).follow(since=since)
        await caught_up(stream)
        await caught_up(stream)
    assert priorities == ["interactive", "batch", "interactive"]


def test_blocking_twin_follows_and_commits(tmp_path: Path) -> None:
    with (
        Simulator.in_thread() as simulator,
        ev_energy_sync.Client(credentials(simulator), base_url=simulator.base_url) as client,
    ):
        evse = client.evses.list().first()
        assert evse is not None
        since = simulator.clock.now() - 3 * DAY
        store = FileStateStore(tmp_path / "state.json")
        expected = client.evses.status_logs(evse, sampled_at__gte=since).collect()[::-1]
        stream = client.evses.status_logs(evse).follow(since=since, store=store)
        received = [next(stream)]
        for entry in stream:
            received.append(entry)
            if len(received) == len(expected):
                break
        assert received == expected
        assert stream.status().remembered > 0
        now = simulator.clock.now()
        simulator.clock.advance(hours=1)
        again = client.evses.status_logs(evse).follow(since=since, store=store)
        batches = again.batches()
        batch = next(batches)
        assert len(batch) == len(batch.entries) > 0
        with pytest.raises(errors.UncommittedBatchError):
            next(batches)
        received = [entry.item for entry in batch]
        while not batch.caught_up:
            batch.commit()
            batch = next(batches)
            received += [entry.item for entry in batch]
        # The batch of the last entry was not committed, since no further entry was asked for.
        expected += client.evses.status_logs(evse, sampled_at__gte=now).collect()[::-1]
        assert received == expected[-len(received) :]
        assert not batch.is_committed
        batch.commit()
        assert batch.is_committed
        assert batch.previous_revision is not None
        assert batch.revision != batch.previous_revision
        assert batch.state == (tmp_path / "state.json").read_text()
        with pytest.raises(ValueError, match="hold must be 0:00:00 or more"):
            client.evses.status_logs(evse).follow(since=since, hold=-HOUR)


async def test_failures_of_a_secret_function_do_not_end_a_stream(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes: list[str | Exception] = [ConnectionError("the secret manager restarts"), "", TOKEN]

    def token() -> str:
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    log.client = log.client.with_auth(StaticToken(token, account="reports"))
    with caplog.at_level(logging.WARNING, "ev_energy"):
        async with asyncio.timeout(20):
            await anext(log.follow())
    reasons = [
        "in 15 s: the function passed as token raised ConnectionError, the cause of this error",
        (
            "in 30 s: the function passed as token must return the bare access token: ASCII text "
            "without spaces or line breaks"
        ),
    ]
    lines = [line for line in caplog.messages if "tries again" in line]
    assert lines == [f"the stream of log entries tries again {reason}" for reason in reasons]
