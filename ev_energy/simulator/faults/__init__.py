"""Faults on demand: replies that are late, broken, lost, or not what was agreed."""

from __future__ import annotations

from ev_energy.simulator.faults._faults import STRUCK_BY, Fault, Faults
from ev_energy.simulator.faults._kinds import kinds

__all__ = ["STRUCK_BY", "Fault", "Faults", "kinds"]
