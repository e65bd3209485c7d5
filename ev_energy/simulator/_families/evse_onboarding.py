"""How EVSEs come into the world: in a browser, by serial number, or not yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ev_energy.models.evse_onboarding import EVSEImportRequestProvider
from ev_energy.simulator._bodies import is_email, members
from ev_energy.simulator._families.evses import EVSE_EXPANDS
from ev_energy.simulator._households import add_evse
from ev_energy.simulator._pages import page_url
from ev_energy.simulator._problems import ProblemError, invalid, not_found
from ev_energy.simulator._routes import Access, Reply, Route

if TYPE_CHECKING:
    from ev_energy.simulator._oauth import Application
    from ev_energy.simulator._problems import FieldErrors
    from ev_energy.simulator._routes import Call, Routes

_PROVIDERS: Final = frozenset(provider.value for provider in EVSEImportRequestProvider)


def _redirect_allowed(application: Application, uri: str) -> bool:
    try:
        given = urlsplit(uri)
    except ValueError:
        return False
    registered = [urlsplit(known) for known in application.redirect_uris]
    return (given.scheme, given.netloc) in [(known.scheme, known.netloc) for known in registered]


def _onboard(call: Call) -> Reply:
    given = dict(call.query)
    errors: FieldErrors = {}
    application = call.applications.get(given.get("client_id", ""))
    if not given.get("user_id"):
        errors["user_id"] = ["Needed."]
    if application is None:
        errors["client_id"] = ["No such application."]
    elif "redirect_uri" in given and not _redirect_allowed(application, given["redirect_uri"]):
        errors["redirect_uri"] = ["Not on a host that is registered for the application."]
    as_json = given.get("response_type")
    if as_json not in {None, "json"}:
        errors["response_type"] = ["Only json is known."]
    chosen = [name for name in ("make_id", "model_id") if name in given]
    if as_json == "json" and not chosen:
        errors["make_id"] = ["With response_type=json, this or model_id is needed."]
    if errors:
        raise invalid(errors)
    tables = call.world.tables
    known = [tables["users"].get(given["user_id"])]
    known += [tables[f"evse_{name.removesuffix('_id')}s"].get(given[name]) for name in chosen]
    if None in known:
        raise not_found()
    names = ("user_id", *chosen, "redirect_uri")
    url = page_url(call.root, "start", {name: given[name] for name in names if name in given})
    if as_json:
        return Reply({"url": url})
    return Reply(status=302, headers={"Location": url})


def _import(call: Call) -> Reply:
    body = members(call.body)
    provider, serial = body.get("provider"), body.get("serial_number")
    errors: FieldErrors = {}
    if not isinstance(provider, str) or provider not in _PROVIDERS:
        errors["provider"] = [f"Not one of {', '.join(sorted(_PROVIDERS))}."]
    if not isinstance(serial, str) or not serial.strip():
        errors["serial_number"] = ["Needed."]
    if errors:
        # The one type the API documents for everything that creates, vehicle or not.
        raise invalid(errors, slug="validation-failed-create-vehicle")
    if str(serial).startswith("UNKNOWN"):
        raise ProblemError(404, "Not found", f"{provider} has no charge point {serial}.")
    tables = call.world.tables
    if any(row["cpid"] == serial for row in tables["evses"].rows()):
        raise ProblemError(422, "Already registered", f"{serial} is connected already.")
    users = tables["users"]
    # An application that acts for nobody stands for the first user here.
    user = users.get(call.viewer.user_id or users.rows()[0]["id"])
    models = [row for row in tables["evse_models"].rows() if row["_maker"].provider == provider]
    if user is None:
        raise not_found()
    model = call.world.chance.pick(models, "import", serial)
    row = add_evse(call.world, user, model, str(serial), call.now, reports=False)
    return Reply(call.show(row), 201)


def _wait(call: Call) -> Reply:
    body = members(call.body)
    errors: FieldErrors = {}
    if not is_email(body.get("email")):
        errors["email"] = ["Not an e-mail address."]
    model_id, make_name, model_name = (
        body.get(name) for name in ("evse_model_id", "evse_make_name", "evse_model_name")
    )
    if model_id is None:
        for name, text in (("evse_make_name", make_name), ("evse_model_name", model_name)):
            if not isinstance(text, str) or not text:
                errors[name] = ["Needed where there is no evse_model_id."]
    elif make_name is not None or model_name is not None:
        errors["evse_model_id"] = ["Either the id of a model or two names, not both."]
    elif call.world.tables["evse_models"].get(str(model_id)) is None:
        errors["evse_model_id"] = ["No such model."]
    if body.get("program_id") is not None:
        errors["program_id"] = ["No such program."]
    if errors:
        raise invalid(errors, slug="validation-failed-evse-waitlist")
    entry_id = call.world.new_id("evse_waitlist", call.now)
    call.world.tables["evse_waitlist"].add({"id": entry_id, **body})
    return Reply({"id": entry_id}, 201)


EVSE_ONBOARDING: Final[Routes] = {
    ("GET", "/evse_onboarding"): Route(_onboard, access=Access.BROWSER),
    ("POST", "/evse_onboarding/import"): Route(_import, ("evse:write",), expand=EVSE_EXPANDS),
    ("POST", "/evse_waitlist"): Route(_wait, access=Access.PUBLIC),
}
