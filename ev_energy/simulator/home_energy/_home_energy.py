"""The energy of homes: what the sun gives, what is used, stored, bought and sold.

It is worked out a week at a time, from what is known without a look at the weeks before; nothing
is stored but for speed.
"""

from __future__ import annotations

import functools
from array import array
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator._bounded_cache import BoundedCache
from ev_energy.simulator.charging._prices import Tariff
from ev_energy.simulator.clock._instants import (
    DAY,
    HALF_HOUR,
    HOUR,
    SLOTS,
    instant_of,
    micros,
    micros_of,
)
from ev_energy.simulator.home_energy._battery import (
    BatteryConditions,
    battery_flow,
    cheap_and_dear,
    outage_quarters,
    target_wh,
)
from ev_energy.simulator.home_energy._generation import Weather, capacity_steps, generated_wh
from ev_energy.simulator.home_energy._load import day_load
from ev_energy.simulator.home_energy._quarter_hours import (
    QUARTER_HOUR,
    QUARTERS_PER_DAY,
    QUARTERS_PER_HOUR,
    QUARTERS_PER_WEEK,
    quarter_at,
    quarter_start,
)
from ev_energy.simulator.world._homes import ZONE_OFFSETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ev_energy.simulator.charging._charging_site import ChargingSite
    from ev_energy.simulator.home_energy._battery import Battery
    from ev_energy.simulator.world._homes import City
    from ev_energy.simulator.world._world import World


#: All ways that energy takes; every other number is a sum of these.
FLOWS: Final = (
    "solar_to_home",
    "solar_to_battery",
    "solar_to_grid",
    "battery_to_home",
    "battery_to_grid",
    "grid_to_home",
    "grid_to_battery",
)
#: Weeks begin on Mondays, when batteries have just been filled: 1970 began on a Thursday.
_FIRST_WEEK: Final = 4 * DAY + 5 * HOUR
_LONGEST_STAY: Final = 2 * QUARTERS_PER_DAY
_WEEKS_KEPT: Final = 512
_DAYS_CUT: Final = 8  # a week that begins within a day is part of so many


@attrs.frozen
class Week:
    """What flowed in the quarters of a week, in watt-hours, as far as they are over."""

    first: int
    flows: tuple[array[int], ...]
    """As `FLOWS` has them."""
    stored: array[int]
    """In the battery, at the end of each."""
    load: array[int]
    """Of the household."""
    cars: array[int]
    """Charged."""

    def part(self, first: int, end: int) -> slice:
        """Return the quarters of a stretch of time that are in this week."""
        return slice(max(0, first - self.first), max(0, end - self.first))


