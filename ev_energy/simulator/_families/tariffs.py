"""Suppliers, tariffs and sites: what users' homes refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator._routes import detail
from ev_energy.simulator._suppliers import recent_prices
from ev_energy.simulator._world import Address

if TYPE_CHECKING:
    from ev_energy.simulator._routes import Call, Routes
    from ev_energy.simulator._world import Row


def _with_prices(call: Call, row: Row) -> Row:
    prices = recent_prices(row)
    shown = prices if "prices" in call.expand else Address(f"{row['url'].path}/prices")
    return {"current_price": prices[-1]["price_minor_units"], "prices": shown}


TARIFFS: Final[Routes] = {
    ("GET", "/tariffs/{tariff_id}"): attrs.evolve(
        detail(
            "tariff:read", expand=("supplier", "scheduler_tariff", "prices"), extra=_with_prices
        ),
        expand_scopes={"prices": "tariff:prices:read"},
    ),
    ("GET", "/suppliers/{supplier_id}"): detail("tariff:read"),
    ("GET", "/evse_sites/{evse_site_id}"): detail("site:read"),
}
