"""The ev.energy v2 API on your own machine: for trying things out, and for tests.

It is made from the API's public description. It is not the vendor's sandbox, which runs on their
servers and answers in its own way.
"""

from ev_energy.simulator._simulator import SeenRequest, Simulator
from ev_energy.simulator.clock._clock import Clock

__all__ = ["Clock", "SeenRequest", "Simulator"]
