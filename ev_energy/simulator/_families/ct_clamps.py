"""CT clamps and their logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator._api._routes import detail, listing, log

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Routes

CT_CLAMPS: Final[Routes] = {
    ("GET", "/ct_clamps"): listing(),
    ("GET", "/ct_clamps/{ct_clamp_id}"): detail(),
    ("GET", "/ct_clamps/{ct_clamp_id}/logs"): log("sampled_at"),
    ("GET", "/ct_clamps/{ct_clamp_id}/logs/{sampled_at}"): detail(),
}
