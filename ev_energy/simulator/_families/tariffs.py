"""Suppliers, their tariffs and prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator._api._filters import equals
from ev_energy.simulator._api._problems import invalid, not_found
from ev_energy.simulator._api._routes import Reply, collection_at, detail, listing
from ev_energy.simulator._content._half_hours import half_hours_page
from ev_energy.simulator._content._offers import gsp_group_at
from ev_energy.simulator._content._suppliers import (
    daily_prices,
    half_hours_with_price,
    is_sold,
    price_of,
)
from ev_energy.simulator._store._rows import Address
from ev_energy.simulator._store._tables import Rows

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Call, Handler, Routes
    from ev_energy.simulator._content._offers import Offer
    from ev_energy.simulator._store._rows import Row
    from ev_energy.simulator._store._tables import Collection

_A_DAY: Final = 48


def _home(call: Call) -> Row | None:
    """Return the location of the user that things shall be available for, None if of nobody."""
    user_id = call.query.get("available_for_user_id")
    if user_id is None:
        return None
    users = call.world.tables["users"]
    user = users.get(user_id)
    if user is None or not call.may_see(users, user):
        raise invalid({"available_for_user_id": ["No such user."]})
    return user.get("default_location") or {}


def _is_offered(tariff: Row, home: Row) -> bool:
    offer: Offer = tariff["_offer"]
    here = gsp_group_at(home.get("postal_code"))
    if offer.country != home.get("country_code"):
        return False
    return offer.gsp_group is None or here is None or offer.gsp_group == here


def _suppliers(call: Call) -> Collection:
    everything, home = collection_at(call), _home(call)
    rows = everything.after(None)
    if home is not None:
        rows = (row for row in rows if row["_country"] == home.get("country_code"))
    return Rows(everything, rows, lambda row: row["name"])


def _tariffs(call: Call) -> Collection:
    everything, home = collection_at(call), _home(call)
    rows = everything.after(None)
    if home is not None:
        rows = (row for row in rows if _is_offered(row, home))
    if "valid" in call.query:
        wanted: bool = call.query["valid"]
        rows = (row for row in rows if is_sold(row, call.now) is wanted)
    return Rows(everything, rows, lambda row: row["name"])


_FILTERS: Final[dict[str, Any]] = {
    "available_for_user_id": None,
    "valid": None,
    "include_optional": None,
    "supplier_id": equals("supplier"),
}
_LISTING: Final[Handler] = listing(_tariffs, filters=_FILTERS)


def _list(call: Call) -> Reply:
    reply = _LISTING(call)
    if "include_optional" in call.query:
        for shown in reply.body:
            shown.update(_daily(call, call.find("tariffs", shown["id"])))
    return reply


def _daily(call: Call, row: Row) -> Row:
    prices = daily_prices(row, call.now)
    return {} if prices is None else {"daily_prices": prices}


def _single(call: Call, row: Row) -> Row:
    """Return the members that only a tariff asked for alone has."""
    home = _home(call)
    if home is not None and not _is_offered(row, home):
        raise not_found("No such tariff")
    known = half_hours_with_price(row, call.now)
    prices: object = None
    if "prices" in call.expand:
        prices = [price_of(call.world, row, number) for number in reversed(known[-_A_DAY:])]
    elif known:
        prices = Address(f"{row['url'].path}/prices")
    return {
        **_daily(call, row),
        "current_price": price_of(call.world, row, known[-1])["price_minor_units"]
        if known
        else None,
        "prices": prices,
    }


def _prices(call: Call) -> Reply:
    tariff = call.row("tariffs", "tariff_id")
    known = half_hours_with_price(tariff, call.now)
    return half_hours_page(call, known, lambda number: price_of(call.world, tariff, number))


TARIFFS: Final[Routes] = {
    ("GET", "/suppliers"): listing(_suppliers, filters={"available_for_user_id": None}),
    ("GET", "/suppliers/{supplier_id}"): detail(),
    ("GET", "/tariffs"): _list,
    ("GET", "/tariffs/{tariff_id}"): detail(_single),
    ("GET", "/tariffs/{tariff_id}/prices"): _prices,
}
