"""All operations of the simulator, by method and path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator.resources import (
    dispatch,
    evses,
    feeds,
    hem_systems,
    home_devices,
    notifications,
    onboarding,
    preferences,
    programs,
    rebates,
    regions,
    root_and_auth,
    saved_routes,
    sites,
    solar,
    subscriptions,
    support,
    tariffs,
    users,
    vehicles,
)
from ev_energy.simulator.resources.catalogues import evses as evse_catalogue
from ev_energy.simulator.resources.catalogues import vehicles as vehicle_catalogue
from ev_energy.simulator.resources.charging_sessions import routes as charging_sessions

if TYPE_CHECKING:
    from ev_energy.simulator.http._routes import Routes

#: Each family of the API defines its ``ROUTES``.
OPERATIONS: Final[Routes] = {
    **users.ROUTES,
    **evses.ROUTES,
    **evse_catalogue.ROUTES,
    **onboarding.ROUTES,
    **charging_sessions.ROUTES,
    **tariffs.ROUTES,
    **support.ROUTES,
    **subscriptions.ROUTES,
    **saved_routes.ROUTES,
    **preferences.ROUTES,
    **notifications.ROUTES,
    **feeds.ROUTES,
    **root_and_auth.ROUTES,
    **vehicles.ROUTES,
    **vehicle_catalogue.ROUTES,
    **regions.ROUTES,
    **programs.ROUTES,
    **rebates.ROUTES,
    **sites.ROUTES,
    **solar.ROUTES,
    **home_devices.ROUTES,
    **hem_systems.ROUTES,
    **dispatch.ROUTES,
}
