"""The pages on which drivers connect what they own, on the way from an application and back."""

from __future__ import annotations

from ev_energy.simulator.onboarding_pages._connector import (
    KINDS,
    Account,
    ConnectError,
    Connector,
    Kind,
    Option,
)
from ev_energy.simulator.onboarding_pages._steps import install
from ev_energy.simulator.onboarding_pages._urls import journey_url, legacy_id, reconnect_url

__all__ = [
    "KINDS",
    "Account",
    "ConnectError",
    "Connector",
    "Kind",
    "Option",
    "install",
    "journey_url",
    "legacy_id",
    "reconnect_url",
]
