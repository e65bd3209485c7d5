"""All operations that are simulated, by method and path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator._families.charging import CHARGING
from ev_energy.simulator._families.ct_clamps import CT_CLAMPS
from ev_energy.simulator._families.dispatch import DISPATCH
from ev_energy.simulator._families.entrance import ENTRANCE, ROOT
from ev_energy.simulator._families.evse_catalogue import EVSE_CATALOGUE
from ev_energy.simulator._families.evse_onboarding import EVSE_ONBOARDING
from ev_energy.simulator._families.evses import EVSES
from ev_energy.simulator._families.feeds import FEEDS
from ev_energy.simulator._families.hem_systems import HEM_SYSTEMS
from ev_energy.simulator._families.home_devices import BOUNDARY_METERS, HOME_BATTERIES
from ev_energy.simulator._families.notifications import NOTIFICATIONS
from ev_energy.simulator._families.preferences import PREFERENCES
from ev_energy.simulator._families.programs import PROGRAMS
from ev_energy.simulator._families.rebates import REBATES
from ev_energy.simulator._families.regions import REGIONS
from ev_energy.simulator._families.saved_routes import SAVED_ROUTES
from ev_energy.simulator._families.sites import SITES
from ev_energy.simulator._families.solar import SOLAR
from ev_energy.simulator._families.subscriptions import SUBSCRIPTIONS
from ev_energy.simulator._families.support import SUPPORT
from ev_energy.simulator._families.support_stats import SUPPORT_STATS
from ev_energy.simulator._families.tariffs import TARIFFS
from ev_energy.simulator._families.users import USERS
from ev_energy.simulator._families.vehicle_catalogue import VEHICLE_CATALOGUE
from ev_energy.simulator._families.vehicle_onboarding import VEHICLE_ONBOARDING
from ev_energy.simulator._families.vehicles import VEHICLES

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Routes

OPERATIONS: Final[Routes] = {
    **USERS,
    **EVSES,
    **EVSE_CATALOGUE,
    **EVSE_ONBOARDING,
    **CT_CLAMPS,
    **CHARGING,
    **TARIFFS,
    **SUPPORT_STATS,
    **SUPPORT,
    **SUBSCRIPTIONS,
    **SAVED_ROUTES,
    **PREFERENCES,
    **NOTIFICATIONS,
    **FEEDS,
    **ENTRANCE,
    **ROOT,
    **VEHICLES,
    **VEHICLE_CATALOGUE,
    **VEHICLE_ONBOARDING,
    **REGIONS,
    **PROGRAMS,
    **REBATES,
    **SITES,
    **SOLAR,
    **HOME_BATTERIES,
    **BOUNDARY_METERS,
    **HEM_SYSTEMS,
    **DISPATCH,
}
