from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_energy.models.charging import ChargingSubSessionMode as Mode
from ev_energy.simulator._lru import Kept
from ev_energy.simulator._seeded_random import ID_LETTERS, Chance
from ev_energy.simulator.charging import _energy_accounting as _ledger
from ev_energy.simulator.charging._arrival_order import Order, curve
from ev_energy.simulator.charging._carbon import Feed
from ev_energy.simulator.charging._charging_model import Life, Mark
from ev_energy.simulator.charging._charging_site import Bay, Car, Deed, Group, Point
from ev_energy.simulator.charging._facts import assess, commands, flags, instructions
from ev_energy.simulator.charging._prices import Band, Prices, Tariff
from ev_energy.simulator.clock._instants import ANCHOR
from ev_energy.simulator.clock._microseconds import DAY, HALF_HOUR, instant_of, micros

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
    """A made-up fleet that counts how often it is asked for a bay."""

    size: int
    seed: int = 1
    done: dict[int, tuple[Deed, ...]] = attrs.Factory(dict[int, tuple[Deed, ...]])
    asked: int = 0

    @property
    def groups(self) -> Sequence[Group]:
        west = self.size // 3
        return (Group(self.size - west, OFFSETS[0]), Group(west, OFFSETS[1]))

    def bay(self, group: int, rank: int) -> Bay:
        self.asked += 1
        number = 2 * rank + group
        bits = Chance(self.seed).number("town", number)
        car, point = None, None
        if bits % 6:
            battery = (24_000, 40_000, 58_000, 77_000, 100_000)[bits % 5]
            watts, use = (3600, 7400, 11_000)[bits % 3], 150 + bits % 50
            car = Car(number, battery, watts, use, bits % 4 != 1, 50 + bits % 11 * 5)
        if car is None or bits % 7:
            point = Point(number, (2300, 3600, 7400, 22_000)[bits // 5 % 4], 230)
        return Bay(
            number=number,
            group=group,
            rank=rank,
            car=car,
            point=point,
            offset=OFFSETS[group],
            tariff=TARIFFS[bits // 7 % 3],
            feed=FEEDS[group],
            began=ANCHOR - timedelta(days=100) + timedelta(days=60) * rank / (rank + 50),
            smart=bits // 11 % 5 != 0,
        )

    def numbered(self, number: int) -> Bay | None:
        rank, group = divmod(number, 2)
        return self.bay(group, rank) if rank < self.groups[group].size else None

    def deeds(self, bay: Bay) -> Sequence[Deed]:
        return self.done.get(bay.number, ())

    def touched(self) -> Iterable[Bay]:
        return [bay for number in self.done if (bay := self.numbered(number)) is not None]

    def everybody(self) -> list[Bay]:
        return [
            self.bay(g, rank) for g, group in enumerate(self.groups) for rank in range(group.size)
        ]


def life_of(town: Town) -> Life:
    return Life(town, Chance(town.seed))


def told(life: Life, bay: Bay, days: float = 12) -> list[Episode]:
    """The episodes that begin some days before and after the anchor, to their ends."""
    first, last = ANCHOR - timedelta(days=days), ANCHOR + timedelta(days=days)
    later = last + timedelta(days=3)
    return list(life.of_bay(bay, after=first, before=last, now=later))


WHATS = (
    *("boost_start", "boost_end", "limit", "smart", "battery", "car_gone", "car_back"),
    "point_gone",
)


@st.composite
def stories(draw: st.DrawFn) -> tuple[Town, Bay]:
    """A bay and what is done to it, at odd moments or right when something happens there."""
    town = Town(40, draw(st.integers(1, 3)))
    bay = draw(st.sampled_from(town.everybody()))
    life = life_of(town)
    episodes = told(life, bay, 9)
    edges = [at for e in episodes for at in (e.start, e.end) if at is not None]
    edges += life.changes(bay, ANCHOR - timedelta(days=5), ANCHOR + timedelta(days=5))
    moments = st.integers(-9 * 86400, 9 * 86400).map(lambda s: ANCHOR + timedelta(seconds=s))
    near = st.tuples(st.sampled_from(edges or [ANCHOR]), st.integers(-2, 2)).map(
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
    deeds = [
        Deed(at, what, draw(values.get(what, st.none())))
        for at, what in draw(
            st.lists(st.tuples(moments | near | inside, st.sampled_from(WHATS)), max_size=7)
        )
    ]
    town.done[bay.number] = tuple(sorted(deeds, key=lambda deed: deed.at))
    return town, bay


moments = st.integers(-12 * 86400 * 10**6, 14 * 86400 * 10**6).map(
    lambda us: ANCHOR + timedelta(microseconds=us)
)


@settings(max_examples=60, deadline=None)
@given(stories())
def test_intervals_add_up_to_periods_and_those_to_what_battery_and_meter_gain(
    story: tuple[Town, Bay],
) -> None:
    town, bay = story
    life = life_of(town)
    for episode in told(life, bay):
        now = episode.end
        assert now is not None
        delivered: list[int] = []
        for number, period in enumerate(episode.periods):
            usage = life.usage(episode, number, now)
            assert sum(one.wh for one in usage.intervals) == usage.wh
            assert sum(one.alt_wh for one in usage.intervals) == usage.wh
            assert usage.wh == episode.delivered(number, micros(now))
            ends = [(one.start_us, one.end_us) for one in usage.intervals]
            assert ends[0][0] == period.start_us
            assert ends[-1][1] == period.end_us
            assert all(a[1] == b[0] for a, b in itertools.pairwise(ends))
            assert all(one.wh >= 0 for one in usage.intervals)
            delivered.append(usage.wh)
        before, after = life.state(bay, episode.start), life.state(bay, now)
        last = life.state(bay, now - timedelta(microseconds=1))
        gained = 0 if episode.public else sum(delivered)
        assert life.energy_between(bay, episode.start, now) == gained
        if before.meter_wh is not None and after.meter_wh is not None:
            assert after.meter_wh - before.meter_wh == gained
        if before.stored_wh is not None and last.stored_wh is not None:
            assert last.stored_wh - before.stored_wh == pytest.approx(sum(delivered), abs=1)
            if after.stored_wh is not None and after.battery_wh == before.battery_wh:
                assert after.stored_wh - before.stored_wh == sum(delivered)


@settings(max_examples=60, deadline=None)
@given(stories(), st.lists(moments, min_size=2, max_size=12))
def test_batteries_are_never_overfull_and_meters_never_run_backwards(
    story: tuple[Town, Bay], instants: list[datetime]
) -> None:
    town, bay = story
    life = life_of(town)
    states = [life.state(bay, at) for at in sorted(instants)]
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
            if old is not None and new is not None:  # what was cut off may have come back
                assert new >= old


@settings(max_examples=50, deadline=None)
@given(stories(), moments, moments)
def test_what_the_meter_counts_between_two_instants_is_what_flowed_between_them(
    story: tuple[Town, Bay], one: datetime, other: datetime
) -> None:
    town, bay = story
    life = life_of(town)
    start, end = sorted((one, other))
    flowed = 0
    for episode in told(life, bay, 20):
        if not episode.public:
            low, high = max(micros(start), episode.start_us), min(micros(end), episode.end_us or 0)
            flowed += episode.energy(high) - episode.energy(low) if low < high else 0
    assert life.energy_between(bay, start, end) == flowed


@settings(max_examples=25, deadline=None)
@given(stories())
def test_the_short_way_to_a_batterys_level_leads_where_the_long_one_does(
    story: tuple[Town, Bay],
) -> None:
    town, bay = story
    span = timedelta(days=150)
    short = list(life_of(town).of_bay(bay, after=ANCHOR, now=ANCHOR + span))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_ledger, "_SETTLES", 1000)
        assert short == list(life_of(town).of_bay(bay, after=ANCHOR, now=ANCHOR + span))


def test_who_is_left_alone_leaves_with_a_battery_as_full_as_it_should_be() -> None:
    town = Town(300)
    life = life_of(town)
    for bay in town.everybody():
        for episode in told(life, bay, 40):
            if not episode.public:
                assert episode.end_us is not None
                plan = episode.plans[-1]
                assert episode.stored(episode.end_us) == plan.target_wh
                assert plan.target_wh == plan.limit * episode.battery_wh // 100


@settings(max_examples=50, deadline=None)
@given(stories())
def test_stays_do_not_overlap_and_there_is_one_in_three_days(story: tuple[Town, Bay]) -> None:
    town, bay = story
    episodes = told(life_of(town), bay)
    for earlier, later in itertools.pairwise(episodes):
        assert earlier.end is not None
        assert later.start - earlier.end >= timedelta(minutes=30)
        away = [deed for deed in town.deeds(bay) if deed.what == "car_back"]
        if not any(earlier.start <= deed.at <= later.start for deed in away):
            assert later.start - earlier.start < timedelta(days=4)
    for episode in episodes:
        assert episode.start.microsecond
        assert len(episode.periods) <= 255
        edges = [(period.start_us, period.end_us) for period in episode.periods]
        assert (edges[0][0], edges[-1][1]) == (episode.start_us, episode.end_us)
        assert all(a[0] < (a[1] or 0) == b[0] for a, b in itertools.pairwise(edges))
        modes = [period.mode for period in episode.periods]
        assert all(a is not b for a, b in itertools.pairwise(modes))


@pytest.mark.parametrize("size", [1, 7, 65, 200])
def test_the_fleet_lists_what_its_bays_do_in_order_both_ways_and_from_anywhere(size: int) -> None:
    town = Town(size)
    life = life_of(town)
    low = ANCHOR - timedelta(days=3)
    expected = sorted(
        (e for bay in town.everybody() for e in life.of_bay(bay, after=low, now=ANCHOR)),
        key=Mark.of,
    )
    assert [Mark.of(e) for e in expected] == sorted({Mark.of(e) for e in expected})
    assert list(life.in_fleet(after=low, now=ANCHOR)) == expected
    assert list(life.in_fleet(after=low, now=ANCHOR, newest_first=True)) == expected[::-1]
    for place in range(0, len(expected), 11):
        mark = Mark.of(expected[place])
        assert list(life.in_fleet(after=mark, now=ANCHOR)) == expected[place + 1 :]
        down = life.in_fleet(after=low, before=mark, now=ANCHOR, newest_first=True)
        assert list(down) == expected[:place][::-1]
        assert list(life.in_fleet(after=low, before=mark, now=ANCHOR)) == expected[:place]


def test_the_list_begins_with_the_oldest_and_ends_with_what_is_there_now() -> None:
    town = Town(30)
    life = life_of(town)
    everything = [Mark.of(e) for e in life.in_fleet(now=ANCHOR)]
    each = [Mark.of(e) for bay in town.everybody() for e in life.of_bay(bay, now=ANCHOR)]
    assert everything == sorted(each)
    assert everything[::-1] == [Mark.of(e) for e in life.in_fleet(now=ANCHOR, newest_first=True)]
    for bay in town.everybody():
        latest = life.latest_episode(bay, ANCHOR)
        assert latest == next(life.of_bay(bay, now=ANCHOR, newest_first=True), None)
        assert latest is None or latest.start <= ANCHOR


@settings(max_examples=40, deadline=None)
@given(stories(), moments, moments)
def test_what_was_seen_once_never_changes(
    story: tuple[Town, Bay], one: datetime, other: datetime
) -> None:
    town, bay = story
    life = life_of(town)
    then, now = sorted((one, other))
    later = {e.day: e for e in life.of_bay(bay, now=now)}
    for episode in life.of_bay(bay, now=then):
        grown = later[episode.day]
        assert grown.seen(micros(then)) == episode
        for number in range(len(episode.periods)):
            old, new = life.usage(episode, number, then), life.usage(grown, number, now)
            assert old.wh <= new.wh
            assert old.intervals[:-1] == tuple(
                attrs.evolve(kept, alt_wh=before.alt_wh)
                for before, kept in zip(old.intervals[:-1], new.intervals, strict=False)
            )


@settings(max_examples=50, deadline=None)
@given(stories(), moments)
def test_deeds_never_change_the_past(story: tuple[Town, Bay], instant: datetime) -> None:
    town, bay = story
    for count in range(len(town.done[bay.number])):
        deeds = town.done[bay.number]
        fewer = attrs.evolve(town, done={bay.number: deeds[:count]})
        then = min(instant, deeds[count].at - timedelta(microseconds=1))
        old, new = life_of(fewer), life_of(town)
        after = then - timedelta(days=6)
        assert list(old.of_bay(bay, after=after, now=then)) == list(
            new.of_bay(bay, after=after, now=then)
        )
        assert old.state(bay, then) == new.state(bay, then)


def test_the_order_of_questions_does_not_matter_and_the_seed_does() -> None:
    town = Town(50)
    one, other = life_of(town), life_of(Town(50))
    bays = town.everybody()
    forwards = [(told(one, bay), one.state(bay, ANCHOR)) for bay in bays]
    backwards = [(other.state(bay, ANCHOR), told(other, bay)) for bay in reversed(bays)]
    assert forwards == [(episodes, state) for state, episodes in reversed(backwards)]
    third = Life(town, Chance(2))
    assert [told(third, bay) for bay in bays] != [episodes for episodes, _ in forwards]


def test_a_fleet_that_grows_changes_nothing_for_those_who_are_in_it() -> None:
    small, large = Town(90), Town(900)
    for bay in small.everybody():
        assert told(life_of(small), bay, 3) == told(life_of(large), bay, 3)


def test_an_identifier_leads_back_and_no_other_one_leads_anywhere() -> None:
    town = Town(60)
    life, stranger = life_of(town), Life(town, Chance(2))
    for episode in life.in_fleet(after=ANCHOR - timedelta(days=2), now=ANCHOR):
        session = life.session_id(episode)
        assert len(session) == 30
        assert set(session[4:]) <= set(ID_LETTERS)
        assert life.session(session, ANCHOR) == episode
        assert life.mark(session) == Mark.of(episode)
        assert life.session(session, episode.start - timedelta(microseconds=1)) is None
        for number in range(len(episode.periods)):
            key = life.sub_session_id(episode, number)
            assert life.sub_session(key, ANCHOR) == (episode, number)
            assert life.mark(key) == Mark.of(episode)
            assert stranger.sub_session(key, ANCHOR) is None
            assert life.session(key, ANCHOR) is None
            assert life.session("cses" + key[4:], ANCHOR) is None
        assert life.sub_session(life.sub_session_id(episode, 200), ANCHOR) is None
        turned = session[:-1] + ("0" if session[-1] != "0" else "1")
        for other in (
            turned,
            session.lower(),
            session[:-1],
            session + "0",
            "",
            "cses",
            session[4:],
        ):
            assert life.session(other, ANCHOR) is None


def test_identifiers_are_all_different() -> None:
    life = life_of(Town(200))
    found = [
        life.sub_session_id(episode, number)
        for episode in life.in_fleet(after=ANCHOR - timedelta(days=5), now=ANCHOR)
        for number in range(len(episode.periods))
    ]
    assert len(set(found)) == len(found) > 200


@settings(max_examples=25, deadline=None)
@given(stories(), st.integers(1, 14 * 3600), st.integers(1, 40 * 3600), st.data())
def test_events_are_what_the_bays_periods_begin_and_end_with(
    story: tuple[Town, Bay], since: int, seconds: int, data: st.DataObject
) -> None:
    town, bay = story
    life = life_of(town)
    middle = data.draw(st.sampled_from([ANCHOR, *(deed.at for deed in town.done[bay.number])]))
    after = middle - timedelta(seconds=since)
    until = after + timedelta(seconds=seconds)
    expected = sorted(
        (at, bay.number, number, what == "ended", what)
        for bay in town.everybody()
        for episode in told(life, bay)
        for number, period in enumerate(episode.periods)
        for at, what in ((period.start, "created"), (period.end, "ended"))
        if at is not None and after < at <= until
    )
    events = list(life.events(after, until))
    found = [(e.at, e.episode.bay.number, e.number, e.what == "ended", e.what) for e in events]
    assert found == expected
    following = life.next_event_after(after)
    assert following is not None
    assert following == events[0] if events else following.at > until


def test_an_event_shows_its_episode_as_it_was_then() -> None:
    life = life_of(Town(80))
    for event in life.events(ANCHOR - timedelta(days=1), ANCHOR):
        period = event.episode.periods[event.number]
        assert (period.end is None) == (event.what == "created")
        assert event.episode == event.episode.seen(event.at_us)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 2, 33, 64, 300, 4096]), st.integers(20_000, 20_400), st.data())
