"""The CO2 emissions of electricity, by source and time."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._types import Instant


@model
class CarbonFeed(Model):
    """A source of carbon intensities, for one region or grid."""

    id: str
    url: str
    name: str


@model
class CarbonIntensity(Model):
    """The carbon intensity during an interval. It has neither id nor URL."""

    started_at: Instant
    interval_seconds: int
    co2_intensity_grams_per_kilowatt_hour: int
    """In gCO2/kWh."""
    created_at: Instant
    """When the server recorded it, which may be before ``started_at``."""
