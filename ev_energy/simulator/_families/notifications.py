"""Notifications, in the language of whoever reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator._api._languages import preferred
from ev_energy.simulator._api._routes import Reply, detail, listing
from ev_energy.simulator._content._notification_texts import LANGUAGES, texts_of
from ev_energy.simulator._store._instants import read_instant, write_instant

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Call, Handler, Routes
    from ev_energy.simulator._store._rows import Row

_LISTING: Final[Handler] = listing()
_FOLDER: Final = "notifications"


def _translated(call: Call, row: Row) -> dict[str, Any]:
    """Return the words of a notification, if the caller has a say in their language."""
    if call.language is None:
        return {}
    return texts_of(row["message_id"], preferred(call.language, LANGUAGES))


def _list(call: Call) -> Reply:
    reply = _LISTING(call)
    return Reply([row | _translated(call, row) for row in reply.body], headers=reply.headers)


def _update(call: Call) -> Reply:
    row = call.row(_FOLDER, "notification_id")
    # It is read once: when it was looked at again does not matter.
    if "read_at" in call.body and "read_at" not in row:
        read_at = write_instant(read_instant(call.body["read_at"]))
        changed = call.world.change(row, read_at=read_at)
        row = call.world.tables[_FOLDER].seen_by(changed, call.viewer)
    return Reply({"Notification": call.show(row)})


NOTIFICATIONS: Final[Routes] = {
    ("GET", "/notifications"): _list,
    ("GET", "/notifications/{notification_id}"): detail(_translated),
    ("PATCH", "/notifications/{notification_id}"): _update,
}