def test_ranks_have_places_and_places_have_times_in_order(
    size: int, day: int, data: st.DataObject
) -> None:
    points = curve((6.5, 0), (9, 40), (15, 200), (16, 300), (23, 1000))
    order = Order(Chance(3), ("test",), size, lambda _day: points)
    rank = data.draw(st.integers(0, size - 1))
    place = order.place(rank, day)
    assert 0 <= place < size
    assert order.rank(place, day) == rank
    assert abs(place - order.place(rank, day + 1)) <= max(1, size * 6 // 100)
    time = order.time(rank, day)
    assert time == order.time_of_place(place, day)
    assert time % 1_000_000
    assert order.first_after(time, day) == place + 1
    assert order.first_after(time - 1, day) == place
    if place:
        assert order.time_of_place(place - 1, day) < time
    asked = data.draw(st.integers(-5, 86_400 * 10**6))
    first = order.first_after(asked, day)
    assert first == size or order.time_of_place(first, day) > asked
    assert first == 0 or order.time_of_place(first - 1, day) <= asked
    noon = day * DAY + asked
    passed = [(d, p) for d, places in order.before(noon, noon - DAY) for p in places]
    coming = [(d, p) for d, places in order.after(noon - 1, noon + DAY) for p in places]
    assert passed == sorted(passed, reverse=True)
    assert coming == sorted(coming)
    assert not set(passed) & set(coming)


def test_what_is_kept_for_speed_has_a_limit() -> None:
    kept = Kept[int, str](3)
    for number in range(10):
        assert kept.keep(number, str(number)) == str(number)
    assert [kept.get(number) for number in range(10)] == [None] * 7 + ["7", "8", "9"]


def test_a_page_takes_no_more_questions_in_a_large_fleet() -> None:
    asked: dict[tuple[Any, ...], int] = {}
    for size in (1000, 100_000):
        town = Town(size)
        life = life_of(town)
        list(itertools.islice(life.in_fleet(now=ANCHOR, newest_first=True), 1))  # the cohorts
        for newest_first in (True, False):
            for after in (None, ANCHOR - timedelta(days=30)):
                town.asked = 0
                pages = life.in_fleet(now=ANCHOR, after=after, newest_first=newest_first)
                assert len(list(itertools.islice(pages, 100))) == 100
                asked[size, newest_first, after] = town.asked
    for (size, *page), count in asked.items():
        assert count <= 1200, (size, page)
    town, after = Town(100_000), ANCHOR - timedelta(hours=7)
    life = life_of(town)
    events = len(list(life.events(after, after + timedelta(seconds=20))))
    assert town.asked < 4000 + 10 * events


def test_smart_charging_takes_the_cheapest_half_hours_there_are() -> None:
    life = life_of(Town(150))
    checked = 0
    for episode in life.in_fleet(after=ANCHOR - timedelta(days=4), now=ANCHOR):
        if [period.mode for period in episode.periods] != [Mode.SMART] or episode.end_us is None:
            continue
        plan = episode.plans[0]
        usage = life.usage(episode, 0, ANCHOR)
        worth = [
            (
                (one.price, one.co2),
                any(a < one.end_us and one.start_us < b for a, b in plan.windows),
            )
            for one in usage.intervals
            if one.end_us is not None and one.start_us < plan.deadline_us
        ]
        taken = [price for price, used in worth if used]
        assert all(price >= max(taken) for price, used in worth if not used and taken)
        assert usage.savings_cost >= 0
        assert plan.threshold == (max(price for price, _ in taken) if taken else None)
        checked += 1
    assert checked > 100


def first_night(life: Life, town: Town) -> Episode:
    """An episode that charges by plan, some time after the car is plugged in."""
    return next(
        episode
        for episode in life.in_fleet(after=ANCHOR, now=ANCHOR + timedelta(days=2))
        if [period.mode for period in episode.periods] == [Mode.SMART]
        and episode.segments
        and episode.segments[0].start_us - episode.start_us > 2 * HALF_HOUR
        and episode.car is not None
        and episode.car.telematics
        and episode.point is not None
    )


def test_a_boost_charges_at_once_and_then_the_plan_goes_on() -> None:
    town = Town(60)
    episode = first_night(life_of(town), town)
    begin = episode.start + timedelta(minutes=7)
    town.done[episode.bay.number] = (
        Deed(begin, "boost_start"),
        Deed(begin + timedelta(minutes=10), "boost_end"),
    )
    life = life_of(town)
    boosted = life.episode(episode.bay, episode.day)
    assert boosted is not None
    assert [p.mode for p in boosted.periods] == [Mode.SMART, Mode.BOOST, Mode.SMART]
    assert boosted.delivered(1, micros(ANCHOR) * 2) == boosted.watts // 6
    assert life.state(boosted.bay, begin).charging
    assert life.state(boosted.bay, begin).mode is Mode.BOOST
    assert not life.state(boosted.bay, begin + timedelta(minutes=11)).charging
    assert boosted.energy(boosted.end_us or 0) == episode.energy(episode.end_us or 0)
    events = life.events(begin - timedelta(seconds=1), begin + timedelta(minutes=10))
    assert [
        (event.what, event.number, event.at)
        for event in events
        if event.episode.bay.number == episode.bay.number
    ] == [
        ("ended", 0, begin),
        ("created", 1, begin),
        ("ended", 1, begin + timedelta(minutes=10)),
        ("created", 2, begin + timedelta(minutes=10)),
    ]


def test_a_boost_ends_when_the_battery_is_as_full_as_it_should_be() -> None:
    town = Town(60)
    episode = first_night(life_of(town), town)
    begin = episode.start + timedelta(seconds=1)
    town.done[episode.bay.number] = (Deed(begin, "boost_start"),)
    boosted = life_of(town).episode(episode.bay, episode.day)
    assert boosted is not None
    assert [p.mode for p in boosted.periods] == [Mode.SMART, Mode.BOOST, Mode.SMART]
    assert boosted.periods[1].end_us == boosted.segments[-1].end_us
    assert boosted.delivered(2, boosted.end_us or 0) == 0


def test_smart_charging_that_is_switched_off_charges_at_once_in_a_period_of_its_own() -> None:
    town = Town(60)
    episode = first_night(life_of(town), town)
    off = episode.start + timedelta(minutes=3)
    town.done[episode.bay.number] = (Deed(off, "smart", value=False),)
    life = life_of(town)
    changed = life.episode(episode.bay, episode.day)
    assert changed is not None
    assert [p.mode for p in changed.periods] == [Mode.SMART, Mode.UNMANAGED_HOME]
    assert (changed.segments[0].start, changed.periods[1].start) == (off, off)
    assert not life.state(episode.bay, off).smart
    following = next(life.of_bay(episode.bay, after=off, now=off + timedelta(days=9)))
    assert following.public or following.periods[0].mode is Mode.UNMANAGED_HOME


@pytest.mark.parametrize("what", ["car_gone", "point_gone"])
def test_what_is_gone_ends_the_episode_and_what_is_left_goes_on(what: Any) -> None:
    town = Town(60)
    episode = first_night(life_of(town), town)
    gone = episode.start + timedelta(hours=2)
    town.done[episode.bay.number] = (Deed(gone, what),)
    life = life_of(town)
    bay = episode.bay
    assert bay.car is not None
    assert bay.point is not None
    cut = life.episode(bay, episode.day)
    assert cut is not None
    assert cut.end == gone
    later = list(life.of_bay(bay, after=gone, now=gone + timedelta(days=20)))
    if what == "car_gone":
        assert later
        assert {(one.car, one.point) for one in later} == {(None, bay.point)}
    else:
        assert bool(later) == bay.car.telematics
        if later:  # it was not moved in between, and lost nothing
            before = life.state(bay, gone)
            after = life.state(bay, later[0].start - timedelta(microseconds=1))
            assert (before.stored_wh, before.odometer_m) == (after.stored_wh, after.odometer_m)
            assert after.at_home
        assert {(one.car, one.point) for one in later} <= {(bay.car, None)}
    town.done[bay.number] += (
        Deed(gone + timedelta(days=3), "car_gone"),
        Deed(gone + timedelta(days=3), "point_gone"),
    )
    over = life_of(town).of_bay(bay, after=gone + timedelta(days=3), now=gone + timedelta(days=20))
    assert list(over) == []


def test_before_something_is_gone_nothing_tells_that_it_will_be() -> None:
    town = Town(60)
    episode = first_night(life_of(town), town)
    off, gone = episode.start + timedelta(minutes=3), episode.start + timedelta(minutes=9)
    town.done[episode.bay.number] = (Deed(off, "smart", value=False),)
    earlier = life_of(town).episode_at(episode.bay, gone - timedelta(microseconds=1))
    town.done[episode.bay.number] += (Deed(gone, "car_gone"),)
    assert life_of(town).episode_at(episode.bay, gone - timedelta(microseconds=1)) == earlier
    assert life_of(town).episode_at(episode.bay, gone) is None


def test_a_changed_battery_counts_from_the_next_departure_and_keeps_its_percent() -> None:
    town = Town(60)
    episode = first_night(life_of(town), town)
    deed = Deed(episode.start + timedelta(hours=1), "battery", 30_000)
    town.done[episode.bay.number] = (deed,)
    life = life_of(town)
    end = episode.end
    assert end is not None
    before = life.state(episode.bay, end - timedelta(microseconds=1))
    after = life.state(episode.bay, end)
    assert (before.battery_wh, after.battery_wh) == (episode.battery_wh, 30_000)
    assert before.percent == after.percent
    assert before.meter_wh == after.meter_wh


def test_commands_are_given_where_power_sets_in_and_where_it_stops() -> None:
    life = life_of(Town(100))
    for episode in life.in_fleet(after=ANCHOR - timedelta(days=3), now=ANCHOR):
        given_ = commands(episode, micros(ANCHOR))
        assert [c.at_us for c in given_] == sorted(c.at_us for c in given_)
        assert given_[0].at_us == episode.start_us
        on = {command.at_us for command in given_ if command.on}
        assert {segment.start_us for segment in episode.segments} <= on
        for number, period in enumerate(episode.periods):
            orders = list(instructions(episode, number))
            if period.mode is Mode.SMART:
                assert all(one.start_us % HALF_HOUR == 0 for one in orders)
                assert orders[0].start_us <= period.start_us
            elif period.mode is Mode.BOOST:
                assert [(one.on, one.lasts_us) for one in orders] == [(True, None)]
            else:
                assert orders == []


def test_assessments_tell_the_least_and_the_most_it_could_have_cost() -> None:
    life = life_of(Town(100))
    for episode in life.in_fleet(after=ANCHOR - timedelta(days=3), now=ANCHOR - timedelta(days=1)):
        for number in range(len(episode.periods)):
            usage = life.usage(episode, number, ANCHOR - timedelta(days=1))
            found = assess(episode, number, usage)
            assert found.least_cost - 1 <= usage.cost <= found.most_cost + 1
            assert 0 <= found.savings_percent <= 100
            assert found.average_watts <= found.max_watts
            assert flags(episode, number, usage) == ()


def test_solar_power_costs_nothing_and_the_rest_comes_from_the_grid() -> None:
    town = Town(60)
    sunny = Life(town, Chance(1), solar=lambda _bay, _start, _end: 100)
    dark = life_of(town)
    episode = next(e for e in told(dark, town.bay(0, 1)) if e.segments and not e.public)
    end = instant_of(episode.end_us or 0)
    usage, usual = sunny.usage(episode, 0, end), dark.usage(episode, 0, end)
    assert (usage.wh, usual.solar_wh) == (usual.wh, 0)
    assert 0 < usage.solar_wh == usage.wh - usage.grid_wh
    assert all(one.solar_wh <= min(one.wh, 100) for one in usage.intervals)
    assert usage.cost_exact < usual.cost_exact


def test_a_night_price_follows_the_clocks_on_the_wall() -> None:
    prices, night = Prices(Chance(1)), TARIFFS[1]
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
    assert prices.changes(night, micros(change), micros(change + timedelta(hours=12))) == [
        micros(change + timedelta(hours=5, minutes=30))
    ]


def test_a_tariff_of_an_unknown_zone_goes_by_its_standard_offset() -> None:
    tariff = Tariff("x", 20, (Band(0, 60, 10),), "Mars/Olympus", timedelta(hours=2))
    slots = list(Prices(Chance(1)).slots(tariff, 0, 48 * HALF_HOUR))
    assert [(slot.start_us // HALF_HOUR, slot.price) for slot in slots] == [
        (0, 20),
        (44, 10),
        (46, 20),
    ]


def test_dynamic_prices_differ_from_day_to_day_and_are_negative_now_and_then() -> None:
    prices, agile = Prices(Chance(1)), TARIFFS[2]
    year = [price for day in range(20_000, 20_365) for price in prices.day(agile, day)]
    below = sum(price < 0 for price in year)
    assert 0 < below < len(year) / 20
    assert 2000 < sum(year) / len(year) < 2800
    assert max(year) < 8000
    assert prices.day(agile, 20_000) != prices.day(agile, 20_001)


def test_carbon_is_low_at_noon_in_summer_and_forecasts_are_nearly_right() -> None:
    life = life_of(Town(1))
    for feed in FEEDS:
        year = [grams for day in range(20_454, 20_819) for grams in life.carbon.day(feed, day)]
        assert feed.mean * 0.75 < sum(year) / len(year) < feed.mean * 1.25
        assert min(year) > 0
        noon, evening = 24 - int(feed.offset / timedelta(minutes=30)), 36
        june = range(20_454 + 150, 20_454 + 180)
        sunny = sum(life.carbon.run(feed, 48 * day + noon, 48 * day + noon)[0] for day in june)
        evening -= int(feed.offset / timedelta(minutes=30))
        dusk = sum(life.carbon.run(feed, 48 * day + evening, 48 * day + evening)[0] for day in june)
        assert sunny < dusk
        for slot in range(48):
            at = micros(ANCHOR) + slot * HALF_HOUR
            near = life.carbon.forecast(feed, at) / life.carbon.intensity(feed, at)
            assert 0.9 < near < 1.07
            assert 1 <= life.carbon.grid_level(feed, at) <= 100
