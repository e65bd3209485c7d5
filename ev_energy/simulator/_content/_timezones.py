"""Time zones."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.simulator._store._instants import ANCHOR
from ev_energy.simulator._store._tables import Made

if TYPE_CHECKING:
    from ev_energy.simulator._store._world import World

_BY_AREA: Final = {
    "Africa": ("Cairo", "Casablanca", "Johannesburg", "Lagos", "Nairobi"),
    "America": (
        *("Anchorage", "Argentina/Buenos_Aires", "Bogota", "Chicago", "Denver", "Halifax"),
        *("Los_Angeles", "Mexico_City", "New_York", "Phoenix", "Santiago", "Sao_Paulo"),
        *("St_Johns", "Toronto", "Vancouver", "Winnipeg"),
    ),
    "Asia": (
        *("Bangkok", "Dubai", "Hong_Kong", "Jakarta", "Jerusalem", "Kolkata", "Manila", "Seoul"),
        *("Shanghai", "Singapore", "Taipei", "Tokyo"),
    ),
    "Atlantic": ("Azores", "Canary", "Reykjavik"),
    "Australia": ("Adelaide", "Brisbane", "Darwin", "Hobart", "Melbourne", "Perth", "Sydney"),
    "Europe": (
        *("Amsterdam", "Athens", "Berlin", "Brussels", "Bucharest", "Budapest", "Copenhagen"),
        *("Dublin", "Helsinki", "Istanbul", "Lisbon", "London", "Luxembourg", "Madrid", "Malta"),
        *("Oslo", "Paris", "Prague", "Riga", "Rome", "Sofia", "Stockholm", "Tallinn", "Vienna"),
        *("Vilnius", "Warsaw", "Zagreb", "Zurich"),
    ),
    "Pacific": ("Auckland", "Honolulu"),
}


def add_timezones(world: World) -> None:
    """Fill the table of time zones, by their names."""
    names = [*(f"{area}/{town}" for area, towns in _BY_AREA.items() for town in towns), "UTC"]
    began = ANCHOR - timedelta(days=960)
    rows = [
        {"id": world.chance.uid("tzon", began + timedelta(minutes=number), name), "name": name}
        for number, name in enumerate(names)
    ]
    world.table("timezones", "tzon", Made.of(rows))
