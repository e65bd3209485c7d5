"""Where the API begins, and what is asked before or besides it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator.http._problems import ProblemError
from ev_energy.simulator.http._routes import Reply, detail, listing

if TYPE_CHECKING:
    from ev_energy.simulator.http._routes import Call, Routes


#: The collections that the root leads to.
_ENTRIES: Final = (
    *("users", "carbon_feeds", "evses", "evse_models", "evse_makes", "vehicles", "vehicle_trims"),
    *("vehicle_models", "vehicle_makes", "suppliers", "tariffs", "support_tickets"),
    *("dispatch_coordinators", "grid_feeds"),
)


def _root(call: Call) -> Reply:
    return Reply({name: f"{call.root}/{name}/" for name in _ENTRIES})


def _reset_password(_call: Call) -> Reply:
    """Answer the same for every address: whether there is an account is nobody's business."""
    return Reply({"status": "password_reset_email_sent"})


def _webhook_portal(call: Call) -> Reply:
    if call.by_user or call.viewer.client_id is None:
        raise ProblemError(403, "Forbidden", "Webhooks are the application's, not a user's.")
    link = call.world.portal_link
    if link is None:
        raise RuntimeError("this world has no portal")
    return Reply({"url": link(call.viewer.client_id, call.root.removesuffix("/v2"))})


ROUTES: Final[Routes] = {
    ("GET", "/"): _root,
    ("POST", "/auth/password_reset"): _reset_password,
    ("GET", "/webhook_portal"): _webhook_portal,
    ("GET", "/timezones"): listing(),
    ("GET", "/timezones/{timezone_id}"): detail(),
}
