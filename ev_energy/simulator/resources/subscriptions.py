"""Subscriptions of users, and the offerings that they subscribe to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.simulator.clock._instants import ANCHOR
from ev_energy.simulator.http._routes import ENGLISH, Reply, detail, listing
from ev_energy.simulator.world._rows import Link
from ev_energy.simulator.world._tables import GeneratedRows

if TYPE_CHECKING:
    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.world._homes import HomeTemplate
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


#: The names of the offerings by language. The second offering is for homes with solar panels.
OFFERINGS: Final = (
    {"en": "Smart Charging Basic", "de": "Schlau laden Basis", "nl": "Slim laden basis"},
    {"en": "Sunshine for Life", "de": "Sonne auf Lebenszeit", "nl": "Zon voor het leven"},
    {"en": "Smart Charging Plus", "de": "Schlau laden Plus", "nl": "Slim laden plus"},
    {"en": "Fleet at Home"},
)
#: All languages that any name is translated to.
LANGUAGES: Final = frozenset(language for names in OFFERINGS for language in names)
_BY_NAME: Final = {names[ENGLISH]: names for names in OFFERINGS}
_SOLAR_OFFERING: Final = 1


def add_subscriptions(world: World) -> None:
    """Fill the table of offerings and open the table of subscriptions."""
    first_created = ANCHOR - timedelta(days=930)
    offerings = [
        {
            "id": world.random.uid("subo", first_created + timedelta(days=number), names[ENGLISH]),
            "name": names[ENGLISH],
        }
        for number, names in enumerate(OFFERINGS)
    ]
    world.table("subscription_offerings", "subo", GeneratedRows.from_rows(offerings))
    links = [Link("subscription_offerings", row["id"]) for row in offerings]
    general = [link for number, link in enumerate(links) if number != _SOLAR_OFFERING]

    def make(_home: int, slot: int, number: int) -> Row:
        if slot == 0 and number and world.random.odds(8, "no offering", number):
            return {"offering": None}  # the offering was discontinued
        choice = world.random.pick(general, "offering", number)
        return {"offering": links[_SOLAR_OFFERING] if slot else choice}

    world.owned_table("subscriptions", "subs", _subscription_count, make)


def _subscription_count(kind: HomeTemplate) -> int:
    return 1 + (kind.solar_arrays > 0)


_LISTING: Final[Handler] = listing()


def _translated_name(call: Call, offering: Row) -> Row:
    """Return the name in the requested language, or in English if it is not translated to it."""
    name: str = offering["name"]
    language = call.preferred_language(LANGUAGES)
    return {"name": _BY_NAME[name].get(language, name)}


def _list(call: Call) -> Reply:
    reply = _LISTING(call)
    for row in reply.body:
        if isinstance(row["offering"], dict):
            row["offering"] |= _translated_name(call, row["offering"])
    return reply


ROUTES: Final[Routes] = {
    ("GET", "/subscriptions"): _list,
    ("GET", "/subscription_offerings/{offering_id}"): detail(_translated_name),
}
