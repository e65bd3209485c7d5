"""Rebates that drivers can apply for, and what they must prove."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.clock._instants import ANCHOR
from ev_energy.simulator.world._rows import Link
from ev_energy.simulator.world._tables import GeneratedRows

if TYPE_CHECKING:
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


_BEGAN: Final = ANCHOR - timedelta(days=500)

#: Words of a resource, by member.
Words = Mapping[str, str]


@attrs.frozen
class Entry:
    """One thing to fill in."""

    title: str
    description: str
    type: str = "string"
    required: bool = True


@attrs.frozen
class Evidence:
    """One thing to prove."""

    title: str
    description: str | None
    entries: tuple[Entry, ...] = ()
    upload: bool = False
    other_words: Mapping[str, Words] = attrs.Factory(dict[str, Words])


@attrs.frozen
class Rebate:
    """One thing to be paid for."""

    title: str
    value: str
    requirements: tuple[str, ...]
    evidence: tuple[str, ...]
    country: str | None = None
    """None if it is for drivers everywhere."""
    description_long: str | None = None
    description_short: str | None = None
    icon: bool = True
    other_words: Mapping[str, Words] = attrs.Factory(dict[str, Words])


_EVIDENCE: Final = {
    "invoice": Evidence(
        "Invoice", "The invoice of the installer.", upload=True,
        entries=(
            Entry("Total paid", "The total of the invoice, including taxes.", "currency"),
            Entry("Installer", "The company that did the work."),
            Entry("Note", "Additional information for the reviewer.", required=False),
        ),
        other_words={
            "de": {"title": "Rechnung", "description": "Die Rechnung des Installationsbetriebs."},
            "nl": {"title": "Factuur", "description": "De factuur van de installateur."},
        },
    ),
    "serial": Evidence(
        "Serial number", None,
        entries=(Entry("Serial number", "On the label at the side of the device."),),
        other_words={"de": {"title": "Seriennummer"}, "nl": {"title": "Serienummer"}},
    ),
    "photo": Evidence("Photo", "A photo of the installed device (optional)."),
    "registration": Evidence(
        "Registration", "The document that names you as the keeper of the car.", upload=True,
        entries=(Entry("Number plate", "Without spaces."),),
    ),
}  # fmt: skip

REBATES: Final = (
    Rebate("Home charger", "up to 350 back",
           ("Installed in the last 90 days", "By a certified firm"), ("invoice", "serial", "photo"),
           description_long="Half of the cost of a charge point and its cables.",
           description_short="For charge points installed in the last 90 days",
           other_words={
               "de": {"title": "Wallbox", "value_description": "bis zu 350 zurück"},
               "nl": {"title": "Laadpaal", "value_description": "tot 350 terug"},
           }),
    Rebate("First electric car", "500 once", ("Registered this year", "No other electric car"),
           ("registration",), description_short="For the first electric car of a household"),
    Rebate("Home battery", "90 a kilowatt-hour", ("At least 5 kWh",), ("invoice", "serial"),
           description_long="For batteries that we can charge at night.", icon=False),
    Rebate("Solar panels", "up to 800 back", ("On your own roof",), ("invoice",)),
    Rebate("Smart meter", "40 once", ("Installed by your supplier",), ("serial",), "GB"),
    Rebate("Panel upgrade", "up to $1,500 back", ("200 amperes or more",), ("invoice",), "US",
           description_long="For electrical panels without capacity for a charge point."),
)  # fmt: skip


def add_rebate_types(world: World) -> None:
    """Fill the tables of rebate types and of types of evidence."""
    links: dict[str, Link] = {}
    evidence: list[Row] = []
    for number, (name, one) in enumerate(_EVIDENCE.items()):
        key = world.random.uid("rbet", _BEGAN + timedelta(hours=number), name)
        links[name] = Link("rebate_evidence_types", key)
        evidence.append({
            "id": key,
            "title": one.title,
            "description": one.description,
            "upload_required": one.upload,
            "file": None,
            "evidence_data": [
                {
                    "data_type": entry.type,
                    "title": entry.title,
                    "description": entry.description,
                    "required": entry.required,
                    "value": None,
                }
                for entry in one.entries
            ],
            "_other_words": one.other_words,
        })  # fmt: skip
    rebates: list[Row] = []
    for number, rebate in enumerate(REBATES):
        key = world.random.uid("rbtt", _BEGAN + timedelta(days=1, hours=number), rebate.title)
        slug = rebate.title.lower().replace(" ", "-")
        items = "".join(f"<li>{text}</li>" for text in rebate.requirements)
        rebates.append({
            "id": key,
            "title": rebate.title,
            "value_description": rebate.value,
            "icon": f"https://cdn.example.com/rebates/{slug}.png" if rebate.icon else None,
            "description_long": rebate.description_long,
            "description_short": rebate.description_short,
            "requirements": f"<html><ul>{items}</ul></html>",
            "required_evidence": [links[name] for name in rebate.evidence],
            "_country": rebate.country,
            "_other_words": rebate.other_words,
        })  # fmt: skip
    world.table("rebate_evidence_types", "rbet", GeneratedRows.from_rows(evidence))
    world.table("rebate_types", "rbtt", GeneratedRows.from_rows(rebates))


def types_in(world: World, country: str | None) -> list[Row]:
    """Return the rebate types for drivers in a country; all if it is not known."""
    types = world.tables["rebate_types"]
    return [row for row in types if country is None or row["_country"] in {None, country}]
