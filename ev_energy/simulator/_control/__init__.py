"""The control surface below ``/__sim/``: what `Simulator` does for Python, for all others."""

from ev_energy.simulator._control._door import Door
from ev_energy.simulator._control._guard import Guard, is_loopback
from ev_energy.simulator._control._porter import DOORS, ROOT, install

__all__ = ["DOORS", "ROOT", "Door", "Guard", "install", "is_loopback"]
