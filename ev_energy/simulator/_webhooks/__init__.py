"""Webhooks: who gets them, how they are delivered, and the pages to manage them on."""

from ev_energy.simulator._webhooks._portal import Portal
from ev_energy.simulator._webhooks._schedule import RETRY_WAITS
from ev_energy.simulator._webhooks._sender import Webhooks
from ev_energy.simulator._webhooks._signing import sign
from ev_energy.simulator._webhooks._state import Delivery, Endpoint, Outcome

__all__ = ["RETRY_WAITS", "Delivery", "Endpoint", "Outcome", "Portal", "Webhooks", "sign"]
