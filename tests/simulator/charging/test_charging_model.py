from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_energy.models.charging import ChargingSubSessionMode as Mode
from ev_energy.simulator._bounded_cache import BoundedCache
from ev_energy.simulator._seeded_random import ID_LETTERS, SeededRandom
from ev_energy.simulator.charging import _energy_accounting
from ev_energy.simulator.charging._carbon import Feed
from ev_energy.simulator.charging._charging_model import ChargingModel, EpisodePosition
from ev_energy.simulator.charging._charging_site import (
    Car,
    Change,
    ChargePoint,
    ChargingSite,
    Group,
)
from ev_energy.simulator.charging._daily_order import DailyOrder, curve
from ev_energy.simulator.charging._prices import Band, Prices, Tariff
from ev_energy.simulator.charging._sub_sessions import (
    assess,
    flags_of,
    instructions,
    power_switches,
)
from ev_energy.simulator.clock._instants import ANCHOR, DAY, HALF_HOUR, instant_of, micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ev_energy.simulator.charging._episodes import Episode

TARIFFS = (
    Tariff("one price", 2600),
    Tariff("night", 2900, (Band(30, 330, 900),), "Europe/London"),
    Tariff("by the half-hour", 2400, zone="Europe/London", dynamic=True),
)
FEEDS = (Feed("GB", 160, timedelta(0)), Feed("US", 240, timedelta(hours=-8), solar=45))
OFFSETS = (timedelta(0), timedelta(hours=-8))


