"""CT clamps and their logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator._filters import within
from ev_energy.simulator._routes import detail, listing

if TYPE_CHECKING:
    from ev_energy.simulator._routes import Routes

_LOG: Final = ("ct_clamp", "ct_clamp.evse")

CT_CLAMPS: Final[Routes] = {
    ("GET", "/ct_clamps"): listing("evse:read", expand=("evse",)),
    ("GET", "/ct_clamps/{ct_clamp_id}"): detail("evse:read", expand=("evse",)),
    ("GET", "/ct_clamps/{ct_clamp_id}/logs"): listing(
        "evse:read", expand=_LOG, filters=within("sampled_at")
    ),
    ("GET", "/ct_clamps/{ct_clamp_id}/logs/{sampled_at}"): detail("evse:read", expand=_LOG),
}
