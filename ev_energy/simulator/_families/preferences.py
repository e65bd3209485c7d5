"""What users want to be told, how they like routes, and where money shall go."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator._api._bodies import read_link
from ev_energy.simulator._api._formats import FORMATS
from ev_energy.simulator._api._problems import invalid
from ev_energy.simulator._api._routes import Reply
from ev_energy.simulator._content._preferences import (
    billing_account,
    kept_of,
    notification_groups,
    payout_method,
    route_planner,
)
from ev_energy.simulator._store._instants import write_instant

if TYPE_CHECKING:
    from ev_energy.simulator._api._problems import FieldErrors
    from ev_energy.simulator._api._routes import Call, Routes
    from ev_energy.simulator._store._rows import Row

_PHONE: Final = re.compile(r"\+?\d(?:[ ()./-]*\d){6,14}", re.ASCII)


def _user(call: Call) -> Row:
    return call.row("users", "user_id")


def _shown(call: Call, row: Row) -> Reply:
    return Reply({"url": f"{call.root}/{call.path}", **call.show(row)})


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


PREFERENCES: Final[Routes] = {
    ("GET", "/users/{user_id}/notification_preferences"): _groups,
    ("PATCH", "/users/{user_id}/notification_preferences"): _set_groups,
    ("GET", "/users/{user_id}/route_planner_preferences"): _planner,
    ("PATCH", "/users/{user_id}/route_planner_preferences"): _set_planner,
    ("GET", "/users/{user_id}/payout_method"): _payout,
    ("PATCH", "/users/{user_id}/payout_method"): _set_payout,
    ("DELETE", "/users/{user_id}/payout_method"): _clear_payout,
}
