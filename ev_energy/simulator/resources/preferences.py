"""Preferences of users: notification groups, route planning and the payout method.

Defaults follow from the user's home; the world stores only the members that requests have set.
"""

from __future__ import annotations

import re
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.clock._instants import ANCHOR, write_instant
from ev_energy.simulator.http._problems import invalid
from ev_energy.simulator.http._routes import Reply, read_link
from ev_energy.simulator.http._validation import FORMATS
from ev_energy.simulator.world._rows import Link

if TYPE_CHECKING:
    from ev_energy.simulator.http._problems import FieldErrors
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


#: The notification groups, with the percentage of users that are subscribed to each.
_GROUPS: Final = {
    "charging_flow": 90,
    "charging_issues": 97,
    "charging_optimisation": 70,
    "deals_and_offers": 30,
    "power_supply_notifications": 50,
}
_CHARGER_POWERS: Final = (None, None, 22_000, 50_000, 50_000, 100_000, 150_000, 250_000)
_ARRIVAL_PERCENTS: Final = (5, 10, 10, 15, 20)
_DEFAULT_ARRIVAL_PERCENT: Final = 10
_SECOND: Final = timedelta(seconds=1)
#: The receiver type of each wallet.
_RECEIVER_TYPES: Final = {
    "PAYPAL": "EMAIL",
    "VENMO": "PHONE",
    "BILL_CREDITS": "ACCOUNT_NUMBER",
    None: None,
}
_PHONE: Final = re.compile(r"\+?\d(?:[ ()./-]*\d){6,14}", re.ASCII)


def _set_members(world: World, preference: str, user_id: str) -> dict[str, Any]:
    """Return the members of a preference that requests have set; do not change them."""
    members: dict[str, Any] = world.extra_state.get(preference, {}).get(user_id, {})
    return members


def _update_members(world: World, preference: str, user_id: str, **members: Any) -> None:
    world.extra_state.setdefault(preference, {}).setdefault(user_id, {}).update(members)


def _notification_groups(world: World, user_id: str) -> dict[str, bool]:
    """Return for each notification group whether the user is subscribed to it."""
    home = world.home_of_user(user_id)
    defaults = {
        group: home is None or world.random.odds(percent, "group", group, home)
        for group, percent in _GROUPS.items()
    }
    return defaults | _set_members(world, "notification_groups", user_id)


def _route_planner(world: World, user: Row) -> Row:
    """Return the user's route planner preferences."""
    random, home = world.random, world.home_of_user(user["id"])
    defaults = {
        "preferred_vehicle": None,
        "min_charger_power_watts": None,
        "arrive_with_min_percent": _DEFAULT_ARRIVAL_PERCENT,
        "updated_at": user["joined_at"],
    }
    if home is not None and (home == 0 or random.odds(60, "planner", home)):
        vehicles = world.homes.vehicles.of_home(home)
        age_seconds = random.between(1, 150 * 86_400, "planned", home)
        defaults = {
            "preferred_vehicle": world.key_of("vehicles", vehicles[0]) if vehicles else None,
            "min_charger_power_watts": random.pick(_CHARGER_POWERS, "charger power", home),
            "arrive_with_min_percent": random.pick(_ARRIVAL_PERCENTS, "floor", home),
            "updated_at": write_instant(ANCHOR - age_seconds * _SECOND),
        }
    members = defaults | _set_members(world, "route_planner", user["id"])
    # The vehicle is stored by id, so a vehicle that was deleted in the meantime becomes null.
    vehicle = world.follow(Link("vehicles", str(members["preferred_vehicle"])))
    return members | {"preferred_vehicle": vehicle and vehicle["url"]}


def _payout_method(world: World, user: Row) -> Row:
    """Return the wallet and the receiver of the user's payouts."""
    members = _default_payout(world, user) | _set_members(world, "payout_methods", user["id"])
    return members | {"receiver_type": _RECEIVER_TYPES[members["receiver_wallet"]]}


