"""The place of a pass is part of the state, so that a killed process continues there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ev_energy._changes.state import SubSessionState
from ev_energy.errors import BadRequestError, CursorError
from tests.helpers.changes.adversary import DAY, EPOCH, HOUR, MINUTE, Adversary, SubSession
from tests.helpers.changes.driver import HOST, PROJECTION, Reader


def day_of_sessions(count: int, begin: timedelta = -20 * HOUR) -> list[SubSession]:
    """Return sub-sessions that began and ended one after another within 20 hours."""
    starts = [EPOCH + begin + 20 * HOUR * number / count for number in range(count)]
    return [
        SubSession(f"csub{number:02}", at, at + MINUTE, at, at + MINUTE, rank=number)
        for number, at in enumerate(starts)
    ]


async def read_with_kills(world: Adversary, *, batches: int, keep_place: bool) -> tuple[int, int]:
    """Read until the first pass is finished; die after each *batches* of its batches.

    Return the numbers of kills and of changes.
    """
    reader, kills, changes = Reader(world, EPOCH - DAY), 0, 0
    while kills < 20:
        for _ in range(batches):
            step = await reader.engine.advance(world.now)
            while step is not None and not (step.changes or step.has_moved):
                step = await reader.engine.advance(world.now)
            if step is None or step.finished is not None:
                return kills, changes
            changes += len(step.changes)
            if not keep_place:
                reader.engine.state.walks.clear()
        kills += 1
        reader.restart()
    return kills, changes


async def test_process_killed_at_two_of_five_batches_finishes_the_pass() -> None:
    world = Adversary.with_sessions(*day_of_sessions(15), page_size=3)
    kills, changes = await read_with_kills(world, batches=2, keep_place=True)
    assert (kills, changes) == (2, 30)
    assert world.requests <= 9


async def test_process_without_the_place_never_finishes_the_pass() -> None:
    world = Adversary.with_sessions(*day_of_sessions(15), page_size=3)
    kills, _ = await read_with_kills(world, batches=2, keep_place=False)
    assert kills == 20


async def test_sweep_continues_at_its_page() -> None:
    """A sweep of two days, killed after each page, reads each page once."""
    world = Adversary.with_sessions(*day_of_sessions(15, begin=-44 * HOUR), page_size=3)
    reader = Reader(world, EPOCH - 2 * DAY)
    world.now = EPOCH + 2 * DAY
    await reader.read()
    assert len(reader.changes) == 30
    before, world.now = world.requests, EPOCH + 9 * DAY
    reader.engine.state.through = dict.fromkeys(("tick", "hour", "deep"), world.now)
    steps = 0
    while reader.engine.state.swept < EPOCH + 8 * DAY:
        await reader.engine.advance(world.now)
        reader.restart()
        steps += 1
    days = 3  # of which the first has the pages
    assert world.requests - before <= 5 + days
    assert steps <= 5 + days + 2
    assert not reader.engine.records.gaps


async def test_walk_that_was_interrupted_for_long_begins_again() -> None:
    world = Adversary.with_sessions(*day_of_sessions(15), page_size=3)
    reader = Reader(world, EPOCH - DAY)
    await reader.engine.advance(world.now)
    await reader.engine.advance(world.now)
    (walk,) = reader.engine.state.walks.values()
    assert walk.cursor is not None
    world.now += 7 * HOUR
    reader.restart()
    before = world.requests
    await reader.engine.advance(world.now)
    (walk,) = reader.engine.state.walks.values()
    assert walk.began is not None
    assert walk.began > EPOCH + 6 * HOUR
    assert world.requests == before + 1


@pytest.mark.parametrize("refusal", [CursorError, BadRequestError])
async def test_cursor_that_the_api_refuses_begins_the_listing_again(
    refusal: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Adversary.with_sessions(*day_of_sessions(15), page_size=3)
    reader = Reader(world, EPOCH - DAY)
    for _ in range(2):
        reader.changes += (
            await reader.engine.advance(world.now) or pytest.fail("nothing is due")
        ).changes
    reader.restart()
    pages = world.pages

    async def refusing(query, cursor, *, urgent):  # type: ignore[no-untyped-def]
        if cursor is not None:
            raise refusal.__new__(refusal)
        async for page in pages(query, cursor, urgent=urgent):
            yield page

    monkeypatch.setattr(world, "pages", refusing)
    await reader.read()
    assert len(reader.changes) == 30


async def test_state_with_a_place_is_restored() -> None:
    world = Adversary.with_sessions(*day_of_sessions(15), page_size=3)
    reader = Reader(world, EPOCH - DAY)
    await reader.engine.advance(world.now)
    state = reader.engine.state
    assert state.walks["deep"].cursor == "csub12"
    assert SubSessionState.load(state.dump(), HOST, None, PROJECTION) == state
