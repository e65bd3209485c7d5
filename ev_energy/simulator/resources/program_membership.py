"""Who takes part in which program, and who could."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.clock._instants import ANCHOR, read_instant, write_instant
from ev_energy.simulator.http._routes import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Collection

    from ev_energy.simulator.resources.programs import Program, Tier
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


_JOINED: Final = "program_memberships"
_ACCEPTED: Final = "accepted_agreements"
_VERIFIED: Final = "program_verifications"
_LANGUAGES: Final = {"NL": "nl", "DE": "de"}


def location_of(world: World, user_id: str) -> Row:
    """Return where a user charges; an empty row if that is not known."""
    user = world.tables["users"].get(user_id) or {}
    location: Row = user.get("default_location") or {}
    return location


def language_of(world: World, user_id: str | None, known: Collection[str]) -> str:
    """Return the language of a user, or of nobody, if it is a known one; else English."""
    country = None if user_id is None else location_of(world, user_id).get("country_code")
    language = _LANGUAGES.get(country or "", ENGLISH)
    return language if language in known else ENGLISH


def is_eligible(world: World, program: Program, tier: Tier, user_id: str) -> bool:
    """Return whether a user may be in a tier."""
    if not program.may_cover(location_of(world, user_id)):
        return False
    if tier.needs is None:
        return True
    if tier.needs == "verified":
        return program.name in world.extra_state.get(_VERIFIED, {}).get(user_id, {}).get(
            "before", {}
        )
    return next(world.rows_of_user(user_id, tier.needs), None) is not None


def membership_of(world: World, user_id: str) -> Row | None:
    """Return the program and tier a user is in, and since when; None if in none."""
    joined: Row | None = world.extra_state.get(_JOINED, {}).get(user_id)
    home = world.home_of_user(user_id)
    if joined is not None or home is None:
        return joined
    if home > 0 and not world.random.odds(60, "member", home):
        return None
    city = world.homes.template(home).city
    near = (
        row
        for row in world.tables["programs"]
        if row["_program"].country == city.country
        and row["_program"].covers_point(city.latitude, city.longitude)
    )
    program = next(near, None)
    tier = None if program is None else default_tier(world, program)
    if program is None or tier is None:
        return None
    since = world.homes.joined_at(home) + timedelta(hours=20)
    return {"program": program["id"], "tier": tier["id"], "since": write_instant(since)}


def default_tier(world: World, program: Row) -> Row | None:
    """Return the tier of those who join a program, None if there is none."""
    tiers = world.tables[f"programs/{program['id']}/tiers"]
    return next((row for row in tiers if row["_tier"].default), None)


def join(world: World, user_id: str, program: Row, tier: Row) -> None:
    """Put a user into a program, and so out of any other."""
    now = membership_of(world, user_id)
    if now is None or now["program"] != program["id"]:
        joined: Row = {"program": program["id"], "tier": tier["id"]}
        joined["since"] = write_instant(world.now)
        world.extra_state.setdefault(_JOINED, {})[user_id] = joined


def member_for(world: World, membership: Row) -> timedelta:
    """Return how long somebody has been in a program."""
    return world.now - read_instant(membership["since"])


def accept(world: World, user_id: str, version: Row) -> None:
    """Note that a user agreed to a version of an agreement; the first time counts."""
    accepted: dict[str, Any] = world.extra_state.setdefault(_ACCEPTED, {}).setdefault(user_id, {})
    accepted.setdefault(version["id"], write_instant(world.now))


def verify(world: World, user_id: str, program: Row, when: str, data: Row) -> None:
    """Note what a user's account was verified by, ``before`` joining or ``after``."""
    verified: dict[str, Any] = world.extra_state.setdefault(_VERIFIED, {}).setdefault(user_id, {})
    verified.setdefault(when, {})[program["name"]] = {"at": write_instant(world.now), "data": data}


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
    Scheme("Off-peak kilowatt-hours", "Four cents per kilowatt-hour outside peak hours."),
    Scheme("Welcome bonus", "Paid once, within 30 days of joining.", within=timedelta(days=30)),
    Scheme("Winter evenings", "Double points from November to February, 5 to 8 p.m.",
           months=frozenset({11, 12, 1, 2})),
    Scheme("Grid emergencies", "Paid afterwards to drivers who did not charge.", visible=False),
    Scheme("Bring a neighbour", "Paid for each neighbour who connects a car.", for_everybody=True),
)  # fmt: skip


def schemes_for(world: World, user_id: str) -> list[Row]:
    """Return what a user can earn by, now or at other times."""
    membership = membership_of(world, user_id)
    home = "" if membership is None else membership["program"]
    return [
        {
            "id": world.random.uid("incs", _BEGAN + timedelta(days=number), home, scheme.name),
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
