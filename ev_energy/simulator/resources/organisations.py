"""Which organisation an application belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ev_energy.simulator.world._world import World


#: Whose applications are unless something else was said.
HOUSE: Final = "Simulated Energy"
_KEPT: Final = "organisations"


def organisation_of(world: World, client_id: str | None) -> str | None:
    """Return the organisation that an application is linked to, None if to none."""
    linked: dict[str, str | None] = world.extra_state.get(_KEPT, {})
    return HOUSE if client_id is None else linked.get(client_id, HOUSE)


def link_organisation(world: World, client_id: str, name: str | None) -> None:
    """Link an application to an organisation, or to none."""
    world.extra_state.setdefault(_KEPT, {})[client_id] = name
