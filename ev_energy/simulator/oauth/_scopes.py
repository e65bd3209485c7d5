"""Scopes, and what they mean to somebody who is asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


#: Every scope that operations of the API ask for.
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

#: What drivers call what a scope is about, the things closest to them first.
_WORDS: Final = {
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
    "solar_forecast": "how much sun your panels can expect",
    "home_energy": "the energy flows of your home",
    "boundary_meter": "your electricity meter",
    "subscription": "your subscriptions",
    "programs": "your part in energy programs",
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
    "dispatch_coordinator": "who dispatches energy events",
    "dispatch_event": "energy events",
    "vehicle_catalogue": "the catalogue of vehicles",
    "debug": "technical details",
}
_ORDER: Final = {about: place for place, about in enumerate(_WORDS)}


def in_words(scopes: Iterable[str], ability: str) -> list[str]:
    """Return what scopes with an ability, ``read`` or ``write``, are about."""
    about = [
        name for name, _, word in (scope.rpartition(":") for scope in scopes) if word == ability
    ]
    about.sort(key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
    return [_WORDS.get(name, name) for name in about]
