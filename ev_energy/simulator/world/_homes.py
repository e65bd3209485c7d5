"""The homes of a world and what each has, by arithmetic: no list of homes exists.

Homes repeat a block of templates, so the home of EVSE number 12,345 is found by division.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from datetime import datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from ev_energy.simulator.clock._instants import ANCHOR

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, tzinfo

    from ev_energy.simulator._seeded_random import SeededRandom


@attrs.frozen
class City:
    """A city with homes, and its time zone."""

    name: str
    state: str | None
    postal_code: str
    country: str
    latitude: float
    longitude: float
    zone: str
    group: int
    """Its index in `ZONE_OFFSETS`; the cars of a group come home in the same hours."""


LONDON: Final = City("London", None, "SE1 9SG", "GB", 51.5045, -0.0865, "Europe/London", 0)
LEEDS: Final = City("Leeds", None, "LS1 4DY", "GB", 53.7975, -1.5436, "Europe/London", 0)
UTRECHT: Final = City("Utrecht", None, "3511 AX", "NL", 52.0907, 5.1214, "Europe/Amsterdam", 1)
HAMBURG: Final = City("Hamburg", None, "20095", "DE", 53.5503, 10.0006, "Europe/Berlin", 1)
OAKLAND: Final = City("Oakland", "CA", "94612", "US", 37.8044, -122.2712, "America/Los_Angeles", 2)

#: Standard offsets from UTC of the groups of time zones.
ZONE_OFFSETS: Final = (timedelta(0), timedelta(hours=1), timedelta(hours=-8))


@attrs.frozen
class HomeTemplate:
    """The city of a home, and how many devices of each kind it has."""

    city: City
    vehicles: int
    evses: int
    """A home with two vehicles has at least two EVSEs, one for each."""
    ct_clamps: int = 0
    solar_arrays: int = 0
    inverters: int = 0
    home_batteries: int = 0
    boundary_meters: int = 0

    @property
    def users(self) -> int:
        """The number of users: one for each home."""
        return 1

    @property
    def charging_sites(self) -> int:
        """The number of sites: a vehicle with its EVSE, a vehicle alone, or an EVSE alone."""
        return max(self.vehicles, self.evses)

    @property
    def hem_systems(self) -> int:
        """One system for each boundary meter."""
        return self.boundary_meters

    @property
    def user_rebates(self) -> int:
        """One application for a rebate for each device that is no vehicle and no EVSE."""
        return self.solar_arrays + self.inverters + self.home_batteries + self.boundary_meters

    @property
    def rebate_files(self) -> int:
        """Files of evidence: one each for the two most advanced applications."""
        return min(self.user_rebates, 2)

    def charging_sites_in(self, group: int) -> int:
        """Return the number of sites in a group of time zones: 0 in all groups but the home's."""
        return self.charging_sites if self.city.group == group else 0


HOME_TEMPLATES: Final = (
    HomeTemplate(LONDON, 2, 3, ct_clamps=1, solar_arrays=1, inverters=1, home_batteries=1,
                 boundary_meters=1),
    HomeTemplate(UTRECHT, 1, 1, ct_clamps=1, solar_arrays=1, inverters=1),
    HomeTemplate(LEEDS, 1, 1),
    HomeTemplate(OAKLAND, 2, 2, solar_arrays=1, inverters=1, home_batteries=1, boundary_meters=1),
    HomeTemplate(HAMBURG, 1, 1, ct_clamps=1),
    HomeTemplate(LONDON, 1, 0),
    HomeTemplate(OAKLAND, 1, 1, boundary_meters=1),
    HomeTemplate(LEEDS, 1, 1, ct_clamps=1, solar_arrays=1, inverters=1, home_batteries=1,
                 boundary_meters=1),
    HomeTemplate(UTRECHT, 0, 1),
    HomeTemplate(LONDON, 1, 1, solar_arrays=1),
    HomeTemplate(HAMBURG, 1, 1, boundary_meters=1),
    HomeTemplate(OAKLAND, 1, 0),
)  # fmt: skip


