"""Vehicles, their catalogue, their latest state, and the plugs they charge with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, aliased, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant

if TYPE_CHECKING:
    from ev_energy.models.users import User


class ConnectorType(OpenEnum):
    """Plugs for DC charging, of vehicles and their adaptors."""

    CCS = "CCS"
    NACS = "NACS"
    CHADEMO = "CHADEMO"


class VehicleIntegrated(OpenEnum):
    """Whether ev.energy is connected to a vehicle."""

    UNINTEGRATED = "UNINTEGRATED"
    """It is not."""
    ACTIVE = "ACTIVE"
    """It is, and the connection works."""
    INACTIVE = "INACTIVE"
    """It was; mostly its user has to sign in again."""


class VehicleClass(OpenEnum):
    """What a vehicle is for."""

    PASSENGER = "PASSENGER"
    COMMERCIAL = "COMMERCIAL"


class VehicleStatusLogCurrentType(OpenEnum):
    """What kind of current a vehicle is offered."""

    AC = "AC - Typically home chargers"
    DC = "DC - Typically OTG chargers"


class VehicleStatusLogState(OpenEnum):
    """What a vehicle is doing."""

    DRIVING = "DRIVING"
    RECENTLY_FINISHED_DRIVING = "RECENTLY_FINISHED_DRIVING"
    STATIONARY = "STATIONARY"
    IN_SERVICE = "IN_SERVICE"
    PLUGGED_IN_NOT_CHARGING = "PLUGGED_IN_NOT_CHARGING"
    PLUGGED_IN_CHARGING = "PLUGGED_IN_CHARGING"
    PLUGGED_IN_COMPLETE = "PLUGGED_IN_COMPLETE"
    PLUGGED_IN_NEAR_READY_BY_TIME = "PLUGGED_IN_NEAR_READY_BY_TIME"
    PLUGGED_IN_ALMOST_COMPLETE = "PLUGGED_IN_ALMOST_COMPLETE"
    UNKNOWN = "UNKNOWN"


class VehicleModelConnectorRegion(OpenEnum):
    """A market where all vehicles of a model have the same plug."""

    NORTH_AMERICA = "NORTH_AMERICA"
    EUROPE = "EUROPE"


class VehicleModelConnectorType(OpenEnum):
    """Plugs for DC charging, in the catalogue of models."""

    CCS = "CCS"
    NACS = "NACS"
    CHADEMO = "CHADEMO"
    GBT = "GBT"
    """Only here: neither a model's default nor a vehicle's own plug can be this one."""


class VehicleModelConnectorSource(OpenEnum):
    """Who says which plug a model has."""

    EV_ENERGY = "EV_ENERGY"
    CAR_API = "CAR_API"
    USER = "USER"
    DVLA = "DVLA"
    """The Driver and Vehicle Licensing Agency of the United Kingdom."""
    PROVIDER = "PROVIDER"
    FLEET = "FLEET"


class VehicleModelConnectorConfidence(OpenEnum):
    """How sure those who keep the catalogue are of a plug."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class VehicleStateOfChargeSource(OpenEnum):
    """Who says how full a battery is."""

    MANUAL = "MANUAL"
    """The driver."""
    CONNECTED = "CONNECTED"
    """The vehicle."""


@model
class VehicleMake(Model):
    """A manufacturer of vehicles."""

    id: str
    url: str
    name: str
    icon: str | None
    """URL of a logo."""
    onboarding_url: str | None
    """Where a driver connects a vehicle of this make; None if the model must be chosen first.

    With client credentials it lacks the user, unless the client acts for one.
    """
    models: str
    """URL of the list of this make's models."""
    subscription_name: str | None = None
    """What a driver must subscribe to with the maker to be connected; None if to nothing."""
    subscription_package: str | None = None
    """Which package of that subscription it must be; None if none is needed."""


@model
class VehicleModel(Model):
    """A product of a make."""

    id: str
    url: str
    name: str
    default_battery_size_watt_hours: int
    """The size that most of its trims have; 45000 where no trim tells."""
    default_connector_type: ConnectorType | None
    """The DC plug to suggest to drivers; None if not known."""
    make: Ref[VehicleMake] | None = None
    onboarding_url: str | None = None
    """Where a driver connects a vehicle of this model; None if the trim must be chosen first.

    With client credentials it lacks the user, unless the client acts for one.
    """
    vehicle_trims: str | None = None
    """URL of the list of this model's trims."""


