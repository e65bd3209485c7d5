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
from ev_energy.simulator.clock._microseconds import (
    DAY,
    HALF_HOUR,
    HOUR,
    SLOTS,
    instant_of,
    micros,
    micros_of,
)
from ev_energy.simulator.home_energy._battery import (
    Cell,
    cheap_and_dear,
    flow,
    outage_of,
    target_of,
)
from ev_energy.simulator.home_energy._generation import Sun, generated, steps_of
from ev_energy.simulator.home_energy._load import day_load
from ev_energy.simulator.home_energy._quarter_hours import (
    CELL,
    CELLS_OF_DAY,
    CELLS_OF_HOUR,
    CELLS_OF_WEEK,
    ends_before,
    start_of,
)
from ev_energy.simulator.world._homes import OFFSETS

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
_LONGEST_STAY: Final = 2 * CELLS_OF_DAY
_WEEKS_KEPT: Final = 512
_DAYS_CUT: Final = 8  # a week that begins within a day is part of so many


@attrs.frozen
class Week:
    """What flowed in the cells of a week, in watt-hours, as far as they are over."""

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
        """Return the cells of a stretch of time that are in this week."""
        return slice(max(0, first - self.first), max(0, end - self.first))


class Home:
    """A home's energy, as it is seen at an instant."""

    def __init__(self, world: World, number: int, city: City, user_id: str) -> None:
        self.city = city
        self._world = world
        self._number = number
        self._offset = micros_of(OFFSETS[city.group])
        self._sites = list(world.fleet.of_user(user_id))
        self._arrays = [steps_of(world, row) for row in world.things_of(user_id, "solar_arrays")]
        batteries = world.homes.layout(lambda kind: kind.home_batteries).of_home(number)
        made = world.tables["home_batteries"].made
        self.battery: Battery | None = made.make(batteries[0])["_battery"] if batteries else None
        self.over = ends_before(world.now)
        """The first cell that is not over."""

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

    def surplus(self, cell: int) -> int:
        """Return the watt-hours that the sun gives in a cell and the household does not use."""
        day, rest = divmod(cell, CELLS_OF_DAY)
        yields = energy_of(self._world).sun.day(self.city, day)[rest : rest + 1]
        if not any(yields):
            return 0
        gives = sum(generated(steps, cell, yields)[0] for steps in self._arrays)
        uses = load_watts(self._world, self._number, cell) // CELLS_OF_HOUR
        return max(0, gives - uses)

    def week_of(self, cell: int) -> int:
        """Return the week that a cell is in, counted from 1970."""
        return (cell * CELL + self._offset - _FIRST_WEEK) // (CELLS_OF_WEEK * CELL)

    def begin(self, week: int) -> int:
        """Return the first cell of a week."""
        return (week * CELLS_OF_WEEK * CELL + _FIRST_WEEK - self._offset) // CELL

    def weeks(self, first: int, end: int) -> Iterable[Week]:
        """Return the weeks that hold the cells from ``first`` on and before ``end``."""
        return map(self.week, range(self.week_of(first), self.week_of(end - 1) + 1))

    def week(self, number: int) -> Week:
        """Return a week as far as it is over."""
        first = self.begin(number)
        count = max(0, min(CELLS_OF_WEEK, self.over - first))
        weeks = energy_of(self._world).weeks
        key = (*self.state, number, count)
        return weeks.get(key) or weeks.put(key, self._week(first, count))

    def _week(self, first: int, count: int) -> Week:
        sun, load, cars = self.sun(first), self.load(first), self.cars(first, count)
        rows: list[tuple[int, ...]] = []
        stored = array("q")
        battery = self.battery
        held = battery.capacity_wh if battery else 0
        told = self._told(battery, first, sun, load, cars) if battery else ()
        for number in range(count):
            gives, uses = sun[number], load[number] + cars[number]
            taken = 0
            if battery is not None:
                taken = flow(battery, held, told[number])
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

    def out_of_order(self, cell: int) -> bool:
        """Return whether the battery is out of order in a cell."""
        week = self.week_of(cell)
        return cell - self.begin(week) in outage_of(self._world.random, self._number, week)

    def sun(self, first: int, known: int | None = None) -> list[int]:
        """Return what the panels give in the cells of a week.

        With ``known``, as it was expected then: nobody thought of later changes to the panels.
        """
        days = range(first // CELLS_OF_DAY, first // CELLS_OF_DAY + _DAYS_CUT)
        weather = energy_of(self._world).sun
        yields = [gives for day in days for gives in weather.day(self.city, day)]
        skip = first - days.start * CELLS_OF_DAY
        of_week = yields[skip : skip + CELLS_OF_WEEK]
        found = [0] * CELLS_OF_WEEK
        for steps in self._arrays:
            there = [step for step in steps if known is None or step[0] <= known]
            found = [a + b for a, b in zip(found, generated(there, first, of_week), strict=True)]
        return found

    def load(self, first: int) -> list[int]:
        """Return what the household used in the cells of a week, or would use."""
        local = first + self._offset // CELL
        days = range(local // CELLS_OF_DAY, local // CELLS_OF_DAY + _DAYS_CUT)
        random = self._world.random
        every = [used for day in days for used in day_load(random, self._number, day)]
        skip = local - days.start * CELLS_OF_DAY
        return every[skip : skip + CELLS_OF_WEEK]

    def cars(self, first: int, count: int) -> list[int]:
        """Return what cars were charged with in ``count`` cells."""
        found = [0] * count
        for site in self._sites if count else ():
            self._charge(site, first, found)
        return found

    def _charge(self, site: ChargingSite, first: int, found: list[int]) -> None:
        end = first + len(found)
        episodes = self._world.charging.episodes(
            site,
            now=start_of(end),
            after=start_of(first - _LONGEST_STAY),
            before=start_of(end),
        )
        for episode in episodes:
            if episode.public:
                continue
            for segment in episode.segments:
                until = end * CELL if segment.end_us is None else segment.end_us
                begin = max(first, segment.start_us // CELL)
                last = min(end - 1, (until - 1) // CELL)
                before = 0 if begin > last else episode.energy(max(begin * CELL, segment.start_us))
                for cell in range(begin, last + 1):
                    after = episode.energy(min((cell + 1) * CELL, until))
                    found[cell - first] += after - before
                    before = after

    def _told(
        self,
        battery: Battery,
        first: int,
        sun: Sequence[int],
        load: Sequence[int],
        cars: Sequence[int],
    ) -> list[Cell]:
        slots = CELLS_OF_WEEK * CELL // HALF_HOUR
        start = first * CELL // HALF_HOUR
        prices = self._world.charging.prices.run(self._tariff(first), start, start + slots - 1)
        # Plans of the past must not change when panels are added: they go by what was there.
        expected = self.sun(first, known=first)
        outage = outage_of(self._world.random, self._number, self.week_of(first))
        told: list[Cell] = []
        for day in range(7):
            part = slice(day * CELLS_OF_DAY, (day + 1) * CELLS_OF_DAY)
            marks = cheap_and_dear(prices[day * SLOTS : (day + 1) * SLOTS])
            ahead = slice(part.stop, part.stop + CELLS_OF_DAY) if day < 6 else part  # noqa: PLR2004 - Sunday: it is filled anyway
            target = target_of(battery, sum(expected[ahead]), sum(load[ahead]))
            for number in range(part.start, min(part.stop, len(cars))):
                cheap, dear = marks[(number - part.start) * CELL // HALF_HOUR]
                told.append(
                    Cell(
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
        since = start_of(first)
        found = site.tariff
        for change in self._world.fleet.changes(site):
            if change.at <= since and isinstance(change.value, Tariff):
                found = change.value
        return found


def roof_share(world: World, site: ChargingSite, start: datetime, end: datetime) -> int:
    """Return what of a bay's charging between two instants came from the roof.

    Bays share alike in what the household leaves, whether or not the others need it.
    """
    user_id = world.fleet.user_id(site)
    if world.home_of_user(user_id) is None:
        return 0
    home = home_of(world, user_id)
    if not home.has_panels:
        return 0
    begin, stop, share = micros(start), micros(end), 0
    for cell in range(begin // CELL, -(-stop // CELL)):
        low, high = max(begin, cell * CELL), min(stop, (cell + 1) * CELL)
        left = home.surplus(cell) * (high - low) // (CELL * home.sites)
        if left:
            charged = world.charging.energy_between(site, instant_of(low), instant_of(high))
            share += min(charged, left)
    return share


class Energy:
    """What is worked out once for all homes, and for a while for some."""

    def __init__(self, world: World) -> None:
        self.sun = Sun(world.random)
        self.weeks = BoundedCache[tuple[object, ...], Week](_WEEKS_KEPT)


def energy_of(world: World) -> Energy:
    """Return what all homes have in common."""
    return world.once("energy", lambda: Energy(world))


def home_of(world: World, user_id: str) -> Home:
    """Return the energy of a user's home; users that requests made have none."""
    number = world.home_of_user(user_id)
    if number is None:
        raise LookupError(user_id)
    return Home(world, number, world.homes.kind(number).city, user_id)


def load_watts(world: World, home: int, cell: int) -> int:
    """Return what a home's household uses in a cell."""
    local = cell + micros_of(OFFSETS[world.homes.kind(home).city.group]) // CELL
    day, rest = divmod(local, CELLS_OF_DAY)
    return day_load(world.random, home, day)[rest] * CELLS_OF_HOUR
