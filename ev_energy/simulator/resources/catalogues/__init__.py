"""Catalogues: makes and models of EVSEs, vehicles and home devices, and where they are sold.

This module has what the catalogues share; each catalogue has a module of its own.
"""

from __future__ import annotations

import functools
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from ev_energy.simulator.http._problems import ProblemError, invalid
from ev_energy.simulator.http._routes import collection_at, listing
from ev_energy.simulator.world._rows import ApiPath
from ev_energy.simulator.world._tables import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ev_energy.simulator.http._routes import Call
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World


EUROPE: Final = frozenset({"GB", "IE", "NL", "DE", "BE", "FR", "NO", "SE", "DK"})
EVERYWHERE: Final = EUROPE | {"US", "CA"}
_FALLBACK_COUNTRY: Final = "US"


def onboarding_link(viewer: Viewer, path: str, choice: Mapping[str, str]) -> ApiPath | None:
    """Return the link that starts onboarding, or None without an application.

    The link names the user if the application acts for one. *choice* is the make, model or trim.
    """
    if viewer.client_id is None:
        return None
    user = {} if viewer.user_id is None else {"user_id": viewer.user_id}
    return ApiPath(f"{path}?{_query(client_id=viewer.client_id, **choice, **user)}")


def filtered_list(folder: str, **query: str) -> ApiPath:
    """Return a link to the rows of a list that match *query*."""
    return ApiPath(f"/{folder}?{_query(**query)}")


@functools.lru_cache(4096)
def _query(**parameters: str) -> str:
    """Return a query; each row of a list that is shown again and again has the same ones."""
    return urlencode(parameters)


def country_of(world: World, user_id: str) -> str | None:
    """Return the country of a user, or None if it is unknown."""
    user = world.tables["users"].get(user_id) or {}
    location: Row = user.get("default_location") or {}
    country: str | None = location.get("country_code")
    return country


def country_named(accept_language: str | None) -> str:
    """Return the country of the first language tag that has one, such as GB for ``en-GB``."""
    found = re.search(r"\b[A-Za-z]{2,3}-([A-Za-z]{2})\b", accept_language or "")
    return found[1].upper() if found else _FALLBACK_COUNTRY


def country_to_check(call: Call, *, unknown_program: str) -> str:
    """Return the country of a check of compatibility: the program's, the query's, the language's.

    *unknown_program* is the type of the problem that is raised for an unknown program.
    """
    country = str(call.query.get("country") or country_named(call.language)).upper()
    program_id = call.query.get("program_id")
    if program_id is None:
        return country
    program = call.world.tables["programs"].get(program_id)
    if program is None:
        detail = "There is no such program."
        raise ProblemError(HTTPStatus.NOT_FOUND, "Not found", detail, slug=unknown_program)
    return str(program.get("_country", country))


def user_to_list_for(call: Call) -> str | None:
    """Return the id of the user whose country limits a list, or None for the whole list."""
    user_id: str | None = call.query.get("available_for_user_id")
    if user_id is not None and call.world.tables["users"].get(user_id) is None:
        raise invalid({"available_for_user_id": ["No such user."]})
    return user_id


def _available(call: Call) -> Collection:
    everything = collection_at(call)
    user_id = user_to_list_for(call)
    if user_id is None:
        return everything
    country = country_of(call.world, user_id)
    rows = everything.after(None)
    return Selection(everything, (row for row in rows if country in row["_maker"].countries))


#: The handler that lists makes or models, limited to a user's country if the query names a user.
AVAILABLE_LISTING: Final = listing(_available, filters={"available_for_user_id": None})
