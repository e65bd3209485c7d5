"""How vehicles come into the world: in a browser, through an app, or not yet."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator._api._problems import ProblemError, invalid, not_found
from ev_energy.simulator._api._routes import Reply
from ev_energy.simulator._connecting import WorldConnector
from ev_energy.simulator._families._onboarding import check_start, wait
from ev_energy.simulator._journeys import ConnectError
from ev_energy.simulator._store._instants import read_instant, write_instant
from ev_energy.simulator._store._rows import Link

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Call, Routes

_CHOICES: Final = {
    "make_id": "vehicle_makes",
    "model_id": "vehicle_models",
    "trim_id": "vehicle_trims",
}
_LASTS: Final = timedelta(minutes=15)
#: What a maker of cars does not accept as code, for those who want to see that.
_REJECTED: Final = "rejected"


def _onboard(call: Call) -> Reply:
    url = check_start(call, "vehicles", _CHOICES)
    if call.query.get("response_type") != "json":
        return Reply(status=302, headers={"Location": url})
    about = {name: call.query[name] for name in _CHOICES if name in call.query}
    make = WorldConnector(call.world).make("vehicles", about)
    row = None if make is None else call.world.tables["vehicle_makes"].get(make.id)
    if make is None or row is None or not row["_connected"]:
        raise ProblemError(422, "Not supported", "Vehicles of this make cannot be connected.")
    requests = call.world.kept.setdefault("authorization_requests", {})
    request_id = call.world.secrets.uuid("authorization", len(requests))
    requests[request_id] = {
        "user_id": call.query["user_id"],
        "about": about,
        "expires_at": write_instant(call.now + _LASTS),
        "used": False,
    }
    native = make.name == "BMW"
    return Reply({
        "authorization_request_id": request_id,
        "url": url,
        "auth_method": "native" if native else "api",
        "scopes": ["read_battery", "read_charge", "control_charge"] if native else None,
        "single_select": False if native else None,
    })  # fmt: skip


def _complete(call: Call) -> Reply:
    requests: dict[str, Any] = call.world.kept.get("authorization_requests", {})
    request = requests.get(call.body["authorization_request_uid"])
    if request is None or request["used"]:
        raise not_found()
    if read_instant(request["expires_at"]) <= call.now:
        raise ProblemError(422, "Too late", "This authorization request has expired.")
    if call.body["auth_code"] == _REJECTED:
        raise ProblemError(422, "Rejected", "The maker did not accept the code.")
    connector, user_id = WorldConnector(call.world), request["user_id"]
    account = connector.account("vehicles", user_id, request["about"])
    if not account.devices:
        raise ProblemError(422, "No vehicles", "The account holds none that is not connected yet.")
    devices = [device.id for device in account.devices]
    try:
        keys = connector.connect("vehicles", user_id, request["about"], devices)
    except ConnectError as error:
        raise ProblemError(422, "Not connected", str(error)) from None
    request["used"] = True
    rows = [{"id": key, "url": Link("vehicles", key)} for key in keys]
    return Reply(call.show({"vehicles": rows}), 201)


def _send_link(call: Call) -> Reply:
    if call.world.tables["vehicle_makes"].get(call.body["make"]) is None:
        raise invalid({"make": ["Not the id of a make."]})
    sent: list[Any] = call.world.kept.setdefault("mail", {}).setdefault("onboarding_links", [])
    sent.append({"email": call.body["email"], "make": call.body["make"]})
    return Reply(status=204)


VEHICLE_ONBOARDING: Final[Routes] = {
    ("GET", "/vehicle_onboarding"): _onboard,
    ("POST", "/vehicle_onboarding/complete"): _complete,
    ("POST", "/vehicle_onboarding/onboarding_link"): _send_link,
    ("POST", "/vehicle_waitlist"): lambda call: wait(call, "vehicle"),
}