class Numbering:
    """The numbers of the things of one kind, in the order of the homes that have them."""

    def __init__(self, counts: tuple[int, ...], homes: int, total: int | None = None) -> None:
        """Number the things of *homes* homes; *counts* are those of the homes of a block."""
        self._starts = (0, *itertools.accumulate(counts))
        self._homes = homes
        of_all_homes = self._start(homes)
        self.total: int = of_all_homes if total is None else min(total, of_all_homes)

    def _start(self, home: int) -> int:
        block, index = divmod(home, len(self._starts) - 1)
        return block * self._starts[-1] + self._starts[index]

    def of_home(self, home: int) -> range:
        """Return the numbers of the things of a home."""
        if not 0 <= home < self._homes:
            return range(0)
        end = min(self._start(home + 1), self.total)
        return range(min(self._start(home), end), end)

    def home_of(self, number: int) -> tuple[int, int]:
        """Return the home that thing *number* belongs to, and its index there."""
        if not 0 <= number < self.total:
            raise IndexError(number)
        block, offset = divmod(number, self._starts[-1])
        index = bisect.bisect_right(self._starts, offset) - 1
        return block * (len(self._starts) - 1) + index, offset - self._starts[index]


#: The ids of sessions have 32 bits for the number of a site.
MAX_VEHICLES: Final = 100_000_000


class Homes:
    """The homes of a world that has *vehicles* vehicles."""

    def __init__(self, random: SeededRandom, vehicles: int) -> None:
        if vehicles < 1:
            raise ValueError(f"vehicles: {vehicles} is fewer than one")
        if vehicles > MAX_VEHICLES:
            raise ValueError(f"vehicles: {vehicles} is more than {MAX_VEHICLES:,}")
        self._random = random
        self._vehicles = vehicles
        counts = tuple(template.vehicles for template in HOME_TEMPLATES)
        unlimited = Numbering(counts, vehicles * len(HOME_TEMPLATES))
        self.count: int = max(unlimited.home_of(vehicles - 1)[0] + 1, 2)
        # Home n is set up in the n-th step: its user joins, then its devices become known.
        self._start = ANCHOR - timedelta(days=700)
        self._step = timedelta(days=500) / self.count

    def numbering(
        self, count: Callable[[HomeTemplate], int], total: int | None = None
    ) -> Numbering:
        """Return the numbering of things of which a home has *count* by its template."""
        return Numbering(tuple(map(count, HOME_TEMPLATES)), self.count, total)

    @functools.cached_property
    def vehicles(self) -> Numbering:
        """The numbering of the vehicles."""
        return self.numbering(lambda home: home.vehicles, self._vehicles)

    @functools.cached_property
    def evses(self) -> Numbering:
        """The numbering of the EVSEs."""
        return self.numbering(lambda home: home.evses)

    @functools.cached_property
    def charging_sites(self) -> Numbering:
        """The numbering of the charging sites."""
        return self.numbering(lambda home: home.charging_sites)

    @functools.cached_property
    def charging_sites_by_group(self) -> tuple[Numbering, ...]:
        """The numbering of the charging sites of each group of time zones."""
        return tuple(
            self.numbering(functools.partial(HomeTemplate.charging_sites_in, group=group))
            for group in range(len(ZONE_OFFSETS))
        )

    @property
    def block_size(self) -> int:
        """The number of homes in a block."""
        return len(HOME_TEMPLATES)

    def template(self, home: int) -> HomeTemplate:
        """Return the template of a home."""
        return HOME_TEMPLATES[home % len(HOME_TEMPLATES)]

    def joined_at(self, home: int) -> datetime:
        """Return when the user of a home joined; later for homes with greater numbers."""
        half = self._step // 2
        start = self._start + home * self._step
        return start + half * self._random.between(1, 999_983, "joined", home) / 1_000_000

    def charging_start(self, home: int) -> datetime:
        """Return when all devices of a home are known, and charging there begins."""
        return self._start + (home + 1) * self._step

    def made_at(self, what: str, home: int, slot: int, slots: int) -> datetime:
        """Return when thing *slot* of *slots* of a home became known; numbers follow this order."""
        fraction = (slot + self._random.between(1, 999_983, what, home, slot) / 1_000_000) / slots
        return self._start + home * self._step + self._step // 2 + self._step * (fraction / 2)


@functools.lru_cache(64)
def zone_of(city: City) -> tzinfo:
    """Return the time zone of a city, or its standard offset if the machine lacks the zone."""
    try:
        return ZoneInfo(city.zone)
    except (ZoneInfoNotFoundError, ValueError):
        return timezone(ZONE_OFFSETS[city.group])


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return the start of a day in a time zone."""
    return datetime.combine(day, time(0), zone)


def next_midnight(now: datetime, zone: tzinfo) -> datetime:
    """Return the start of the day after *now* in a time zone."""
    return midnight(now.astimezone(zone).date() + timedelta(days=1), zone)


def next_month(day: date) -> date:
    """Return the first day of the month after *day*."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
