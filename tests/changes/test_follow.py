"""Logs are followed exactly: nothing is missing or doubled, and what is out of order is flagged.

The processes that follow them die during requests, and between receiving entries and saving the
state. A log that is wrong on purpose, or a part that is left out, makes these tests fail.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from ev_energy._changes import follow
from ev_energy._changes.follow import LogStream
from ev_energy._changes.log_state import LogState
from ev_energy._changes.log_walk import LogWalk
from ev_energy._changes.server_clock import ServerClock
from tests.helpers.changes.log_adversary import DAY, EPOCH, HOUR, Follower, World
from tests.helpers.changes.log_server import LogServer
from tests.helpers.tiers import examples

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from _pytest.mark import ParameterSet

    from ev_energy import Client, LogPager
    from ev_energy._changes.log_source import LogPage
    from ev_energy.models import EVSEStatusLog
    from tests.helpers.changes.log_adversary import AdverseLog
    from tests.helpers.recording_server import Handler, RecordingServer

    Serve = Callable[[Handler], Awaitable[RecordingServer]]

HOLD = 26 * HOUR
SHORT = World(days=4)
#: Passes take hours and several windows, while late entries appear.
SLOW = World(
    days=2,
    every=timedelta(minutes=3),
    late=0.5,
    lateness=26 * HOUR,
    page_time=timedelta(seconds=40),
    page_sizes=[6],
    killed=0.003,
)


@pytest.fixture(autouse=True)
def quiet_log(caplog: pytest.LogCaptureFixture) -> None:
    """Hide the warnings about failed requests, which are part of these runs."""
    caplog.set_level(logging.ERROR, "ev_energy")


async def assert_exact(seeds: int, world: World, *, hold: timedelta = timedelta(0)) -> None:
    if seeds == 1:
        world = attrs.evolve(world, days=min(world.days, SHORT.days))
    for seed in range(seeds):
        result = await Follower(seed, world, hold=hold).run()
        assert result.expected > 100
        assert result.kills > 0
        assert not result.missing
        assert (result.doubles, result.disorder) == (0, 0)
        if hold or not world.late:
            assert result.late == 0


@examples(fast=1, slow=2)
@pytest.mark.parametrize(
    "world",
    [
        World(),
        World(too_late=0.05),
        World(has_dates=False, skew=timedelta(minutes=4)),
        World(order="appearance", page_sizes=[100]),
        SLOW,
        World(skew=12 * HOUR),
    ],
    ids=["late", "too-late", "no-dates", "out-of-order", "slow", "clock-skew"],
)
async def test_log_is_followed_exactly(world: World, examples: int) -> None:
    await assert_exact(examples, world)


async def test_sweep_that_is_switched_off_stops_no_forgetting() -> None:
    world = attrs.evolve(SHORT, days=12, late=0, future=0, failing=0, killed=0, page_sizes=[20])
    follower = Follower(2, world, horizon=30 * DAY)
    batches = follower._stream().batches()
    async for batch in batches:
        follower.saved = batch.state
        for entry in batch:
            follower._receive(entry.item, is_late=entry.late)
        await batch.commit()
        if '"places":{}' not in follower.saved:
            break  # in the middle of a sweep
    follower.sweep = None
    assert not (await follower.run()).missing
    assert follower.largest_state < 20_000
    state = LogState.load(follower.saved or "", "a log in memory")
    assert state.remembered < 400


@pytest.mark.slow
async def test_ticks_do_not_wait_for_the_share_of_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(
        days=9,
        every=timedelta(minutes=5),
        late=0,
        future=0,
        failing=0,
        killed=0,
        page_sizes=[4],
        page_time=timedelta(seconds=1),
    )
    longest = list[timedelta]()
    for sweep in (None, 3 * DAY):
        follower = Follower(2, world, sweep=sweep)
        follower.store, passes = None, set[datetime]()

        async def sleep(seconds: float, log: AdverseLog = follower.log) -> None:
            log.now += timedelta(seconds=seconds)

        monkeypatch.setattr(follower, "sleep", sleep)
        stream = follower._stream()
        async for batch in stream.batches():
            await batch.commit()
            passes.add(stream.status().through or follower.since)
            if follower.log.now > EPOCH + 9 * DAY:
                break
        ticks = sorted(at for at in passes if at > EPOCH + DAY)
        longest.append(max(later - earlier for earlier, later in pairwise(ticks)))
    assert longest[1] < longest[0] + HOUR / 4


@examples(fast=1, slow=2)
async def test_held_log_is_in_strict_order(examples: int) -> None:
    await assert_exact(examples, World(), hold=HOLD)


@examples(fast=1, slow=2)
async def test_punctual_log_has_no_late_entries(examples: int) -> None:
    await assert_exact(examples, World(late=0, future=0))


@examples(fast=1, slow=2)
async def test_entries_are_doubled_only_by_a_kill_before_their_state_is_saved(
    examples: int,
) -> None:
    results = [await Follower(seed, World(), transactional=False).run() for seed in range(examples)]
    assert not any(result.missing for result in results)
    assert (
        0
        < sum(result.doubles for result in results)
        < 100 * sum(result.kills for result in results)
    )


@pytest.mark.slow
async def test_dense_log_is_read_in_short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    read_page = LogWalk.read_page

    async def counted(self: LogWalk[Any]) -> LogPage[Any] | None:
        page = await read_page(self)
        held.append(len(self.entries))
        return page

    monkeypatch.setattr(LogWalk, "read_page", counted)
    world = World(days=1, every=timedelta(seconds=10), page_sizes=[100], killed=0.01)
    await assert_exact(1, world)
    assert max(held) <= 4_000  # 40 pages; a day has 17,000


@examples(fast=1, slow=2)
async def test_log_is_followed_exactly_over_a_socket(serve: Serve, examples: int) -> None:
    world = SHORT if examples == 1 else World()
    for seed in range(examples):
        listing = await _over_a_socket(serve, stack := AsyncExitStack())
        async with stack:
            result = await Follower(seed, world, listing=listing).run()
        assert result.expected > 100
        assert result.kills > 0
        assert not result.missing
        assert (result.doubles, result.disorder) == (0, 0)


async def _over_a_socket(
    serve: Serve, stack: AsyncExitStack
) -> Callable[[AdverseLog, Follower], LogPager[EVSEStatusLog]]:
    """Return a function that returns the listing of a client; *stack* closes the client."""
    server = await serve(lambda request: LogServer.answer(served[0], request))
    served: list[LogServer] = []
    clients: list[Client] = []

    def listing(log: AdverseLog, follower: Follower) -> LogPager[EVSEStatusLog]:
        if not clients:
            served.append(LogServer(log))
            client = server.client(
                clock=follower.clock,
                sleep=follower.sleep,
                wall_clock=follower.wall_clock,
                budget=None,
                deadline=1e5,
            )
            stack.push_async_callback(client.close)
            clients.append(client)
        return clients[0].evses.status_logs("e")

    return listing


@pytest.mark.slow
async def test_state_does_not_grow() -> None:
    for seed in range(2):
        short, long = [
            await Follower(
                seed, World(days=days, page_sizes=[100]), sweep=2 * DAY, horizon=4 * DAY
            ).run()
            for days in (20, 60)
        ]
        assert long.expected > 2 * short.expected
        assert long.largest_state < 1.5 * short.largest_state


# Each of these leaves out a part of the algorithm.


def look_back_never(patch: pytest.MonkeyPatch) -> None:
    _keep_levels(patch, 1)


def sweep_never(patch: pytest.MonkeyPatch) -> None:
    _keep_levels(patch, 2)


def _keep_levels(patch: pytest.MonkeyPatch, count: int) -> None:
    levels_for = follow._levels_for
    patch.setattr(follow, "_levels_for", lambda options: levels_for(options)[:count])


def end_a_pass_at_its_last_page(patch: pytest.MonkeyPatch) -> None:
    def through(self: Any, current: object) -> datetime:
        del current
        return self._timing.server.now()  # type: ignore[no-any-return]

    patch.setattr(LogStream, "_through", through)


def remember_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LogState, "add", lambda *_: None)


def forget_too_early(patch: pytest.MonkeyPatch) -> None:
    forget = LogState.forget_before

    def forget_more(self: LogState, floor: datetime) -> None:
        own = self.floor
        forget(self, floor + 35 * DAY - HOUR)
        self.floor = max(own, floor)

    patch.setattr(LogState, "forget_before", forget_more)


def read_only_what_is_newer(patch: pytest.MonkeyPatch) -> None:
    forget = LogState.forget_before

    def forget_more(self: LogState, floor: datetime) -> None:
        forget(self, max(floor, self.latest or floor))

    patch.setattr(LogState, "forget_before", forget_more)


def follow_links(patch: pytest.MonkeyPatch) -> None:
    def go_on(self: LogWalk[Any], page: LogPage[Any]) -> None:
        self.is_complete = not page.has_next

    patch.setattr(LogWalk, "_go_on_after", go_on)


def step_by_time_always(patch: pytest.MonkeyPatch) -> None:
    def go_on(self: LogWalk[Any], page: LogPage[Any]) -> None:
        self.is_complete = not page.has_next
        if page.has_next:
            self._list(min(at for at, _ in page.entries) - timedelta(microseconds=1))

    patch.setattr(LogWalk, "_go_on_after", go_on)


def hand_over_newest_first(patch: pytest.MonkeyPatch) -> None:
    def newest_first(entries: list[Any], key: Callable[[Any], Any]) -> list[Any]:
        return sorted(entries, key=key, reverse=True)

    patch.setattr(follow, "sorted", newest_first, raising=False)


def trust_the_local_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ServerClock, "read", lambda self, date: self._local())


def claim_a_pass_at_its_first_batch(patch: pytest.MonkeyPatch) -> None:
    hand_over = LogStream._hand_over

    def claim(self: Any, state: LogState, current: Any, window: Any) -> Any:
        batch = hand_over(self, state, current, window)
        state.places.clear()
        state.through.update({level.name: self._through(current) for level in self._levels})
        return batch

    patch.setattr(LogStream, "_hand_over", claim)


def hold_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LogStream, "_new_entries", _with_hold(LogStream._new_entries, timedelta(0)))


def _with_hold(method: Callable[..., Any], hold: timedelta) -> Callable[..., Any]:
    def changed(self: Any, *arguments: Any) -> Any:
        options = self._options
        self._options = attrs.evolve(options, hold=hold)
        try:
            return method(self, *arguments)
        finally:
            self._options = options

    return changed


def left_out(
    part: Callable[[pytest.MonkeyPatch], None],
    world: World,
    hold: timedelta = timedelta(0),
    marks: Sequence[pytest.MarkDecorator] = (),
) -> ParameterSet:
    return pytest.param(part, world, hold, id=part.__name__, marks=marks)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("leave_out", "world", "hold"),
    [
        left_out(look_back_never, SHORT),
        left_out(sweep_never, attrs.evolve(SHORT, too_late=0.05)),
        left_out(end_a_pass_at_its_last_page, SLOW, marks=[pytest.mark.slow]),
        left_out(remember_nothing, SHORT),
        left_out(forget_too_early, SHORT),
        left_out(read_only_what_is_newer, SHORT),
        left_out(follow_links, attrs.evolve(SHORT, cursors=["time"], page_sizes=[6])),
        left_out(step_by_time_always, attrs.evolve(SHORT, page_sizes=[6])),
        left_out(hand_over_newest_first, attrs.evolve(SHORT, late=0, future=0)),
        left_out(trust_the_local_clock, World(skew=12 * HOUR)),
        left_out(claim_a_pass_at_its_first_batch, attrs.evolve(SHORT, killed=0.2)),
        left_out(hold_nothing, SHORT, HOLD),
    ],
)
async def test_part_that_is_left_out_is_noticed(
    leave_out: Callable[[pytest.MonkeyPatch], None],
    world: World,
    hold: timedelta,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leave_out(monkeypatch)
    with pytest.raises(AssertionError):
        await assert_exact(5, world, hold=hold)
