"""The world as it is when the simulator starts."""

from __future__ import annotations

from ev_energy.simulator._catalogue import add_catalogue
from ev_energy.simulator._evse_logs import add_logs
from ev_energy.simulator._households import add_households
from ev_energy.simulator._suppliers import add_suppliers
from ev_energy.simulator._world import World


def build_world(seed: int, evses: int) -> World:
    """Return a world that is the same for the same arguments."""
    world = World(seed)
    add_logs(world)
    add_suppliers(world)
    add_catalogue(world)
    world.table("evse_waitlist", "ewlt")
    add_households(world, evses)
    return world
