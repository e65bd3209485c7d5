"""Home energy management (HEM) systems: current power, and energy over time."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._types import Instant


class HEMSystemEnergyStatsResponseResolution(OpenEnum):
    """The length of a bucket of energy statistics (ISO 8601)."""

    PT30M = "PT30M"
    """Half an hour."""
    P1D = "P1D"
    """A day."""
    P1M = "P1M"
    """A calendar month."""


@model
class HEMSystem(Model):
    """The boundary meters, batteries and inverters of a home as one system."""

    id: str
    url: str
    created_at: Instant


@model
class HEMSystemLivePower(Model):
    """The last known power in a home, in W.

    It is taken from the newest statistics, so check the age of ``sampled_at``. Each direction has
    its own field; the flows, ``..._to_..._watts``, are calculated, not measured. None: the values
    that the figure is calculated from are not known.
    """

    sampled_at: Instant
    """The time that the statistics are for."""
    generation_watts: int | None
    """Solar power."""
    consumption_watts: int | None
    """Power that the household uses."""
    import_watts: int | None
    """From the grid."""
    export_watts: int | None
    """To the grid."""
    charge_watts: int | None
    """Into the battery."""
    discharge_watts: int | None
    """Out of the battery."""
    solar_to_home_watts: int | None
    solar_to_battery_watts: int | None
    solar_to_grid_watts: int | None
    battery_to_home_watts: int | None
    battery_to_grid_watts: int | None
    grid_to_home_watts: int | None
    grid_to_battery_watts: int | None
    battery_state_of_charge_percentage: int | None
    """0 to 100."""


@model
class HEMSystemEnergyStatsBucket(Model):
    """Energy in a home during one half hour, day or month, in Wh.

    Each direction has its own field. None means not known, which is not zero.
    """

    period_start: Instant
    period_end: Instant
    generation_wh: int | None
    """Solar energy."""
    consumption_wh: int | None
    """Energy that the household used."""
    import_wh: int | None
    """From the grid."""
    export_wh: int | None
    """To the grid."""
    charge_wh: int | None
    """Into the battery."""
    discharge_wh: int | None
    """Out of the battery."""
    avg_battery_state_of_charge_percentage: int | None
    """Mean over the period, 0 to 100."""
    solar_to_home_wh: int | None
    solar_to_battery_wh: int | None
    solar_to_grid_wh: int | None
    battery_to_home_wh: int | None
    battery_to_grid_wh: int | None
    grid_to_home_wh: int | None
    grid_to_battery_wh: int | None


@model
class HEMSystemEnergyStatsResponse(Model):
    """Energy in a home over a period, bucket by bucket."""

    resolution: HEMSystemEnergyStatsResponseResolution
    start: Instant
    end: Instant
    """End of the range; the API's example has the last second of it (``23:59:59``)."""
    buckets: tuple[HEMSystemEnergyStatsBucket, ...]
