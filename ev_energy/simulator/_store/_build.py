"""The world as it is when the simulator starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.simulator._content._batteries import add_batteries
from ev_energy.simulator._content._catalogue import add_catalogue
from ev_energy.simulator._content._dispatch import add_dispatch
from ev_energy.simulator._content._evse_logs import add_evse_logs
from ev_energy.simulator._content._feeds import add_feeds
from ev_energy.simulator._content._households import (
    add_evses,
    add_users,
    add_vehicles,
    add_waitlists,
)
from ev_energy.simulator._content._meters import add_meters
from ev_energy.simulator._content._notifications import add_notifications
from ev_energy.simulator._content._programs import add_programs
from ev_energy.simulator._content._rebate_types import add_rebate_types
from ev_energy.simulator._content._rebates import add_rebates
from ev_energy.simulator._content._regions import add_regions
from ev_energy.simulator._content._saved_routes import add_saved_routes
from ev_energy.simulator._content._sessions import add_sessions
from ev_energy.simulator._content._sites import add_sites
from ev_energy.simulator._content._solar import add_solar
from ev_energy.simulator._content._subscriptions import add_subscriptions
from ev_energy.simulator._content._suppliers import add_suppliers
from ev_energy.simulator._content._support import add_support
from ev_energy.simulator._content._timezones import add_timezones
from ev_energy.simulator._content._vehicle_catalogue import add_vehicle_catalogue
from ev_energy.simulator._content._vehicle_logs import add_vehicle_logs
from ev_energy.simulator._store._world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator._store._clock import Clock

#: What opens collections, in an order in which each finds what it builds upon.
_PARTS: tuple[Callable[[World], None], ...] = (
    add_suppliers,
    add_feeds,
    add_timezones,
    add_catalogue,
    add_vehicle_catalogue,
    add_users,
    add_sites,
    add_evses,
    add_vehicles,
    add_solar,
    add_batteries,
    add_meters,
    add_dispatch,
    add_evse_logs,
    add_vehicle_logs,
    add_sessions,
    add_waitlists,
    add_notifications,
    add_saved_routes,
    add_subscriptions,
    add_support,
    add_regions,
    add_programs,
    add_rebate_types,
    add_rebates,
)


def build_world(seed: int, vehicles: int, clock: Clock) -> World:
    """Return a world that is the same for the same arguments."""
    world = World(seed, vehicles, clock)
    for add in _PARTS:
        add(world)
    return world
