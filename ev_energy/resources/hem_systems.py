"""Home energy management (HEM) systems: their power now, and their energy over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._codec.text import timestamp
from ev_energy.models._refs import Id
from ev_energy.models.hem_systems import HEMSystem, HEMSystemEnergyStatsResponse, HEMSystemLivePower
from ev_energy.resources._base import Resource
from ev_energy.resources._constraints import one_of

EnergyStatsResolution: TypeAlias = Literal["PT30M", "P1D", "P1M"]

#: The longest range of each resolution, in words and in time that passes: days from midnight to
#: midnight take an hour more where clocks go back in between, as they do in a European October.
_LONGEST: Final = {
    "PT30M": ("24 hours", timedelta(hours=24)),
    "P1D": ("31 days", timedelta(days=31, hours=1)),
    "P1M": ("366 days", timedelta(days=366, hours=1)),
}


class HemSystems(Resource):
    """Homes seen as one system: boundary meters, batteries and inverters together."""

    def list(self, *, page_size: int = 100) -> Pager[HEMSystem]:
        """List the systems you may see; with `acting_for`, those of that user.

        GET /hem_systems, scope home_energy:read.
        """
        return self._list(HEMSystem, "/hem_systems", scope="home_energy:read", page_size=page_size)

    async def get(self, hem_system_id: Id[HEMSystem]) -> HEMSystem:
        """Retrieve one system.

        GET /hem_systems/{hem_system_id}, scope home_energy:read.
        """
        return await self._get(
            HEMSystem, "/hem_systems/{hem_system_id}", hem_system_id, scope="home_energy:read"
        )

    async def energy_stats(
        self,
        hem_system_id: Id[HEMSystem],
        *,
        start: datetime,
        end: datetime,
        resolution: EnergyStatsResolution,
    ) -> HEMSystemEnergyStatsResponse:
        """Add up the energy in a home, in Wh, by half hour, day or month.

        *start* and *end* must fall on the resolution in the system's own time zone: on a half hour,
        on midnight, or on midnight of the first of a month. No system tells its time zone, so this
        cannot be checked here; where they do not, a `BadRequestError` comes back.

        Args:
            hem_system_id: Which system.
            start: Aware; in any zone.
            end: Aware, and after *start*: at most 24 hours with ``PT30M``, 31 days with ``P1D``,
                366 days with ``P1M``. (A range in days may be an hour longer, when clocks go back.)
            resolution: ``PT30M``, ``P1D`` or ``P1M``: one bucket for each half hour, day or month.

        GET /hem_systems/{hem_system_id}/energy_stats, scope home_energy:read.
        """
        _check_range(start, end, resolution)
        return await self._get(
            HEMSystemEnergyStatsResponse,
            "/hem_systems/{hem_system_id}/energy_stats",
            hem_system_id,
            scope="home_energy:read",
            start=start,
            end=end,
            resolution=one_of("resolution", resolution, EnergyStatsResolution),
        )

    async def live_power(self, hem_system_id: Id[HEMSystem]) -> HEMSystemLivePower:
        """Retrieve the power in a home, in W, as the newest statistics have it.

        GET /hem_systems/{hem_system_id}/live_power, scope home_energy:read.
        """
        return await self._get(
            HEMSystemLivePower,
            "/hem_systems/{hem_system_id}/live_power",
            hem_system_id,
            scope="home_energy:read",
        )


def _check_range(start: datetime, end: datetime, resolution: str) -> None:
    """A range in time that is not longer than *resolution* allows."""
    for name, value in (("start", start), ("end", end)):
        timestamp(name, value)  # refuses one without a zone
    span = end.astimezone(UTC) - start.astimezone(UTC)  # the time that passes, whatever clocks do
    if span <= timedelta(0):
        raise ValueError(f"end must be after start: {end} is not after {start}")
    if resolution not in _LONGEST:
        return  # refused when it is sent
    words, longest = _LONGEST[resolution]
    if span > longest:
        raise ValueError(f"end must be at most {words} after start with {resolution}, not {span}")
