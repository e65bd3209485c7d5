"""Webhooks: who gets them, how they are delivered, and the pages to manage them on."""

from __future__ import annotations

from ev_energy.simulator.webhooks._portal import Portal
from ev_energy.simulator.webhooks._schedule import RETRY_WAITS
from ev_energy.simulator.webhooks._sender import Webhooks
from ev_energy.simulator.webhooks._signing import sign
from ev_energy.simulator.webhooks._state import Delivery, Endpoint, Outcome

__all__ = ["RETRY_WAITS", "Delivery", "Endpoint", "Outcome", "Portal", "Webhooks", "sign"]
