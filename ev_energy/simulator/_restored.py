"""Use what was restored from a state file once, since that file may hold anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict

import msgspec

from ev_energy.simulator._api._render import Renderer, Tree
from ev_energy.simulator._charging._bay import Doing
from ev_energy.simulator._store._fleet import GUESTS
from ev_energy.simulator._store._instants import read_instant
from ev_energy.simulator._store._rows import Viewer

if TYPE_CHECKING:
    from ev_energy.simulator._store._world import World


class _Announced(TypedDict, total=False):
    until: str
    events: list[str]


class _Guest(TypedDict):
    user: str
    began: str
    tariff: str | None
    country: str
    vehicles: NotRequired[str]
    car: NotRequired[dict[str, int | bool]]
    evses: NotRequired[str]
    point: NotRequired[dict[str, int | bool]]


class _AuthorizationRequest(TypedDict):
    user_id: str
    about: dict[str, str]
    expires_at: str
    used: bool


#: The types of what requests set and no table holds, by kind; of others, all are objects.
_KINDS: Final[dict[str, Any]] = {
    "accounts": dict[str, list[str]],
    "announced": _Announced,
    "authorization_requests": dict[str, _AuthorizationRequest],
    "counters": dict[str, int],
    "deeds": dict[str, list[tuple[str, Doing, bool | int | str | None]]],
    "guests": dict[str, list[_Guest]],
    "mail": dict[str, list[dict[str, str]]],
    "organisations": dict[str, str | None],
    "solar_capacities": dict[str, list[tuple[int, int]]],
}


def try_out(world: World) -> None:
    """Use what requests did to a world, as later requests will; raise what comes of damage."""
    for kind, kept in world.kept.items():
        msgspec.convert(kept, _KINDS.get(kind, dict[str, dict[str, Any]]), strict=True)
    read_instant(world.kept.get("announced", {}).get("until", "2026-10-05T12:00:00Z"))
    for request in world.kept.get("authorization_requests", {}).values():
        read_instant(request["expires_at"])
    _try_charging(world)
    renderer = Renderer(world, "", Viewer())
    for table in world.tables.values():
        for row in table.touched():
            shown = renderer.row(table.seen_by(row, Viewer()), Tree())
            json.dumps(shown, allow_nan=False)
            table.owner(row)


def _try_charging(world: World) -> None:
    now, fleet = world.now, world.fleet
    bays = [*fleet.touched()]
    guests = world.kept.get("guests", {}).get("bays", [])
    bays += [fleet.bay(GUESTS, rank) for rank in range(len(guests))]
    for bay in bays:
        for deed in fleet.deeds(bay):
            _check_deed(deed.what, deed.value)
        world.life.state(bay, now)
        for _ in world.life.of_bay(bay, now=now):
            break


def _check_deed(what: Doing, value: object) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if (what in {"limit", "battery"} and not whole) or (
        what == "smart" and not isinstance(value, bool)
    ):
        raise ValueError(f"{what} was set to {value!r}")
