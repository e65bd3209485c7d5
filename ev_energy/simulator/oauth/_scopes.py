"""The scopes of the API, and what they are called on the consent page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


#: Every scope that an operation of the API requires.
ALL_SCOPES: Final = frozenset({
    *("boundary_meter:read", "carbon:read", "charging_session:read", "charging_session:write"),
    *("chargingsession:read", "debug:read", "dispatch_coordinator:read", "dispatch_event:write"),
    *("evse:read", "evse:write", "grid:read", "home_battery:read", "home_energy:read"),
    *("inverter:read", "inverter:write", "notification_preferences:read"),
    *("notification_preferences:write", "payout_method:read", "payout_method:write"),
    *("programs:write", "region:read", "region:write", "route_planner_preferences:read"),
    *("route_planner_preferences:write", "saved_routes:read", "saved_routes:write"),
    *("site:read", "solar:read", "solar:write", "solar_forecast:read", "subscription:read"),
    *("support:read", "support:write", "tariff:prices:read", "tariff:read", "user:read"),
    *("user:write", "utility_account:write", "vehicle:read", "vehicle:write"),
    "vehicle_catalogue:write",
})  # fmt: skip

#: The resource of a scope in words for drivers, in the order of the consent page.
_RESOURCE_NAMES: Final = {
    "user": "your name, e-mail address and home",
    "vehicle": "your vehicles",
    "evse": "your chargers",
    "charging_session": "when, where and how much you charge",
    "chargingsession": "your charging schedules",
    "tariff": "your electricity tariff",
    "tariff:prices": "the prices of your tariff",
    "home_battery": "your home batteries",
    "inverter": "your inverters",
    "solar": "your solar panels",
    "solar_forecast": "the forecast for your solar panels",
    "home_energy": "the energy flows of your home",
    "boundary_meter": "your electricity meter",
    "subscription": "your subscriptions",
    "programs": "your participation in energy programs",
    "payout_method": "how you are paid",
    "utility_account": "your account with your energy supplier",
    "notification_preferences": "which notifications you get",
    "saved_routes": "your saved routes",
    "route_planner_preferences": "your preferences for routes",
    "support": "your support tickets",
    "site": "charging sites",
    "carbon": "the carbon intensity of electricity",
    "grid": "the state of the grid",
    "region": "regions",
    "dispatch_coordinator": "the coordinators of energy events",
    "dispatch_event": "energy events",
    "vehicle_catalogue": "the catalogue of vehicles",
    "debug": "technical details",
}
_POSITIONS: Final = {resource: position for position, resource in enumerate(_RESOURCE_NAMES)}


def describe_scopes(scopes: Iterable[str], access: str) -> list[str]:
    """Return the names of the resources that scopes with *access*, ``read`` or ``write``, cover."""
    split = (scope.rpartition(":") for scope in scopes)
    resources = [resource for resource, _, suffix in split if suffix == access]
    resources.sort(key=lambda name: (_POSITIONS.get(name, len(_POSITIONS)), name))
    return [_RESOURCE_NAMES.get(name, name) for name in resources]
