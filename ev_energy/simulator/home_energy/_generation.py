"""What solar panels generate in a city: with a clear sky, under clouds, and by forecast."""

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


#: The watt-hours of an array are watts of panels times watts per kilowatt of panels, over this.
_WATTS_PER_KILOWATT: Final = 1000
#: Watts per kilowatt of panels with the sun in the zenith of a clear sky.
_MAX_YIELD: Final = 930
#: The exponent by which a low sun loses power in the air.
_AIR_MASS_EXPONENT: Final = 1.2
_AXIAL_TILT: Final = math.radians(23.44)
_DAYS_PER_YEAR: Final = 365.2425
#: Days from 1 January 1970 to the spring equinox.
_SPRING_EQUINOX: Final = 79.3
_NOON: Final = 12
#: Percent of the clear yield on overcast, mixed and clear days.
_CLOUD_PERCENT: Final = ((8, 25), (30, 70), (75, 98))
#: Percent of days that are overcast, and that are overcast or mixed.
_DAY_SHARES: Final = (30, 75)
#: Changes of the clouds in a day.
_CLOUD_STEPS: Final = 8
#: A forecast this many hours ahead knows only the season.
_FORECAST_HOURS: Final = 72
#: Arrays with more watts count as having this many, to keep sums of energy in 64 bits.
_MAX_WATTS: Final = 10**12


@functools.lru_cache(4096)
def clear_sky(latitude: float, longitude: float, day: int) -> tuple[int, ...]:
    """Return watts per kilowatt of panels in each quarter hour of a UTC day without clouds."""
    phi = math.radians(latitude)
    declination = math.asin(
        math.sin(_AXIAL_TILT) * math.sin(2 * math.pi * (day - _SPRING_EQUINOX) / _DAYS_PER_YEAR)
    )
    # The sine of the sun's height is a constant of the day and a cosine of the hour angle.
    constant = math.sin(phi) * math.sin(declination)
    amplitude = math.cos(phi) * math.cos(declination)
    hours = ((quarter + 0.5) * 24 / QUARTERS_PER_DAY for quarter in range(QUARTERS_PER_DAY))
    angles = (math.radians(15 * (hour - _NOON) + longitude) for hour in hours)
    heights = (constant + amplitude * math.cos(angle) for angle in angles)
    return tuple(
        round(_MAX_YIELD * height**_AIR_MASS_EXPONENT) if height > 0 else 0 for height in heights
    )


class Weather:
    """The solar yield of cities: all panels of a city have the same weather."""

    def __init__(self, random: SeededRandom) -> None:
        self._random = random
        self._cached_day = functools.lru_cache(2048)(self._day)
        self._cached_forecasts = functools.lru_cache(256)(self._forecasts)

    def day(self, city: City, day: int) -> tuple[int, ...]:
        """Return the actual watts per kilowatt of panels in each quarter hour of a UTC day."""
        return self._cached_day(city, day)

    def watts_at(self, city: City, quarter: int) -> int:
        """Return the actual watts per kilowatt of panels in a quarter hour."""
        day, index = divmod(quarter, QUARTERS_PER_DAY)
        return self.day(city, day)[index]

    def forecasts(self, city: City, quarters: range, made_in: int) -> tuple[int, ...]:
        """Return the forecasts for some quarter hours that were made in quarter hour *made_in*."""
        return self._cached_forecasts(city, quarters, made_in)

    def _forecasts(self, city: City, quarters: range, made_in: int) -> tuple[int, ...]:
        return tuple(
            self.forecast(city, quarter, (quarter - made_in) // QUARTERS_PER_HOUR)
            for quarter in quarters
        )

    def forecast(self, city: City, quarter: int, hours_ahead: int) -> int:
        """Return the watts per kilowatt that were forecast *hours_ahead* before a quarter hour."""
        day, index = divmod(quarter, QUARTERS_PER_DAY)
        usual_percent = sum(_CLOUD_PERCENT[1]) // 2
        weight = max(0, _FORECAST_HOURS - hours_ahead)
        expected = self._percent(city, day) * weight + usual_percent * (_FORECAST_HOURS - weight)
        error = self._random.between(-hours_ahead, hours_ahead, "forecast", city.name, day) // 2
        percent = max(3, min(100, expected // _FORECAST_HOURS + error))
        return clear_sky(city.latitude, city.longitude, day)[index] * percent // 100

    def _percent(self, city: City, day: int) -> int:
        draw = self._random.between(0, 99, "sky", city.name, day)
        low, high = _CLOUD_PERCENT[sum(draw >= share for share in _DAY_SHARES)]
        return self._random.between(low, high, "clouds", city.name, day)

    def _day(self, city: City, day: int) -> tuple[int, ...]:
        clear = clear_sky(city.latitude, city.longitude, day)
        percent = self._percent(city, day)
        noise = self._random.number("gusts", city.name, day)
        quarters_per_step = QUARTERS_PER_DAY // _CLOUD_STEPS
        percents = [
            max(
                2,
                min(100, percent + ((noise >> 8 * (quarter // quarters_per_step)) & 255) % 41 - 20),
            )
            for quarter in range(QUARTERS_PER_DAY)
        ]
        return tuple(watts * share // 100 for watts, share in zip(clear, percents, strict=True))


#: A quarter hour, and the watts of panels that an array has from then on.
CapacityStep = tuple[int, int]


def record_capacity(world: World, array_id: str, watts: int) -> None:
    """Record that an array has *watts* from the next quarter hour on."""
    capacities = world.extra_state.setdefault("solar_capacities", {})
    changes: list[Any] = capacities.setdefault(array_id, [])
    changes.append([write_instant(world.now), watts])


def clamp_watts(watts: int) -> int:
    """Return the watts of panels to compute with."""
    return min(watts, _MAX_WATTS)


def capacity_steps(world: World, array: Row) -> list[CapacityStep]:
    """Return the capacities of an array over time, oldest first: 0 before a request created it."""
    number = world.number_of(array)
    initial = 0
    if number is not None:
        initial = world.tables["solar_arrays"].seeded(number)["capacity_watts"]
    changes = world.extra_state.get("solar_capacities", {}).get(array["id"], ())
    return [
        (0, initial),
        *((quarter_at(read_instant(at)) + 1, clamp_watts(watts)) for at, watts in changes),
    ]


def generated_wh(steps: Iterable[CapacityStep], first: int, yields: Sequence[int]) -> list[int]:
    """Return the watt-hours of an array in the quarter hours from *first* on.

    *yields* are the watts per kilowatt of panels in these quarter hours.
    """
    energies = [0] * len(yields)
    capacities = list(steps)
    for index, (start, watts) in enumerate(capacities):
        is_last = index + 1 == len(capacities)
        end = first + len(yields) if is_last else capacities[index + 1][0]
        low, high = max(0, start - first), min(len(yields), end - first)
        energies[low:high] = [
            watts * watts_per_kilowatt // (_WATTS_PER_KILOWATT * QUARTERS_PER_HOUR)
            for watts_per_kilowatt in yields[low : max(low, high)]
        ]
    return energies