@attrs.define
class Town:
    """A generated fleet that counts how often a site is read."""

    size: int
    seed: int = 1
    done: dict[int, tuple[Change, ...]] = attrs.Factory(dict[int, tuple[Change, ...]])
    sites_read: int = 0

    @property
    def groups(self) -> Sequence[Group]:
        west = self.size // 3
        return (Group(self.size - west, OFFSETS[0]), Group(west, OFFSETS[1]))

    def site(self, group: int, rank: int) -> ChargingSite:
        self.sites_read += 1
        number = 2 * rank + group
        bits = SeededRandom(self.seed).number("town", number)
        car, point = None, None
        if bits % 6:
            battery = (24_000, 40_000, 58_000, 77_000, 100_000)[bits % 5]
            watts, use = (3600, 7400, 11_000)[bits % 3], 150 + bits % 50
            car = Car(number, battery, watts, use, bits % 4 != 1, 50 + bits % 11 * 5)
        if car is None or bits % 7:
            point = ChargePoint(number, (2300, 3600, 7400, 22_000)[bits // 5 % 4], 230)
        return ChargingSite(
            number=number,
            group=group,
            rank=rank,
            car=car,
            point=point,
            offset=OFFSETS[group],
            tariff=TARIFFS[bits // 7 % 3],
            feed=FEEDS[group],
            active_since=ANCHOR - timedelta(days=100) + timedelta(days=60) * rank / (rank + 50),
            smart=bits // 11 % 5 != 0,
        )

    def site_by_number(self, number: int) -> ChargingSite | None:
        rank, group = divmod(number, 2)
        return self.site(group, rank) if rank < self.groups[group].size else None

    def changes(self, site: ChargingSite) -> Sequence[Change]:
        return self.done.get(site.number, ())

    def changed_sites(self) -> Iterable[ChargingSite]:
        return [site for number in self.done if (site := self.site_by_number(number)) is not None]

    def all_sites(self) -> list[ChargingSite]:
        """Return the sites of all groups."""
        return [
            self.site(g, rank) for g, group in enumerate(self.groups) for rank in range(group.size)
        ]


def model_of(town: Town) -> ChargingModel:
    """Return a charging model of a town, with the seed of the town."""
    return ChargingModel(town, SeededRandom(town.seed))


def episodes_around_anchor(
    model: ChargingModel, site: ChargingSite, days: float = 12
) -> list[Episode]:
    """Return the episodes that start at most *days* before or after the anchor, with their ends."""
    first, last = ANCHOR - timedelta(days=days), ANCHOR + timedelta(days=days)
    later = last + timedelta(days=3)
    return list(model.episodes(site, after=first, before=last, now=later))


KINDS = (
    *("boost_start", "boost_end", "limit", "smart", "battery", "car_gone", "car_back"),
    "point_gone",
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Town, ChargingSite]:
    """Draw a site and its changes, at any time or within microseconds of an event of the site."""
    town = Town(40, draw(st.integers(1, 3)))
    site = draw(st.sampled_from(town.all_sites()))
    model = model_of(town)
    episodes = episodes_around_anchor(model, site, 9)
    event_times = [time for e in episodes for time in (e.start, e.end) if time is not None]
    event_times += model.state_changes(site, ANCHOR - timedelta(days=5), ANCHOR + timedelta(days=5))
    moments = st.integers(-9 * 86400, 9 * 86400).map(lambda s: ANCHOR + timedelta(seconds=s))
    near = st.tuples(st.sampled_from(event_times or [ANCHOR]), st.integers(-2, 2)).map(
        lambda pair: pair[0] + timedelta(microseconds=pair[1])
    )
    inside = st.tuples(st.sampled_from(episodes or [None]), st.integers(1, 99)).map(
        lambda pair: (
            instant_of(
                pair[0].start_us + ((pair[0].end_us or 0) - pair[0].start_us) * pair[1] // 100
            )
            if pair[0] is not None
            else ANCHOR
        )
    )
    values: dict[str, st.SearchStrategy[Any]] = {
        "limit": st.one_of(st.none(), st.integers(50, 100)),
        "smart": st.booleans(),
        "battery": st.integers(1000, 300_000),
    }
    changes = [
        Change(time, kind, draw(values.get(kind, st.none())))
        for time, kind in draw(
            st.lists(st.tuples(moments | near | inside, st.sampled_from(KINDS)), max_size=7)
        )
    ]
    town.done[site.number] = tuple(sorted(changes, key=lambda change: change.at))
    return town, site


moments = st.integers(-12 * 86400 * 10**6, 14 * 86400 * 10**6).map(
    lambda us: ANCHOR + timedelta(microseconds=us)
)


@pytest.mark.fuzz
@settings(max_examples=60, deadline=None)
@given(histories())
def test_energy_of_intervals_adds_up_to_battery_and_meter(
    history: tuple[Town, ChargingSite],
) -> None:
    town, site = history
    model = model_of(town)
    for episode in episodes_around_anchor(model, site):
        now = episode.end
        assert now is not None
        delivered: list[int] = []
        for number, period in enumerate(episode.periods):
            usage = model.usage(episode, number, now)
            assert sum(one.wh for one in usage.intervals) == usage.wh
            assert sum(one.alt_wh for one in usage.intervals) == usage.wh
            assert usage.wh == episode.delivered(number, micros(now))
            ends = [(one.start_us, one.end_us) for one in usage.intervals]
            assert ends[0][0] == period.start_us
            assert ends[-1][1] == period.end_us
            assert all(a[1] == b[0] for a, b in itertools.pairwise(ends))
            assert all(one.wh >= 0 for one in usage.intervals)
            delivered.append(usage.wh)
        before, after = model.state(site, episode.start), model.state(site, now)
        last = model.state(site, now - timedelta(microseconds=1))
        gained = 0 if episode.public else sum(delivered)
        assert model.energy_between(site, episode.start, now) == gained
        if before.meter_wh is not None and after.meter_wh is not None:
            assert after.meter_wh - before.meter_wh == gained
        if before.stored_wh is not None and last.stored_wh is not None:
            assert last.stored_wh - before.stored_wh == pytest.approx(sum(delivered), abs=1)
            if after.stored_wh is not None and after.battery_wh == before.battery_wh:
                assert after.stored_wh - before.stored_wh == sum(delivered)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(histories(), st.lists(moments, min_size=2, max_size=12))
def test_batteries_stay_within_bounds_and_meters_never_decrease(
    history: tuple[Town, ChargingSite], instants: list[datetime]
) -> None:
    town, site = history
    model = model_of(town)
    states = [model.state(site, time) for time in sorted(instants)]
    for state in states:
        if state.stored_wh is not None and state.battery_wh is not None:
            assert 0 <= state.stored_wh <= state.battery_wh
            assert 0 <= (state.percent or 0) <= 100
        assert not (state.charging and not state.plugged_in)
        assert not (state.driving and (state.plugged_in or state.at_home))
        assert state.enabled or not state.charging
    for earlier, later in itertools.pairwise(states):
        for name in ("meter_wh", "odometer_m"):
            old, new = getattr(earlier, name), getattr(later, name)
            if old is not None and new is not None:  # both devices were present at both times
                assert new >= old


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(histories(), moments, moments)
def test_meter_counts_the_energy_that_flowed(
    history: tuple[Town, ChargingSite], one: datetime, other: datetime
) -> None:
    town, site = history
    model = model_of(town)
    start, end = sorted((one, other))
    flowed = 0
    for episode in episodes_around_anchor(model, site, 20):
        if not episode.public:
            low, high = max(micros(start), episode.start_us), min(micros(end), episode.end_us or 0)
            flowed += episode.energy(high) - episode.energy(low) if low < high else 0
    assert model.energy_between(site, start, end) == flowed


@pytest.mark.fuzz
@settings(max_examples=25, deadline=None)
@given(histories())
def test_battery_level_does_not_depend_on_the_days_of_settling(
    history: tuple[Town, ChargingSite],
) -> None:
    town, site = history
    span = timedelta(days=150)
    short = list(model_of(town).episodes(site, after=ANCHOR, now=ANCHOR + span))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_energy_accounting, "_SETTLING_DAYS", 1000)
        assert short == list(model_of(town).episodes(site, after=ANCHOR, now=ANCHOR + span))


@pytest.mark.fuzz
def test_battery_has_its_target_level_at_departure() -> None:
    town = Town(300)
    model = model_of(town)
    for site in town.all_sites():
        for episode in episodes_around_anchor(model, site, 40):
            if not episode.public:
                assert episode.end_us is not None
                plan = episode.plans[-1]
                assert episode.stored(episode.end_us) == plan.target_wh
                assert plan.target_wh == plan.limit * episode.battery_wh // 100


@pytest.mark.fuzz
@settings(max_examples=50, deadline=None)
@given(histories())
def test_episodes_do_not_overlap_and_are_less_than_four_days_apart(
    history: tuple[Town, ChargingSite],
) -> None:
    town, site = history
    episodes = episodes_around_anchor(model_of(town), site)
    for earlier, later in itertools.pairwise(episodes):
        assert earlier.end is not None
        assert later.start - earlier.end >= timedelta(minutes=30)
        returns = [change for change in town.changes(site) if change.kind == "car_back"]
        if not any(earlier.start <= change.at <= later.start for change in returns):
            assert later.start - earlier.start < timedelta(days=4)
    for episode in episodes:
        assert episode.start.microsecond
        assert len(episode.periods) <= 255
        edges = [(period.start_us, period.end_us) for period in episode.periods]
        assert (edges[0][0], edges[-1][1]) == (episode.start_us, episode.end_us)
        assert all(a[0] < (a[1] or 0) == b[0] for a, b in itertools.pairwise(edges))
        modes = [period.mode for period in episode.periods]
        assert all(a is not b for a, b in itertools.pairwise(modes))


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 65, 200])
def test_fleet_episodes_are_in_order_in_both_directions_from_any_position(size: int) -> None:
    town = Town(size)
    model = model_of(town)
    low = ANCHOR - timedelta(days=3)
    expected = sorted(
        (e for site in town.all_sites() for e in model.episodes(site, after=low, now=ANCHOR)),
        key=EpisodePosition.of,
    )
    assert [EpisodePosition.of(e) for e in expected] == sorted(
        {EpisodePosition.of(e) for e in expected}
    )
    assert list(model.fleet_episodes(after=low, now=ANCHOR)) == expected
    assert list(model.fleet_episodes(after=low, now=ANCHOR, newest_first=True)) == expected[::-1]
    for index in range(0, len(expected), 11):
        position = EpisodePosition.of(expected[index])
        assert list(model.fleet_episodes(after=position, now=ANCHOR)) == expected[index + 1 :]
        backward = model.fleet_episodes(after=low, before=position, now=ANCHOR, newest_first=True)
        assert list(backward) == expected[:index][::-1]
        assert (
            list(model.fleet_episodes(after=low, before=position, now=ANCHOR)) == expected[:index]
        )


