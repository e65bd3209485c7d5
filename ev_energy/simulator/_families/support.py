"""Support tickets and their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator._api._filters import equals
from ev_energy.simulator._api._problems import not_found
from ev_energy.simulator._api._routes import Reply, keep_by, shown_page
from ev_energy.simulator._content._support import messages_of
from ev_energy.simulator._content._ticket_topics import CATEGORIES, SUBCATEGORIES
from ev_energy.simulator._oauth import ALL_SCOPES
from ev_energy.simulator._store._tables import Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator._api._filters import Filter
    from ev_energy.simulator._api._routes import Call, Routes
    from ev_energy.simulator._store._rows import Row
    from ev_energy.simulator._store._tables import Collection

_FOLDER: Final = "support_tickets"


def _sees_everything(call: Call) -> bool:
    """Return whether a caller may see tickets of nobody: an application that may do anything."""
    application = call.applications.get(call.viewer.client_id or "")
    return application is not None and application.scopes >= ALL_SCOPES


def tickets_seen(call: Call) -> Collection:
    """Return the tickets that a caller may see."""
    tickets: Collection = call.world.tables[_FOLDER]
    if call.viewer.user_id is not None:
        return tickets.of_user(call.viewer.user_id)
    if _sees_everything(call):
        return tickets
    return Rows(tickets, (row for row in tickets.after(None) if row["user"] is not None))


def _ticket(call: Call) -> Row:
    row = call.row(_FOLDER, "support_ticket_id")
    if row["user"] is None and not _sees_everything(call):
        raise not_found("No such ticket")
    return row


def _of_user(user: str) -> Callable[[Row], bool]:
    """Keep tickets of a user, who is named by id or by URL."""
    return equals("user")(user.rstrip("/").rpartition("/")[2])


def _tagged(tag: str) -> Callable[[Row], bool]:
    def keep(row: Row) -> bool:
        return tag in row["tags"]

    return keep


_FILTERS: Final[dict[str, Filter | None]] = {
    "external_ticket_id": equals("external_ticket_id"),
    "user": _of_user,
    "tags": _tagged,
}


def _expanded(call: Call, shown: dict[str, Any]) -> dict[str, Any]:
    if "messages" not in call.expand:
        return shown
    ticket = call.find(_FOLDER, shown["id"])
    return shown | {"messages": [call.show(one) for one in messages_of(call.world, ticket)]}


def _list(call: Call) -> Reply:
    reply = shown_page(call, tickets_seen(call), keep_by(call, _FILTERS))
    return Reply([_expanded(call, shown) for shown in reply.body], headers=reply.headers)


def _get(call: Call) -> Reply:
    return Reply(_expanded(call, call.show(_ticket(call))))


def _update(call: Call) -> Reply:
    row = _ticket(call)
    if call.body:
        changed = call.world.change(row, **call.body)
        row = call.world.tables[_FOLDER].seen_by(changed, call.viewer)
    return Reply(call.show(row))


def _messages(call: Call) -> Reply:
    keep = keep_by(call, {})
    messages = messages_of(call.world, _ticket(call))
    return Reply([call.show(message) for message in messages if keep(message)])


def _message(call: Call) -> Reply:
    wanted = call.params["message_id"]
    for message in messages_of(call.world, _ticket(call)):
        if message["id"] == wanted:
            return Reply(call.show(message))
    raise not_found("No such message")


def _categories(_call: Call) -> Reply:
    return Reply({
        "categories": [{"value": value, "label": label} for value, label in CATEGORIES],
        "subcategories": [{"value": value, "label": label} for value, label in SUBCATEGORIES],
    })  # fmt: skip


SUPPORT: Final[Routes] = {
    ("GET", "/support_tickets"): _list,
    ("GET", "/support_tickets/categories"): _categories,
    ("GET", "/support_tickets/{support_ticket_id}"): _get,
    ("PATCH", "/support_tickets/{support_ticket_id}"): _update,
    ("GET", "/support_tickets/{support_ticket_id}/messages"): _messages,
    ("GET", "/support_tickets/{support_ticket_id}/messages/{message_id}"): _message,
}
