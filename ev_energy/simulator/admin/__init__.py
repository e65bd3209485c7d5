"""The admin interface below ``/__sim/``: the methods of `Simulator` over HTTP."""

from __future__ import annotations

from ev_energy.simulator.admin._endpoint import AdminEndpoint
from ev_energy.simulator.admin._host_check import HostCheck, is_loopback
from ev_energy.simulator.admin._router import ENDPOINTS, ROOT, install

__all__ = ["ENDPOINTS", "ROOT", "AdminEndpoint", "HostCheck", "install", "is_loopback"]
