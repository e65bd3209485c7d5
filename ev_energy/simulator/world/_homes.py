"""Who owns what, as arithmetic: no list of homes, however many there are.

Homes come in blocks that look alike; what number 12,345 of anything is, and whose, is a division.
"""

from __future__ import annotations

import bisect
import itertools
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.clock._instants import ANCHOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator._seeded_random import SeededRandom


@attrs.frozen
class City:
    """A place with homes in it."""

    name: str
    state: str | None
    postal_code: str
    country: str
    latitude: float
    longitude: float
    zone: str
    group: int
    """Which of the zone groups it is in: cars there come home in the same hours."""


LONDON: Final = City("London", None, "SE1 9SG", "GB", 51.5045, -0.0865, "Europe/London", 0)
LEEDS: Final = City("Leeds", None, "LS1 4DY", "GB", 53.7975, -1.5436, "Europe/London", 0)
UTRECHT: Final = City("Utrecht", None, "3511 AX", "NL", 52.0907, 5.1214, "Europe/Amsterdam", 1)
HAMBURG: Final = City("Hamburg", None, "20095", "DE", 53.5503, 10.0006, "Europe/Berlin", 1)
OAKLAND: Final = City("Oakland", "CA", "94612", "US", 37.8044, -122.2712, "America/Los_Angeles", 2)

#: Standard offsets of the zone groups, in hours from UTC.
ZONE_OFFSETS: Final = (timedelta(0), timedelta(hours=1), timedelta(hours=-8))


@attrs.frozen
class HomeTemplate:
    """What there is at a home."""

    city: City
    vehicles: int
    evses: int
    """Where there are two vehicles, there are at least as many EVSEs: one for each."""
    ct_clamps: int = 0
    solar_arrays: int = 0
    inverters: int = 0
    home_batteries: int = 0
    boundary_meters: int = 0

    @property
    def users(self) -> int:
        """One: a home is a user's."""
        return 1

    @property
    def charging_sites(self) -> int:
        """Places where a car can charge: beside its EVSE, beside none, or an EVSE for guests."""
        return max(self.vehicles, self.evses)

    @property
    def hem_systems(self) -> int:
        """One where the home's energy is metered."""
        return self.boundary_meters

    @property
    def user_rebates(self) -> int:
        """Applications for rebates: one for each thing of value beside cars and EVSEs."""
        return self.solar_arrays + self.inverters + self.home_batteries + self.boundary_meters

    @property
    def rebate_files(self) -> int:
        """Evidence that was uploaded, for applications that are well under way."""
        return min(self.user_rebates, 2)

    def charging_sites_of(self, group: int) -> int:
        """Return the bays, none if the home is in another zone group."""
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
    """How many of a thing each home has, and so who has number n."""

    def __init__(self, pattern: tuple[int, ...], homes: int, total: int | None = None) -> None:
        self._starts = (0, *itertools.accumulate(pattern))
        self._homes = homes
        whole = self._start(homes)
        self.total = whole if total is None else min(total, whole)

    def _start(self, home: int) -> int:
        blocks, rest = divmod(home, len(self._starts) - 1)
        return blocks * self._starts[-1] + self._starts[rest]

    def of_home(self, home: int) -> range:
        """Return the numbers of a home's things."""
        if not 0 <= home < self._homes:
            return range(0)
        end = min(self._start(home + 1), self.total)
        return range(min(self._start(home), end), end)

    def home_of(self, number: int) -> tuple[int, int]:
        """Return whose number n is, and which of that home's things."""
        if not 0 <= number < self.total:
            raise IndexError(number)
        blocks, rest = divmod(number, self._starts[-1])
        home = bisect.bisect_right(self._starts, rest) - 1
        return blocks * (len(self._starts) - 1) + home, rest - self._starts[home]


#: The numbers of bays take 32 bits in the identifiers of sessions.
MAX_VEHICLES: Final = 100_000_000


class Homes:
    """All homes of a world with so many vehicles."""

    def __init__(self, random: SeededRandom, vehicles: int) -> None:
        if vehicles < 1:
            raise ValueError(f"vehicles: {vehicles} is fewer than one")
        if vehicles > MAX_VEHICLES:
            raise ValueError(f"vehicles: {vehicles} is more than {MAX_VEHICLES:,}")
        self._random = random
        self._vehicles = vehicles
        whole = Numbering(
            tuple(kind.vehicles for kind in HOME_TEMPLATES), vehicles * len(HOME_TEMPLATES)
        )
        self.count = max(whole.home_of(vehicles - 1)[0] + 1, 2)
        self.began = ANCHOR - timedelta(days=700)
        self._step = timedelta(days=500) / self.count

    def numbering(self, of: Callable[[HomeTemplate], int], total: int | None = None) -> Numbering:
        """Return who has how many of something."""
        return Numbering(tuple(map(of, HOME_TEMPLATES)), self.count, total)

    @cached_property
    def vehicles(self) -> Numbering:
        """Whose the vehicles are."""
        return self.numbering(lambda kind: kind.vehicles, self._vehicles)

    @cached_property
    def evses(self) -> Numbering:
        """Whose the EVSEs are."""
        return self.numbering(lambda kind: kind.evses)

    @cached_property
    def charging_sites(self) -> Numbering:
        """Whose the bays are."""
        return self.numbering(lambda kind: kind.charging_sites)

    @cached_property
    def charging_sites_by_group(self) -> tuple[Numbering, ...]:
        """Whose the bays are, for each zone group by itself."""
        return tuple(
            self.numbering(lambda kind, g=group: kind.charging_sites_of(g))  # type: ignore[misc]
            for group in range(len(ZONE_OFFSETS))
        )

    @property
    def block_size(self) -> int:
        """How many homes a block has."""
        return len(HOME_TEMPLATES)

    def template(self, home: int) -> HomeTemplate:
        """Return what there is at a home."""
        return HOME_TEMPLATES[home % len(HOME_TEMPLATES)]

    def joined_at(self, home: int) -> datetime:
        """Return when a home's user joined; whoever has a greater number joined later."""
        half = self._step // 2
        base = self.began + home * self._step
        return base + half * self._random.between(1, 999_983, "joined", home) / 1_000_000

    def charging_start(self, home: int) -> datetime:
        """Return when everything at a home was known: life there begins."""
        return self.began + (home + 1) * self._step

    def made_at(self, what: str, home: int, slot: int, slots: int) -> datetime:
        """Return when thing ``slot`` of ``slots`` of a home was first known, in order of number."""
        part = (slot + self._random.between(1, 999_983, what, home, slot) / 1_000_000) / slots
        return self.began + home * self._step + self._step // 2 + self._step * (part / 2)
