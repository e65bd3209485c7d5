"""Sites, and the systems that manage the charge points of some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator._api._paging import links
from ev_energy.simulator._api._routes import Reply, detail, listing

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Call, Routes


def _sites(call: Call) -> Reply:
    sites = call.world.tables["evse_sites"]
    rows = [call.show(sites.seen_by(row, call.viewer)) for row in sites]
    return Reply(rows, headers={"Link": links()})


SITES: Final[Routes] = {
    ("GET", "/evse_sites"): _sites,
    ("GET", "/evse_sites/{evse_site_id}"): detail(),
    ("GET", "/cpms_providers"): listing(),
    ("GET", "/cpms_providers/{cpms_provider_id}"): detail(),
}
