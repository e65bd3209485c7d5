"""Notifications, and their texts by kind and language."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.models.notifications import NotificationCategory as Category
from ev_energy.simulator.clock._instants import ANCHOR, read_instant, write_instant
from ev_energy.simulator.http._routes import ENGLISH, Reply, detail, listing
from ev_energy.simulator.resources._periodic_table import PeriodicNumbering, periodic_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._world import World


_FOLDER: Final = "notifications"
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)


@attrs.frozen
class Text:
    """The texts of a notification in one language."""

    title: str
    """At most 33 characters."""
    body: str
    """At most 49 characters."""
    page: str
    button: str = ""


@attrs.frozen
class NotificationKind:
    """A kind of notification; its id is the ``message_id`` of the API."""

    id: str
    category: Category
    texts: Mapping[str, Text]
    link: str | None = None
    resolved_after_hours: int | None = None
    """Hours from the event to ``resolved_at``; None if the issue is never resolved."""


KINDS: Final = (
    NotificationKind("ERR0101", Category.ACTIONABLE, {
        "en": Text("Your car is disconnected", "Log in again to continue smart charging",
                   "We lost the connection to your car, for example because its password was "
                   "changed. Log in again and your plan continues as before.", "Log in"),
        "de": Text("Dein Auto antwortet nicht", "Melde dich neu an, um schlau zu laden",
                   "Die Verbindung zu deinem Auto ist weg, zum Beispiel nach einem neuen Passwort. "
                   "Melde dich noch einmal an, dann geht es weiter.", "Anmelden"),
        "nl": Text("Je auto reageert niet", "Log opnieuw in om slim te laden",
                   "De verbinding met je auto is weg, bijvoorbeeld na een nieuw wachtwoord. "
                   "Log nog een keer in, dan gaat je schema verder.", "Inloggen"),
    }, "https://help.example.com/reconnect", resolved_after_hours=30),
    NotificationKind("INF0301", Category.SERVICE, {
        "en": Text("Maintenance on Sunday night", "Charging continues; the app will be unavailable",
                   "We work on our servers between 1 and 3 a.m. Cars follow their current plan; "
                   "you can make changes in the app afterwards."),
        "de": Text("Wartung in der Nacht zu Sonntag", "Geladen wird trotzdem, die App macht Pause",
                   "Zwischen 1 und 3 Uhr arbeiten wir an den Servern. Autos laden nach Plan; "
                   "Änderungen in der App müssen warten."),
        "nl": Text("Onderhoud in de nacht", "Laden gaat door, de app rust even uit",
                   "Tussen 1 en 3 uur werken we aan de servers. Auto's laden volgens plan; "
                   "wijzigingen in de app moeten wachten."),
    }),
    NotificationKind("ERR0204", Category.RETRY, {
        "en": Text("Charging did not start", "We are trying again; please check the plug",
                   "Your car is plugged in but does not charge. We try again every few minutes. "
                   "If the light on the charger is red, unplug the car and plug it in again."),
        "de": Text("Laden hat nicht begonnen", "Wir versuchen es weiter; prüfe den Stecker",
                   "Dein Auto ist angesteckt, lädt aber nicht. Wir versuchen es alle paar Minuten "
                   "wieder. Leuchtet die Dose rot, stecke neu an."),
    }, "https://help.example.com/plug", resolved_after_hours=3),
    NotificationKind("MKT0410", Category.MARKETING, {
        "en": Text("More sun, more miles", "See what your roof could do for your car",
                   "A few panels can cover a commute. Our calculator shows what yours would be.",
                   "Calculate"),
        "de": Text("Mehr Sonne, mehr Kilometer", "Was dein Dach für dein Auto tun kann",
                   "Ein paar Module reichen für den Weg zur Arbeit. Unser Rechner zeigt, für "
                   "wie viel deine reichen.", "Ausrechnen"),
        "nl": Text("Meer zon, meer kilometers", "Wat je dak voor je auto kan doen",
                   "Een paar panelen zijn genoeg voor het woon-werkverkeer. Reken het uit.",
                   "Uitrekenen"),
    }, "https://www.example.com/solar"),
    NotificationKind("INT0500", Category.INTERNAL, {
        "en": Text("Meter readings received", "Last month's statement is ready",
                   "We received last month's meter readings. They agree with our measurements."),
        "de": Text("Zählerstände sind da", "Der letzte Monat ist abgerechnet",
                   "Die Stände des letzten Monats sind da und passen zu unserer Messung."),
    }),
    NotificationKind("ERR0107", Category.ACTIONABLE, {
        "en": Text("Your charger is offline", "No data for a day. Is the Wi-Fi on?",
                   "Your charger has not reported for a day. Check that it has power and that "
                   "your Wi-Fi password has not changed.", "What to do"),
        "de": Text("Deine Wallbox ist offline", "Ist das WLAN an? Seit einem Tag kein Signal",
                   "Deine Wallbox hat sich seit einem Tag nicht gemeldet. Hat sie Strom, und "
                   "hat das WLAN noch dasselbe Passwort?", "Was tun"),
        "nl": Text("Je laadpaal is offline", "Staat de wifi aan? Al een dag geen signaal",
                   "Je laadpaal heeft zich al een dag niet gemeld. Heeft hij stroom, en heeft de "
                   "wifi nog hetzelfde wachtwoord?", "Wat te doen"),
    }, "https://help.example.com/offline", resolved_after_hours=26),
    NotificationKind("INF0305", Category.SERVICE, {
        "en": Text("Your tariff has new prices", "We plan with them from tonight",
                   "Your supplier sent us new prices. Please check that they match your "
                   "contract.", "See prices"),
        "de": Text("Dein Tarif hat neue Preise", "Wir planen ab heute Nacht damit",
                   "Dein Versorger hat neue Preise gemeldet. Schau nach, ob sie zu deinem "
                   "Vertrag passen.", "Preise ansehen"),
    }, "https://www.example.com/prices"),
    NotificationKind("ERR0209", Category.RETRY, {
        "en": Text("Your charger has not responded", "Your boost starts when it does",
                   "You requested a boost and the charger has not confirmed it. We try again "
                   "every minute for half an hour."),
    }, resolved_after_hours=1),
)  # fmt: skip

#: All languages that any notification is translated to.
LANGUAGES: Final = frozenset(language for kind in KINDS for language in kind.texts)
_LANGUAGE_BY_COUNTRY: Final = {"DE": "de", "NL": "nl"}
_BY_ID: Final = {kind.id: kind for kind in KINDS}

#: Every home receives one notification per round, of another kind in each round.
_ROUND_COUNT: Final = len(KINDS)
_ROUND_LENGTH: Final = timedelta(days=24)
#: The number of the newest notifications that no user has read yet.
_UNREAD_COUNT: Final = 2


def _texts(message_id: str, language: str) -> dict[str, str]:
    """Return the text members in a language, or in English if it is not translated to it."""
    texts = _BY_ID[message_id].texts
    text = texts.get(language, texts[ENGLISH])
    return {
        "short_text_title": text.title,
        "short_text_body": text.body,
        "detail_page_title": text.title,
        "detail_page_body": text.page,
        "external_button_label": text.button,
    }


def add_notifications(world: World) -> None:
    """Open the table of notifications: each user has received each kind once."""
    random, homes = world.random, world.homes

    def make(home: int, round_number: int, number: int, created: datetime) -> Row:
        kind = KINDS[(round_number + home) % _ROUND_COUNT]
        is_old = round_number < _ROUND_COUNT - _UNREAD_COUNT
        is_read = is_old and (home == 0 or random.odds(75, "notification read", number))
        language = _LANGUAGE_BY_COUNTRY.get(homes.template(home).city.country, ENGLISH)
        return {
            "message_id": kind.id,
            "category": str(kind.category),
            "event_time": write_instant(created),
            **_texts(kind.id, language),
            "external_link": kind.link,
            "_resolved_after_hours": kind.resolved_after_hours,
            "_read_after_minutes": random.between(2, 4000, "seen after", number)
            if is_read
            else None,
        }

    def view(row: Row, _viewer: Viewer) -> Row:
        """Return the row with the instants that are not in the future, and without its user."""
        event_time, now = read_instant(row["event_time"]), write_instant(world.now)
        members = {name: value for name, value in row.items() if name != "user"}
        instants = {
            "read_at": _later(event_time, row["_read_after_minutes"], _MINUTE),
            "resolved_at": _later(event_time, row["_resolved_after_hours"], _HOUR),
        }
        past = {
            name: instant
            for name, instant in instants.items()
            if instant is not None and instant <= now
        }
        if "read_at" in row:  # set by a request
            past["read_at"] = row["read_at"]
        return members | past

    rounds = PeriodicNumbering(
        homes.count, homes.count, _ROUND_COUNT, ANCHOR - _ROUND_COUNT * _ROUND_LENGTH, _ROUND_LENGTH
    )
    periodic_table(world, "notifications", "notf", rounds, make, view=view)


def _later(event_time: datetime, count: int | None, unit: timedelta) -> str | None:
    return None if count is None else write_instant(event_time + count * unit)


_LISTING: Final[Handler] = listing()


def _translated_members(call: Call, row: Row) -> dict[str, Any]:
    """Return the texts in the requested language; nothing if the request names no language."""
    if call.language is None:
        return {}
    return _texts(row["message_id"], call.preferred_language(LANGUAGES))


def _list(call: Call) -> Reply:
    reply = _LISTING(call)
    return Reply(
        [row | _translated_members(call, row) for row in reply.body], headers=reply.headers
    )


def _update(call: Call) -> Reply:
    row = call.row(_FOLDER, "notification_id")
    # Only the first time of reading is stored.
    if "read_at" in call.body and "read_at" not in row:
        read_at = write_instant(read_instant(call.body["read_at"]))
        changed = call.world.update(row, read_at=read_at)
        row = call.world.tables[_FOLDER].view_for(changed, call.viewer)
    return Reply({"Notification": call.serialize(row)})


ROUTES: Final[Routes] = {
    ("GET", "/notifications"): _list,
    ("GET", "/notifications/{notification_id}"): detail(_translated_members),
    ("PATCH", "/notifications/{notification_id}"): _update,
}
