"""Places with EVSEs for several users, and the systems that manage them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from ev_energy.simulator.http._paging import link_header
from ev_energy.simulator.http._routes import Reply, detail, listing
from ev_energy.simulator.world._rows import Link
from ev_energy.simulator.world._tables import GeneratedRows, Table

if TYPE_CHECKING:
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._world import World


#: The homes of a block, by their place in it, whose EVSEs form a site: neighbours.
_PLACES: Final = (1, 8)
#: The list of sites has no pages.
_MOST_SITES: Final = 40
#: Systems by their ids, in the order in which sites are connected to them; then to none.
_PROVIDERS: Final = {"CHARGEPOINT": "ChargePoint", "SWTCH": "SWTCH Energy"}


def site_of(world: World, home: int) -> Link | None:
    """Return the site that a home's EVSEs are part of."""
    block, place = divmod(home, world.homes.block_size)
    if place not in _PLACES or block >= _MOST_SITES:
        return None
    return Link("evse_sites", world.key_of("evse_sites", block))


def add_sites(world: World) -> None:
    """Open the tables of sites and of the systems that manage them."""
    homes = world.homes
    count = min(-(-(homes.count - _PLACES[0]) // homes.block_size), _MOST_SITES)
    ids = (*_PROVIDERS, None)

    def homes_of(number: int) -> list[int]:
        every = [number * homes.block_size + place for place in _PLACES]
        return [home for home in every if home < homes.count]

    @functools.lru_cache(_MOST_SITES)
    def key(number: int) -> str:
        return world.random.uid("site", homes.joined_at(homes_of(number)[0]), number)

    def make(number: int) -> Row:
        provider = ids[number % len(ids)]
        return {
            "cpms_connection": provider,
            "cpms_connection_display_name": provider and _PROVIDERS[provider],
            "_homes": homes_of(number),
            "_guest": 0 if number == 0 else None,
        }

    def view(row: Row, viewer: Viewer) -> Row:
        members = [world.user_id(home) for home in row["_homes"]]
        evses = [evse["url"] for user in members for evse in world.rows_of_user(user, "evses")]
        connected = None
        if viewer.user_id is not None and row["cpms_connection"] is not None:
            guest = row["_guest"]
            guests = [] if guest is None else [world.user_id(guest)]
            connected = viewer.user_id in (*members, *guests)
        return row | {"evses": evses, "user_connected": connected}

    world.table("evse_sites", "site", GeneratedRows(count, key, make), view=view)
    world.tables["cpms_providers"] = _Providers(
        "cpms_providers", "", GeneratedRows.from_rows(map(_provider, _PROVIDERS))
    )


def _provider(key: str) -> Row:
    icon = f"https://cdn.example.com/cpms/{key.lower()}.png" if key == "CHARGEPOINT" else None
    return {"id": key, "name": _PROVIDERS[key], "icon": icon}


class _Providers(Table):
    """Rows whose ids are words."""

    def parse_cursor(self, cursor: str) -> str:
        """Return the id, if something has it."""
        if self.get(cursor) is None:
            raise ValueError(cursor)
        return cursor


def _sites(call: Call) -> Reply:
    sites = call.world.tables["evse_sites"]
    rows = [call.serialize(sites.view_for(row, call.viewer)) for row in sites]
    return Reply(rows, headers={"Link": link_header()})


ROUTES: Final[Routes] = {
    ("GET", "/evse_sites"): _sites,
    ("GET", "/evse_sites/{evse_site_id}"): detail(),
    ("GET", "/cpms_providers"): listing(),
    ("GET", "/cpms_providers/{cpms_provider_id}"): detail(),
}
