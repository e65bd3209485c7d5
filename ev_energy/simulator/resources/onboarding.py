"""Onboarding of EVSEs and vehicles, imports by serial number, and waitlists."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.clock._instants import read_instant, write_instant
from ev_energy.simulator.http._problems import ProblemError, invalid, not_found
from ev_energy.simulator.http._routes import Reply
from ev_energy.simulator.onboarding_pages import ConnectError, onboarding_url
from ev_energy.simulator.resources._device_linking import WorldConnector
from ev_energy.simulator.resources.evses import add_evse, serial_is_known
from ev_energy.simulator.world._rows import Link

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ev_energy.simulator.http._problems import FieldErrors
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._world import World


_EVSE_CHOICES: Final = {"make_id": "evse_makes", "model_id": "evse_models"}
_VEHICLE_CHOICES: Final = {
    "make_id": "vehicle_makes",
    "model_id": "vehicle_models",
    "trim_id": "vehicle_trims",
}
_REQUEST_LIFETIME: Final = timedelta(minutes=15)
#: An authorization code that makers reject, for tests of that reply.
_REJECTED_CODE: Final = "rejected"


def add_waitlists(world: World) -> None:
    """Add the waitlists for EVSEs and vehicles that are not supported yet."""
    world.table("evse_waitlist", "ewlt")
    world.table("vehicle_waitlist", "vwlt")


def check_start(call: Call, kind: str, choices: Mapping[str, str]) -> str:
    """Return the URL of the page that connects a device, or raise for invalid parameters.

    *choices* are the parameters that select a make, model or trim, with their folders.
    """
    given = call.query
    errors: FieldErrors = {}
    application = call.applications.get(given["client_id"])
    if application is None:
        errors["client_id"] = ["No such application."]
    elif "redirect_uri" in given and not application.may_return_to(given["redirect_uri"]):
        errors["redirect_uri"] = ["Not on a host that is registered for the application."]
    chosen = {name: folder for name, folder in choices.items() if name in given}
    if given.get("response_type") == "json" and not chosen:
        errors[next(iter(choices))] = [f"One of {', '.join(choices)} is needed for JSON."]
    if errors:
        raise invalid(errors)
    tables = call.world.tables
    known = [tables["users"].get(given["user_id"])]
    known += [tables[folder].get(given[name]) for name, folder in chosen.items()]
    if None in known:
        raise not_found()
    names = ("user_id", "client_id", *chosen, "redirect_uri")
    return onboarding_url(call.root, kind, {name: given[name] for name in names if name in given})


def _onboard_evse(call: Call) -> Reply:
    url = check_start(call, "evses", _EVSE_CHOICES)
    if call.query.get("response_type") == "json":
        return Reply({"url": url})
    return Reply(status=HTTPStatus.FOUND, headers={"Location": url})


def _import(call: Call) -> Reply:
    provider, serial = call.body["provider"], call.body["serial_number"]
    if serial.startswith("UNKNOWN"):
        raise ProblemError(
            HTTPStatus.NOT_FOUND, "Not found", f"{provider} has no charge point {serial}."
        )
    if serial_is_known(call.world, serial):
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "Already registered", f"{serial} is connected already."
        )
    # A token without a user imports for the first user.
    user_id = call.viewer.user_id or call.world.user_id(0)
    models = call.world.tables["evse_models"]
    provider_models = [row for row in models if row["_maker"].provider == provider]
    model = call.world.random.pick(provider_models, "import", serial)
    row = add_evse(call.world, user_id, model, serial)
    return Reply(
        call.serialize(call.world.tables["evses"].view_for(row, call.viewer)), HTTPStatus.CREATED
    )


def _onboard_vehicle(call: Call) -> Reply:
    url = check_start(call, "vehicles", _VEHICLE_CHOICES)
    if call.query.get("response_type") != "json":
        return Reply(status=HTTPStatus.FOUND, headers={"Location": url})
    about = {name: call.query[name] for name in _VEHICLE_CHOICES if name in call.query}
    make = WorldConnector(call.world).make("vehicles", about)
    row = None if make is None else call.world.tables["vehicle_makes"].get(make.id)
    if make is None or row is None or not row["_connected"]:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "Not supported",
            "Vehicles of this make cannot be connected.",
        )
    requests = call.world.extra_state.setdefault("authorization_requests", {})
    request_id = call.world.secrets.uuid("authorization", len(requests))
    requests[request_id] = {
        "user_id": call.query["user_id"],
        "about": about,
        "expires_at": write_instant(call.now + _REQUEST_LIFETIME),
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
    requests: dict[str, Any] = call.world.extra_state.get("authorization_requests", {})
    request = requests.get(call.body["authorization_request_uid"])
    if request is None or request["used"]:
        raise not_found()
    if read_instant(request["expires_at"]) <= call.now:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "Too late", "This authorization request has expired."
        )
    if call.body["auth_code"] == _REJECTED_CODE:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "Rejected", "The maker did not accept the code."
        )
    connector, user_id = WorldConnector(call.world), request["user_id"]
    account = connector.account("vehicles", user_id, request["about"])
    if not account.devices:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "No vehicles",
            "The account has no vehicles that are not connected yet.",
        )
    devices = [device.id for device in account.devices]
    try:
        keys = connector.connect("vehicles", user_id, request["about"], devices)
    except ConnectError as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "Not connected", str(error)) from None
    request["used"] = True
    rows = [{"id": key, "url": Link("vehicles", key)} for key in keys]
    return Reply(call.serialize({"vehicles": rows}), HTTPStatus.CREATED)


def _send_link(call: Call) -> Reply:
    if call.world.tables["vehicle_makes"].get(call.body["make"]) is None:
        raise invalid({"make": ["Not the id of a make."]})
    sent: list[Any] = call.world.extra_state.setdefault("mail", {}).setdefault(
        "onboarding_links", []
    )
    sent.append({"email": call.body["email"], "make": call.body["make"]})
    return Reply(status=HTTPStatus.NO_CONTENT)


def _join_waitlist(call: Call, kind: str) -> Reply:
    """Add a user to the waitlist for an EVSE or vehicle."""
    body, world = call.body, call.world
    errors: FieldErrors = {}
    names = (f"{kind}_make_name", f"{kind}_model_name")
    model_id = body.get(f"{kind}_model_id")
    if model_id is None:
        for name in names:
            if not body.get(name):
                errors[name] = [f"This is required without {kind}_model_id."]
    elif any(body.get(name) is not None for name in names):
        errors[f"{kind}_model_id"] = ["Give either the id of a model or two names, not both."]
    elif world.tables[f"{kind}_models"].get(model_id) is None:
        errors[f"{kind}_model_id"] = ["No such model."]
    program_id = body.get("program_id")
    if program_id is not None and world.tables["programs"].get(program_id) is None:
        errors["program_id"] = ["No such program."]
    if errors:
        raise invalid(errors)
    entry_id = world.new_id(f"{kind}_waitlist")
    if not call.query.get("client_id"):  # a call with a client_id is a trial, and stores nothing
        world.tables[f"{kind}_waitlist"].add({"id": entry_id, **body})
    return Reply({"id": entry_id}, HTTPStatus.CREATED)


ROUTES: Final[Routes] = {
    ("GET", "/evse_onboarding"): _onboard_evse,
    ("POST", "/evse_onboarding/import"): _import,
    ("POST", "/evse_waitlist"): lambda call: _join_waitlist(call, "evse"),
    ("GET", "/vehicle_onboarding"): _onboard_vehicle,
    ("POST", "/vehicle_onboarding/complete"): _complete,
    ("POST", "/vehicle_onboarding/onboarding_link"): _send_link,
    ("POST", "/vehicle_waitlist"): lambda call: _join_waitlist(call, "vehicle"),
}
