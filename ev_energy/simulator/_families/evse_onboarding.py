"""How EVSEs come into the world: in a browser, by serial number, or not yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator._api._problems import ProblemError
from ev_energy.simulator._api._routes import Reply
from ev_energy.simulator._content._households import add_evse, serial_is_known
from ev_energy.simulator._families._onboarding import check_start, wait

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Call, Routes


_CHOICES: Final = {"make_id": "evse_makes", "model_id": "evse_models"}


def _onboard(call: Call) -> Reply:
    url = check_start(call, "evses", _CHOICES)
    if call.query.get("response_type") == "json":
        return Reply({"url": url})
    return Reply(status=302, headers={"Location": url})


def _import(call: Call) -> Reply:
    provider, serial = call.body["provider"], call.body["serial_number"]
    if serial.startswith("UNKNOWN"):
        raise ProblemError(404, "Not found", f"{provider} has no charge point {serial}.")
    if serial_is_known(call.world, serial):
        raise ProblemError(422, "Already registered", f"{serial} is connected already.")
    # An application that acts for nobody stands for the first user here.
    user_id = call.viewer.user_id or call.world.user_id(0)
    models = call.world.tables["evse_models"]
    made = [row for row in models if row["_maker"].provider == provider]
    model = call.world.chance.pick(made, "import", serial)
    row = add_evse(call.world, user_id, model, serial)
    return Reply(call.show(call.world.tables["evses"].seen_by(row, call.viewer)), 201)


EVSE_ONBOARDING: Final[Routes] = {
    ("GET", "/evse_onboarding"): _onboard,
    ("POST", "/evse_onboarding/import"): _import,
    ("POST", "/evse_waitlist"): lambda call: wait(call, "evse"),
}
