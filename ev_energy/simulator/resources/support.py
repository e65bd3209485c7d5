"""What people write to support about, and what they are told."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.models.support_tickets import SupportTicketCategoryEnum as Category
from ev_energy.models.support_tickets import SupportTicketMessageTypeEnum as Message
from ev_energy.models.support_tickets import SupportTicketSubcategoryEnum as Subcategory
from ev_energy.simulator.clock._instants import ANCHOR, read_instant, write_instant
from ev_energy.simulator.http._filters import equals
from ev_energy.simulator.http._problems import not_found
from ev_energy.simulator.http._routes import Reply, paged_reply, row_filter
from ev_energy.simulator.oauth import ALL_SCOPES
from ev_energy.simulator.resources._periodic_table import Rounds, rounds_table
from ev_energy.simulator.resources.catalogues.vehicles import CAR_MAKERS
from ev_energy.simulator.world._rows import Address
from ev_energy.simulator.world._tables import Rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ev_energy.simulator.http._filters import Filter
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World


@attrs.frozen
class Topic:
    """A matter that comes up again and again."""

    category: Category
    subcategory: Subcategory
    subject: str
    question: str
    advice: str
    legacy_type: str | None = None


TOPICS: Final = (
    Topic(Category.VEHICLE, Subcategory.TELEMATICS_ISSUE, "Car shows the wrong charge level",
          "The app says 34 % but my dashboard says 61 %.",
          "Please log in to the maker's account again; the level should follow within the hour.",
          "Vehicle data"),
    Topic(Category.CHARGER, Subcategory.OFFLINE, "Charger offline since Tuesday",
          "My charger has been offline for days although the Wi-Fi works everywhere else.",
          "Switch it off at the fuse for a minute, then wait for the green light."),
    Topic(Category.CHARGING_SESSION, Subcategory.INCOMPLETE_CHARGE, "Car was not full this morning",
          "I had set 80 % by seven and found 63 %.",
          "You plugged in at five, which left too little time. A boost skips the plan.",
          "Charging"),
    Topic(Category.MOBILE_APP, Subcategory.APP_CRASH_FREEZE, "App closes when I open statistics",
          "Each time I tap on statistics the app is gone.",
          "The update of this week mends that. Is yours the newest version?"),
    Topic(Category.ACCOUNT, Subcategory.LOGIN_CREDENTIALS, "Cannot log in on a new phone",
          "I moved to another phone and my password is refused.",
          "We sent you a link for a new one; look among the unwanted mail as well."),
    Topic(Category.SOLAR, Subcategory.SOLAR_CHARGING_CONFUSION, "Sun is out and nothing charges",
          "It is a bright day and the car still takes nothing from the roof.",
          "Below 1.4 kW of surplus a car cannot charge; the clamp saw 0.9."),
    Topic(Category.USABILITY_UX, Subcategory.SMART_CHARGING_CONFUSION, "When does it charge?",
          "I would like to see beforehand at which hours it is going to charge.",
          "Tap on the plan: the green bars are the hours it has picked."),
    Topic(Category.OTHER, Subcategory.UTILITY_PARTNER_INQUIRY, "Offer for our customers",
          "We supply electricity to 40,000 homes and would like to talk to somebody.",
          "Thank you! A colleague is going to call you this week."),
    Topic(Category.VEHICLE, Subcategory.ADD_NON_INTEGRATED_VEHICLE, "My van is not in the list",
          "The list has no electric vans. Can I use the app with mine all the same?",
          "Yes: add it by hand and let the charger do the planning."),
    Topic(Category.CHARGER, Subcategory.HARDWARE_ISSUE, "Cable stays locked",
          "After charging the cable stays locked until I cut the power.",
          "That is the latch. We have asked the maker to send somebody.", "Hardware"),
    Topic(Category.CHARGING_SESSION, Subcategory.CHARGING_ON_PEAK, "Charged at the dearest hour",
          "It charged from 17:00 to 18:00, which is my peak.",
          "Your tariff here is an older one than on your bill; we have put that right."),
    Topic(Category.ACCOUNT, Subcategory.TARIFF_REQUEST, "Please add my tariff",
          "My municipal supplier is missing.",
          "It has been added. Choose it under Home, then Tariff."),
    Topic(Category.CHARGING_SESSION, Subcategory.MISSING_SESSIONS, "Last weekend is missing",
          "I charged twice at the weekend and neither is in the history.",
          "Both were at another place; switch on charging on the go to see them."),
    Topic(Category.SOLAR, Subcategory.INVERTER, "Inverter cannot be connected",
          "The page of the inverter's maker comes back with an error.",
          "They had an outage. It is over; please try once more."),
)  # fmt: skip

#: Words that are written their own way in labels.
_WORDS: Final = {
    "API": "API",
    "UI": "UI",
    "KWH": "kWh",
    "UX": "UX",
    "OR": "or",
    "BY": "by",
    "TO": "to",
    "MANGED": "Managed",
}
_LABELS: Final = {"USABILITY_UX": "Usability/UX", "APP_CRASH_FREEZE": "App Crash / Freeze"}


def label_of(value: str) -> str:
    """Return what people read for a category or subcategory."""
    words = (_WORDS.get(word, word.capitalize()) for word in value.split("_"))
    return _LABELS.get(value, " ".join(words))


#: All categories and subcategories, by value and label.
CATEGORIES: Final = tuple((str(one), label_of(str(one))) for one in Category)
SUBCATEGORIES: Final = tuple((str(one), label_of(str(one))) for one in Subcategory)

_ROUNDS: Final = 4
_ROUND: Final = timedelta(days=49)
#: However many homes there are, a handful of people can only answer so many tickets.
_MOST: Final = 250
_OPEN: Final = "Open"
_SOLVED: Final = frozenset({"Resolved", "Closed"})
_RECENT: Final = (_OPEN, _OPEN, "Pending", None, "Resolved", "Resolved")
_OLD: Final = (_OPEN, "Resolved", "Resolved", "Closed", "Closed", "Closed")
_MINUTE: Final = timedelta(minutes=1)
_PRIORITIES: Final = ("Low", "Low", "Medium", "Medium", "Medium", "High", "Urgent", None)
_SOURCES: Final = ("Email", "Email", "Feedback Widget", "Phone", "Portal", "Chat", None)
_NOBODYS_SOURCES: Final = ("Web Form", "Email")
_TAGS: Final = ("escalated", "refund", "vip", "beta", "bug")
_PHONES: Final = ("iOS", "Android")
#: What a conversation is made of, shortest first.
_TALKS: Final[tuple[tuple[Message, ...], ...]] = (
    (Message.INITIAL_REQUEST,),
    (Message.INITIAL_REQUEST, Message.AI_AGENT_RESPONSE),
    (Message.INITIAL_REQUEST, Message.HUMAN_AGENT_RESPONSE, Message.CUSTOMER_RESPONSE),
    (
        *(Message.INITIAL_REQUEST, Message.AI_AGENT_RESPONSE, Message.CUSTOMER_RESPONSE),
        *(Message.HUMAN_AGENT_RESPONSE, Message.CUSTOMER_RESPONSE),
    ),
)


def add_support(world: World) -> None:
    """Open the table of support tickets."""
    homes = world.homes
    rounds = Rounds(
        homes.count, min(homes.count, _MOST), _ROUNDS, ANCHOR - _ROUNDS * _ROUND, _ROUND
    )

    def is_nobodys(number: int) -> bool:
        return rounds.home_of(number)[0] != 0 and world.chance.odds(12, "no user", number)

    def make(home: int, which: int, number: int, made_at: datetime) -> Row:
        row = _ticket_row(world, home, number, made_at, recent=which == _ROUNDS - 1)
        return row | _stranger(world, number) if is_nobodys(number) else row

    def view(row: Row, _viewer: Viewer) -> Row:
        urls = [_address(row, message) for message in messages_of(world, row)]
        return row | {"messages": urls}

    rounds_table(world, "support_tickets", "tick", rounds, make, view=view, is_nobodys=is_nobodys)


def _stranger(world: World, number: int) -> Row:
    """Return what is different where nobody knows who is asking."""
    source = world.chance.pick(_NOBODYS_SOURCES, "source", number)
    return {"source": source, "custom_fields": {}, "attributes": {}}


def _address(ticket: Row, message: Row) -> Address:
    return Address(f"{ticket['url'].path}/messages/{message['id']}")


def _ticket_row(world: World, home: int, number: int, made_at: datetime, *, recent: bool) -> Row:
    chance = world.chance
    status = chance.pick(_RECENT if recent else _OLD, "state", number)
    ends_at = made_at + chance.between(20, 60 * 24 * 6, "resolution", number) * _MINUTE
    if ends_at > ANCHOR:
        status, ends_at = _OPEN, made_at + (ANCHOR - made_at) / 2
    solved = status in _SOLVED
    talk = chance.between(1 if solved else 0, len(_TALKS) - 1, "talk", number)
    changed = write_instant(ends_at) if talk else None
    return {
        "external_ticket_id": str(20_481 + number * 3),
        "status": status,
        "priority": chance.pick(_PRIORITIES, "priority", number),
        "source": chance.pick(_SOURCES, "source", number),
        **_matter(world, number, solved=solved),
        "custom_fields": {
            "car_manufacturer": chance.pick(CAR_MAKERS, "car", number).name,
            "mobile_app": chance.pick(_PHONES, "phone", number),
            "legal_country": world.homes.kind(home).city.country,
        },
        "attributes": {"app_version": f"5.{chance.between(0, 40, 'app', number)}.1"},
        "created_at": write_instant(made_at),
        "ticket_updated_at": changed,
        "resolved_at": changed if solved else None,
        "_talk": talk,
        "_number": number,
    }


def _topic_of(number: int) -> Topic:
    return TOPICS[number * 5 % len(TOPICS)]


def _matter(world: World, number: int, *, solved: bool) -> Row:
    """Return the members that tell what a ticket is about, and what people made of it."""
    chance, topic = world.chance, _topic_of(number)
    # The machine does not always guess what people find.
    guess = _topic_of(number + chance.odds(15, "wrong", number))
    verified = solved or chance.odds(40, "verified", number)
    guessed = chance.odds(85, "guessed", number)
    vague = chance.odds(6, "vague", number)
    tags = [tag for tag in _TAGS if chance.odds(12, "tag", tag, number)]
    return {
        "subject": None if chance.odds(4, "no subject", number) else topic.subject,
        "human_verified_category": str(topic.category) if verified else None,
        "human_verified_subcategory": str(topic.subcategory) if verified and not vague else None,
        "ai_generated_category": str(guess.category) if guessed else None,
        "ai_generated_subcategory": str(guess.subcategory) if guessed and not vague else None,
        "type_deprecated": topic.legacy_type,
        "tags": ["ai-categorised", *tags] if guessed else tags,
        "conversation_summary": f"{topic.subject}: {topic.advice}" if solved else None,
    }


def messages_of(world: World, ticket: Row) -> list[Row]:
    """Return what was written in a ticket, in order."""
    number: int = ticket["_number"]
    talk: int = ticket["_talk"]
    kinds, topic = _TALKS[talk], _topic_of(number)
    said: dict[Message, str] = {
        Message.INITIAL_REQUEST: topic.question,
        Message.AI_AGENT_RESPONSE: topic.advice,
        Message.CUSTOMER_RESPONSE: "Thank you for the quick answer. I am going to try that.",
        Message.HUMAN_AGENT_RESPONSE: f"I had a look myself. {topic.advice}",
    }
    began = read_instant(ticket["created_at"])
    ends = read_instant(ticket["ticket_updated_at"] or ticket["created_at"])
    messages: list[Row] = []
    for position, kind in enumerate(kinds):
        at = began + (ends - began) * position / max(len(kinds) - 1, 1)
        by_customer = kind in {Message.INITIAL_REQUEST, Message.CUSTOMER_RESPONSE}
        messages.append({
            "id": world.chance.uid("tmsg", at, number, position),
            "position": position,
            "message_type": str(kind),
            "message": f"Hello!\n\n{said[kind]}\n\nKind regards",
            "message_clean": said[kind] if by_customer else None,
            "created_at": write_instant(at),
        })  # fmt: skip
    return messages


_FOLDER: Final = "support_tickets"


def _sees_everything(call: Call) -> bool:
    """Return whether a caller may see tickets of nobody: an application that may do anything."""
    application = call.applications.get(call.viewer.client_id or "")
    return application is not None and application.scopes >= ALL_SCOPES


def tickets_seen(call: Call) -> Collection:
    """Return the tickets that a caller may see."""
    tickets: Collection = call.world.tables[_FOLDER]
    if call.viewer.user_id is not None:
        return tickets.of_user(call.viewer.user_id)
    if _sees_everything(call):
        return tickets
    return Rows(tickets, (row for row in tickets.after(None) if row["user"] is not None))


def _ticket(call: Call) -> Row:
    row = call.row(_FOLDER, "support_ticket_id")
    if row["user"] is None and not _sees_everything(call):
        raise not_found("No such ticket")
    return row


def _of_user(user: str) -> Callable[[Row], bool]:
    """Keep tickets of a user, who is named by id or by URL."""
    return equals("user")(user.rstrip("/").rpartition("/")[2])


def _tagged(tag: str) -> Callable[[Row], bool]:
    def keep(row: Row) -> bool:
        return tag in row["tags"]

    return keep


_FILTERS: Final[dict[str, Filter | None]] = {
    "external_ticket_id": equals("external_ticket_id"),
    "user": _of_user,
    "tags": _tagged,
}


def _expanded(call: Call, shown: dict[str, Any]) -> dict[str, Any]:
    if "messages" not in call.expand:
        return shown
    ticket = call.find(_FOLDER, shown["id"])
    return shown | {"messages": [call.serialize(one) for one in messages_of(call.world, ticket)]}


def _list(call: Call) -> Reply:
    reply = paged_reply(call, tickets_seen(call), row_filter(call, _FILTERS))
    return Reply([_expanded(call, shown) for shown in reply.body], headers=reply.headers)


def _get(call: Call) -> Reply:
    return Reply(_expanded(call, call.serialize(_ticket(call))))


def _update(call: Call) -> Reply:
    row = _ticket(call)
    if call.body:
        changed = call.world.change(row, **call.body)
        row = call.world.tables[_FOLDER].seen_by(changed, call.viewer)
    return Reply(call.serialize(row))


def _messages(call: Call) -> Reply:
    keep = row_filter(call, {})
    messages = messages_of(call.world, _ticket(call))
    return Reply([call.serialize(message) for message in messages if keep(message)])


def _message(call: Call) -> Reply:
    wanted = call.params["message_id"]
    for message in messages_of(call.world, _ticket(call)):
        if message["id"] == wanted:
            return Reply(call.serialize(message))
    raise not_found("No such message")


def _categories(_call: Call) -> Reply:
    return Reply({
        "categories": [{"value": value, "label": label} for value, label in CATEGORIES],
        "subcategories": [{"value": value, "label": label} for value, label in SUBCATEGORIES],
    })  # fmt: skip


ROUTES: Final[Routes] = {
    ("GET", "/support_tickets"): _list,
    ("GET", "/support_tickets/categories"): _categories,
    ("GET", "/support_tickets/{support_ticket_id}"): _get,
    ("PATCH", "/support_tickets/{support_ticket_id}"): _update,
    ("GET", "/support_tickets/{support_ticket_id}/messages"): _messages,
    ("GET", "/support_tickets/{support_ticket_id}/messages/{message_id}"): _message,
}