def test_fleet_episodes_are_those_of_all_sites() -> None:
    town = Town(30)
    model = model_of(town)
    listed = [EpisodePosition.of(e) for e in model.fleet_episodes(now=ANCHOR)]
    of_sites = [
        EpisodePosition.of(e) for site in town.all_sites() for e in model.episodes(site, now=ANCHOR)
    ]
    assert listed == sorted(of_sites)
    assert listed[::-1] == [
        EpisodePosition.of(e) for e in model.fleet_episodes(now=ANCHOR, newest_first=True)
    ]
    for site in town.all_sites():
        latest = model.latest_episode(site, ANCHOR)
        assert latest == next(model.episodes(site, now=ANCHOR, newest_first=True), None)
        assert latest is None or latest.start <= ANCHOR


@pytest.mark.fuzz
@settings(max_examples=40, deadline=None)
@given(histories(), moments, moments)
def test_past_episodes_do_not_change_with_time(
    history: tuple[Town, ChargingSite], one: datetime, other: datetime
) -> None:
    town, site = history
    model = model_of(town)
    then, now = sorted((one, other))
    later = {e.day: e for e in model.episodes(site, now=now)}
    for episode in model.episodes(site, now=then):
        later_episode = later[episode.day]
        assert later_episode.seen(micros(then)) == episode
        for number in range(len(episode.periods)):
            old, new = model.usage(episode, number, then), model.usage(later_episode, number, now)
            assert old.wh <= new.wh
            assert old.intervals[:-1] == tuple(
                attrs.evolve(new_interval, alt_wh=old_interval.alt_wh)
                for old_interval, new_interval in zip(
                    old.intervals[:-1], new.intervals, strict=False
                )
            )


