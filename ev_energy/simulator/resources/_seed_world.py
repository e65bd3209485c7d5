"""The world at the start of the simulator."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from ev_energy.simulator.home_energy._home_energy import solar_share
from ev_energy.simulator.resources.catalogues.evses import add_evse_catalogue
from ev_energy.simulator.resources.catalogues.vehicles import add_vehicle_catalogue
from ev_energy.simulator.resources.charging_sessions._sessions import add_sessions
from ev_energy.simulator.resources.dispatch import add_dispatch
from ev_energy.simulator.resources.evse_logs import add_evse_logs
from ev_energy.simulator.resources.evses import add_evses
from ev_energy.simulator.resources.feeds import add_feeds
from ev_energy.simulator.resources.hem_systems import add_hem_systems
from ev_energy.simulator.resources.home_devices import add_batteries, add_meters
from ev_energy.simulator.resources.notifications import add_notifications
from ev_energy.simulator.resources.onboarding import add_waitlists
from ev_energy.simulator.resources.programs import add_programs
from ev_energy.simulator.resources.rebates import add_rebates
from ev_energy.simulator.resources.regions import add_regions
from ev_energy.simulator.resources.saved_routes import add_saved_routes
from ev_energy.simulator.resources.sites import add_sites
from ev_energy.simulator.resources.solar import add_solar
from ev_energy.simulator.resources.subscriptions import add_subscriptions
from ev_energy.simulator.resources.support import add_support
from ev_energy.simulator.resources.tariffs import add_suppliers
from ev_energy.simulator.resources.users import add_timezones, add_users
from ev_energy.simulator.resources.vehicle_logs import add_vehicle_logs
from ev_energy.simulator.resources.vehicles import add_vehicles
from ev_energy.simulator.world._world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator.clock._clock import Clock


#: The functions that add collections, in the order of their dependencies.
_COLLECTIONS: tuple[Callable[[World], None], ...] = (
    add_suppliers,
    add_feeds,
    add_timezones,
    add_evse_catalogue,
    add_vehicle_catalogue,
    add_users,
    add_sites,
    add_evses,
    add_vehicles,
    add_solar,
    add_batteries,
    add_meters,
    add_hem_systems,
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
    add_rebates,
)


def build_world(seed: int, vehicles: int, clock: Clock) -> World:
    """Return a world, which is the same for the same arguments."""
    world = World(seed, vehicles, clock)
    for add in _COLLECTIONS:
        add(world)
    world.solar_share = functools.partial(solar_share, world)
    return world
