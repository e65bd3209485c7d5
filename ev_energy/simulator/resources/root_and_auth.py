"""The root document, password resets, the webhook portal and time zones."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ev_energy.simulator.http._problems import ProblemError
from ev_energy.simulator.http._routes import Reply, detail, listing

if TYPE_CHECKING:
    from ev_energy.simulator.http._routes import Call, Routes


#: The collections that the root document links to.
_COLLECTIONS: Final = (
    *("users", "carbon_feeds", "evses", "evse_models", "evse_makes", "vehicles", "vehicle_trims"),
    *("vehicle_models", "vehicle_makes", "suppliers", "tariffs", "support_tickets"),
    *("dispatch_coordinators", "grid_feeds"),
)


def _root(call: Call) -> Reply:
    return Reply({name: f"{call.root}/{name}/" for name in _COLLECTIONS})


def _reset_password(_call: Call) -> Reply:
    """Reply the same for every address, so that the reply does not reveal which have accounts."""
    return Reply({"status": "password_reset_email_sent"})


def _webhook_portal(call: Call) -> Reply:
    if call.by_user or call.viewer.client_id is None:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "Forbidden",
            "Webhooks are managed by the application: use its own token, not a user's.",
        )
    make_link = call.world.portal_link
    if make_link is None:
        raise RuntimeError("the world was built without a webhook portal")
    return Reply({"url": make_link(call.viewer.client_id, call.root.removesuffix("/v2"))})


ROUTES: Final[Routes] = {
    ("GET", "/"): _root,
    ("POST", "/auth/password_reset"): _reset_password,
    ("GET", "/webhook_portal"): _webhook_portal,
    ("GET", "/timezones"): listing(),
    ("GET", "/timezones/{timezone_id}"): detail(),
}