def _default_payout(world: World, user: Row) -> Row:
    random, home = world.random, world.home_of_user(user["id"])
    if home is None or (home and not random.odds(60, "payout", home)):
        return {"receiver": None, "receiver_wallet": None}
    wallet = "PAYPAL" if home == 0 else random.pick(("PAYPAL", "VENMO", "BILL_CREDITS"), "w", home)
    receivers = {
        "PAYPAL": user["email"],
        "VENMO": f"+1510555{random.between(100, 9999, 'phone', home):04}",
        "BILL_CREDITS": _billing_account(world, user["id"]),
    }
    return {"receiver": receivers[wallet], "receiver_wallet": wallet}


def _billing_account(world: World, user_id: str) -> str:
    """Return the user's account number at the supplier, or "" if no account is linked."""
    home = world.home_of_user(user_id)
    return "" if home is None else f"{world.random.between(10**9, 10**10 - 1, 'account', home)}"


def _user(call: Call) -> Row:
    return call.row("users", "user_id")


def _reply(call: Call, row: Row) -> Reply:
    return Reply({"url": f"{call.root}/{call.path}", **call.serialize(row)})


def _get_groups(call: Call) -> Reply:
    return _reply(call, {"groups": _notification_groups(call.world, _user(call)["id"])})


def _update_groups(call: Call) -> Reply:
    user_id = _user(call)["id"]
    groups: dict[str, bool] = call.body.get("groups", {})
    if groups:
        _update_members(call.world, "notification_groups", user_id, **groups)
    return _get_groups(call)


def _get_route_planner(call: Call) -> Reply:
    return _reply(call, _route_planner(call.world, _user(call)))


def _update_route_planner(call: Call) -> Reply:
    user_id, members = _user(call)["id"], dict(call.body)
    if not members:
        return _get_route_planner(call)
    if members.get("preferred_vehicle") is not None:
        link = read_link(call.world, "vehicles", members["preferred_vehicle"])
        vehicle = call.world.follow(link)
        owner = vehicle and call.world.tables["vehicles"].owner_id(vehicle)
        if vehicle is None or owner != user_id:
            raise invalid({"preferred_vehicle": ["Must be the URL of a vehicle of this user."]})
        members["preferred_vehicle"] = vehicle["id"]
    members["updated_at"] = write_instant(call.now)
    _update_members(call.world, "route_planner", user_id, **members)
    return _get_route_planner(call)


def _get_payout(call: Call) -> Reply:
    return _reply(call, _payout_method(call.world, _user(call)))


def _receiver_errors(body: dict[str, Any]) -> FieldErrors:
    receiver = body.get("receiver")
    match body["receiver_wallet"]:
        case "PAYPAL" if not FORMATS["email"].matches(receiver or ""):
            return {"receiver": ["PAYPAL needs an e-mail address."]}
        case "VENMO" if not _PHONE.fullmatch(receiver or ""):
            return {"receiver": ["VENMO needs a phone number."]}
        case "BILL_CREDITS" if "receiver" in body:
            return {"receiver": ["BILL_CREDITS uses the linked account; send no receiver."]}
        case _:
            return {}


def _set_payout(call: Call) -> Reply:
    user_id, wallet = _user(call)["id"], call.body["receiver_wallet"]
    errors = _receiver_errors(call.body)
    if errors:
        raise invalid(errors)
    receiver = call.body.get("receiver", _billing_account(call.world, user_id))
    _update_members(
        call.world, "payout_methods", user_id, receiver=receiver, receiver_wallet=wallet
    )
    return _get_payout(call)


def _clear_payout(call: Call) -> Reply:
    user_id = _user(call)["id"]
    _update_members(call.world, "payout_methods", user_id, receiver=None, receiver_wallet=None)
    return Reply(status=HTTPStatus.NO_CONTENT)


ROUTES: Final[Routes] = {
    ("GET", "/users/{user_id}/notification_preferences"): _get_groups,
    ("PATCH", "/users/{user_id}/notification_preferences"): _update_groups,
    ("GET", "/users/{user_id}/route_planner_preferences"): _get_route_planner,
    ("PATCH", "/users/{user_id}/route_planner_preferences"): _update_route_planner,
    ("GET", "/users/{user_id}/payout_method"): _get_payout,
    ("PATCH", "/users/{user_id}/payout_method"): _set_payout,
    ("DELETE", "/users/{user_id}/payout_method"): _clear_payout,
}
