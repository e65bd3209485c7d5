"""The pages on which drivers connect what they own, on the way from an application and back."""

from __future__ import annotations

from ev_energy.simulator.onboarding_pages._connector import (
    DEVICE_KINDS,
    ConnectError,
    Connector,
    DeviceKind,
    MakerAccount,
    Option,
)
from ev_energy.simulator.onboarding_pages._steps import install
from ev_energy.simulator.onboarding_pages._urls import legacy_id, onboarding_url, reconnect_url

__all__ = [
    "DEVICE_KINDS",
    "ConnectError",
    "Connector",
    "DeviceKind",
    "MakerAccount",
    "Option",
    "install",
    "legacy_id",
    "onboarding_url",
    "reconnect_url",
]
