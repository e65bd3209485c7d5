"""Charging sessions, and the sub-sessions they consist of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant, Money

if TYPE_CHECKING:
    from ev_energy.models.carbon import CarbonFeed
    from ev_energy.models.charging_assessment import (
        ChargingSubSessionAssessment,
        ChargingSubSessionDebugMetadata,
        ChargingSubSessionFlags,
    )
    from ev_energy.models.charging_energy import EnergyUsage
    from ev_energy.models.common import LatLong
    from ev_energy.models.evses import EVSE
    from ev_energy.models.grid import GridFeed
    from ev_energy.models.schedules import Schedules
    from ev_energy.models.tariffs import Tariff
    from ev_energy.models.vehicles import Vehicle


class ChargingSubSessionMode(OpenEnum):
    """Who decides when a vehicle charges."""

    SMART = "SMART"
    """ev.energy, which looks for the best times."""
    BOOST = "BOOST"
    """The user, who wants it at once."""
    UNMANAGED_HOME = "UNMANAGED_HOME"
    """Nobody, at home."""
    UNMANAGED_OTG = "UNMANAGED_OTG"
    """Nobody, on the go: at a public place."""
    MANAGED_OTG = "MANAGED_OTG"
    """ev.energy, on the go: at a public place."""


class ChargingSubSessionCo2IntensityClassification(OpenEnum):
    """How carbon intensity ranks. The API does not say where one class ends."""

    VERY_LOW = "very low"
    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"
    VERY_HIGH = "very high"


class ChargingSubSessionLabel(OpenEnum):
    """What a sub-session is counted under: a price period, a utility's territory and the like.

    The API lists the labels without explaining them.
    """

    OUTSIDE = "OUTSIDE"
    OFF_PEAK = "OFF_PEAK"
    SUMMER_PEAK = "SUMMER_PEAK"
    MIXED = "MIXED"
    OTHER = "OTHER"
    PRIMARY = "PRIMARY"
    AWAY = "AWAY"
    CONED = "CONED"
    ORU = "ORU"


class ChargingSubSessionSolarModeType(OpenEnum):
    """How a sub-session used the home's own solar power."""

    OFF = "OFF"
    SOLAR_ONLY = "SOLAR_ONLY"
    SOLAR_AND_GRID = "SOLAR_AND_GRID"
    SOLAR_SMART = "SOLAR_SMART"


@model
class ChargingSession(Model):
    """One plug-in episode, from plugging a vehicle in to unplugging it.

    Recorded since July 2026 only. What happened before is kept as sub-sessions alone.
    """

    id: str
    url: str
    start: Instant
    """When the vehicle was plugged in."""
    end: Instant | None = None
    """When it was unplugged; None until then."""
    vehicle: Ref[Vehicle] | None = None
    evse: Ref[EVSE] | None = None
    sub_sessions: tuple[Ref[ChargingSubSession], ...] | None = None
    """One for each stretch in one mode, newest first."""


@model
class ChargingSubSessionLocation(Model):
    """Where a sub-session took place."""

    name: str | None = None
    """What the place is called, such as ``Home``."""
    coordinates: LatLong | None = None
    postal_code: str | None = None
    address_1: str | None = None
    timezone: str | None = None
    """IANA name of the zone the place is in."""


@model
class ChargingSubSession(Model):
    """A stretch of a plug-in episode in one charging mode.

    It begins when the vehicle is plugged in or the mode changes, and ends when the mode changes
    again or the vehicle is unplugged. Energy may flow for some of that time only, and with breaks:
    when it did is told by the energy usage.
    """

    id: str
    url: str
    start: Instant
    """When the mode set in; energy may have flowed later."""
    end: Instant | None
    """When the mode ended, often long after the last energy flowed; None while it lasts."""
    mode: ChargingSubSessionMode
    energy_delivered_watt_hours: int
    """Net, into the vehicle."""
    cost: int | None
    """In ``currency``; the unit is not stated, presumably **minor** units (pence, cents)."""
    location: ChargingSubSessionLocation
    currency: str
    """Of every amount of money here, such as ``GBP``."""
    total_co2_grams: int | None
    """Emissions that the charge caused, estimated."""
    co2_intensity_grams_per_kilowatt_hour: int | None
    """Carbon intensity of the electricity in gCO2/kWh, estimated."""
    co2_intensity_classification: ChargingSubSessionCo2IntensityClassification | None
    duration_minutes: int
    """How long the vehicle really charged, rounded; may be far less than from start to end."""
    grid_energy_delivered_watt_hours: int | None
    """The part of the energy that came from the grid."""
    solar_energy_delivered_watt_hours: int | None
    """The part of the energy that came from solar panels."""
    vehicle: Ref[Vehicle] | None = None
    evse: Ref[EVSE] | None = None
    percentage_added: float | None = None
    """What the battery gained, of 100."""
    savings_cost: int | None = None
    """Money saved, in **minor** units (pence, cents)."""
    savings_co2_grams: int | None = None
    """Emissions avoided."""
    incentive_earned: int | None = None
    """Money earned by taking part, in **minor** units (pence, cents)."""
    cost_per_kilowatt_hour: int | None = None
    """Average; the unit is not stated, presumably **minor** units (pence, cents)."""
    total_points: int | None = None
    """Smart points earned."""
    total_points_missed: int | None = None
    """How many more points a smart charge would have earned."""
    labels: tuple[ChargingSubSessionLabel, ...] | None = None
    energy_usage: Ref[EnergyUsage] | None = None
    """When energy flowed, how much, and at which price."""
    schedules: Ref[Schedules] | None = None
    """When the vehicle was told to charge."""
    assessment: Ref[ChargingSubSessionAssessment] | None = None
    """How well it went; needs the scope ``debug:read``."""
    flags: Ref[ChargingSubSessionFlags] | None = None
    """What looks wrong about it."""
    debug_metadata: Ref[ChargingSubSessionDebugMetadata] | None = None
    """How its figures came about; needs the scope ``debug:read``."""
    tariff: Ref[Tariff] | None = None
    """What electricity from the grid was bought on; needs the scope ``tariff:read``."""
    carbon_feed: Ref[CarbonFeed] | None = None
    """Where the carbon intensity was taken from; needs the scope ``carbon:read``."""
    grid_feeds: tuple[Ref[GridFeed], ...] | None = None
    """The grid signals that had a say; needs the scope ``grid:read``."""
    solar_mode_type: ChargingSubSessionSolarModeType | None = None
    """None where solar charging is not set up."""
    grid_energy_delivered: Money | None = None
    """Deprecated, and no unit is stated: use ``grid_energy_delivered_watt_hours``."""
    solar_energy_delivered: Money | None = None
    """Deprecated, and no unit is stated: use ``solar_energy_delivered_watt_hours``."""
