"""Sites with EVSEs of several users, and the charge point management systems of sites."""

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


#: The positions, in each block of homes, of the neighbours whose EVSEs form a site.
_MEMBER_POSITIONS: Final = (1, 8)
#: The list of sites is not paged, so it is short in large worlds too.
_MAX_SITES: Final = 40
#: The names of the management systems by id. Sites are connected to each in turn, then to none.
_PROVIDERS: Final = {"CHARGEPOINT": "ChargePoint", "SWTCH": "SWTCH Energy"}


def site_of(world: World, home: int) -> Link | None:
    """Return the link to the site of a home's EVSEs, or None if they are not at a site."""
    block, place = divmod(home, world.homes.block_size)
    if place not in _MEMBER_POSITIONS or block >= _MAX_SITES:
        return None
    return Link("evse_sites", world.key_of("evse_sites", block))


def add_sites(world: World) -> None:
    """Open the tables of sites and of their management systems."""
    homes = world.homes
    count = min(-(-(homes.count - _MEMBER_POSITIONS[0]) // homes.block_size), _MAX_SITES)
    ids = (*_PROVIDERS, None)

    def member_homes(number: int) -> list[int]:
        members = [number * homes.block_size + place for place in _MEMBER_POSITIONS]
        return [home for home in members if home < homes.count]

    @functools.lru_cache(_MAX_SITES)
    def site_id(number: int) -> str:
        return world.random.uid("site", homes.joined_at(member_homes(number)[0]), number)

    def make(number: int) -> Row:
        provider = ids[number % len(ids)]
        return {
            "cpms_connection": provider,
            "cpms_connection_display_name": provider and _PROVIDERS[provider],
            "_homes": member_homes(number),
            # The first user lives elsewhere, but is connected to the system of the first site.
            "_connected_home": 0 if number == 0 else None,
        }

    def view(row: Row, viewer: Viewer) -> Row:
        members = [world.user_id(home) for home in row["_homes"]]
        evses = [evse["url"] for user in members for evse in world.rows_of_user(user, "evses")]
        is_connected = None
        if viewer.user_id is not None and row["cpms_connection"] is not None:
            connected_users = list(members)
            if row["_connected_home"] is not None:
                connected_users.append(world.user_id(row["_connected_home"]))
            is_connected = viewer.user_id in connected_users
        return row | {"evses": evses, "user_connected": is_connected}

    world.table("evse_sites", "site", GeneratedRows(count, site_id, make), view=view)
    world.tables["cpms_providers"] = _Providers(
        "cpms_providers", "", GeneratedRows.from_rows(map(_provider, _PROVIDERS))
    )


def _provider(provider_id: str) -> Row:
    has_icon = provider_id == "CHARGEPOINT"
    icon = f"https://cdn.example.com/cpms/{provider_id.lower()}.png" if has_icon else None
    return {"id": provider_id, "name": _PROVIDERS[provider_id], "icon": icon}


class _Providers(Table):
    """A table whose ids are words, not ULIDs with a prefix."""

    def parse_cursor(self, cursor: str) -> str:
        """Return the id; `ValueError` if no provider has it."""
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
