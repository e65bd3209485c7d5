"""Webhooks: endpoints, signed deliveries with retries, and the portal to manage them.

`_event_publisher` turns charging into events, `_outbox` decides which attempt is due when,
`_sender` makes the attempts, and `_portal` shows them in a browser.
"""

from __future__ import annotations

from ev_energy.simulator.webhooks._portal import Portal
from ev_energy.simulator.webhooks._schedule import RETRY_WAITS
from ev_energy.simulator.webhooks._sender import Webhooks
from ev_energy.simulator.webhooks._signing import sign
from ev_energy.simulator.webhooks._state import Delivery, Endpoint, Misdelivery, Outcome

__all__ = [
    "RETRY_WAITS",
    "Delivery",
    "Endpoint",
    "Misdelivery",
    "Outcome",
    "Portal",
    "Webhooks",
    "sign",
]
