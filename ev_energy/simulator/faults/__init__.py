"""Faults on demand: replies that are late, broken, lost, or not what was agreed."""

from __future__ import annotations

from typing import Any

from ev_energy.simulator.faults._faults import STRUCK_BY, Fault, Faults

__all__ = ["STRUCK_BY", "Fault", "Faults", "kinds"]


def kinds() -> dict[str, dict[str, Any]]:
    """Return the description and the details of every kind, as JSON."""
    from ev_energy.simulator.faults import _kinds  # loaded with the first fault

    return {name: _kinds.describe(kind) for name, kind in _kinds.KINDS.items()}
