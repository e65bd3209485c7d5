"""Support tickets, and what was written in them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.models.support_tickets import SupportTicketMessageTypeEnum as Message
from ev_energy.simulator._content._rounds import Rounds, rounds_table
from ev_energy.simulator._content._ticket_topics import TOPICS, Topic
from ev_energy.simulator._content._vehicle_catalogue import CAR_MAKERS
from ev_energy.simulator._store._instants import ANCHOR, read_instant, write_instant
from ev_energy.simulator._store._rows import Address

if TYPE_CHECKING:
    from datetime import datetime

    from ev_energy.simulator._store._rows import Row, Viewer
    from ev_energy.simulator._store._world import World

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
        row = _ticket(world, home, number, made_at, recent=which == _ROUNDS - 1)
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


def _ticket(world: World, home: int, number: int, made_at: datetime, *, recent: bool) -> Row:
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
