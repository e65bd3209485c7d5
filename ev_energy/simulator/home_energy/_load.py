"""What a household uses besides charging cars, by hour and weekday, with random variation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator.clock._instants import weekday
from ev_energy.simulator.home_energy._quarter_hours import QUARTERS_PER_DAY, QUARTERS_PER_HOUR

if TYPE_CHECKING:
    from ev_energy.simulator._seeded_random import SeededRandom


#: Percent of the mean power, by hour of the home's standard time.
_WEEKDAY_PERCENT: Final = (
    48, 44, 42, 41, 43, 55, 95, 135, 120, 85, 78, 80,
    88, 82, 80, 92, 125, 175, 205, 190, 165, 140, 100, 65,
)  # fmt: skip
_WEEKEND_PERCENT: Final = (
    55, 48, 44, 42, 42, 46, 60, 88, 120, 135, 130, 128,
    138, 126, 115, 118, 138, 172, 190, 178, 158, 140, 108, 75,
)  # fmt: skip
_SATURDAY: Final = 5
#: Random bytes above this stand for a quarter hour with a short, high load, such as a kettle.
_PEAK_BYTE: Final = 240
_BYTES_PER_NUMBER: Final = 16
_SCALE: Final = 100 * 256 * QUARTERS_PER_HOUR


def mean_watts(random: SeededRandom, home: int) -> int:
    """Return the mean power of a household."""
    return random.between(260, 720, "household", home)


def day_load(random: SeededRandom, home: int, day: int) -> list[int]:
    """Return the watt-hours of each quarter hour of a day in the home's standard time."""
    percent = _WEEKEND_PERCENT if weekday(day) >= _SATURDAY else _WEEKDAY_PERCENT
    mean = mean_watts(random, home)
    noise = b"".join(
        random.number("load", home, day, part).to_bytes(_BYTES_PER_NUMBER, "big")
        for part in range(QUARTERS_PER_DAY // _BYTES_PER_NUMBER)
    )
    return [
        mean
        * percent[quarter // QUARTERS_PER_HOUR]
        * (128 + byte + (byte > _PEAK_BYTE) * 4 * byte)
        // _SCALE
        for quarter, byte in enumerate(noise)
    ]