class HomeEnergy:
    """A home's energy, as it is seen at an instant."""

    def __init__(self, world: World, number: int, city: City, user_id: str) -> None:
        self.city = city
        self._world = world
        self._number = number
        self._offset = micros_of(ZONE_OFFSETS[city.group])
        self._sites = list(world.fleet.sites_of_user(user_id))
        self._arrays = [
            capacity_steps(world, row) for row in world.rows_of_user(user_id, "solar_arrays")
        ]
        batteries = world.homes.numbering(lambda kind: kind.home_batteries).of_home(number)
        made = world.tables["home_batteries"].generated
        self.battery: Battery | None = made.make(batteries[0])["_battery"] if batteries else None
        self.over = quarter_at(world.now)
        """The first quarter that is not over."""

    @functools.cached_property
    def state(self) -> tuple[object, ...]:
        """What requests have done so far that can matter; the same as long as nothing has."""
        changes = tuple(len(self._world.fleet.changes(site)) for site in self._sites)
        return self._number, changes, tuple(map(tuple, self._arrays))

    @property
    def has_panels(self) -> bool:
        """Whether the sun gives anything."""
        return bool(self._arrays)

    @property
    def sites(self) -> int:
        """How many places there are for cars to charge."""
        return len(self._sites)

    def surplus(self, quarter: int) -> int:
        """Return the watt-hours that the sun gives in a quarter and the household does not use."""
        day, rest = divmod(quarter, QUARTERS_PER_DAY)
        yields = energy_cache(self._world).weather.day(self.city, day)[rest : rest + 1]
        if not any(yields):
            return 0
        gives = sum(generated_wh(steps, quarter, yields)[0] for steps in self._arrays)
        uses = load_watts(self._world, self._number, quarter) // QUARTERS_PER_HOUR
        return max(0, gives - uses)

    def week_of(self, quarter: int) -> int:
        """Return the week that a quarter is in, counted from 1970."""
        return (quarter * QUARTER_HOUR + self._offset - _FIRST_WEEK) // (
            QUARTERS_PER_WEEK * QUARTER_HOUR
        )

    def begin(self, week: int) -> int:
        """Return the first quarter of a week."""
        return (
            week * QUARTERS_PER_WEEK * QUARTER_HOUR + _FIRST_WEEK - self._offset
        ) // QUARTER_HOUR

    def weeks(self, first: int, end: int) -> Iterable[Week]:
        """Return the weeks that hold the quarters from ``first`` on and before ``end``."""
        return map(self.week, range(self.week_of(first), self.week_of(end - 1) + 1))

    def week(self, number: int) -> Week:
        """Return a week as far as it is over."""
        first = self.begin(number)
        count = max(0, min(QUARTERS_PER_WEEK, self.over - first))
        weeks = energy_cache(self._world).weeks
        key = (*self.state, number, count)
        return weeks.get(key) or weeks.put(key, self._week(first, count))

    def _week(self, first: int, count: int) -> Week:
        sun, load, cars = self.solar(first), self.load(first), self.cars(first, count)
        rows: list[tuple[int, ...]] = []
        stored = array("q")
        battery = self.battery
        held = battery.capacity_wh if battery else 0
        told = self._told(battery, first, sun, load, cars) if battery else ()
        for number in range(count):
            gives, uses = sun[number], load[number] + cars[number]
            taken = 0
            if battery is not None:
                taken = battery_flow(battery, held, told[number])
                held += taken
            to_home = min(gives, uses)
            charge, discharge = max(0, taken), max(0, -taken)
            to_battery = min(gives - to_home, charge)
            from_battery = min(discharge, uses - to_home)
            row = (
                to_home,
                to_battery,
                gives - to_home - to_battery,
                from_battery,
                discharge - from_battery,
                uses - to_home - from_battery,
                charge - to_battery,
            )
            rows.append(row)
            stored.append(held)
        columns = zip(*rows, strict=True) if rows else [()] * len(FLOWS)
        flows = tuple(array("q", column) for column in columns)
        return Week(first, flows, stored, array("q", load[:count]), array("q", cars))

    def out_of_order(self, quarter: int) -> bool:
        """Return whether the battery is out of order in a quarter."""
        week = self.week_of(quarter)
        return quarter - self.begin(week) in outage_quarters(self._world.random, self._number, week)

    def solar(self, first: int, known: int | None = None) -> list[int]:
        """Return what the panels give in the quarters of a week.

        With ``known``, as it was expected then: nobody thought of later changes to the panels.
        """
        days = range(first // QUARTERS_PER_DAY, first // QUARTERS_PER_DAY + _DAYS_CUT)
        weather = energy_cache(self._world).weather
        yields = [gives for day in days for gives in weather.day(self.city, day)]
        skip = first - days.start * QUARTERS_PER_DAY
        of_week = yields[skip : skip + QUARTERS_PER_WEEK]
        found = [0] * QUARTERS_PER_WEEK
        for steps in self._arrays:
            there = [step for step in steps if known is None or step[0] <= known]
            found = [a + b for a, b in zip(found, generated_wh(there, first, of_week), strict=True)]
        return found

    def load(self, first: int) -> list[int]:
        """Return what the household used in the quarters of a week, or would use."""
        local = first + self._offset // QUARTER_HOUR
        days = range(local // QUARTERS_PER_DAY, local // QUARTERS_PER_DAY + _DAYS_CUT)
        random = self._world.random
        every = [used for day in days for used in day_load(random, self._number, day)]
        skip = local - days.start * QUARTERS_PER_DAY
        return every[skip : skip + QUARTERS_PER_WEEK]

    def cars(self, first: int, count: int) -> list[int]:
        """Return what cars were charged with in ``count`` quarters."""
        found = [0] * count
        for site in self._sites if count else ():
            self._charge(site, first, found)
        return found

    def _charge(self, site: ChargingSite, first: int, found: list[int]) -> None:
        end = first + len(found)
        episodes = self._world.charging.episodes(
            site,
            now=quarter_start(end),
            after=quarter_start(first - _LONGEST_STAY),
            before=quarter_start(end),
        )
        for episode in episodes:
            if episode.public:
                continue
            for segment in episode.segments:
                until = end * QUARTER_HOUR if segment.end_us is None else segment.end_us
                begin = max(first, segment.start_us // QUARTER_HOUR)
                last = min(end - 1, (until - 1) // QUARTER_HOUR)
                before = (
                    0
                    if begin > last
                    else episode.energy(max(begin * QUARTER_HOUR, segment.start_us))
                )
                for quarter in range(begin, last + 1):
                    after = episode.energy(min((quarter + 1) * QUARTER_HOUR, until))
                    found[quarter - first] += after - before
                    before = after

    def _told(
        self,
        battery: Battery,
        first: int,
        sun: Sequence[int],
        load: Sequence[int],
        cars: Sequence[int],
    ) -> list[BatteryConditions]:
        slots = QUARTERS_PER_WEEK * QUARTER_HOUR // HALF_HOUR
        start = first * QUARTER_HOUR // HALF_HOUR
        prices = self._world.charging.prices.run(self._tariff(first), start, start + slots - 1)
        # Plans of the past must not change when panels are added: they go by what was there.
        expected = self.solar(first, known=first)
        outage = outage_quarters(self._world.random, self._number, self.week_of(first))
        told: list[BatteryConditions] = []
        for day in range(7):
            part = slice(day * QUARTERS_PER_DAY, (day + 1) * QUARTERS_PER_DAY)
            marks = cheap_and_dear(prices[day * SLOTS : (day + 1) * SLOTS])
            ahead = slice(part.stop, part.stop + QUARTERS_PER_DAY) if day < 6 else part  # noqa: PLR2004 - Sunday: it is filled anyway
            target = target_wh(battery, sum(expected[ahead]), sum(load[ahead]))
            for number in range(part.start, min(part.stop, len(cars))):
                cheap, dear = marks[(number - part.start) * QUARTER_HOUR // HALF_HOUR]
                told.append(
                    BatteryConditions(
                        number=number,
                        sun_wh=sun[number],
                        load_wh=load[number],
                        cars_wh=cars[number],
                        cheap=cheap,
                        dear=dear,
                        target_wh=target,
                        out=number in outage,
                    )
                )
        return told

    def _tariff(self, first: int) -> Tariff:
        """Return what electricity cost when a week began: batteries follow from the next on."""
        site = self._sites[0]
        since = quarter_start(first)
        found = site.tariff
        for change in self._world.fleet.changes(site):
            if change.at <= since and isinstance(change.value, Tariff):
                found = change.value
        return found


def solar_share(world: World, site: ChargingSite, start: datetime, end: datetime) -> int:
    """Return what of a bay's charging between two instants came from the roof.

    Bays share alike in what the household leaves, whether or not the others need it.
    """
    user_id = world.fleet.user_id(site)
    if world.home_of_user(user_id) is None:
        return 0
    home = home_energy(world, user_id)
    if not home.has_panels:
        return 0
    begin, stop, share = micros(start), micros(end), 0
    for quarter in range(begin // QUARTER_HOUR, -(-stop // QUARTER_HOUR)):
        low, high = max(begin, quarter * QUARTER_HOUR), min(stop, (quarter + 1) * QUARTER_HOUR)
        left = home.surplus(quarter) * (high - low) // (QUARTER_HOUR * home.sites)
        if left:
            charged = world.charging.energy_between(site, instant_of(low), instant_of(high))
            share += min(charged, left)
    return share


class EnergyCache:
    """What is worked out once for all homes, and for a while for some."""

    def __init__(self, world: World) -> None:
        self.weather = Weather(world.random)
        self.weeks = BoundedCache[tuple[object, ...], Week](_WEEKS_KEPT)


def energy_cache(world: World) -> EnergyCache:
    """Return what all homes have in common."""
    return world.cached("energy", lambda: EnergyCache(world))


def home_energy(world: World, user_id: str) -> HomeEnergy:
    """Return the energy of a user's home; users that requests made have none."""
    number = world.home_of_user(user_id)
    if number is None:
        raise LookupError(user_id)
    return HomeEnergy(world, number, world.homes.template(number).city, user_id)


def load_watts(world: World, home: int, quarter: int) -> int:
    """Return what a home's household uses in a quarter."""
    local = quarter + micros_of(ZONE_OFFSETS[world.homes.template(home).city.group]) // QUARTER_HOUR
    day, rest = divmod(local, QUARTERS_PER_DAY)
    return day_load(world.random, home, day)[rest] * QUARTERS_PER_HOUR


@attrs.frozen
class EnergyTotals:
    """What flowed in a stretch of time."""

    flows: dict[str, int]
    """In watt-hours, by `FLOWS`."""
    mean_stored_wh: int
    quarters: int
    """How many of its quarters are over."""

    def of(self, *names: str) -> int:
        """Return the sum of some flows."""
        return sum(self.flows[name] for name in names)

    @property
    def generation(self) -> int:
        """What the sun gave."""
        return self.of("solar_to_home", "solar_to_battery", "solar_to_grid")

    @property
    def consumption(self) -> int:
        """What was used at home, cars included."""
        return self.of("solar_to_home", "battery_to_home", "grid_to_home")

    @property
    def imported(self) -> int:
        """What came from the grid."""
        return self.of("grid_to_home", "grid_to_battery")

    @property
    def exported(self) -> int:
        """What went to the grid."""
        return self.of("solar_to_grid", "battery_to_grid")

    @property
    def charge(self) -> int:
        """What went into the battery."""
        return self.of("solar_to_battery", "grid_to_battery")

    @property
    def discharge(self) -> int:
        """What came out of the battery."""
        return self.of("battery_to_home", "battery_to_grid")


def energy_totals(home: HomeEnergy, first: int, end: int) -> EnergyTotals:
    """Return what flowed in the quarters from ``first`` on and before ``end`` that are over."""
    sums, stored, quarters = [0] * len(FLOWS), 0, 0
    end = min(end, home.over)
    for week in home.weeks(first, end) if first < end else ():
        part = week.part(first, end)
        for number, series in enumerate(week.flows):
            sums[number] += sum(series[part])
        held = week.stored[part]
        stored += sum(held)
        quarters += len(held)
    return EnergyTotals(
        dict(zip(FLOWS, sums, strict=True)), stored // quarters if quarters else 0, quarters
    )
