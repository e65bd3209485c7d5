"""What comes before an EVSE is connected, and the ways it gets connected."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum


class EVSEImportRequestProvider(OpenEnum):
    """Providers whose EVSEs are imported by serial number."""

    CHARGEPOINT = "ChargePoint"
    EO = "EO"
    SYNCEV = "SyncEV"
    ENELX = "EnelX"
    EASEE = "Easee"
    WALLBOX = "Wallbox"
    ZAPTEC = "Zaptec"


@model
class EVSECompatibilityCheckResult(Model):
    """Whether an EVSE model can be used in a country."""

    compatible: bool
    beta: bool
    """Whether the support is still being tried out; false where there is none."""
    recommendation_rank: int | None
    """Where its make stands in a list for drivers to choose from: 1 first, None last."""


@model
class EVSEOnboardingJsonResponse(Model):
    """Where to send a driver, for an app that opens the page in a web view."""

    url: str


@model
class EVSEWaitlistResponse(Model):
    """A place on the waiting list. It cannot be looked up again."""

    id: str