@pytest.mark.fuzz
@settings(max_examples=50, deadline=None)
@given(histories(), moments)
def test_changes_do_not_affect_the_past(
    history: tuple[Town, ChargingSite], instant: datetime
) -> None:
    town, site = history
    for count in range(len(town.done[site.number])):
        changes = town.done[site.number]
        fewer = attrs.evolve(town, done={site.number: changes[:count]})
        then = min(instant, changes[count].at - timedelta(microseconds=1))
        old, new = model_of(fewer), model_of(town)
        after = then - timedelta(days=6)
        assert list(old.episodes(site, after=after, now=then)) == list(
            new.episodes(site, after=after, now=then)
        )
        assert old.state(site, then) == new.state(site, then)


def test_model_depends_on_the_seed_and_not_on_the_order_of_calls() -> None:
    town = Town(50)
    one, other = model_of(town), model_of(Town(50))
    sites = town.all_sites()
    forwards = [(episodes_around_anchor(one, site), one.state(site, ANCHOR)) for site in sites]
    backwards = [
        (other.state(site, ANCHOR), episodes_around_anchor(other, site)) for site in reversed(sites)
    ]
    assert forwards == [(episodes, state) for state, episodes in reversed(backwards)]
    third = ChargingModel(town, SeededRandom(2))
    assert [episodes_around_anchor(third, site) for site in sites] != [
        episodes for episodes, _ in forwards
    ]


def test_fleet_size_does_not_affect_the_episodes_of_a_site() -> None:
    small, large = Town(90), Town(900)
    for site in small.all_sites():
        assert episodes_around_anchor(model_of(small), site, 3) == episodes_around_anchor(
            model_of(large), site, 3
        )


def test_session_ids_are_found_and_other_ids_are_not() -> None:
    town = Town(60)
    model, other_model = model_of(town), ChargingModel(town, SeededRandom(2))
    for episode in model.fleet_episodes(after=ANCHOR - timedelta(days=2), now=ANCHOR):
        session = model.session_id(episode)
        assert len(session) == 30
        assert set(session[4:]) <= set(ID_LETTERS)
        assert model.session(session, ANCHOR) == episode
        assert model.position(session) == (EpisodePosition.of(episode), 0)
        assert model.session(session, episode.start - timedelta(microseconds=1)) is None
        for number in range(len(episode.periods)):
            key = model.sub_session_id(episode, number)
            assert model.sub_session(key, ANCHOR) == (episode, number)
            assert model.position(key) == (EpisodePosition.of(episode), number)
            assert other_model.sub_session(key, ANCHOR) is None
            assert model.session(key, ANCHOR) is None
            assert model.session("cses" + key[4:], ANCHOR) is None
        assert model.sub_session(model.sub_session_id(episode, 200), ANCHOR) is None
        altered = session[:-1] + ("0" if session[-1] != "0" else "1")
        for other in (
            altered,
            session.lower(),
            session[:-1],
            session + "0",
            "",
            "cses",
            session[4:],
        ):
            assert model.session(other, ANCHOR) is None


def test_session_ids_are_unique() -> None:
    model = model_of(Town(200))
    found = [
        model.sub_session_id(episode, number)
        for episode in model.fleet_episodes(after=ANCHOR - timedelta(days=5), now=ANCHOR)
        for number in range(len(episode.periods))
    ]
    assert len(set(found)) == len(found) > 200


