"""Vehicles, their catalogue, their latest state and their plugs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, aliased, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant

if TYPE_CHECKING:
    from ev_energy.models.users import User


class ConnectorType(OpenEnum):
    """Plugs of vehicles and adaptors for DC charging."""

    CCS = "CCS"
    """Combined Charging System."""
    NACS = "NACS"
    """North American Charging Standard, SAE J3400."""
    CHADEMO = "CHADEMO"
    """CHAdeMO, mostly on Japanese vehicles."""


class VehicleIntegrated(OpenEnum):
    """Whether ev.energy is connected to a vehicle."""

    UNINTEGRATED = "UNINTEGRATED"
    """Not connected."""
    ACTIVE = "ACTIVE"
    """Connected, and the connection works."""
    INACTIVE = "INACTIVE"
    """Formerly connected; usually the user has to sign in again."""


class VehicleClass(OpenEnum):
    """The use of a vehicle."""

    PASSENGER = "PASSENGER"
    COMMERCIAL = "COMMERCIAL"


class VehicleStatusLogCurrentType(OpenEnum):
    """The kind of current that a vehicle is offered."""

    AC = "AC - Typically home chargers"
    """Alternating current."""
    DC = "DC - Typically OTG chargers"
    """Direct current."""


class VehicleStatusLogState(OpenEnum):
    """The activity of a vehicle."""

    DRIVING = "DRIVING"
    RECENTLY_FINISHED_DRIVING = "RECENTLY_FINISHED_DRIVING"
    """It was driving a short while ago."""
    STATIONARY = "STATIONARY"
    """It is not driving."""
    IN_SERVICE = "IN_SERVICE"
    PLUGGED_IN_NOT_CHARGING = "PLUGGED_IN_NOT_CHARGING"
    PLUGGED_IN_CHARGING = "PLUGGED_IN_CHARGING"
    PLUGGED_IN_COMPLETE = "PLUGGED_IN_COMPLETE"
    """It is plugged in, and has finished charging."""
    PLUGGED_IN_NEAR_READY_BY_TIME = "PLUGGED_IN_NEAR_READY_BY_TIME"
    """It is plugged in, and must be ready soon."""
    PLUGGED_IN_ALMOST_COMPLETE = "PLUGGED_IN_ALMOST_COMPLETE"
    """It is plugged in, and has almost finished charging."""
    UNKNOWN = "UNKNOWN"


class VehicleModelConnectorRegion(OpenEnum):
    """A market where all vehicles of a model have the same plug."""

    NORTH_AMERICA = "NORTH_AMERICA"
    EUROPE = "EUROPE"


class VehicleModelConnectorType(OpenEnum):
    """Plugs for DC charging, in the catalogue of models."""

    CCS = "CCS"
    """Combined Charging System."""
    NACS = "NACS"
    """North American Charging Standard, SAE J3400."""
    CHADEMO = "CHADEMO"
    """CHAdeMO, mostly on Japanese vehicles."""
    GBT = "GBT"
    """Only in the catalogue: no model's default and no vehicle's own plug has this value."""


class VehicleModelConnectorSource(OpenEnum):
    """The source of the information about a plug."""

    EV_ENERGY = "EV_ENERGY"
    """ev.energy itself."""
    CAR_API = "CAR_API"
    USER = "USER"
    """A user."""
    DVLA = "DVLA"
    """The Driver and Vehicle Licensing Agency of the United Kingdom."""
    PROVIDER = "PROVIDER"
    FLEET = "FLEET"


class VehicleModelConnectorConfidence(OpenEnum):
    """The confidence of the catalogue in the information about a plug."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class VehicleStateOfChargeSource(OpenEnum):
    """The source of a state of charge."""

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
    """The page where a driver connects a vehicle of this make; None if it needs the model.

    With client credentials the URL does not name the user, unless the client acts for one.
    """
    models: str
    """URL of the list of this make's models."""
    subscription_name: str | None = None
    """The subscription with the maker that connecting requires; None if it requires none."""
    subscription_package: str | None = None
    """The required package of that subscription; None if none is required."""


