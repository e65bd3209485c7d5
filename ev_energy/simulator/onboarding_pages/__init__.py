"""The onboarding pages: a driver connects devices, between an application and back.

    application ─► /onboarding/{kind}/?...            choose make, model, account ─► devices
                   /onboarding/{kind}/reconnect/?...  confirm                     ─► device
                ◄─ redirect_uri with the ids of what was connected, or error=access_denied

`_pages` handles the requests, `_screens` builds the HTML. The world is behind `Connector`.
"""

from __future__ import annotations

from ev_energy.simulator.onboarding_pages._connector import (
    DEVICE_KINDS,
    ConnectError,
    Connector,
    DeviceKind,
    MakerAccount,
    Option,
    legacy_id,
    onboarding_url,
    reconnect_url,
)
from ev_energy.simulator.onboarding_pages._pages import install

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
