"""Checks before a vehicle is connected, and the ways of connecting it."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._types import Uuid


class VehicleOnboardingJsonResponseAuthMethod(OpenEnum):
    """The way that a driver signs in to the vehicle's provider."""

    API = "api"
    """By opening the URL in a web view."""
    NATIVE = "native"
    """By starting the provider's own SDK."""


@model
class VehicleOnboardingJsonResponse(Model):
    """The next step for an app that connects a vehicle."""

    authorization_request_id: Uuid
    """The id of this attempt, which `complete` accepts once as ``authorization_request_uid``."""
    url: str
    """The page where the driver signs in to the provider."""
    auth_method: VehicleOnboardingJsonResponseAuthMethod
    scopes: tuple[str, ...] | None = None
    """OAuth scopes that the provider's SDK has to request; None if that does not apply."""
    single_select: bool | None = None
    """Whether the driver may select only one vehicle in the SDK; None if that does not apply."""


@model
class VehicleOnboardingCompleteResponseVehicle(Model):
    """A newly connected vehicle. Methods that expect a vehicle accept its ``id``."""

    id: str
    url: str


@model
class VehicleOnboardingCompleteResponse(Model):
    """The vehicles that a completed onboarding connected."""

    vehicles: tuple[VehicleOnboardingCompleteResponseVehicle, ...]


@model
class VehicleCompatibilityCheckResult(Model):
    """Whether a vehicle model can be used in a country."""

    compatible: bool
    recommendation_rank: int | None
    """The rank of its make in a list for drivers to choose from: 1 first, 10 last but None.

    It does not depend on whether the model is compatible.
    """


@model
class VehicleWaitlistResponse(Model):
    """An entry on the waiting list. The API cannot return it again."""

    id: str
