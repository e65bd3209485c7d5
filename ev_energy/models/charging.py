"""Charging sessions and their sub-sessions."""

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
    """What decides when a vehicle charges."""

    SMART = "SMART"
    """ev.energy chooses the best times."""
    BOOST = "BOOST"
    """The user has it charge at once."""
    UNMANAGED_HOME = "UNMANAGED_HOME"
    """Not controlled, at home."""
    UNMANAGED_OTG = "UNMANAGED_OTG"
    """Not controlled, on the go: at a public place."""
    MANAGED_OTG = "MANAGED_OTG"
    """ev.energy decides, on the go: at a public place."""


class ChargingSubSessionCo2IntensityClassification(OpenEnum):
    """The class of a carbon intensity. The API does not document the limits of the classes."""

    VERY_LOW = "very low"
    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"
    VERY_HIGH = "very high"


class ChargingSubSessionLabel(OpenEnum):
    """A group that a sub-session belongs to, such as a price period or a utility's territory.

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
    """Consolidated Edison, a utility in the state of New York."""
    ORU = "ORU"
    """Orange and Rockland Utilities, in the states of New York and New Jersey."""


class ChargingSubSessionSolarModeType(OpenEnum):
    """How a sub-session used the home's own solar power."""

    OFF = "OFF"
    """It did not charge by solar power."""
    SOLAR_ONLY = "SOLAR_ONLY"
    """Solar power only."""
    SOLAR_AND_GRID = "SOLAR_AND_GRID"
    """Solar power, with power from the grid."""
    SOLAR_SMART = "SOLAR_SMART"
    """Solar power, and power from the grid at the best times."""


@model
class ChargingSession(Model):
    """One plug-in episode, from plugging a vehicle in to unplugging it.

    Sessions are recorded since July 2026; before that, there are only sub-sessions.
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
    """One for each period in one mode, newest first."""


@model
class ChargingSubSessionLocation(Model):
    """The place of a sub-session."""

    name: str | None = None
    """The name of the place, such as ``Home``."""
    coordinates: LatLong | None = None
    postal_code: str | None = None
    address_1: str | None = None
    timezone: str | None = None
    """IANA name of the time zone of the place."""


@model
class ChargingSubSession(Model):
    """A period of a plug-in episode in one charging mode.

    It begins when the vehicle is plugged in or the mode changes, and ends when the mode changes
    again or the vehicle is unplugged. Energy may flow during a part of that time only, and with
    breaks; ``energy_usage`` has the exact times.
    """

    id: str
    url: str
    start: Instant
    """When the mode began; energy may have flowed later."""
    end: Instant | None
    """When the mode ended, often long after the last energy flowed; None while it lasts."""
    mode: ChargingSubSessionMode
    energy_delivered_watt_hours: int
    """Net, into the vehicle."""
    cost: int | None
    """In ``currency``; the unit is not stated, presumably **minor** units (pence, cents)."""
    location: ChargingSubSessionLocation
    currency: str
    """The currency of every amount in this model, such as ``GBP``."""
    total_co2_grams: int | None
    """Estimated emissions of the charge."""
    co2_intensity_grams_per_kilowatt_hour: int | None
    """Estimated carbon intensity of the electricity, in gCO2/kWh."""
    co2_intensity_classification: ChargingSubSessionCo2IntensityClassification | None
    duration_minutes: int
    """Minutes in which energy flowed, rounded; may be far less than from start to end."""
    grid_energy_delivered_watt_hours: int | None
    """The part of the energy that came from the grid."""
    solar_energy_delivered_watt_hours: int | None
    """The part of the energy that came from solar panels."""
    vehicle: Ref[Vehicle] | None = None
    evse: Ref[EVSE] | None = None
    percentage_added: float | None = None
    """Gain of the battery in percent, 0 to 100."""
    savings_cost: int | None = None
    """Money saved, in **minor** units (pence, cents)."""
    savings_co2_grams: int | None = None
    """Emissions avoided."""
    incentive_earned: int | None = None
    """Money earned by participating, in **minor** units (pence, cents)."""
    cost_per_kilowatt_hour: int | None = None
    """Average; the unit is not stated, presumably **minor** units (pence, cents)."""
    total_points: int | None = None
    """Smart points earned."""
    total_points_missed: int | None = None
    """Points that a smart charge would have earned in addition."""
    labels: tuple[ChargingSubSessionLabel, ...] | None = None
    energy_usage: Ref[EnergyUsage] | None = None
    """The amounts of energy over time, with their prices."""
    schedules: Ref[Schedules] | None = None
    """The instructions to charge."""
    assessment: Ref[ChargingSubSessionAssessment] | None = None
    """The assessment of the charge; needs the scope ``debug:read``."""
    flags: Ref[ChargingSubSessionFlags] | None = None
    """Suspected errors."""
    debug_metadata: Ref[ChargingSubSessionDebugMetadata] | None = None
    """How its figures were calculated; needs the scope ``debug:read``."""
    tariff: Ref[Tariff] | None = None
    """The tariff of the electricity from the grid; needs the scope ``tariff:read``."""
    carbon_feed: Ref[CarbonFeed] | None = None
    """The source of the carbon intensity; needs the scope ``carbon:read``."""
    grid_feeds: tuple[Ref[GridFeed], ...] | None = None
    """The sources of the grid signals that were considered; needs the scope ``grid:read``."""
    solar_mode_type: ChargingSubSessionSolarModeType | None = None
    """None where solar charging is not set up."""
    grid_energy_delivered: Money | None = None
    """Deprecated, and its unit is not stated: use ``grid_energy_delivered_watt_hours``."""
    solar_energy_delivered: Money | None = None
    """Deprecated, and its unit is not stated: use ``solar_energy_delivered_watt_hours``."""
