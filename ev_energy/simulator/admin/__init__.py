"""The control surface below ``/__sim/``: what `Simulator` does for Python, for all others."""

from __future__ import annotations

from ev_energy.simulator.admin._endpoint import Door
from ev_energy.simulator.admin._host_check import Guard, is_loopback
from ev_energy.simulator.admin._router import DOORS, ROOT, install

__all__ = ["DOORS", "ROOT", "Door", "Guard", "install", "is_loopback"]
