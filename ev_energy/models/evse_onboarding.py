"""Checks before an EVSE is connected, and the ways of connecting it."""

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
    """Whether the support is a beta version; False without support."""
    recommendation_rank: int | None
    """The rank of its make in a list for drivers to choose from: 1 first, None last."""


@model
class EVSEOnboardingJsonResponse(Model):
    """The page where a driver connects an EVSE, for an app that opens it in a web view."""

    url: str


@model
class EVSEWaitlistResponse(Model):
    """An entry on the waiting list. The API cannot return it again."""

    id: str
