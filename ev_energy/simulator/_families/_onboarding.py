"""What all ways into a browser have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.simulator._api._problems import invalid, not_found
from ev_energy.simulator._api._routes import Reply
from ev_energy.simulator._journeys import journey_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ev_energy.simulator._api._problems import FieldErrors
    from ev_energy.simulator._api._routes import Call


def check_start(call: Call, kind: str, choices: Mapping[str, str]) -> str:
    """Return where a browser goes to connect something, or refuse.

    ``choices`` are the parameters that name a make, model or trim, and their collections.
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
    return journey_url(call.root, kind, {name: given[name] for name in names if name in given})


def wait(call: Call, kind: str) -> Reply:
    """Put somebody on the list of those whose EVSE or vehicle is not supported yet."""
    body, world = call.body, call.world
    errors: FieldErrors = {}
    names = (f"{kind}_make_name", f"{kind}_model_name")
    model_id = body.get(f"{kind}_model_id")
    if model_id is None:
        for name in names:
            if not body.get(name):
                errors[name] = [f"Needed where there is no {kind}_model_id."]
    elif any(body.get(name) is not None for name in names):
        errors[f"{kind}_model_id"] = ["Either the id of a model or two names, not both."]
    elif world.tables[f"{kind}_models"].get(model_id) is None:
        errors[f"{kind}_model_id"] = ["No such model."]
    program_id = body.get("program_id")
    if program_id is not None and world.tables["programs"].get(program_id) is None:
        errors["program_id"] = ["No such program."]
    if errors:
        raise invalid(errors)
    entry_id = world.new_id(f"{kind}_waitlist")
    if not call.query.get("client_id"):  # who names a client is in the sandbox: nothing is kept
        world.tables[f"{kind}_waitlist"].add({"id": entry_id, **body})
    return Reply({"id": entry_id}, 201)
