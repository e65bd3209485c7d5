"""Histories that a stream of sub-sessions once got wrong, or that decide what a change is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from yarl import URL

from ev_energy import errors
from ev_energy._changes.digest import Projection
from ev_energy._changes.engine import levels_for
from ev_energy._changes.records import Records
from ev_energy._changes.source import ListedPage
from ev_energy._changes.state import SubSessionState
from ev_energy._messages import Request
from ev_energy.models import ChargingSubSession
from tests.helpers.changes.adversary import (
    DAY,
    EPOCH,
    HOUR,
    MINUTE,
    Adversary,
    make_session,
    session,
)
from tests.helpers.changes.driver import HOST, PROJECTION, Reader


async def test_webhook_that_arrives_during_a_pass_is_handed_over_before_it_is_in_the_state() -> (
    None
):
    world = Adversary.with_sessions(session("csub1"), session("csub2"), page_size=1)
    reader = Reader(world)
    world.now = EPOCH + 10 * MINUTE
    late_comer = make_session("csub3", start=world.now)
    world.deliver = lambda: reader.engine.offer(late_comer)
    step = await reader.engine.advance(world.now)
    assert step is not None
    assert "csub3" not in reader.engine.state.seen
    world.deliver = lambda: None
    reader.restart()  # killed before the hand-over of the webhook, which is lost
    world.sessions["csub3"] = session("csub3", start=world.now)
    world._by_latest.append(world.sessions["csub3"])
    assert "Created csub3 poll" in await reader.read_until(EPOCH + 30 * MINUTE)


async def test_what_only_a_webhook_told_is_not_gone_while_it_is_not_readable() -> None:
    later = session(shown=EPOCH + 20 * HOUR)
    world = Adversary.with_sessions(later)
    reader = Reader(world)
    await reader.read_until(EPOCH + 5 * MINUTE)
    reader.engine.offer(later.view_of(world.now))
    told = await reader.read_until(EPOCH + 2 * DAY)
    assert told == ["Created csub1 webhook", "Ended csub1 poll"]


async def test_what_only_a_webhook_told_and_never_is_readable_is_gone_in_the_end() -> None:
    world = Adversary.with_sessions(session(shown=EPOCH + 99 * DAY))
    reader = Reader(world)
    await reader.read_until(EPOCH + 5 * MINUTE)
    reader.engine.offer(make_session("csub1", start=EPOCH, end=EPOCH + 4 * MINUTE))
    told = await reader.read_until(EPOCH + 3 * DAY, every=HOUR)
    assert told == ["Created csub1 webhook", "Ended csub1 webhook", "Gone csub1 read"]


async def test_sweep_finds_what_began_before_the_stream_and_ended_after() -> None:
    late = session(start=EPOCH - 3 * HOUR, end=EPOCH + 3 * HOUR, shown=EPOCH + 5 * DAY)
    world = Adversary.with_sessions(late)
    reader = Reader(world)
    assert await reader.read_until(EPOCH + 6 * DAY, every=HOUR) == []
    assert await reader.read_until(EPOCH + 8 * DAY, every=HOUR) == ["Updated csub1 sweep"]


async def test_what_only_a_webhook_told_is_not_forgotten_unread() -> None:
    """The end that a webhook told is corrected before the API can be read."""
    late = session(
        shown=EPOCH + 20 * HOUR, fixes=[(EPOCH + 20 * HOUR, {"energy_delivered_watt_hours": 1})]
    )
    world = Adversary.with_sessions(late)
    reader = Reader(world)
    await reader.read_until(EPOCH + 65 * MINUTE)
    reader.engine.offer(make_session("csub1", start=EPOCH, end=EPOCH + HOUR))
    told = await reader.read_until(EPOCH + 4 * DAY)
    assert told == ["Created csub1 webhook", "Ended csub1 webhook", "Updated csub1 poll"]


async def test_stream_that_was_down_for_long_notices_what_was_deleted_in_the_meantime() -> None:
    world = Adversary.with_sessions(session(gone=EPOCH + 5 * HOUR))
    reader = Reader(world)
    told = await reader.read_until(EPOCH + 4 * HOUR)
    assert told == ["Created csub1 poll", "Ended csub1 poll"]
    reader.restart()
    world.now = EPOCH + 9 * DAY
    assert await reader.read_until(EPOCH + 10 * DAY) == ["Gone csub1 read"]


async def test_correction_of_an_end_that_was_told_late_is_noticed() -> None:
    """The end is readable 39 hours after it happened, and corrected 20 hours after that."""
    fix = (EPOCH + 60 * HOUR, {"energy_delivered_watt_hours": 1})
    late = session(end_shown=EPOCH + 40 * HOUR, fixes=[fix])
    world = Adversary.with_sessions(late)
    reader = Reader(world, sweep_every=None)
    told = await reader.read_until(EPOCH + 4 * DAY)
    assert told == ["Created csub1 poll", "Ended csub1 read", "Updated csub1 read"]


async def test_end_that_is_taken_back_is_an_update_and_ends_again() -> None:
    back = (EPOCH + 2 * HOUR, {"end": None})
    again = (EPOCH + 6 * HOUR, {"end": EPOCH + 3 * HOUR})
    world = Adversary.with_sessions(session(fixes=[back, again]))
    reader = Reader(world)
    told = await reader.read_until(EPOCH + DAY)
    assert [text.split()[0] for text in told] == ["Created", "Ended", "Updated", "Ended"]


async def test_replica_that_is_behind_for_once_changes_nothing() -> None:
    """One read answers 404, and one with an end that is not there yet."""
    world = Adversary.with_sessions(session())
    reader = Reader(world)
    await reader.read_until(EPOCH + 3 * HOUR)
    answers = [None, make_session("csub1", start=EPOCH)]
    get = world.get

    async def stale(id_: str, *, urgent: bool) -> Any:
        return answers.pop() if answers else await get(id_, urgent=urgent)

    world.get = stale  # type: ignore[method-assign]
    for hours in (4, 8):
        reader.engine.offer(make_session("csub1", start=EPOCH, end=EPOCH + HOUR, cost=7))
        assert await reader.read_until(EPOCH + hours * HOUR) == []
    assert answers == []


async def test_figures_of_an_open_sub_session_are_no_changes() -> None:
    world = Adversary.with_sessions(session(end=EPOCH + 20 * HOUR))
    reader = Reader(world)
    assert await reader.read_until(EPOCH + 19 * HOUR) == ["Created csub1 poll"]


async def test_sub_session_that_goes_on_for_days_is_handed_over_at_its_end() -> None:
    long = session(start=EPOCH - 20 * DAY, end=EPOCH + 6 * DAY)
    world = Adversary.with_sessions(long)
    reader = Reader(world)
    told = await reader.read_until(EPOCH + 7 * DAY)
    assert told == ["Created csub1 poll", "Ended csub1 poll"]


async def test_sub_sessions_that_ended_before_the_stream_are_not_handed_over() -> None:
    world = Adversary.with_sessions(session(start=EPOCH - 3 * HOUR, end=EPOCH - HOUR))
    assert await Reader(world).read_until(EPOCH + 9 * DAY, every=HOUR) == []


async def test_equal_times_on_both_sides_of_a_page_are_all_handed_over() -> None:
    world = Adversary.with_sessions(
        *(session(f"csub{number}", rank=number) for number in range(7)), page_size=2
    )
    told = await Reader(world).read_until(EPOCH + DAY, every=HOUR)
    assert len(told) == len(set(told)) == 14


async def test_doubled_and_disordered_webhooks_change_nothing() -> None:
    world = Adversary.with_sessions(session())
    reader = Reader(world)
    await reader.read_until(EPOCH + 2 * HOUR)
    before, ended = world.requests, world.sessions["csub1"].view_of(world.now)
    for _ in range(3):
        reader.engine.offer(ended)
        reader.engine.offer(make_session("csub1", start=EPOCH))
    step = await reader.engine.advance(world.now)
    assert step is not None
    assert (step.changes, world.requests) == ([], before)
    assert not reader.engine.records.doubtful


async def test_webhook_with_an_older_version_costs_one_read() -> None:
    world = Adversary.with_sessions(session())
    reader = Reader(world)
    await reader.read_until(EPOCH + 2 * HOUR)
    reader.engine.offer(make_session("csub1", start=EPOCH, end=EPOCH + HOUR, cost=7))
    assert list(reader.engine.records.doubtful) == []
    reads: list[str] = []
    get = world.get

    async def counting(id_: str, *, urgent: bool) -> Any:
        reads.append(id_)
        return await get(id_, urgent=urgent)

    world.get = counting  # type: ignore[method-assign]
    assert await reader.read_until(EPOCH + 3 * HOUR) == []
    assert reads == ["csub1"]


async def test_listings_that_lie_do_not_spend_the_allowance() -> None:
    """An outage that shows empty listings deletes nothing, and is reported as a gap."""
    sessions = [session(f"csub{number}", rank=number) for number in range(60)]
    world = Adversary.with_sessions(*sessions)
    reader = Reader(world)
    await reader.read_until(EPOCH + 6 * HOUR)
    world._by_latest = []
    before = world.requests
    assert await reader.read_until(EPOCH + 13 * HOUR) == []
    assert "lacked 60 of 60" in reader.engine.records.gaps[0]
    passes = 7 * 30 * 2 + 50
    assert world.requests - before < passes + 2 * 20
    assert len(reader.engine.state.seen) == 60


async def test_backfill_of_a_small_fleet_takes_few_requests() -> None:
    """The slices of a year with few sub-sessions become longer, and their state stays small."""
    starts = [EPOCH - number * DAY for number in range(1, 365)]
    sessions = [session(f"csub{number:03}", start=at) for number, at in enumerate(starts)]
    world = Adversary.with_sessions(*sessions)
    reader, largest = Reader(world, EPOCH - 366 * DAY), 0
    while (step := await reader.engine.advance(world.now)) is not None:
        reader.changes += step.changes
        largest = max(largest, len(reader.engine.state.seen))
    assert len(reader.changes) == 2 * len(sessions)
    assert world.requests < 60
    assert largest < 40
    assert max(reader.engine.state.through.values()) <= world.now


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"id": None},
        {"id": 7},
        {"id": "", "url": "https://api.ev.energy/v2/charging_sub_sessions/csub9"},
        {"id": "csub9"},
        {"id": "csub9", "start": "yesterday", "end": None},
        {"id": "csub9", "start": None, "end": 7},
        {"id": "csub9", "start": "2026-10-05T13:00:00Z", "end": "soon", "location": [1]},
        {"id": "csub9", "start": "0001-01-01T00:00:00Z", "end": "9999-12-31T23:59:59Z"},
        {"id": "csub9", "start": "2026-10-05T13:00:00Z", "end": {"a": [10**40]}, "cost": 1e400},
    ],
    ids=repr,
)
async def test_odd_sub_session_does_not_keep_others_from_being_handed_over(odd: Any) -> None:
    """A sub-session of the wrong shape is handed over if it has an id, and stops nothing."""
    world = Adversary.with_sessions(session("csub1"), session("csub2", start=EPOCH + HOUR))
    page, deformed = world.page, ChargingSubSession.from_dict(odd)

    def with_odd_one(query: Any, cursor: Any) -> ListedPage:
        found = page(query, cursor)
        return attrs.evolve(found, items=[deformed, *found.items])

    world.page = with_odd_one  # type: ignore[method-assign]

    async def get(id_: str, *, urgent: bool) -> Any:
        known = world.sessions.get(id_)
        return deformed if known is None else known.view(world.now)

    world.get = get  # type: ignore[method-assign]
    reader = Reader(world)
    reader.engine.offer(deformed)
    told = await reader.read_until(EPOCH + 3 * DAY, every=HOUR)
    reader.restart()
    told += await reader.read_until(EPOCH + 10 * DAY, every=HOUR)
    others = [text for text in told if "csub9" not in text]
    assert sorted(text for text in others if "sweep" not in text) == [
        "Created csub1 poll",
        "Created csub2 poll",
        "Ended csub1 poll",
        "Ended csub2 poll",
    ]
    assert ("csub9" in " ".join(told)) == ("csub9" in str(odd))


async def test_sub_session_that_cannot_be_compared_loses_no_other_of_its_page(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = Adversary.with_sessions(*[session(f"csub{number}") for number in range(5)])
    digest = Projection.digest

    def fail(self: Projection, item: ChargingSubSession) -> str:
        if item.id == "csub2":
            raise OverflowError("date value out of range")
        return digest(self, item)

    monkeypatch.setattr(Projection, "digest", fail)
    reader = Reader(world)
    told = await reader.read_until(EPOCH + 5 * HOUR)
    assert {text.split()[1] for text in told} == {"csub0", "csub1", "csub2", "csub3", "csub4"}
    assert {t.split()[1] for t in told if "Ended" in t} == {"csub0", "csub1", "csub3", "csub4"}
    assert "cannot be compared: date value out of range" in reader.engine.records.gaps[-1]
    assert "csub2 cannot be compared" in caplog.text


@pytest.mark.parametrize("status", [403, 410, 422])
async def test_sub_session_that_cannot_be_read_stops_nothing(status: int) -> None:
    hidden, other = session("csub1", gone=EPOCH + 5 * HOUR), session("csub2", start=EPOCH + DAY)
    world = Adversary.with_sessions(hidden, other)
    get = world.get

    async def refuse(id_: str, *, urgent: bool) -> Any:
        if id_ == "csub1":
            request = Request("GET", URL("https://api.ev.energy/v2/charging_sub_sessions/csub1"))
            raise errors.ApiError.__new__(errors.ApiError, f"{status} {request.label}")
        return await get(id_, urgent=urgent)

    world.get = refuse  # type: ignore[method-assign]
    reader = Reader(world)
    told = await reader.read_until(EPOCH + 3 * DAY)
    assert told[-2:] == ["Created csub2 poll", "Ended csub2 poll"]
    assert "csub1 cannot be read" in " ".join(reader.engine.records.gaps)


async def test_deep_pass_and_sweep_go_on_although_a_tick_is_always_due() -> None:
    """Requests take so long that a tick is due again when one has finished."""
    sessions = [session(f"csub{n:02}", start=EPOCH + n * MINUTE) for n in range(40)]
    late = session("csub99", start=EPOCH + HOUR, shown=EPOCH + 20 * HOUR)
    world = Adversary.with_sessions(*sessions, late, page_size=3)
    levels = levels_for(timedelta(seconds=30), timedelta(hours=30))
    reader = Reader(world, levels=levels)
    reader.engine.levels = levels
    while world.now < EPOCH + 40 * HOUR:
        world.now += timedelta(seconds=40)
        step = await reader.engine.advance(world.now)
        reader.changes += () if step is None else step.changes
    assert world.now - reader.engine.state.through["deep"] < 10 * HOUR
    assert "csub99" in {change.id for change in reader.changes}


async def test_webhooks_of_other_users_are_not_handed_over() -> None:
    """Webhooks tell of all users of an application, and the listing has those of one."""
    world = Adversary.with_sessions(session("csub1", start=EPOCH + 9 * MINUTE))
    reader = Reader(world, is_of_one_user=True)
    await reader.read_until(EPOCH + 5 * MINUTE, every=MINUTE)
    world.now = EPOCH + 10 * MINUTE
    for id_ in ("csub1", "csub2"):
        reader.engine.offer(make_session(id_, start=EPOCH + 9 * MINUTE))
    assert await reader.read_until(world.now + 2 * MINUTE, every=MINUTE) == ["Created csub1 poll"]


@pytest.mark.parametrize("error", [10 * DAY, -10 * DAY])
async def test_one_wrong_date_of_the_server_misses_nothing(error: timedelta) -> None:
    world = Adversary.with_sessions(
        *[session(f"csub{number}", start=EPOCH + number * HOUR) for number in range(30)]
    )
    page, numbers = world.page, iter(range(1000))

    def with_wrong_date(query: Any, cursor: Any) -> ListedPage:
        found = page(query, cursor)
        is_first = "end__gt" not in query and cursor is None
        return attrs.evolve(found, at=found.at + error * (is_first and next(numbers) % 9 == 4))

    world.page = with_wrong_date  # type: ignore[method-assign]
    reader = Reader(world)
    told: list[str] = []
    while world.now < EPOCH + 2 * DAY:
        told += await reader.read_until(world.now + HOUR)
        assert max(reader.engine.state.through.values()) <= world.now
    assert next(numbers) > 100
    assert {text.split()[1] for text in told} == set(world.sessions)


async def test_listing_that_ends_at_a_lost_cursor_is_read_again() -> None:
    sessions = [session(f"csub{n:02}", start=EPOCH - n * MINUTE) for n in range(10)]
    world = Adversary.with_sessions(*sessions, page_size=3)
    page, lost = world.page, [True]

    def lose_cursor(query: Any, cursor: Any) -> ListedPage:
        found = page(query, cursor)
        if cursor is not None and lost:
            lost.pop()
            return attrs.evolve(found, items=[], next_cursor=None, is_last=True)
        return found

    world.page = lose_cursor  # type: ignore[method-assign]
    reader = Reader(world, since=EPOCH - HOUR, sweep_every=None)
    await reader.read()
    assert lost == []
    assert {change.id for change in reader.changes} == set(world.sessions)


async def test_sweep_that_waited_for_days_hands_no_day_over_again() -> None:
    """Passes drop the buckets of the first days while a sweep is not finished."""
    starts = [EPOCH + number * 6 * HOUR for number in range(4 * 50)]
    sessions = [session(f"csub{number:03}", start=at) for number, at in enumerate(starts)]
    world = Adversary.with_sessions(*sessions)
    reader = Reader(world)
    await reader.read_until(EPOCH + 40 * DAY, every=2 * HOUR)
    while reader.engine.state.sweep is None:
        world.now += HOUR
        while await reader.engine.advance(world.now) and reader.engine.state.sweep is None:
            pass
    world.now += 5 * DAY
    reader.restart()
    reader.changes.clear()
    await reader.read_until(world.now + DAY, every=2 * HOUR)
    assert not [change for change in reader.changes if change.via == "sweep"]
    assert not reader.engine.records.gaps


async def test_sweep_begins_although_requests_take_longer_than_the_time_between_ticks() -> None:
    world = Adversary.with_sessions(session(), session("csub2", start=EPOCH - DAY))
    world.treatment = attrs.evolve(world.treatment, slow=400.0)
    reader = Reader(world, EPOCH - 2 * DAY, levels=levels_for(5 * MINUTE, 30 * HOUR))
    await reader.read_until(EPOCH + 15 * DAY, every=6 * HOUR)
    assert reader.engine.state.swept > EPOCH + 5 * DAY


@pytest.mark.parametrize(
    "times",
    [
        {"start": datetime(1969, 12, 31, 23, tzinfo=UTC), "end": None},
        {"start": EPOCH, "end": datetime(9999, 12, 31, 23, 59, tzinfo=UTC)},
        {"start": datetime(1, 1, 1, tzinfo=UTC), "end": EPOCH + HOUR},
    ],
)
def test_state_with_an_impossible_time_of_a_device_can_be_continued(
    times: dict[str, Any],
) -> None:
    state = SubSessionState.new(EPOCH, HOST, None, PROJECTION)
    assert Records(state).take(make_session("csub1", **times), "poll")
    assert SubSessionState.load(state.dump(), HOST, None, PROJECTION) == state
