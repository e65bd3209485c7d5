"""Solar arrays and forecasts of their yield."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant

if TYPE_CHECKING:
    from ev_energy.models.common import LatLong
    from ev_energy.models.inverters import Inverter
    from ev_energy.models.users import User


@model
class SolarArrayForecast(Model):
    """The forecast of solar charging until midnight. The time zone of midnight is not stated."""

    solar_watt_hours_until_midnight: int | None = None
    """A rough figure, in Wh."""
    percent_vehicle_battery_charge_until_midnight: int | None = None
    """The same in percentage points of a vehicle's battery; None without *vehicle_id*."""
    last_updated_at: Instant | None = None
    """When the figures were calculated. A value without a time zone is read as UTC."""


@model
class SolarArray(Model):
    """The solar panels of a user."""

    id: str
    url: str
    capacity_watts: int | None = None
    inverter: Ref[Inverter] | None = None
    """None until an inverter is connected."""
    forecast: SolarArrayForecast | None = None
    """None except for ev.energy's internal users."""
    user: Ref[User] | None = None


@model
class SolarForecast(Model):
    """A place for which the solar yield is forecast."""

    id: str
    url: str
    location: LatLong


@model
class SolarForecastLog(Model):
    """The forecast yield of one period at one place."""

    url: str
    started_at: Instant
    """Start of the period; with the forecast, the key of this entry (``valid_period_start``)."""
    sampled_at: Instant
    """When the forecast was made."""
    interval_seconds: int
    """Length of the period."""
    forecast_watts_per_kilowatt: int
    """Expected output, in W for each kW of panels installed."""
    solar_forecast: Ref[SolarForecast]