@pytest.mark.fuzz
@settings(max_examples=25, deadline=None)
@given(histories(), st.integers(1, 14 * 3600), st.integers(1, 40 * 3600), st.data())
def test_events_are_the_starts_and_ends_of_periods(
    history: tuple[Town, ChargingSite], since: int, seconds: int, data: st.DataObject
) -> None:
    town, site = history
    model = model_of(town)
    middle = data.draw(st.sampled_from([ANCHOR, *(change.at for change in town.done[site.number])]))
    after = middle - timedelta(seconds=since)
    until = after + timedelta(seconds=seconds)
    expected = sorted(
        (time, site.number, number, kind == "ended", kind)
        for site in town.all_sites()
        for episode in episodes_around_anchor(model, site)
        for number, period in enumerate(episode.periods)
        for time, kind in ((period.start, "created"), (period.end, "ended"))
        if time is not None and after < time <= until
    )
    events = list(model.events(after, until))
    found = [(e.at, e.episode.site.number, e.number, e.kind == "ended", e.kind) for e in events]
    assert found == expected
    following = model.next_event_after(after)
    assert following is not None
    assert following == events[0] if events else following.at > until


def test_event_shows_its_episode_at_that_time() -> None:
    model = model_of(Town(80))
    for event in model.events(ANCHOR - timedelta(days=1), ANCHOR):
        period = event.episode.periods[event.number]
        assert (period.end is None) == (event.kind == "created")
        assert event.episode == event.episode.seen(event.at_us)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 2, 33, 64, 300, 4096]), st.integers(20_000, 20_400), st.data())
