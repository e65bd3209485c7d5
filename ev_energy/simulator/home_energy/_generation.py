"""What the sun gives to solar panels in a city: what it could, what it does, what is expected."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.clock._instants import read_instant, write_instant
from ev_energy.simulator.home_energy._quarter_hours import (
    QUARTERS_PER_DAY,
    QUARTERS_PER_HOUR,
    quarter_at,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.world._homes import City
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


#: Watts of a kilowatt of panels, were the sun straight above and the sky clear.
_BEST: Final = 930
_HAZE: Final = 1.2
_TILT: Final = math.radians(23.44)
_YEAR: Final = 365.2425
#: Days from 1 January 1970 to the equinox in spring.
_EQUINOX: Final = 79.3
_NOON: Final = 12
#: What clouds let through, in percent: days are dull, mixed or fine.
_SKIES: Final = ((8, 25), (30, 70), (75, 98))
_SHARES: Final = (30, 75)
_STEPS: Final = 8
#: Hours before which nothing is known of a day's clouds but the season.
_HORIZON: Final = 72


@functools.lru_cache(4096)
def clear_sky(latitude: float, longitude: float, day: int) -> tuple[int, ...]:
    """Return the watts of a kilowatt of panels in the quarters of a UTC day without clouds."""
    phi = math.radians(latitude)
    tilt = math.asin(math.sin(_TILT) * math.sin(2 * math.pi * (day - _EQUINOX) / _YEAR))
    low, high = math.sin(phi) * math.sin(tilt), math.cos(phi) * math.cos(tilt)
    hours = ((quarter + 0.5) * 24 / QUARTERS_PER_DAY for quarter in range(QUARTERS_PER_DAY))
    turns = (math.radians(15 * (hour - _NOON) + longitude) for hour in hours)
    heights = (low + high * math.cos(turn) for turn in turns)
    return tuple(round(_BEST * height**_HAZE) if height > 0 else 0 for height in heights)


class Weather:
    """The weather of cities. All panels of a city have the same."""

    def __init__(self, random: SeededRandom) -> None:
        self._random = random
        self._day = functools.lru_cache(2048)(self._shone)

    def day(self, city: City, day: int) -> tuple[int, ...]:
        """Return the watts of a kilowatt of panels in the quarters of a UTC day, as they were."""
        return self._day(city, day)

    def watts_at(self, city: City, quarter: int) -> int:
        """Return the watts of a kilowatt of panels in a quarter."""
        day, rest = divmod(quarter, QUARTERS_PER_DAY)
        return self.day(city, day)[rest]

    def forecast(self, city: City, quarter: int, hours_ahead: int) -> int:
        """Return what was thought so many hours before that a kilowatt would give in a quarter."""
        day, rest = divmod(quarter, QUARTERS_PER_DAY)
        percent = self._percent(city, day)
        usual = sum(_SKIES[1]) // 2
        known = max(0, _HORIZON - hours_ahead)
        guess = (percent * known + usual * (_HORIZON - known)) // _HORIZON
        miss = self._random.between(-hours_ahead, hours_ahead, "forecast", city.name, day) // 2
        clear = clear_sky(city.latitude, city.longitude, day)[rest]
        return clear * max(3, min(100, guess + miss)) // 100

    def _percent(self, city: City, day: int) -> int:
        draw = self._random.between(0, 99, "sky", city.name, day)
        low, high = _SKIES[sum(draw >= share for share in _SHARES)]
        return self._random.between(low, high, "clouds", city.name, day)

    def _shone(self, city: City, day: int) -> tuple[int, ...]:
        clear = clear_sky(city.latitude, city.longitude, day)
        percent = self._percent(city, day)
        noise = self._random.number("gusts", city.name, day)
        steps = QUARTERS_PER_DAY // _STEPS  # clouds last for two hours or so
        shares = [
            max(2, min(100, percent + ((noise >> 8 * (quarter // steps)) & 255) % 41 - 20))
            for quarter in range(QUARTERS_PER_DAY)
        ]
        return tuple(most * share // 100 for most, share in zip(clear, shares, strict=True))


#: The quarter from which on there were so many watts of panels.
CapacityStep = tuple[int, int]

_FOLDER: Final = "solar_arrays"
_KILO: Final = 1000
#: Whatever anybody writes down: so many watts no home has, and more could not be counted.
_MOST: Final = 10**12


def _changes(world: World, array_id: str) -> list[Any]:
    kept: list[Any] = world.extra_state.setdefault("solar_capacities", {}).setdefault(array_id, [])
    return kept


def record_capacity(world: World, array_id: str, watts: int) -> None:
    """Note that an array has so many watts from now on, or rather from the next quarter on."""
    _changes(world, array_id).append([write_instant(world.now), watts])


def clamp_watts(watts: int) -> int:
    """Return how many watts of panels are believed to be there."""
    return min(watts, _MOST)


def capacity_steps(world: World, array: Row) -> list[CapacityStep]:
    """Return what an array had when, oldest first. Before a request made it, it had nothing."""
    number = world.number_of(array)
    before = 0
    if number is not None:
        before = world.tables[_FOLDER].generated.make(number)["capacity_watts"]
    later = [
        (quarter_at(read_instant(at)) + 1, clamp_watts(watts))
        for at, watts in world.extra_state.get("solar_capacities", {}).get(array["id"], ())
    ]
    return [(0, before), *later]


def generated_wh(steps: Iterable[CapacityStep], first: int, yields: Sequence[int]) -> list[int]:
    """Return the watt-hours of an array in quarters from ``first`` on.

    ``yields`` are the watts of a kilowatt in them.
    """
    found = [0] * len(yields)
    known = list(steps)
    for number, (start, watts) in enumerate(known):
        end = known[number + 1][0] if number + 1 < len(known) else first + len(yields)
        low, high = max(0, start - first), min(len(yields), end - first)
        found[low:high] = [
            watts * gives // (_KILO * QUARTERS_PER_HOUR) for gives in yields[low : max(low, high)]
        ]
    return found
