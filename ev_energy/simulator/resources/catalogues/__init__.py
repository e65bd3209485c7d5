"""Catalogues: makes and models of EVSEs, vehicles and home devices, and where they are sold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from ev_energy.simulator.http._problems import invalid
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


def onboarding_link(viewer: Viewer, path: str, about: Mapping[str, str]) -> ApiPath | None:
    """Return the link that begins onboarding; it needs a client, and has the user if one acts."""
    if viewer.client_id is None:
        return None
    user = {} if viewer.user_id is None else {"user_id": viewer.user_id}
    return ApiPath(f"{path}?{urlencode({'client_id': viewer.client_id, **about, **user})}")


def country_of(world: World, user_id: str) -> str | None:
    """Return the country that a user lives in, None if the user told none."""
    user = world.tables["users"].get(user_id) or {}
    location: Row = user.get("default_location") or {}
    country: str | None = location.get("country_code")
    return country


def _sold(call: Call) -> Collection:
    everything = collection_at(call)
    user_id = call.query.get("available_for_user_id")
    if user_id is None:
        return everything
    if call.world.tables["users"].get(user_id) is None:
        raise invalid({"available_for_user_id": ["No such user."]})
    country = country_of(call.world, user_id)
    rows = everything.after(None)
    return Selection(everything, (row for row in rows if country in row["_maker"].countries))


#: Lists makes or models; those sold where a user lives, if one is named.
AVAILABLE_LISTING: Final = listing(_sold, filters={"available_for_user_id": None})
