"""Memberships of users in programs: eligibility, agreements, verification and incentives."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.clock._instants import ANCHOR, read_instant, write_instant
from ev_energy.simulator.http._routes import ENGLISH
from ev_energy.simulator.resources.catalogues import country_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from ev_energy.simulator.resources.programs import Program, Tier
    from ev_energy.simulator.world._homes import City
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


_MEMBERSHIPS: Final = "program_memberships"
_ACCEPTED_AGREEMENTS: Final = "accepted_agreements"
_VERIFICATIONS: Final = "program_verifications"
_LANGUAGE_BY_COUNTRY: Final = {"NL": "nl", "DE": "de"}
_FIRST_CREATED: Final = ANCHOR - timedelta(days=600)


@attrs.frozen
class IncentiveScheme:
    """A rule by which drivers earn money or points."""

    name: str
    description: str
    for_non_members: bool = False
    """Whether users who are in no program can earn it, too."""
    visible: bool = True
    available_for: timedelta | None = None
    """How long after joining a program it can be earned; None for any time."""
    months: frozenset[int] = frozenset(range(1, 13))
    """The months in which it is available."""


INCENTIVE_SCHEMES: Final = (
    IncentiveScheme("Off-peak kilowatt-hours", "Four cents per kilowatt-hour outside peak hours."),
    IncentiveScheme("Welcome bonus", "Paid once, within 30 days of joining.",
                    available_for=timedelta(days=30)),
    IncentiveScheme("Winter evenings", "Double points from November to February, 5 to 8 p.m.",
                    months=frozenset({11, 12, 1, 2})),
    IncentiveScheme("Grid emergencies", "Paid afterwards to drivers who did not charge.",
                    visible=False),
    IncentiveScheme("Bring a neighbour", "Paid for each neighbour who connects a car.",
                    for_non_members=True),
)  # fmt: skip


def location_of(world: World, user_id: str) -> Row:
    """Return the location where a user charges, or an empty row if it is not known."""
    user = world.tables["users"].get(user_id) or {}
    location: Row = user.get("default_location") or {}
    return location


def language_of(world: World, user_id: str | None, available: Collection[str]) -> str:
    """Return the language of the user's country if it is available, otherwise English."""
    country = None if user_id is None else country_of(world, user_id)
    language = _LANGUAGE_BY_COUNTRY.get(country or "", ENGLISH)
    return language if language in available else ENGLISH


def is_eligible(world: World, program: Program, tier: Tier, user_id: str) -> bool:
    """Return whether a user can be in a tier."""
    if not program.can_cover(location_of(world, user_id)):
        return False
    if tier.requirement is None:
        return True
    if tier.requirement == "verified":
        verifications: Row = world.extra_state.get(_VERIFICATIONS, {}).get(user_id, {})
        return program.name in verifications.get("before", {})
    return next(world.rows_of_user(user_id, tier.requirement), None) is not None


def membership_of(world: World, user_id: str) -> Row | None:
    """Return the ids of the user's program and tier and the start, or None if not a member."""
    membership: Row | None = world.extra_state.get(_MEMBERSHIPS, {}).get(user_id)
    home = world.home_of_user(user_id)
    if membership is not None or home is None:
        return membership
    if home > 0 and not world.random.odds(60, "member", home):
        return None
    program = _program_in(world, world.homes.template(home).city)
    tier = None if program is None else default_tier(world, program)
    if program is None or tier is None:
        return None
    since = world.homes.joined_at(home) + timedelta(hours=20)
    return {"program": program["id"], "tier": tier["id"], "since": write_instant(since)}


def _program_in(world: World, city: City) -> Row | None:
    """Return the first program that covers a city; requests change no program."""

    def find() -> Row | None:
        local_programs = (
            row
            for row in world.tables["programs"]
            if row["_program"].country == city.country
            and row["_program"].covers_point(city.latitude, city.longitude)
        )
        return next(local_programs, None)

    return world.cached(("program", city.name), find)


def default_tier(world: World, program: Row) -> Row | None:
    """Return the tier of users who join a program, or None if it has no default tier."""
    tiers = world.tables[f"programs/{program['id']}/tiers"]
    return next((row for row in tiers if row["_tier"].is_default), None)


def join_program(world: World, user_id: str, program: Row, tier: Row) -> None:
    """Make a user a member of a program, which ends the membership in another one."""
    membership = membership_of(world, user_id)
    if membership is None or membership["program"] != program["id"]:
        world.extra_state.setdefault(_MEMBERSHIPS, {})[user_id] = {
            "program": program["id"],
            "tier": tier["id"],
            "since": write_instant(world.now),
        }


def record_acceptance(world: World, user_id: str, version: Row) -> None:
    """Record when a user first accepted a version of an agreement."""
    by_user: dict[str, Row] = world.extra_state.setdefault(_ACCEPTED_AGREEMENTS, {})
    by_user.setdefault(user_id, {}).setdefault(version["id"], write_instant(world.now))


def record_verification(world: World, user_id: str, program: Row, when: str, data: Row) -> None:
    """Record the data that verified a user's account ``before`` or ``after`` enrollment."""
    by_user: dict[str, Row] = world.extra_state.setdefault(_VERIFICATIONS, {})
    verification = {"at": write_instant(world.now), "data": data}
    by_user.setdefault(user_id, {}).setdefault(when, {})[program["name"]] = verification


def schemes_for(world: World, user_id: str) -> list[Row]:
    """Return the incentive schemes of a user, including those that are not available now."""
    membership = membership_of(world, user_id)
    program_id = "" if membership is None else membership["program"]
    return [
        {
            "id": world.random.uid(
                "incs", _FIRST_CREATED + timedelta(days=number), program_id, scheme.name
            ),
            "name": scheme.name,
            "description": scheme.description,
            "visible": scheme.visible,
            "available": _is_available(world, scheme, membership),
        }
        for number, scheme in enumerate(INCENTIVE_SCHEMES)
        if membership is not None or scheme.for_non_members
    ]


def _is_available(world: World, scheme: IncentiveScheme, membership: Row | None) -> bool:
    if world.now.month not in scheme.months:
        return False
    if scheme.available_for is None or membership is None:
        return True
    return world.now - read_instant(membership["since"]) <= scheme.available_for
