"""Charge point management systems (CPMS)."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum


class CPMSProviderId(OpenEnum):
    """The ids of providers, which are names, unlike most other ids."""

    CHARGEPOINT = "CHARGEPOINT"
    """ChargePoint."""
    SWTCH = "SWTCH"
    """SWTCH Energy."""


@model
class CPMSProvider(Model):
    """A charge point management system that ev.energy is connected to."""

    id: CPMSProviderId
    url: str
    name: str
    icon: str | None
    """URL of a logo; None if there is none."""