@model
class VehicleModel(Model):
    """A product of a make."""

    id: str
    url: str
    name: str
    default_battery_size_watt_hours: int
    """The size that most of its trims have; 45000 if no trim states its size."""
    default_connector_type: ConnectorType | None
    """The DC plug to suggest to drivers; None if not known."""
    make: Ref[VehicleMake] | None = None
    onboarding_url: str | None = None
    """The page where a driver connects a vehicle of this model; None if it needs the trim.

    With client credentials the URL does not name the user, unless the client acts for one.
    """
    vehicle_trims: str | None = None
    """URL of the list of this model's trims."""


@model
class VehicleTrim(Model):
    """A variant of a model with its own battery and equipment."""

    id: str
    url: str
    name: str
    onboarding_url: str | None
    """The page where a driver connects a vehicle of this trim.

    None if it cannot be integrated: then create an unintegrated vehicle. With client credentials it
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
    """Nominal capacity from the integration, the trim or the user, in steps of 10."""
    effective_battery_size_watt_hours: int
    """The capacity after wear, estimated from the odometer; charging is planned with it."""
    maximum_charge_limit_percentage: int | None
    """The highest state of charge that smart charging aims for, 50 to 100.

    None if it was never set or the battery's size is not known.
    """
    description: str
    """A label to show to people."""
    disabled: bool
    """Whether it is excluded from smart charging and from control.

    That happens when its user unenrols it, its integration is discontinued, or its account is about
    to be deleted. It does not depend on ``integrated``: a disabled vehicle may still be ``ACTIVE``.
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
    """The state of a vehicle when it reported. A value that it does not report is None."""

    url: str | None = None
    logged_at: Instant | None = None
    """When the server recorded it; the delay after ``sampled_at`` depends on the integration."""
    sampled_at: Instant | None = None
    """When the vehicle measured; with the vehicle, the key of this entry."""
    vehicle: Ref[Vehicle] | None = None
    state_of_charge_percentage: int | None = None
    """State of charge of the battery, 0 to 100."""
    is_charging: bool | None = None
    is_plugged_in: bool | None = None
    charge_rate_watts: int | None = None
    """Power into the vehicle, as the vehicle reports it."""
    estimated_charge_rate_watts: int | None = None
    """Power into the vehicle, estimated from the rise of its charge level."""
    charge_level_watt_hours: int | None = None
    """Energy in the battery."""
    target_charge_level_percentage: int | None = None
    """The target state of charge of the battery, 0 to 100."""
    target_charge_level_watt_hours: int | None = None
    """The target energy in the battery."""
    charge_energy_added_watt_hours: int | None = None
    """Energy that the latest charge added, as the vehicle reports it."""
    minutes_to_full_charge: int | None = None
    """The vehicle's own forecast."""
    current_type: VehicleStatusLogCurrentType | None = None
    """That of the EVSE that it is plugged into."""
    is_complete: bool | None = None
    """Whether the target is reached."""
    odometer_meters: int | None = None
    data_source: str | None = None
    """The integration that reported it."""
    state: VehicleStatusLogState | None = None


@model
class VehicleConnectors(Model):
    """The plugs a vehicle can use for DC charging."""

    url: str
    vehicle: str
    """URL of the vehicle."""
    native_connector: ConnectorType | None
    """The built-in plug: the one set for this vehicle, or else its model's default.

    None if neither is known.
    """
    adaptors: tuple[ConnectorType, ...]
    """The additional plugs of its adaptors."""
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
    """When it was last verified."""
    updated_at: Instant


@model
class VehicleStateOfCharge(Model):
    """The state of charge of a vehicle, which route plans start from.

    Until it is known, all fields but the two URLs are None.
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
    """The page where a driver signs in again to a vehicle that lost its authorisation."""

    url: str | None = None
    expires_at: Instant | None = aliased("expiry")
    """When the URL stops working."""