def test_daily_order_maps_ranks_to_indexes_and_times(
    size: int, day: int, data: st.DataObject
) -> None:
    points = curve((6.5, 0), (9, 40), (15, 200), (16, 300), (23, 1000))
    order = DailyOrder(SeededRandom(3), ("test",), size, lambda _day: points)
    rank = data.draw(st.integers(0, size - 1))
    index = order.index(rank, day)
    assert 0 <= index < size
    assert order.rank(index, day) == rank
    assert abs(index - order.index(rank, day + 1)) <= max(1, size * 6 // 100)
    time = order.time(rank, day)
    assert time == order.time_at(index, day)
    assert time % 1_000_000
    assert order.first_after(time, day) == index + 1
    assert order.first_after(time - 1, day) == index
    if index:
        assert order.time_at(index - 1, day) < time
    time_of_day = data.draw(st.integers(-5, 86_400 * 10**6))
    first = order.first_after(time_of_day, day)
    assert first == size or order.time_at(first, day) > time_of_day
    assert first == 0 or order.time_at(first - 1, day) <= time_of_day
    now = day * DAY + time_of_day
    past = [(d, p) for d, indexes in order.before(now, now - DAY) for p in indexes]
    coming = [(d, p) for d, indexes in order.after(now - 1, now + DAY) for p in indexes]
    assert past == sorted(past, reverse=True)
    assert coming == sorted(coming)
    assert not set(past) & set(coming)


def test_bounded_cache_drops_the_oldest_values() -> None:
    cache = BoundedCache[int, str](3)
    for number in range(10):
        assert cache.put(number, str(number)) == str(number)
    assert [cache.get(number) for number in range(10)] == [None] * 7 + ["7", "8", "9"]


def test_page_of_a_large_fleet_reads_no_more_sites() -> None:
    sites_read: dict[tuple[Any, ...], int] = {}
    for size in (1000, 100_000):
        town = Town(size)
        model = model_of(town)
        list(
            itertools.islice(model.fleet_episodes(now=ANCHOR, newest_first=True), 1)
        )  # computes the cohorts, once
        for newest_first in (True, False):
            for after in (None, ANCHOR - timedelta(days=30)):
                town.sites_read = 0
                pages = model.fleet_episodes(now=ANCHOR, after=after, newest_first=newest_first)
                assert len(list(itertools.islice(pages, 100))) == 100
                sites_read[size, newest_first, after] = town.sites_read
    for (size, *page), count in sites_read.items():
        assert count <= 1200, (size, page)
    town, after = Town(100_000), ANCHOR - timedelta(hours=7)
    model = model_of(town)
    events = len(list(model.events(after, after + timedelta(seconds=20))))
    assert town.sites_read < 4000 + 10 * events


def test_smart_charging_uses_the_cheapest_half_hours() -> None:
    model = model_of(Town(150))
    checked = 0
    for episode in model.fleet_episodes(after=ANCHOR - timedelta(days=4), now=ANCHOR):
        if [period.mode for period in episode.periods] != [Mode.SMART] or episode.end_us is None:
            continue
        plan = episode.plans[0]
        usage = model.usage(episode, 0, ANCHOR)
        half_hours = [
            (
                (one.price, one.co2),
                any(a < one.end_us and one.start_us < b for a, b in plan.windows),
            )
            for one in usage.intervals
            if one.end_us is not None and one.start_us < plan.deadline_us
        ]
        used_prices = [price for price, used in half_hours if used]
        assert all(
            price >= max(used_prices) for price, used in half_hours if not used and used_prices
        )
        assert usage.savings_cost >= 0
        assert plan.threshold == (max(price for price, _ in used_prices) if used_prices else None)
        checked += 1
    assert checked > 100


def smart_episode(model: ChargingModel) -> Episode:
    """Return an episode that charges by plan, at least an hour after the car is plugged in."""
    return next(
        episode
        for episode in model.fleet_episodes(after=ANCHOR, now=ANCHOR + timedelta(days=2))
        if [period.mode for period in episode.periods] == [Mode.SMART]
        and episode.segments
        and episode.segments[0].start_us - episode.start_us > 2 * HALF_HOUR
        and episode.car is not None
        and episode.car.telematics
        and episode.point is not None
    )


def test_boost_charges_at_once_and_the_plan_resumes_afterwards() -> None:
    town = Town(60)
    episode = smart_episode(model_of(town))
    begin = episode.start + timedelta(minutes=7)
    town.done[episode.site.number] = (
        Change(begin, "boost_start"),
        Change(begin + timedelta(minutes=10), "boost_end"),
    )
    model = model_of(town)
    boosted = model.episode(episode.site, episode.day)
    assert boosted is not None
    assert [p.mode for p in boosted.periods] == [Mode.SMART, Mode.BOOST, Mode.SMART]
    assert boosted.delivered(1, micros(ANCHOR) * 2) == boosted.watts // 6
    assert model.state(boosted.site, begin).charging
    assert model.state(boosted.site, begin).mode is Mode.BOOST
    assert not model.state(boosted.site, begin + timedelta(minutes=11)).charging
    assert boosted.energy(boosted.end_us or 0) == episode.energy(episode.end_us or 0)
    events = model.events(begin - timedelta(seconds=1), begin + timedelta(minutes=10))
    assert [
        (event.kind, event.number, event.at)
        for event in events
        if event.episode.site.number == episode.site.number
    ] == [
        ("ended", 0, begin),
        ("created", 1, begin),
        ("ended", 1, begin + timedelta(minutes=10)),
        ("created", 2, begin + timedelta(minutes=10)),
    ]


def test_boost_ends_at_the_target_level_of_the_battery() -> None:
    town = Town(60)
    episode = smart_episode(model_of(town))
    begin = episode.start + timedelta(seconds=1)
    town.done[episode.site.number] = (Change(begin, "boost_start"),)
    boosted = model_of(town).episode(episode.site, episode.day)
    assert boosted is not None
    assert [p.mode for p in boosted.periods] == [Mode.SMART, Mode.BOOST, Mode.SMART]
    assert boosted.periods[1].end_us == boosted.segments[-1].end_us
    assert boosted.delivered(2, boosted.end_us or 0) == 0


def test_smart_charging_switched_off_starts_an_unmanaged_period() -> None:
    town = Town(60)
    episode = smart_episode(model_of(town))
    off = episode.start + timedelta(minutes=3)
    town.done[episode.site.number] = (Change(off, "smart", value=False),)
    model = model_of(town)
    changed = model.episode(episode.site, episode.day)
    assert changed is not None
    assert [p.mode for p in changed.periods] == [Mode.SMART, Mode.UNMANAGED_HOME]
    assert (changed.segments[0].start, changed.periods[1].start) == (off, off)
    assert not model.state(episode.site, off).smart
    following = next(model.episodes(episode.site, after=off, now=off + timedelta(days=9)))
    assert following.public or following.periods[0].mode is Mode.UNMANAGED_HOME


@pytest.mark.parametrize("kind", ["car_gone", "point_gone"])
def test_removed_device_ends_the_episode_and_the_other_device_continues(kind: Any) -> None:
    town = Town(60)
    episode = smart_episode(model_of(town))
    removed_at = episode.start + timedelta(hours=2)
    town.done[episode.site.number] = (Change(removed_at, kind),)
    model = model_of(town)
    site = episode.site
    assert site.car is not None
    assert site.point is not None
    shortened = model.episode(site, episode.day)
    assert shortened is not None
    assert shortened.end == removed_at
    later = list(model.episodes(site, after=removed_at, now=removed_at + timedelta(days=20)))
    if kind == "car_gone":
        assert later
        assert {(one.car, one.point) for one in later} == {(None, site.point)}
    else:
        assert bool(later) == site.car.telematics
        if later:  # the car has not moved or lost energy in between
            before = model.state(site, removed_at)
            after = model.state(site, later[0].start - timedelta(microseconds=1))
            assert (before.stored_wh, before.odometer_m) == (after.stored_wh, after.odometer_m)
            assert after.at_home
        assert {(one.car, one.point) for one in later} <= {(site.car, None)}
    town.done[site.number] += (
        Change(removed_at + timedelta(days=3), "car_gone"),
        Change(removed_at + timedelta(days=3), "point_gone"),
    )
    after_both = model_of(town).episodes(
        site, after=removed_at + timedelta(days=3), now=removed_at + timedelta(days=20)
    )
    assert list(after_both) == []


def test_removal_does_not_show_before_it_happens() -> None:
    town = Town(60)
    episode = smart_episode(model_of(town))
    off, removed_at = episode.start + timedelta(minutes=3), episode.start + timedelta(minutes=9)
    town.done[episode.site.number] = (Change(off, "smart", value=False),)
    earlier = model_of(town).episode_at(episode.site, removed_at - timedelta(microseconds=1))
    town.done[episode.site.number] += (Change(removed_at, "car_gone"),)
    assert (
        model_of(town).episode_at(episode.site, removed_at - timedelta(microseconds=1)) == earlier
    )
    assert model_of(town).episode_at(episode.site, removed_at) is None


def test_battery_change_takes_effect_at_departure_and_keeps_the_percentage() -> None:
    town = Town(60)
    episode = smart_episode(model_of(town))
    change = Change(episode.start + timedelta(hours=1), "battery", 30_000)
    town.done[episode.site.number] = (change,)
    model = model_of(town)
    end = episode.end
    assert end is not None
    before = model.state(episode.site, end - timedelta(microseconds=1))
    after = model.state(episode.site, end)
    assert (before.battery_wh, after.battery_wh) == (episode.battery_wh, 30_000)
    assert before.percent == after.percent
    assert before.meter_wh == after.meter_wh


def test_commands_are_at_the_starts_and_ends_of_power() -> None:
    model = model_of(Town(100))
    for episode in model.fleet_episodes(after=ANCHOR - timedelta(days=3), now=ANCHOR):
        commands = power_switches(episode, micros(ANCHOR))
        assert [c.at_us for c in commands] == sorted(c.at_us for c in commands)
        assert commands[0].at_us == episode.start_us
        switched_on = {command.at_us for command in commands if command.on}
        assert {segment.start_us for segment in episode.segments} <= switched_on
        for number, period in enumerate(episode.periods):
            planned = list(instructions(episode, number))
            if period.mode is Mode.SMART:
                assert all(one.start_us % HALF_HOUR == 0 for one in planned)
                assert planned[0].start_us <= period.start_us
            elif period.mode is Mode.BOOST:
                assert [(one.on, one.lasts_us) for one in planned] == [(True, None)]
            else:
                assert planned == []


def test_assessments_bound_the_cost() -> None:
    model = model_of(Town(100))
    for episode in model.fleet_episodes(
        after=ANCHOR - timedelta(days=3), now=ANCHOR - timedelta(days=1)
    ):
        for number in range(len(episode.periods)):
            usage = model.usage(episode, number, ANCHOR - timedelta(days=1))
            found = assess(episode, number, usage)
            assert found.least_cost - 1 <= usage.cost <= found.most_cost + 1
            assert 0 <= found.savings_percent <= 100
            assert found.average_watts <= found.max_watts
            assert flags_of(episode, number, usage) == ()


def test_solar_energy_costs_nothing_and_the_rest_comes_from_the_grid() -> None:
    town = Town(60)
    sunny = ChargingModel(town, SeededRandom(1), solar=lambda _site, _start, _end: 100)
    dark = model_of(town)
    episode = next(
        e for e in episodes_around_anchor(dark, town.site(0, 1)) if e.segments and not e.public
    )
    end = instant_of(episode.end_us or 0)
    usage, usual = sunny.usage(episode, 0, end), dark.usage(episode, 0, end)
    assert (usage.wh, usual.solar_wh) == (usual.wh, 0)
    assert 0 < usage.solar_wh == usage.wh - usage.grid_wh
    assert all(one.solar_wh <= min(one.wh, 100) for one in usage.intervals)
    assert usage.cost_exact < usual.cost_exact


def test_solar_share_of_a_finished_period_may_change() -> None:
    town, share = Town(60), [100]
    model = ChargingModel(town, SeededRandom(1), solar=lambda _site, _start, _end: share[0])
    episode = next(
        e for e in episodes_around_anchor(model, town.site(0, 1)) if e.segments and not e.public
    )
    end = instant_of(episode.end_us or 0)
    before = model.usage(episode, 0, end)
    share[0] = 0  # as if the home had got many more sites
    after = model.usage(episode, 0, end)
    assert (before.solar_wh > 0, after.solar_wh, after.wh) == (True, 0, before.wh)
    assert before.cost_exact < after.cost_exact
    share[0] = 100
    assert model.usage(episode, 0, end) == before


def test_night_price_follows_local_time() -> None:
    prices, night = Prices(SeededRandom(1)), TARIFFS[1]
    for day, starts in ((datetime(2026, 1, 10, tzinfo=UTC), "00:30"), (ANCHOR, "23:30")):
        slots = list(prices.slots(night, micros(day), micros(day + timedelta(days=1))))
        cheap = [slot for slot in slots if slot.price == 900]
        assert [f"{slot.start:%H:%M}" for slot in cheap if slot.start != day] == [starts] or (
            cheap[0].end is not None and f"{cheap[0].end:%H:%M}" == "05:30"
        )
    winter = datetime(2026, 1, 10, 0, 15, tzinfo=UTC)
    assert prices.price(night, micros(winter)) == 2900
    assert prices.price(night, micros(winter + timedelta(minutes=15))) == 900
    assert prices.price(night, micros(winter.replace(month=7) - timedelta(minutes=30))) == 900
    change = datetime(2026, 10, 25, tzinfo=UTC)  # the clocks go back at one o'clock UTC
    slots = prices.slots(night, micros(change), micros(change + timedelta(hours=12)))
    assert [(f"{slot.start:%H:%M}", slot.price) for slot in slots] == [
        ("00:00", 900), ("05:30", 2900),
    ]  # fmt: skip
    assert prices.price_changes(night, micros(change), micros(change + timedelta(hours=12))) == [
        micros(change + timedelta(hours=5, minutes=30))
    ]


def test_tariff_of_an_unknown_zone_uses_its_standard_offset() -> None:
    tariff = Tariff("x", 20, (Band(0, 60, 10),), "Mars/Olympus", timedelta(hours=2))
    slots = list(Prices(SeededRandom(1)).slots(tariff, 0, 48 * HALF_HOUR))
    assert [(slot.start_us // HALF_HOUR, slot.price) for slot in slots] == [
        (0, 20),
        (44, 10),
        (46, 20),
    ]


def test_dynamic_prices_differ_between_days_and_are_sometimes_negative() -> None:
    prices, agile = Prices(SeededRandom(1)), TARIFFS[2]
    year = [price for day in range(20_000, 20_365) for price in prices.day(agile, day)]
    negative = sum(price < 0 for price in year)
    assert 0 < negative < len(year) / 20
    assert 2000 < sum(year) / len(year) < 2800
    assert max(year) < 8000
    assert prices.day(agile, 20_000) != prices.day(agile, 20_001)


def test_carbon_is_low_at_noon_in_summer_and_forecasts_are_close() -> None:
    model = model_of(Town(1))
    for feed in FEEDS:
        year = [grams for day in range(20_454, 20_819) for grams in model.carbon.day(feed, day)]
        assert feed.mean * 0.75 < sum(year) / len(year) < feed.mean * 1.25
        assert min(year) > 0
        noon, evening = 24 - int(feed.offset / timedelta(minutes=30)), 36
        june = range(20_454 + 150, 20_454 + 180)
        sunny = sum(model.carbon.run(feed, 48 * day + noon, 48 * day + noon)[0] for day in june)
        evening -= int(feed.offset / timedelta(minutes=30))
        dusk = sum(
            model.carbon.run(feed, 48 * day + evening, 48 * day + evening)[0] for day in june
        )
        assert sunny < dusk
        for slot in range(48):
            time_us = micros(ANCHOR) + slot * HALF_HOUR
            ratio = model.carbon.forecast(feed, time_us) / model.carbon.intensity(feed, time_us)
            assert 0.9 < ratio < 1.07
            assert 1 <= model.carbon.grid_level(feed, time_us) <= 100
