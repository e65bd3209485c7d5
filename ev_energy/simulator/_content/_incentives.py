"""What drivers in programs can earn."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator._content._membership import member_for, membership_of
from ev_energy.simulator._store._instants import ANCHOR

if TYPE_CHECKING:
    from ev_energy.simulator._store._rows import Row
    from ev_energy.simulator._store._world import World

_BEGAN: Final = ANCHOR - timedelta(days=600)


@attrs.frozen
class Scheme:
    """A rule by which drivers earn."""

    name: str
    words: str
    for_everybody: bool = False
    """Else it is for those who are in some program."""
    visible: bool = True
    within: timedelta | None = None
    """How long after joining it can be earned."""
    months: frozenset[int] = frozenset(range(1, 13))
    """When it is active."""


SCHEMES: Final = (
    Scheme("Off-peak kilowatt-hours", "Four cents for every kilowatt-hour outside of peak hours."),
    Scheme("Welcome bonus", "Once, for joining in the last month.", within=timedelta(days=30)),
    Scheme("Winter evenings", "Double points from November to February, five to eight.",
           months=frozenset({11, 12, 1, 2})),
    Scheme("Grid emergencies", "Paid after the event to whoever stood still.", visible=False),
    Scheme("Bring a neighbour", "For each neighbour who connects a car.", for_everybody=True),
)  # fmt: skip


def schemes_for(world: World, user_id: str) -> list[Row]:
    """Return what a user can earn by, now or at other times."""
    membership = membership_of(world, user_id)
    home = "" if membership is None else membership["program"]
    return [
        {
            "id": world.chance.uid("incs", _BEGAN + timedelta(days=number), home, scheme.name),
            "name": scheme.name,
            "description": scheme.words,
            "visible": scheme.visible,
            "available": _is_available(world, scheme, membership),
        }
        for number, scheme in enumerate(SCHEMES)
        if membership is not None or scheme.for_everybody
    ]


def _is_available(world: World, scheme: Scheme, membership: Row | None) -> bool:
    if world.now.month not in scheme.months:
        return False
    if scheme.within is None or membership is None:
        return True
    return member_for(world, membership) <= scheme.within
