"""Home energy management (HEM) systems: their current power and past energy."""

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

#: The maximum range of each resolution, as text and as elapsed time. A range of days may be an hour
#: longer if clocks go back in between, as they do in Europe in October.
_MAX_RANGES: Final = {
    "PT30M": ("24 hours", timedelta(hours=24)),
    "P1D": ("31 days", timedelta(days=31, hours=1)),
    "P1M": ("366 days", timedelta(days=366, hours=1)),
}


class HemSystems(Resource):
    """Homes as one system of boundary meters, batteries and inverters."""

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
        """Retrieve the energy of a home in Wh, summed by half hour, day or month.

        *start* and *end* must be boundaries of the resolution in the system's own time zone: half
        hours, midnight, or midnight on the first of a month. The API does not reveal the time
        zone, so the client cannot check this; other times raise `BadRequestError`.

        Args:
            hem_system_id: The system.
            start: Aware, in any time zone.
            end: Aware, and after *start*: at most 24 hours with ``PT30M``, 31 days with ``P1D``,
                366 days with ``P1M``. (A range in days may be an hour longer, when clocks go back.)
            resolution: ``PT30M``, ``P1D`` or ``P1M``: one bucket per half hour, day or month.

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
        """Retrieve the power in a home in W, according to the newest statistics.

        GET /hem_systems/{hem_system_id}/live_power, scope home_energy:read.
        """
        return await self._get(
            HEMSystemLivePower,
            "/hem_systems/{hem_system_id}/live_power",
            hem_system_id,
            scope="home_energy:read",
        )


def _check_range(start: datetime, end: datetime, resolution: str) -> None:
    """Raise `ValueError` unless *start* to *end* is a range that *resolution* allows."""
    for name, value in (("start", start), ("end", end)):
        timestamp(name, value)  # raises ValueError without a time zone
    span = end.astimezone(UTC) - start.astimezone(UTC)  # elapsed time, across clock changes
    if span <= timedelta(0):
        raise ValueError(f"end must be after start: {end} is not after {start}")
    if resolution not in _MAX_RANGES:
        return  # `one_of` raises when the request is built
    text, max_range = _MAX_RANGES[resolution]
    if span > max_range:
        raise ValueError(f"end must be at most {text} after start with {resolution}, not {span}")
