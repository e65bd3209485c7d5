"""What notifications say, by kind and language."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.models.notifications import NotificationCategory as Category
from ev_energy.simulator.clock._instants import ANCHOR, read_instant, write_instant
from ev_energy.simulator.http._routes import ENGLISH, Reply, detail, listing
from ev_energy.simulator.resources._periodic_table import Rounds, rounds_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._world import World


@attrs.frozen
class Text:
    """A notification in one language: at most 33, 49, any and any characters long."""

    title: str
    body: str
    page: str
    button: str = ""


@attrs.frozen
class Message:
    """A kind of notification."""

    id: str
    category: Category
    texts: Mapping[str, Text]
    link: str | None = None
    heals_after: int | None = None
    """How many hours it usually takes until the matter is settled, if it ever is."""


MESSAGES: Final = (
    Message("ERR0101", Category.ACTIONABLE, {
        "en": Text("Your car has gone quiet", "Log in to the maker again to charge smartly",
                   "We lost the connection to your car. That happens after a new password, for "
                   "instance. Log in once more and your plan goes on as before.", "Log in"),
        "de": Text("Dein Auto antwortet nicht", "Melde dich neu an, um schlau zu laden",
                   "Die Verbindung zu deinem Auto ist weg, zum Beispiel nach einem neuen Passwort. "
                   "Melde dich noch einmal an, dann geht es weiter.", "Anmelden"),
        "nl": Text("Je auto reageert niet", "Log opnieuw in om slim te laden",
                   "De verbinding met je auto is weg, bijvoorbeeld na een nieuw wachtwoord. "
                   "Log nog een keer in, dan gaat je schema verder.", "Inloggen"),
    }, "https://help.example.com/reconnect", heals_after=30),
    Message("INF0301", Category.SERVICE, {
        "en": Text("Maintenance on Sunday night", "Charging goes on, the app takes a short nap",
                   "Between 1 and 3 o'clock we work on our servers. Cars charge by the plan they "
                   "have; changes in the app have to wait."),
        "de": Text("Wartung in der Nacht zu Sonntag", "Geladen wird trotzdem, die App macht Pause",
                   "Zwischen 1 und 3 Uhr arbeiten wir an den Servern. Autos laden nach Plan; "
                   "Änderungen in der App müssen warten."),
        "nl": Text("Onderhoud in de nacht", "Laden gaat door, de app rust even uit",
                   "Tussen 1 en 3 uur werken we aan de servers. Auto's laden volgens plan; "
                   "wijzigingen in de app moeten wachten."),
    }),
    Message("ERR0204", Category.RETRY, {
        "en": Text("Charging did not start", "We keep trying; check the plug to be sure",
                   "Your car is plugged in but took no energy. We try again every few minutes. "
                   "If the light on the socket is red, plug in once more."),
        "de": Text("Laden hat nicht begonnen", "Wir versuchen es weiter; prüfe den Stecker",
                   "Dein Auto ist angesteckt, lädt aber nicht. Wir versuchen es alle paar Minuten "
                   "wieder. Leuchtet die Dose rot, stecke neu an."),
    }, "https://help.example.com/plug", heals_after=3),
    Message("MKT0410", Category.MARKETING, {
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
    Message("INT0500", Category.INTERNAL, {
        "en": Text("Meter readings are in", "Last month has been added up",
                   "The readings of last month arrived and agree with what we measured."),
        "de": Text("Zählerstände sind da", "Der letzte Monat ist abgerechnet",
                   "Die Stände des letzten Monats sind da und passen zu unserer Messung."),
    }),
    Message("ERR0107", Category.ACTIONABLE, {
        "en": Text("Your charger is offline", "Is the Wi-Fi on? It has not called for a day",
                   "Your charger has not reported for a day. Look whether it has power and "
                   "whether the Wi-Fi changed its password.", "What to do"),
        "de": Text("Deine Wallbox ist offline", "Ist das WLAN an? Seit einem Tag kein Signal",
                   "Deine Wallbox hat sich seit einem Tag nicht gemeldet. Hat sie Strom, und "
                   "hat das WLAN noch dasselbe Passwort?", "Was tun"),
        "nl": Text("Je laadpaal is offline", "Staat de wifi aan? Al een dag geen signaal",
                   "Je laadpaal heeft zich al een dag niet gemeld. Heeft hij stroom, en heeft de "
                   "wifi nog hetzelfde wachtwoord?", "Wat te doen"),
    }, "https://help.example.com/offline", heals_after=26),
    Message("INF0305", Category.SERVICE, {
        "en": Text("Your tariff has new prices", "We plan with them from tonight",
                   "Your supplier told us new prices. Have a look whether they are what your "
                   "contract says.", "See prices"),
        "de": Text("Dein Tarif hat neue Preise", "Wir planen ab heute Nacht damit",
                   "Dein Versorger hat neue Preise gemeldet. Schau nach, ob sie zu deinem "
                   "Vertrag passen.", "Preise ansehen"),
    }, "https://www.example.com/prices"),
    Message("ERR0209", Category.RETRY, {
        "en": Text("No word from your charger yet", "Your boost waits until it answers",
                   "You asked for a boost and the charger has not confirmed it. We ask again "
                   "each minute for half an hour."),
    }, heals_after=1),
)  # fmt: skip

#: All languages that some notification is there in.
LANGUAGES: Final = frozenset(language for message in MESSAGES for language in message.texts)
_OF_COUNTRY: Final = {"DE": "de", "NL": "nl"}
_BY_ID: Final = {message.id: message for message in MESSAGES}


def language_of_country(country: str) -> str:
    """Return the language that people there are taken to read."""
    return _OF_COUNTRY.get(country, ENGLISH)


def texts_of(message_id: str, language: str) -> dict[str, str]:
    """Return the members that are words; English where a language has none."""
    texts = _BY_ID[message_id].texts
    text = texts.get(language, texts[ENGLISH])
    return {
        "short_text_title": text.title,
        "short_text_body": text.body,
        "detail_page_title": text.title,
        "detail_page_body": text.page,
        "external_button_label": text.button,
    }


_ROUNDS: Final = len(MESSAGES)
_ROUND: Final = timedelta(days=24)
#: So many of the last ones nobody has read yet.
_UNREAD: Final = 2


def add_notifications(world: World) -> None:
    """Open the table of notifications: each user got each kind once."""
    chance, homes = world.chance, world.homes

    def make(home: int, which: int, number: int, made_at: datetime) -> Row:
        message = MESSAGES[(which + home) % _ROUNDS]
        old = which < _ROUNDS - _UNREAD
        seen = old and (home == 0 or chance.odds(75, "notification read", number))
        country = homes.kind(home).city.country
        return {
            "message_id": message.id,
            "category": str(message.category),
            "event_time": write_instant(made_at),
            **texts_of(message.id, language_of_country(country)),
            "external_link": message.link,
            "_heals_after": message.heals_after,
            "_seen_after": chance.between(2, 4000, "seen after", number) if seen else None,
        }

    def view(row: Row, _viewer: Viewer) -> Row:
        event = read_instant(row["event_time"])
        shown = {name: value for name, value in row.items() if name != "user"}
        instants = {
            "read_at": _later(event, row["_seen_after"], 1),
            "resolved_at": _later(event, row["_heals_after"], 60),
        }
        now = write_instant(world.now)
        past = {name: at for name, at in instants.items() if at is not None and at <= now}
        return shown | past | {name: row[name] for name in ("read_at",) if name in row}

    rounds = Rounds(homes.count, homes.count, _ROUNDS, ANCHOR - _ROUNDS * _ROUND, _ROUND)
    rounds_table(world, "notifications", "notf", rounds, make, view=view)


def _later(event: datetime, count: int | None, minutes: int) -> str | None:
    return None if count is None else write_instant(event + timedelta(minutes=count * minutes))


_LISTING: Final[Handler] = listing()
_FOLDER: Final = "notifications"


def _translated(call: Call, row: Row) -> dict[str, Any]:
    """Return the words of a notification, if the caller has a say in their language."""
    if call.language is None:
        return {}
    return texts_of(row["message_id"], call.preferred_language(LANGUAGES))


def _list(call: Call) -> Reply:
    reply = _LISTING(call)
    return Reply([row | _translated(call, row) for row in reply.body], headers=reply.headers)


def _update(call: Call) -> Reply:
    row = call.row(_FOLDER, "notification_id")
    # It is read once: when it was looked at again does not matter.
    if "read_at" in call.body and "read_at" not in row:
        read_at = write_instant(read_instant(call.body["read_at"]))
        changed = call.world.change(row, read_at=read_at)
        row = call.world.tables[_FOLDER].seen_by(changed, call.viewer)
    return Reply({"Notification": call.serialize(row)})


ROUTES: Final[Routes] = {
    ("GET", "/notifications"): _list,
    ("GET", "/notifications/{notification_id}"): detail(_translated),
    ("PATCH", "/notifications/{notification_id}"): _update,
}
