"""What is sold where somebody lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator.http._problems import invalid
from ev_energy.simulator.http._routes import collection_at, listing
from ev_energy.simulator.resources.catalogues.home_devices import country_of
from ev_energy.simulator.world._tables import Rows

if TYPE_CHECKING:
    from ev_energy.simulator.http._routes import Call
    from ev_energy.simulator.world._tables import Collection


def _sold(call: Call) -> Collection:
    everything = collection_at(call)
    user_id = call.query.get("available_for_user_id")
    if user_id is None:
        return everything
    if call.world.tables["users"].get(user_id) is None:
        raise invalid({"available_for_user_id": ["No such user."]})
    country = country_of(call.world, user_id)
    rows = everything.after(None)
    return Rows(everything, (row for row in rows if country in row["_maker"].countries))


#: Lists makes or models; those sold where a user lives, if one is named.
SOLD: Final = listing(_sold, filters={"available_for_user_id": None})
