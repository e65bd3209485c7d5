"""The saved state of a stream of sub-sessions."""

from __future__ import annotations

import gc
import json
import tracemalloc
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ev_energy._changes.digest import Projection
from ev_energy._changes.state import Bucket, Remembered, SubSessionState
from ev_energy.errors import StateError
from tests.helpers.changes.adversary import DAY, EPOCH, HOUR, Adversary, Treatment, session
from tests.helpers.changes.driver import HOST, PROJECTION, Reader

SINCE = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))


def saved(**changes: Any) -> str:
    """Return the text of a new state with *changes*."""
    state = json.loads(SubSessionState.new(SINCE, HOST, None, PROJECTION).dump())
    return json.dumps({**state, **changes})


def load(text: str) -> SubSessionState:
    return SubSessionState.load(text, HOST, None, PROJECTION)


def test_new_state_begins_in_utc() -> None:
    state = load(saved())
    assert state.since == state.floor == SINCE
    assert state.since.utcoffset() == timedelta(0)
    assert json.loads(state.dump())["v"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not one of a stream of sub-sessions"),
        ("{}", "not one of a stream of sub-sessions"),
        ("[1]", "not one of a stream of sub-sessions"),
        (saved(v=2), "version 2, and this release of ev_energy reads version 1"),
        (saved(v=0), "version 0"),
        (saved(since=None), "the state is damaged: Expected `datetime`, got `null`"),
        (saved(since="2026-07-01T12:00:00"), "a time has no time zone"),
        (saved(seen={"csub1": [1]}), "the state is damaged"),
        (saved(seen={"csub1": [1, 1, "0", True, 0, 7, 0]}), "a projection is missing"),
        (saved(seen={"csub1": ["x", 1, "0", True]}), "the state is damaged"),
        (saved(floor="0001-01-01T00:00:00Z"), "the time 0001-01-01 00:00:00.* is impossible"),
        (saved(rows=1), "the part of a state without its rows"),
        (
            saved(sweep={"day": "2026-07-01T00:00:00Z", "differing": [10**15]}),
            "an hour is impossible",
        ),
        (saved(unknown=1), "the state is damaged: Object contains unknown field"),
        (saved(host="api-staging.ev.energy"), "belongs to the API 'api-staging.ev.energy'"),
        (saved(user="user01"), "belongs to the user 'user01', and this client has the user None"),
    ],
)
def test_state_that_cannot_be_resumed_from_is_refused(text: str, message: str) -> None:
    with pytest.raises(StateError, match=message):
        load(text)


async def test_state_of_a_later_release_keeps_its_projection_until_items_are_read_again() -> None:
    """An update of the SDK that knows a new field hands nothing over again."""
    earlier = Projection(tuple(name for name in PROJECTION.names if name != "cost"))
    world = Adversary.with_sessions(session("csub1"), session("csub2", start=EPOCH - 3 * DAY))
    reader = Reader(world, EPOCH - 4 * DAY)
    reader.engine.state.projections[0] = earlier.text()
    reader.restart_with(earlier)
    told = await reader.read_until(EPOCH + 2 * HOUR)
    assert len(told) == 4
    reader.restart()
    state = reader.engine.state
    assert state.projections == [PROJECTION.text(), earlier.text()]
    assert {known.projection for known in state.seen.values()} == {1}
    assert {bucket.projection for bucket in state.buckets.values()} == {1}
    assert await reader.read_until(EPOCH + 9 * HOUR) == []
    assert {known.projection for known in state.seen.values()} == {0}
    assert await reader.read_until(EPOCH + 12 * DAY, every=HOUR) == []
    assert not reader.engine.records.gaps
    reader.restart()
    assert reader.engine.state.projections == [PROJECTION.text(), earlier.text()]


async def test_sweep_notices_changes_with_an_earlier_projection() -> None:
    earlier = Projection(tuple(name for name in PROJECTION.names if name != "cost"))
    fix = (EPOCH + 5 * DAY, {"energy_delivered_watt_hours": 7})
    world = Adversary.with_sessions(session("csub1", fixes=[fix]))
    reader = Reader(world)
    reader.restart_with(earlier)
    await reader.read_until(EPOCH + 3 * DAY, every=HOUR)
    reader.restart()
    assert await reader.read_until(EPOCH + 9 * DAY, every=HOUR) == ["Updated csub1 sweep"]
    (bucket,) = reader.engine.state.buckets.values()
    assert bucket.projection == 0


def test_bucket_of_several_projections_matches_no_other() -> None:
    mixed, same = Bucket(), Bucket()
    for projection in (0, 1):
        mixed = mixed.plus("csub1", "0", projection)
        same = same.plus("csub1", "0", 0)
    assert (mixed.projection, same.projection) == (-1, 0)


def test_entry_takes_few_bytes() -> None:
    state = load(saved())
    empty = len(state.dump())
    end = int(EPOCH.timestamp())
    for number in range(1000):
        state.seen[f"csub{number:026}"] = Remembered(end, end, "0123456789ab", was_read=True)
    assert (len(state.dump()) - empty) / 1000 < 90


@pytest.mark.slow
@pytest.mark.parametrize("days", [70, pytest.param(92, marks=pytest.mark.measurement)])
async def test_state_and_memory_are_flat_after_the_horizon(days: int) -> None:
    treatment = Treatment(days=days, per_day=15, page_size=100)
    world = Adversary(900, treatment)
    reader, sizes, memory = Reader(world, EPOCH), list[int](), list[int]()
    tracemalloc.start()
    try:
        for day in range(1, days + 1):
            await reader.read_until(EPOCH + day * DAY, every=8 * HOUR)
            reader.changes.clear()
            sizes.append(len(reader.engine.state.dump()))
            if day in {50, days}:
                gc.collect()
                memory.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # After the horizon of 35 days, the state has all the hours that it ever has.
    assert max(sizes[53:]) < 1.15 * max(sizes[37:53])
    # A hundred bytes for each of the sub-sessions after the 50th day would be more.
    assert memory[1] < memory[0] + 1_250 * (days - 50)
    assert max(sizes) < 40_000
