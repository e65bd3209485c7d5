"""What a household uses besides charging cars: by the hour, the weekday, and chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator.clock._instants import weekday
from ev_energy.simulator.home_energy._quarter_hours import QUARTERS_PER_DAY, QUARTERS_PER_HOUR

if TYPE_CHECKING:
    from ev_energy.simulator._seeded_random import SeededRandom


#: Percent of the mean, by the hour of the home's standard time.
_WEEKDAY: Final = (
    48, 44, 42, 41, 43, 55, 95, 135, 120, 85, 78, 80,
    88, 82, 80, 92, 125, 175, 205, 190, 165, 140, 100, 65,
)  # fmt: skip
_WEEKEND: Final = (
    55, 48, 44, 42, 42, 46, 60, 88, 120, 135, 130, 128,
    138, 126, 115, 118, 138, 172, 190, 178, 158, 140, 108, 75,
)  # fmt: skip
_SATURDAY: Final = 5
#: Bytes beyond this are quarters in which something is boiled.
_KETTLE: Final = 240
_NOISE_BYTES: Final = 16
_SCALE: Final = 100 * 256 * QUARTERS_PER_HOUR


def mean_watts(random: SeededRandom, home: int) -> int:
    """Return what a home uses on average."""
    return random.between(260, 720, "household", home)


def day_load(random: SeededRandom, home: int, day: int) -> list[int]:
    """Return the watt-hours of the quarters of a day, in the home's standard time."""
    shape = _WEEKEND if weekday(day) >= _SATURDAY else _WEEKDAY
    mean = mean_watts(random, home)
    noise = b"".join(
        random.number("load", home, day, part).to_bytes(_NOISE_BYTES, "big")
        for part in range(QUARTERS_PER_DAY // _NOISE_BYTES)
    )
    return [
        mean
        * shape[quarter // QUARTERS_PER_HOUR]
        * (128 + byte + (byte > _KETTLE) * 4 * byte)
        // _SCALE
        for quarter, byte in enumerate(noise)
    ]
