"""What users like, until a request says otherwise: all of it follows from who they are."""

from __future__ import annotations

import re
from datetime import timedelta
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


#: Groups of notifications, and of a hundred users how many want them.
_GROUPS: Final = {
    "charging_flow": 90,
    "charging_issues": 97,
    "charging_optimisation": 70,
    "deals_and_offers": 30,
    "power_supply_notifications": 50,
}
_POWERS: Final = (None, None, 22_000, 50_000, 50_000, 100_000, 150_000, 250_000)
_FLOORS: Final = (5, 10, 10, 15, 20)
_USUAL_FLOOR: Final = 10
_SECOND: Final = timedelta(seconds=1)
#: What the receiver of money is, by wallet.
RECEIVER_TYPES: Final = {
    "PAYPAL": "EMAIL",
    "VENMO": "PHONE",
    "BILL_CREDITS": "ACCOUNT_NUMBER",
    None: None,
}


def kept_of(world: World, what: str, user_id: str) -> dict[str, Any]:
    """Return what requests set of a user, to be changed in place."""
    kept: dict[str, Any] = world.kept.setdefault(what, {}).setdefault(user_id, {})
    return kept


def looked_up(world: World, what: str, user_id: str) -> dict[str, Any]:
    """Return what requests set of a user, to be looked at."""
    kept: dict[str, Any] = world.kept.get(what, {}).get(user_id, {})
    return kept


def notification_groups(world: World, user_id: str) -> dict[str, bool]:
    """Return which groups of notifications a user has subscribed to."""
    home = world.home_of_user(user_id)
    usual = {
        group: home is None or world.chance.odds(percent, "group", group, home)
        for group, percent in _GROUPS.items()
    }
    return usual | looked_up(world, "notification_groups", user_id)


def route_planner(world: World, user: Row) -> Row:
    """Return how a user likes routes to be planned; the vehicle by its id."""
    chance, home = world.chance, world.home_of_user(user["id"])
    usual = {
        "preferred_vehicle": None,
        "min_charger_power_watts": None,
        "arrive_with_min_percent": _USUAL_FLOOR,
        "updated_at": user["joined_at"],
    }
    if home is not None and (home == 0 or chance.odds(60, "planner", home)):
        numbers = world.homes.vehicles.of_home(home)
        ago = chance.between(1, 150 * 86_400, "planned", home)
        usual = {
            "preferred_vehicle": world.key_of("vehicles", numbers[0]) if numbers else None,
            "min_charger_power_watts": chance.pick(_POWERS, "charger power", home),
            "arrive_with_min_percent": chance.pick(_FLOORS, "floor", home),
            "updated_at": write_instant(ANCHOR - ago * _SECOND),
        }
    found = usual | looked_up(world, "route_planner", user["id"])
    vehicle = world.follow(Link("vehicles", str(found["preferred_vehicle"])))
    return found | {"preferred_vehicle": vehicle and vehicle["url"]}


def payout_method(world: World, user: Row) -> Row:
    """Return where a user wants money to go."""
    found = _usual_payout(world, user) | looked_up(world, "payout_methods", user["id"])
    return found | {"receiver_type": RECEIVER_TYPES[found["receiver_wallet"]]}


def _usual_payout(world: World, user: Row) -> Row:
    chance, home = world.chance, world.home_of_user(user["id"])
    if home is None or (home and not chance.odds(60, "payout", home)):
        return {"receiver": None, "receiver_wallet": None}
    wallet = "PAYPAL" if home == 0 else chance.pick(("PAYPAL", "VENMO", "BILL_CREDITS"), "w", home)
    receiver = {
        "PAYPAL": user["email"],
        "VENMO": f"+1510555{chance.between(100, 9999, 'phone', home):04}",
        "BILL_CREDITS": billing_account(world, user["id"]),
    }
    return {"receiver": receiver[wallet], "receiver_wallet": wallet}


def billing_account(world: World, user_id: str) -> str:
    """Return the number of a user's account with the supplier; empty where none is linked."""
    home = world.home_of_user(user_id)
    return "" if home is None else f"{world.chance.between(10**9, 10**10 - 1, 'account', home)}"


_PHONE: Final = re.compile(r"\+?\d(?:[ ()./-]*\d){6,14}", re.ASCII)


def _user(call: Call) -> Row:
    return call.row("users", "user_id")


def _shown(call: Call, row: Row) -> Reply:
    return Reply({"url": f"{call.root}/{call.path}", **call.serialize(row)})


def _groups(call: Call) -> Reply:
    return _shown(call, {"groups": notification_groups(call.world, _user(call)["id"])})


def _set_groups(call: Call) -> Reply:
    user_id = _user(call)["id"]
    given: dict[str, bool] = call.body.get("groups", {})
    if given:
        kept_of(call.world, "notification_groups", user_id).update(given)
    return _groups(call)


def _planner(call: Call) -> Reply:
    return _shown(call, route_planner(call.world, _user(call)))


def _set_planner(call: Call) -> Reply:
    user_id, given = _user(call)["id"], dict(call.body)
    if not given:
        return _planner(call)
    if given.get("preferred_vehicle") is not None:
        link = read_link(call.world, "vehicles", given["preferred_vehicle"])
        vehicle = call.world.follow(link)
        owner = vehicle and call.world.tables["vehicles"].owner(vehicle)
        if vehicle is None or owner != user_id:
            raise invalid({"preferred_vehicle": ["Not the URL of a vehicle of this user."]})
        given["preferred_vehicle"] = vehicle["id"]
    kept = kept_of(call.world, "route_planner", user_id)
    kept.update(given, updated_at=write_instant(call.now))
    return _planner(call)


def _payout(call: Call) -> Reply:
    return _shown(call, payout_method(call.world, _user(call)))


def _wrong_receiver(given: dict[str, Any]) -> FieldErrors:
    receiver = given.get("receiver")
    match given["receiver_wallet"]:
        case "PAYPAL" if not FORMATS["email"].is_met(receiver or ""):
            return {"receiver": ["An e-mail address is needed for PAYPAL."]}
        case "VENMO" if not _PHONE.fullmatch(receiver or ""):
            return {"receiver": ["A phone number is needed for VENMO."]}
        case "BILL_CREDITS" if "receiver" in given:
            return {"receiver": ["Known already for BILL_CREDITS: it must not be sent."]}
        case _:
            return {}


def _set_payout(call: Call) -> Reply:
    user_id, wallet = _user(call)["id"], call.body["receiver_wallet"]
    wrong = _wrong_receiver(call.body)
    if wrong:
        raise invalid(wrong)
    receiver = call.body.get("receiver", billing_account(call.world, user_id))
    kept_of(call.world, "payout_methods", user_id).update(receiver=receiver, receiver_wallet=wallet)
    return _payout(call)


def _clear_payout(call: Call) -> Reply:
    kept_of(call.world, "payout_methods", _user(call)["id"]).update(
        receiver=None, receiver_wallet=None
    )
    return Reply(status=204)


ROUTES: Final[Routes] = {
    ("GET", "/users/{user_id}/notification_preferences"): _groups,
    ("PATCH", "/users/{user_id}/notification_preferences"): _set_groups,
    ("GET", "/users/{user_id}/route_planner_preferences"): _planner,
    ("PATCH", "/users/{user_id}/route_planner_preferences"): _set_planner,
    ("GET", "/users/{user_id}/payout_method"): _payout,
    ("PATCH", "/users/{user_id}/payout_method"): _set_payout,
    ("DELETE", "/users/{user_id}/payout_method"): _clear_payout,
}
