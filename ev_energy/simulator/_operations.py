"""All operations that are simulated, by method and path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator._families.ct_clamps import CT_CLAMPS
from ev_energy.simulator._families.evse_catalogue import EVSE_CATALOGUE
from ev_energy.simulator._families.evse_onboarding import EVSE_ONBOARDING
from ev_energy.simulator._families.evses import EVSES
from ev_energy.simulator._families.tariffs import TARIFFS
from ev_energy.simulator._families.users import USERS

if TYPE_CHECKING:
    from ev_energy.simulator._routes import Routes

OPERATIONS: Final[Routes] = {
    **USERS,
    **EVSES,
    **EVSE_CATALOGUE,
    **EVSE_ONBOARDING,
    **CT_CLAMPS,
    **TARIFFS,
}
