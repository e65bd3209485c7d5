"""What comes before a vehicle is connected, and the ways it gets connected."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._types import Uuid


class VehicleOnboardingJsonResponseAuthMethod(OpenEnum):
    """How an app lets its driver sign in to the vehicle's provider."""

    API = "api"
    """By opening the URL in a web view."""
    NATIVE = "native"
    """By starting the provider's own SDK."""


@model
class VehicleOnboardingJsonResponse(Model):
    """How an app goes on to connect a vehicle."""

    authorization_request_id: Uuid
    """Names this attempt: what `complete` takes as ``authorization_request_uid``, once."""
    url: str
    """Where the driver signs in to the provider."""
    auth_method: VehicleOnboardingJsonResponseAuthMethod
    scopes: tuple[str, ...] | None = None
    """OAuth scopes that the provider's SDK has to ask for; None where that does not matter."""
    single_select: bool | None = None
    """Whether the driver may pick one vehicle only in the SDK; None where that does not matter."""


@model
class VehicleOnboardingCompleteResponseVehicle(Model):
    """A vehicle that has just been connected: its ``id`` goes wherever a vehicle is wanted."""

    id: str
    url: str


@model
class VehicleOnboardingCompleteResponse(Model):
    """What a completed onboarding has connected."""

    vehicles: tuple[VehicleOnboardingCompleteResponseVehicle, ...]


@model
class VehicleCompatibilityCheckResult(Model):
    """Whether a vehicle model can be used in a country."""

    compatible: bool
    recommendation_rank: int | None
    """Where its make stands in a list for drivers to choose from: 1 first, 10 last but None.

    It is the same whether or not the model is compatible.
    """


@model
class VehicleWaitlistResponse(Model):
    """A place on the waiting list. It cannot be looked up again."""

    id: str
