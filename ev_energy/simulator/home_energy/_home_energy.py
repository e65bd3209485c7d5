"""The energy of a home: solar yield, load, battery and grid.

It is computed a week at a time. A week depends on no earlier week, since batteries are full at its
start; computed weeks are only cached.
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
    low_and_high,
    outage_quarters,
    target_wh,
)
from ev_energy.simulator.home_energy._generation import Weather, capacity_steps, generated_wh
from ev_energy.simulator.home_energy._load import day_load
from ev_energy.simulator.home_energy._quarter_hours import (
    QUARTER_HOUR,
    QUARTERS_PER_DAY,
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
    from ev_energy.simulator.home_energy._generation import CapacityStep
    from ev_energy.simulator.world._homes import City
    from ev_energy.simulator.world._world import World


#: The flows of energy; all other figures are sums of these.
FLOWS: Final = (
    "solar_to_home",
    "solar_to_battery",
    "solar_to_grid",
    "battery_to_home",
    "battery_to_grid",
    "grid_to_home",
    "grid_to_battery",
)
#: Weeks begin on Monday at 05:00, when batteries are full; 1970 began on a Thursday.
_FIRST_WEEK: Final = 4 * DAY + 5 * HOUR
_MAX_EPISODE_QUARTERS: Final = 2 * QUARTERS_PER_DAY
_CACHED_WEEKS: Final = 512
#: The days that a week which starts within a day is a part of.
_DAYS_OF_WEEK: Final = 8
_SUNDAY: Final = 6


@attrs.frozen
class Week:
    """The energy of a week in watt-hours, for each of its quarter hours that has ended."""

    first: int
    flows: tuple[array[int], ...]
    """In the order of `FLOWS`."""
    stored: array[int]
    """The content of the battery at the end of each quarter hour."""
    load: array[int]
    """The load of the household."""
    cars: array[int]
    """The energy that cars were charged with."""

    def part(self, first: int, end: int) -> slice:
        """Return the slice of the week from *first* to before *end*."""
        return slice(max(0, first - self.first), max(0, end - self.first))


class HomeEnergy:
    """The energy of a home, as known at the current time of the world."""

    def __init__(self, world: World, number: int) -> None:
        self.city: City = world.homes.template(number).city
        self._world = world
        self._number = number
        self._offset = micros_of(ZONE_OFFSETS[self.city.group])
        self.current_quarter: int = quarter_at(world.now)
        """The quarter hour that has not ended yet."""

    # Most questions are about nights, and need none of these.

    @functools.cached_property
    def _sites(self) -> list[ChargingSite]:
        return list(self._world.fleet.sites_of_user(self._world.user_id(self._number)))

    @functools.cached_property
    def _arrays(self) -> list[list[CapacityStep]]:
        arrays = self._world.rows_of_user(self._world.user_id(self._number), "solar_arrays")
        return [capacity_steps(self._world, row) for row in arrays]

    @functools.cached_property
    def battery(self) -> Battery | None:
        """The battery of the home, if it has one."""
        numbering = self._world.homes.numbering(lambda home: home.home_batteries)
        numbers = numbering.of_home(self._number)
        row = self._world.tables["home_batteries"].seeded(numbers[0]) if numbers else None
        return None if row is None else row["_battery"]

    @functools.cached_property
    def _state(self) -> tuple[object, ...]:
        """The key of this home's cached weeks: it differs after requests that affect them."""
        changes = tuple(len(self._world.fleet.changes(site)) for site in self._sites)
        return self._number, changes, tuple(map(tuple, self._arrays))

    @property
    def has_panels(self) -> bool:
        """Whether the home has solar panels."""
        return bool(self._arrays)

    @property
    def sites(self) -> int:
        """The number of charging sites."""
        return len(self._sites)

    def surplus(self, quarter: int) -> int:
        """Return the solar watt-hours of a quarter hour that the household does not use."""
        day, index = divmod(quarter, QUARTERS_PER_DAY)
        yields = energy_cache(self._world).weather.day(self.city, day)[index : index + 1]
        if not any(yields) or not self.has_panels:
            return 0
        solar = sum(generated_wh(steps, quarter, yields)[0] for steps in self._arrays)
        day, index = divmod(quarter + self._offset // QUARTER_HOUR, QUARTERS_PER_DAY)
        return max(0, solar - day_load(self._world.random, self._number, day)[index])

    def weeks(self, first: int, end: int) -> Iterable[Week]:
        """Return the weeks of the quarter hours from *first* to before *end*."""
        return map(self._week, range(self._week_of(first), self._week_of(end - 1) + 1))

    def is_battery_outage(self, quarter: int) -> bool:
        """Return whether the battery has an outage in a quarter hour."""
        week = self._week_of(quarter)
        outage = outage_quarters(self._world.random, self._number, week)
        return quarter - self._first_quarter(week) in outage

    def _week_of(self, quarter: int) -> int:
        """Return the week that contains a quarter hour, counted from 1970."""
        micros_of_week = QUARTERS_PER_WEEK * QUARTER_HOUR
        return (quarter * QUARTER_HOUR + self._offset - _FIRST_WEEK) // micros_of_week

    def _first_quarter(self, week: int) -> int:
        """Return the first quarter hour of a week."""
        micros_of_week = QUARTERS_PER_WEEK * QUARTER_HOUR
        return (week * micros_of_week + _FIRST_WEEK - self._offset) // QUARTER_HOUR

    def _week(self, number: int) -> Week:
        """Return a week, up to the last quarter hour that has ended."""
        first = self._first_quarter(number)
        count = max(0, min(QUARTERS_PER_WEEK, self.current_quarter - first))
        weeks = energy_cache(self._world).weeks
        key = (*self._state, number, count)
        return weeks.get(key) or weeks.put(key, self._computed_week(first, count))

    def _computed_week(self, first: int, count: int) -> Week:
        solar, load, cars = self._solar(first), self._load(first), self._cars(first, count)
        battery = self.battery
        conditions = self._conditions(battery, first, solar, load, cars) if battery else ()
        content = battery.capacity_wh if battery else 0
        rows: list[tuple[int, ...]] = []
        stored = array("q")
        for number in range(count):
            generation, consumption = solar[number], load[number] + cars[number]
            charged = 0
            if battery is not None:
                charged = battery_flow(battery, content, conditions[number])
                content += charged
            solar_to_home = min(generation, consumption)
            charge, discharge = max(0, charged), max(0, -charged)
            solar_to_battery = min(generation - solar_to_home, charge)
            battery_to_home = min(discharge, consumption - solar_to_home)
            row = (
                solar_to_home,
                solar_to_battery,
                generation - solar_to_home - solar_to_battery,
                battery_to_home,
                discharge - battery_to_home,
                consumption - solar_to_home - battery_to_home,
                charge - solar_to_battery,
            )
            rows.append(row)
            stored.append(content)
        columns = zip(*rows, strict=True) if rows else [()] * len(FLOWS)
        flows = tuple(array("q", column) for column in columns)
        return Week(first, flows, stored, array("q", load[:count]), array("q", cars))

    def _solar(self, first: int, known_at: int | None = None) -> list[int]:
        """Return the solar watt-hours of each quarter hour of a week.

        With *known_at*, leave out the panels that were added after that quarter hour.
        """
        days = range(first // QUARTERS_PER_DAY, first // QUARTERS_PER_DAY + _DAYS_OF_WEEK)
        weather = energy_cache(self._world).weather
        of_days = [watts for day in days for watts in weather.day(self.city, day)]
        skipped = first - days.start * QUARTERS_PER_DAY
        yields = of_days[skipped : skipped + QUARTERS_PER_WEEK]
        energies = [0] * QUARTERS_PER_WEEK
        for steps in self._arrays:
            known = [step for step in steps if known_at is None or step[0] <= known_at]
            generated = generated_wh(known, first, yields)
            energies = [total + more for total, more in zip(energies, generated, strict=True)]
        return energies

    def _load(self, first: int) -> list[int]:
        """Return the watt-hours of the household in each quarter hour of a week."""
        local = first + self._offset // QUARTER_HOUR
        days = range(local // QUARTERS_PER_DAY, local // QUARTERS_PER_DAY + _DAYS_OF_WEEK)
        random = self._world.random
        of_days = [energy for day in days for energy in day_load(random, self._number, day)]
        skipped = local - days.start * QUARTERS_PER_DAY
        return of_days[skipped : skipped + QUARTERS_PER_WEEK]

    def _cars(self, first: int, count: int) -> list[int]:
        """Return the watt-hours that cars were charged with, for *count* quarter hours."""
        energies = [0] * count
        for site in self._sites if count else ():
            self._add_charging(site, first, energies)
        return energies

    def _add_charging(self, site: ChargingSite, first: int, energies: list[int]) -> None:
        end = first + len(energies)
        episodes = self._world.charging.episodes(
            site,
            now=quarter_start(end),
            after=quarter_start(first - _MAX_EPISODE_QUARTERS),
            before=quarter_start(end),
        )
        segments = (
            (episode, segment)
            for episode in episodes
            if not episode.public
            for segment in episode.segments
        )
        for episode, segment in segments:
            until = end * QUARTER_HOUR if segment.end_us is None else segment.end_us
            first_charging = max(first, segment.start_us // QUARTER_HOUR)
            last_charging = min(end - 1, (until - 1) // QUARTER_HOUR)
            if first_charging > last_charging:
                continue
            before = episode.energy(max(first_charging * QUARTER_HOUR, segment.start_us))
            for quarter in range(first_charging, last_charging + 1):
                after = episode.energy(min((quarter + 1) * QUARTER_HOUR, until))
                energies[quarter - first] += after - before
                before = after

    def _conditions(
        self,
        battery: Battery,
        first: int,
        solar: Sequence[int],
        load: Sequence[int],
        cars: Sequence[int],
    ) -> list[BatteryConditions]:
        """Return the conditions of the battery in each quarter hour of a week that has ended."""
        half_hours = QUARTERS_PER_WEEK * QUARTER_HOUR // HALF_HOUR
        start = first * QUARTER_HOUR // HALF_HOUR
        tariff = self._tariff(quarter_start(first))
        prices = self._world.charging.prices.run(tariff, start, start + half_hours - 1)
        # Plans of the past must not change when panels are added later.
        expected_solar = self._solar(first, known_at=first)
        outage = outage_quarters(self._world.random, self._number, self._week_of(first))
        conditions: list[BatteryConditions] = []
        for day in range(7):
            today = slice(day * QUARTERS_PER_DAY, (day + 1) * QUARTERS_PER_DAY)
            low_and_high_prices = low_and_high(prices[day * SLOTS : (day + 1) * SLOTS])
            # On Sunday the target does not matter, since the battery is charged fully.
            tomorrow = today if day == _SUNDAY else slice(today.stop, today.stop + QUARTERS_PER_DAY)
            target = target_wh(battery, sum(expected_solar[tomorrow]), sum(load[tomorrow]))
            for number in range(today.start, min(today.stop, len(cars))):
                is_low, is_high = low_and_high_prices[
                    (number - today.start) * QUARTER_HOUR // HALF_HOUR
                ]
                conditions.append(
                    BatteryConditions(
                        quarter=number,
                        solar_wh=solar[number],
                        load_wh=load[number],
                        cars_wh=cars[number],
                        is_price_low=is_low,
                        is_price_high=is_high,
                        target_wh=target,
                        is_outage=number in outage,
                    )
                )
        return conditions

    def _tariff(self, week_start: datetime) -> Tariff:
        """Return the tariff at the start of a week; batteries follow changes from the next week."""
        site = self._sites[0]
        tariff = site.tariff
        for change in self._world.fleet.changes(site):
            if change.at <= week_start and isinstance(change.value, Tariff):
                tariff = change.value
        return tariff


class EnergyCache:
    """What the energy of all homes is computed from, and the weeks computed last."""

    def __init__(self, world: World) -> None:
        self.weather = Weather(world.random)
        self.weeks = BoundedCache[tuple[object, ...], Week](_CACHED_WEEKS)


def energy_cache(world: World) -> EnergyCache:
    """Return the cache that the homes of a world share."""
    return world.cached("energy", lambda: EnergyCache(world))


def home_energy(world: World, user_id: str) -> HomeEnergy:
    """Return the energy of a user's home.

    Raises:
        LookupError: If a request created the user, who has no home then.
    """
    number = world.home_of_user(user_id)
    if number is None:
        raise LookupError(user_id)
    return HomeEnergy(world, number)


def solar_share(world: World, site: ChargingSite, start: datetime, end: datetime) -> int:
    """Return how many watt-hours of a site's charging between two instants came from panels.

    The sites of a home have equal shares of the surplus, whether or not the others charge.
    """
    number = world.fleet.home(site)
    if number is None:
        return 0
    home = HomeEnergy(world, number)
    start_us, end_us, share = micros(start), micros(end), 0
    for quarter in range(start_us // QUARTER_HOUR, -(-end_us // QUARTER_HOUR)):
        low, high = max(start_us, quarter * QUARTER_HOUR), min(end_us, (quarter + 1) * QUARTER_HOUR)
        surplus = home.surplus(quarter)
        available = surplus and surplus * (high - low) // (QUARTER_HOUR * home.sites)
        if available:
            charged = world.charging.energy_between(site, instant_of(low), instant_of(high))
            share += min(charged, available)
    return share


@attrs.frozen
class EnergyTotals:
    """The energy of a home in a period of time."""

    flows: dict[str, int]
    """Watt-hours by the names in `FLOWS`."""
    mean_stored_wh: int
    quarters: int
    """The number of quarter hours of the period that have ended."""

    def sum_of(self, *names: str) -> int:
        """Return the sum of some flows."""
        return sum(self.flows[name] for name in names)

    @property
    def generation(self) -> int:
        """The energy that the panels generated."""
        return self.sum_of("solar_to_home", "solar_to_battery", "solar_to_grid")

    @property
    def consumption(self) -> int:
        """The energy that was used at home, cars included."""
        return self.sum_of("solar_to_home", "battery_to_home", "grid_to_home")

    @property
    def imported(self) -> int:
        """The energy from the grid."""
        return self.sum_of("grid_to_home", "grid_to_battery")

    @property
    def exported(self) -> int:
        """The energy to the grid."""
        return self.sum_of("solar_to_grid", "battery_to_grid")

    @property
    def charge(self) -> int:
        """The energy into the battery."""
        return self.sum_of("solar_to_battery", "grid_to_battery")

    @property
    def discharge(self) -> int:
        """The energy out of the battery."""
        return self.sum_of("battery_to_home", "battery_to_grid")


def energy_totals(home: HomeEnergy, first: int, end: int) -> EnergyTotals:
    """Return the totals from *first* to before *end*, of the quarter hours that have ended."""
    sums, stored, quarters = [0] * len(FLOWS), 0, 0
    end = min(end, home.current_quarter)
    for week in home.weeks(first, end) if first < end else ():
        part = week.part(first, end)
        for index, flow in enumerate(week.flows):
            sums[index] += sum(flow[part])
        stored += sum(week.stored[part])
        quarters += len(week.stored[part])
    mean_stored_wh = stored // quarters if quarters else 0
    return EnergyTotals(dict(zip(FLOWS, sums, strict=True)), mean_stored_wh, quarters)
