"""Subscriptions and what there is to subscribe to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator._api._languages import preferred
from ev_energy.simulator._api._routes import Reply, detail, listing
from ev_energy.simulator._content._subscriptions import LANGUAGES, name_in

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Call, Handler, Routes
    from ev_energy.simulator._store._rows import Row

_LISTING: Final[Handler] = listing()


def _translated(call: Call, offering: Row) -> Row:
    return {"name": name_in(preferred(call.language, LANGUAGES), offering["name"])}


def _list(call: Call) -> Reply:
    reply = _LISTING(call)
    for row in reply.body:
        if isinstance(row["offering"], dict):
            row["offering"] |= _translated(call, row["offering"])
    return reply


SUBSCRIPTIONS: Final[Routes] = {
    ("GET", "/subscriptions"): _list,
    ("GET", "/subscription_offerings/{offering_id}"): detail(_translated),
}
