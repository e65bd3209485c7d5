"""What users pay for, or are given."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.simulator.clock._instants import ANCHOR
from ev_energy.simulator.http._routes import ENGLISH, Reply, detail, listing
from ev_energy.simulator.world._rows import Link
from ev_energy.simulator.world._tables import Made

if TYPE_CHECKING:
    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.world._homes import Kind
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


#: What there is to subscribe to, in the languages its name has; the second is for solar panels.
OFFERINGS: Final = (
    {"en": "Smart Charging Basic", "de": "Schlau laden Basis", "nl": "Slim laden basis"},
    {"en": "Sunshine for Life", "de": "Sonne auf Lebenszeit", "nl": "Zon voor het leven"},
    {"en": "Smart Charging Plus", "de": "Schlau laden Plus", "nl": "Slim laden plus"},
    {"en": "Fleet at Home"},
)
#: All languages that some name is there in.
LANGUAGES: Final = frozenset(language for names in OFFERINGS for language in names)
_BY_NAME: Final = {names[ENGLISH]: names for names in OFFERINGS}
_SOLAR: Final = 1


def name_in(language: str, name: str) -> str:
    """Return an offering's name in another language, if it has one there."""
    return _BY_NAME[name].get(language, name)


def _subscriptions(kind: Kind) -> int:
    return 1 + (kind.solar_arrays > 0)


def add_subscriptions(world: World) -> None:
    """Fill the table of offerings, and open the one of subscriptions."""
    began = ANCHOR - timedelta(days=930)
    offerings = [
        {
            "id": world.chance.uid("subo", began + timedelta(days=number), names[ENGLISH]),
            "name": names[ENGLISH],
        }
        for number, names in enumerate(OFFERINGS)
    ]
    world.table("subscription_offerings", "subo", Made.of(offerings))
    links = [Link("subscription_offerings", row["id"]) for row in offerings]
    others = [link for number, link in enumerate(links) if number != _SOLAR]

    def make(_home: int, slot: int, number: int) -> Row:
        if slot == 0 and number and world.chance.odds(8, "no offering", number):
            return {"offering": None}  # it is not sold any more
        choice = world.chance.pick(others, "offering", number)
        return {"offering": links[_SOLAR] if slot else choice}

    world.owned_table("subscriptions", "subs", _subscriptions, make)


_LISTING: Final[Handler] = listing()


def _translated(call: Call, offering: Row) -> Row:
    return {"name": name_in(call.preferred_language(LANGUAGES), offering["name"])}


def _list(call: Call) -> Reply:
    reply = _LISTING(call)
    for row in reply.body:
        if isinstance(row["offering"], dict):
            row["offering"] |= _translated(call, row["offering"])
    return reply


ROUTES: Final[Routes] = {
    ("GET", "/subscriptions"): _list,
    ("GET", "/subscription_offerings/{offering_id}"): detail(_translated),
}
