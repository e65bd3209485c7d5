"""What flowed at a home in any stretch of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ev_energy.simulator.home_energy._home_energy import FLOWS

if TYPE_CHECKING:
    from ev_energy.simulator.home_energy._home_energy import Home


@attrs.frozen
class Totals:
    """What flowed in a stretch of time."""

    flows: dict[str, int]
    """In watt-hours, by `FLOWS`."""
    mean_stored_wh: int
    cells: int
    """How many of its cells are over."""

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


def totals(home: Home, first: int, end: int) -> Totals:
    """Return what flowed in the cells from ``first`` on and before ``end`` that are over."""
    sums, stored, cells = [0] * len(FLOWS), 0, 0
    end = min(end, home.over)
    for week in home.weeks(first, end) if first < end else ():
        part = week.part(first, end)
        for number, series in enumerate(week.flows):
            sums[number] += sum(series[part])
        held = week.stored[part]
        stored += sum(held)
        cells += len(held)
    return Totals(dict(zip(FLOWS, sums, strict=True)), stored // cells if cells else 0, cells)