@model
class VehicleTrim(Model):
    """A variant of a model, with a battery and equipment of its own."""

    id: str
    url: str
    name: str
    onboarding_url: str | None
    """Where a driver connects a vehicle of this trim.

    None if it cannot be integrated: create an unintegrated vehicle then. With client credentials it
    lacks the user, unless the client acts for one.
    """
    model: Ref[VehicleModel] | None = None
    battery_size_watt_hours: int | None = None
    """None if not known."""


@model
class Vehicle(Model):
    """One physical electric vehicle."""

    id: str
    url: str
    integrated: VehicleIntegrated
    battery_size_watt_hours: int
    """Nominal capacity by the integration or the trim, or what its user said; in steps of 10."""
    effective_battery_size_watt_hours: int
    """What is left of it after wear, estimated from the odometer; charging is planned with this."""
    maximum_charge_limit_percentage: int | None
    """How full smart charging may make the battery, 50 to 100.

    None where it was never set, or where the battery's size is not known.
    """
    description: str
    """A label for people."""
    disabled: bool
    """Whether it is shut out from smart charging and from control.

    So it is once its user has unenrolled it, its integration was given up, or its account is about
    to be deleted. That is apart from ``integrated``: a disabled vehicle may be ``ACTIVE`` still.
    """
    smart_charging_enabled: bool
    vehicle_class: VehicleClass | None
    trim: Ref[VehicleTrim] | None = None
    user: Ref[User] | None = None
    latest_status_log: Ref[VehicleStatusLog] | None = None
    """None before the first report."""
    charging_sub_sessions: str | None = None
    """URL of the list of this vehicle's sub-sessions."""


@model
class VehicleStatusLog(Model):
    """The state of a vehicle when it reported. What it does not tell is None."""

    url: str | None = None
    logged_at: Instant | None = None
    """When the server wrote it down; how long after ``sampled_at``, depends on the integration."""
    sampled_at: Instant | None = None
    """When the vehicle measured; with the vehicle, the key of this entry."""
    vehicle: Ref[Vehicle] | None = None
    state_of_charge_percentage: int | None = None
    """How full the battery is, 0 to 100."""
    is_charging: bool | None = None
    is_plugged_in: bool | None = None
    charge_rate_watts: int | None = None
    """Power into the vehicle, as it reports it."""
    estimated_charge_rate_watts: int | None = None
    """Power into the vehicle, as the rise of its charge level suggests."""
    charge_level_watt_hours: int | None = None
    """Energy in the battery."""
    target_charge_level_percentage: int | None = None
    """How full the battery is to become, 0 to 100."""
    target_charge_level_watt_hours: int | None = None
    """How much energy the battery is to hold in the end."""
    charge_energy_added_watt_hours: int | None = None
    """What the latest charge added, by the vehicle's own account."""
    minutes_to_full_charge: int | None = None
    """By the vehicle's own forecast."""
    current_type: VehicleStatusLogCurrentType | None = None
    """Of the EVSE it is plugged into."""
    is_complete: bool | None = None
    """Whether it is as full as it is to become."""
    odometer_meters: int | None = None
    data_source: str | None = None
    """The integration it came through."""
    state: VehicleStatusLogState | None = None


@model
class VehicleConnectors(Model):
    """The plugs a vehicle can use for DC charging."""

    url: str
    vehicle: str
    """URL of the vehicle."""
    native_connector: ConnectorType | None
    """The built-in plug: this vehicle's own where it was set, else its model's default.

    None if neither is known.
    """
    adaptors: tuple[ConnectorType, ...]
    """What its adaptors make it fit besides."""
    updated_at: Instant | None


@model
class VehicleModelConnector(Model):
    """The plug for DC charging that a model has in one region. The region is its key."""

    url: str
    vehicle_model: str
    """URL of the model."""
    region: VehicleModelConnectorRegion
    connector_type: VehicleModelConnectorType
    source: VehicleModelConnectorSource | None
    confidence: VehicleModelConnectorConfidence | None
    verified_at: Instant | None
    """When somebody last made sure of it."""
    updated_at: Instant


@model
class VehicleStateOfCharge(Model):
    """How full a vehicle's battery is: what route plans start from.

    While that is not known, all but the two URLs is None.
    """

    url: str
    vehicle: str
    """URL of the vehicle."""
    state_of_charge_percentage: int | None
    """0 to 100."""
    source: VehicleStateOfChargeSource | None
    updated_at: Instant | None


@model
class VehicleReconnectionUrl(Model):
    """Where a driver signs in again to a vehicle that lost its authorisation."""

    url: str | None = None
    expires_at: Instant | None = aliased("expiry")
    """When the URL stops working."""
