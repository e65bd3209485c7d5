"""Support tickets with their messages, and statistics that are counted from the tickets."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.models.support_tickets import SupportTicketCategoryEnum as Category
from ev_energy.models.support_tickets import SupportTicketMessageTypeEnum as MessageType
from ev_energy.models.support_tickets import SupportTicketSubcategoryEnum as Subcategory
from ev_energy.simulator.clock._instants import ANCHOR, read_instant, write_instant
from ev_energy.simulator.http._filters import equals
from ev_energy.simulator.http._problems import not_found
from ev_energy.simulator.http._routes import Reply, paged_reply, row_filter
from ev_energy.simulator.oauth import ALL_SCOPES
from ev_energy.simulator.resources._periodic_table import PeriodicNumbering, periodic_table
from ev_energy.simulator.resources.catalogues.vehicles import CAR_MAKERS
from ev_energy.simulator.world._rows import ApiPath
from ev_energy.simulator.world._tables import Selection

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from ev_energy.simulator.http._filters import Filter
    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World


@attrs.frozen
class Topic:
    """A common reason to contact support."""

    category: Category
    subcategory: Subcategory
    subject: str
    question: str
    answer: str
    legacy_type: str | None = None


TOPICS: Final = (
    Topic(Category.VEHICLE, Subcategory.TELEMATICS_ISSUE, "Car shows the wrong charge level",
          "The app says 34 % but my dashboard says 61 %.",
          "Please log in to the car maker's account again. The level updates within an hour.",
          "Vehicle data"),
    Topic(Category.CHARGER, Subcategory.OFFLINE, "Charger offline since Tuesday",
          "My charger has been offline for days although the Wi-Fi works everywhere else.",
          "Switch it off at the fuse box for a minute, then wait for the green light."),
    Topic(Category.CHARGING_SESSION, Subcategory.INCOMPLETE_CHARGE, "Car was not full this morning",
          "I asked for 80 % by seven o'clock, but the car was at 63 %.",
          "You plugged in at five, which was too late. A boost charges immediately.",
          "Charging"),
    Topic(Category.MOBILE_APP, Subcategory.APP_CRASH_FREEZE, "App closes when I open statistics",
          "The app closes every time I tap on statistics.",
          "This week's update fixes that. Please install the newest version."),
    Topic(Category.ACCOUNT, Subcategory.LOGIN_CREDENTIALS, "Cannot log in on a new phone",
          "I have a new phone and the app does not accept my password.",
          "We sent you a link to set a new password. Please check your spam folder as well."),
    Topic(Category.SOLAR, Subcategory.SOLAR_CHARGING_CONFUSION, "Car does not charge from solar",
          "It is a sunny day, but the car does not charge from my solar panels.",
          "A car needs a surplus of at least 1.4 kW to charge; your meter measured 0.9 kW."),
    Topic(Category.USABILITY_UX, Subcategory.SMART_CHARGING_CONFUSION, "When does it charge?",
          "I would like to see in advance when my car will charge.",
          "Tap on the plan. The green bars are the planned charging hours."),
    Topic(Category.OTHER, Subcategory.UTILITY_PARTNER_INQUIRY, "Offer for our customers",
          "We supply electricity to 40,000 homes and would like to discuss a partnership.",
          "Thank you! A colleague will call you this week."),
    Topic(Category.VEHICLE, Subcategory.ADD_NON_INTEGRATED_VEHICLE, "My van is not in the list",
          "The list has no electric vans. Can I still use the app with mine?",
          "Yes. Add the van manually; the plan then controls your charger."),
    Topic(Category.CHARGER, Subcategory.HARDWARE_ISSUE, "Cable stays locked",
          "The cable stays locked after charging until I switch off the power.",
          "The lock is faulty. We have asked the manufacturer to send a technician.", "Hardware"),
    Topic(Category.CHARGING_SESSION, Subcategory.CHARGING_ON_PEAK, "Charged at the peak price",
          "My car charged from 17:00 to 18:00, when my tariff is most expensive.",
          "The app had an older tariff than your bill. We have corrected it."),
    Topic(Category.ACCOUNT, Subcategory.TARIFF_REQUEST, "Please add my tariff",
          "My local supplier is not in the list.",
          "We have added it. You can select it under Home, then Tariff."),
    Topic(Category.CHARGING_SESSION, Subcategory.MISSING_SESSIONS, "Last weekend is missing",
          "I charged twice at the weekend and neither session is in the history.",
          "You charged away from home. Switch on public charging to see those sessions."),
    Topic(Category.SOLAR, Subcategory.INVERTER, "Inverter cannot be connected",
          "The inverter manufacturer's login page shows an error.",
          "The manufacturer had an outage, which has ended. Please try again."),
)  # fmt: skip

#: Words of enum values whose labels are not simply capitalized.
_LABEL_WORDS: Final = {
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


def _label(value: str) -> str:
    """Return the label of a category or subcategory."""
    words = (_LABEL_WORDS.get(word, word.capitalize()) for word in value.split("_"))
    return _LABELS.get(value, " ".join(words))


_FOLDER: Final = "support_tickets"
_ROUND_COUNT: Final = 4
_ROUND_LENGTH: Final = timedelta(days=49)
#: The capacity of the support team: larger worlds do not have more tickets per round.
_MAX_TICKETS_PER_ROUND: Final = 250
_OPEN_STATUS: Final = "Open"
_RESOLVED_STATUSES: Final = frozenset({"Resolved", "Closed"})
_RECENT_STATUSES: Final = (_OPEN_STATUS, _OPEN_STATUS, "Pending", None, "Resolved", "Resolved")
_OLD_STATUSES: Final = (_OPEN_STATUS, "Resolved", "Resolved", "Closed", "Closed", "Closed")
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_CATEGORY: Final = "human_verified_category"
_SUBCATEGORY: Final = "human_verified_subcategory"
_PRIORITIES: Final = ("Low", "Low", "Medium", "Medium", "Medium", "High", "Urgent", None)
_SOURCES: Final = ("Email", "Email", "Feedback Widget", "Phone", "Portal", "Chat", None)
_SOURCES_WITHOUT_USER: Final = ("Web Form", "Email")
_TAGS: Final = ("escalated", "refund", "vip", "beta", "bug")
_PHONE_SYSTEMS: Final = ("iOS", "Android")
_REQUEST: Final = MessageType.INITIAL_REQUEST
_AI_REPLY: Final = MessageType.AI_AGENT_RESPONSE
_STAFF_REPLY: Final = MessageType.HUMAN_AGENT_RESPONSE
_CUSTOMER_REPLY: Final = MessageType.CUSTOMER_RESPONSE
#: The message types of a conversation, the shortest conversation first.
_CONVERSATIONS: Final[tuple[tuple[MessageType, ...], ...]] = (
    (_REQUEST,),
    (_REQUEST, _AI_REPLY),
    (_REQUEST, _STAFF_REPLY, _CUSTOMER_REPLY),
    (_REQUEST, _AI_REPLY, _CUSTOMER_REPLY, _STAFF_REPLY, _CUSTOMER_REPLY),
)


def add_support(world: World) -> None:
    """Open the table of support tickets."""
    homes = world.homes
    rounds = PeriodicNumbering(
        homes.count,
        min(homes.count, _MAX_TICKETS_PER_ROUND),
        _ROUND_COUNT,
        ANCHOR - _ROUND_COUNT * _ROUND_LENGTH,
        _ROUND_LENGTH,
    )

    def has_no_user(number: int) -> bool:
        return rounds.home_of(number)[0] != 0 and world.random.odds(12, "no user", number)

    def make(home: int, round_number: int, number: int, created: datetime) -> Row:
        is_recent = round_number == _ROUND_COUNT - 1
        row = _ticket_row(world, home, number, created, is_recent=is_recent)
        if has_no_user(number):
            source = world.random.pick(_SOURCES_WITHOUT_USER, "source", number)
            row |= {"source": source, "custom_fields": {}, "attributes": {}}
        return row

    def view(row: Row, _viewer: Viewer) -> Row:
        path = f"{row['url'].path}/messages"
        urls = [ApiPath(f"{path}/{message['id']}") for message in _messages_of(world, row)]
        return row | {"messages": urls}

    periodic_table(world, _FOLDER, "tick", rounds, make, view=view, is_unowned=has_no_user)


def _ticket_row(world: World, home: int, number: int, created: datetime, *, is_recent: bool) -> Row:
    random = world.random
    status = random.pick(_RECENT_STATUSES if is_recent else _OLD_STATUSES, "state", number)
    updated = created + random.between(20, 60 * 24 * 6, "resolution", number) * _MINUTE
    if updated > ANCHOR:
        status, updated = _OPEN_STATUS, created + (ANCHOR - created) / 2
    is_resolved = status in _RESOLVED_STATUSES
    conversation = random.between(1 if is_resolved else 0, len(_CONVERSATIONS) - 1, "talk", number)
    updated_at = write_instant(updated) if conversation else None
    return {
        "external_ticket_id": str(20_481 + number * 3),
        "status": status,
        "priority": random.pick(_PRIORITIES, "priority", number),
        "source": random.pick(_SOURCES, "source", number),
        **_topic_members(world, number, is_resolved=is_resolved),
        "custom_fields": {
            "car_manufacturer": random.pick(CAR_MAKERS, "car", number).name,
            "mobile_app": random.pick(_PHONE_SYSTEMS, "phone", number),
            "legal_country": world.homes.template(home).city.country,
        },
        "attributes": {"app_version": f"5.{random.between(0, 40, 'app', number)}.1"},
        "created_at": write_instant(created),
        "ticket_updated_at": updated_at,
        "resolved_at": updated_at if is_resolved else None,
        "_conversation": conversation,
        "_number": number,
    }


def _topic_of(number: int) -> Topic:
    return TOPICS[number * 5 % len(TOPICS)]


def _topic_members(world: World, number: int, *, is_resolved: bool) -> Row:
    """Return the members of a ticket that follow from its topic."""
    random, topic = world.random, _topic_of(number)
    # In some tickets the AI's category differs from the one that support staff verified.
    ai_topic = _topic_of(number + random.odds(15, "wrong", number))
    is_verified = is_resolved or random.odds(40, "verified", number)
    has_ai_topic = random.odds(85, "guessed", number)
    has_subcategory = not random.odds(6, "vague", number)
    tags = [tag for tag in _TAGS if random.odds(12, "tag", tag, number)]
    verified_subcategory = str(topic.subcategory) if is_verified and has_subcategory else None
    ai_subcategory = str(ai_topic.subcategory) if has_ai_topic and has_subcategory else None
    return {
        "subject": None if random.odds(4, "no subject", number) else topic.subject,
        _CATEGORY: str(topic.category) if is_verified else None,
        _SUBCATEGORY: verified_subcategory,
        "ai_generated_category": str(ai_topic.category) if has_ai_topic else None,
        "ai_generated_subcategory": ai_subcategory,
        "type_deprecated": topic.legacy_type,
        "tags": ["ai-categorised", *tags] if has_ai_topic else tags,
        "conversation_summary": f"{topic.subject}: {topic.answer}" if is_resolved else None,
    }


def _messages_of(world: World, ticket: Row) -> list[Row]:
    """Return the messages of a ticket, in order."""
    number: int = ticket["_number"]
    conversation: int = ticket["_conversation"]
    types, topic = _CONVERSATIONS[conversation], _topic_of(number)
    texts: dict[MessageType, str] = {
        _REQUEST: topic.question,
        _AI_REPLY: topic.answer,
        _CUSTOMER_REPLY: "Thank you for the quick answer. I will try that.",
        _STAFF_REPLY: f"I checked your account. {topic.answer}",
    }
    first = read_instant(ticket["created_at"])
    last = read_instant(ticket["ticket_updated_at"] or ticket["created_at"])
    messages: list[Row] = []
    for position, message_type in enumerate(types):
        created = first + (last - first) * position / max(len(types) - 1, 1)
        is_from_customer = message_type in {_REQUEST, _CUSTOMER_REPLY}
        text = texts[message_type]
        messages.append({
            "id": world.random.uid("tmsg", created, number, position),
            "position": position,
            "message_type": str(message_type),
            "message": f"Hello!\n\n{text}\n\nKind regards",
            "message_clean": text if is_from_customer else None,
            "created_at": write_instant(created),
        })  # fmt: skip
    return messages


def _has_full_access(call: Call) -> bool:
    """Return whether the application has all scopes; others do not see tickets without a user."""
    application = call.applications.get(call.viewer.client_id or "")
    return application is not None and application.scopes >= ALL_SCOPES


def _visible_tickets(call: Call) -> Collection:
    """Return the tickets that the caller may see."""
    tickets: Collection = call.world.tables[_FOLDER]
    if call.viewer.user_id is not None:
        return tickets.for_user(call.viewer.user_id)
    if _has_full_access(call):
        return tickets
    return Selection(tickets, (row for row in tickets.after(None) if row["user"] is not None))


def _ticket(call: Call) -> Row:
    row = call.row(_FOLDER, "support_ticket_id")
    if row["user"] is None and not _has_full_access(call):
        raise not_found("No such ticket exists.")
    return row


def _by_user(user: str) -> Callable[[Row], bool]:
    """Return the filter for the tickets of a user, given by id or URL."""
    return equals("user")(user.rstrip("/").rpartition("/")[2])


def _by_tag(tag: str) -> Callable[[Row], bool]:
    def keep(row: Row) -> bool:
        return tag in row["tags"]

    return keep


_FILTERS: Final[dict[str, Filter | None]] = {
    "external_ticket_id": equals("external_ticket_id"),
    "user": _by_user,
    "tags": _by_tag,
}


def _with_messages(call: Call, shown: dict[str, Any]) -> dict[str, Any]:
    """Return a ticket's JSON with its messages in full if the request expands them."""
    if "messages" not in call.expand:
        return shown
    ticket = call.find(_FOLDER, shown["id"])
    messages = _messages_of(call.world, ticket)
    return shown | {"messages": [call.serialize(message) for message in messages]}


def _list(call: Call) -> Reply:
    reply = paged_reply(call, _visible_tickets(call), row_filter(call, _FILTERS))
    return Reply([_with_messages(call, shown) for shown in reply.body], headers=reply.headers)


def _get(call: Call) -> Reply:
    return Reply(_with_messages(call, call.serialize(_ticket(call))))


def _update(call: Call) -> Reply:
    row = _ticket(call)
    if call.body:
        changed = call.world.update(row, **call.body)
        row = call.world.tables[_FOLDER].view_for(changed, call.viewer)
    return Reply(call.serialize(row))


def _messages(call: Call) -> Reply:
    keep = row_filter(call, {})
    messages = _messages_of(call.world, _ticket(call))
    return Reply([call.serialize(message) for message in messages if keep(message)])


def _message(call: Call) -> Reply:
    message_id = call.params["message_id"]
    for message in _messages_of(call.world, _ticket(call)):
        if message["id"] == message_id:
            return Reply(call.serialize(message))
    raise not_found("No such message exists.")


def _categories(_call: Call) -> Reply:
    return Reply(
        {
            "categories": [{"value": str(one), "label": _label(one)} for one in Category],
            "subcategories": [{"value": str(one), "label": _label(one)} for one in Subcategory],
        }
    )


def _all_visible(call: Call) -> list[Row]:
    return list(_visible_tickets(call).after(None))


def _by_count(counts: Counter[Any]) -> list[tuple[Any, int]]:
    """Return values with their counts, the most frequent first, then in order of values."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _count_members(tickets: list[Row], member: str) -> Counter[str]:
    return Counter(row[member] for row in tickets if row[member] is not None)


def _count_category_pairs(tickets: list[Row]) -> Counter[tuple[str, str]]:
    pairs = ((row[_CATEGORY], row[_SUBCATEGORY]) for row in tickets)
    return Counter(pair for pair in pairs if None not in pair)


def _breakdown(member: str) -> Handler:
    """Return a handler that counts the values of a member; null values are not listed."""

    def handler(call: Call) -> Reply:
        tickets = _all_visible(call)
        return Reply({
            "breakdown": [
                {member: value, "count": count, "percentage": count / len(tickets)}
                for value, count in _by_count(_count_members(tickets, member))
            ]
        })  # fmt: skip

    return handler


def _sankey(call: Call) -> Reply:
    tickets = _all_visible(call)
    pairs = _count_category_pairs(tickets)
    categories = [_label(value) for value in _count_members(tickets, _CATEGORY)]
    subcategories = [_label(value) for _, value in pairs]
    nodes = {f"category:{label}": label for label in categories}
    nodes |= {f"subcategory:{label}": label for label in subcategories}
    return Reply({
        "nodes": [{"id": node_id, "label": label} for node_id, label in sorted(nodes.items())],
        "links": [
            {
                "source": f"category:{_label(category)}",
                "target": f"subcategory:{_label(subcategory)}",
                "value": count,
            }
            for (category, subcategory), count in _by_count(pairs)
        ],
    })  # fmt: skip


def _top_categories(call: Call) -> Reply:
    tickets, limit = _all_visible(call), call.query["limit"]
    categories = _by_count(_count_members(tickets, _CATEGORY))[:limit]
    pairs = _by_count(_count_category_pairs(tickets))[:limit]
    return Reply({
        "categories": [
            {"category": category, "count": count, "percentage": count / len(tickets)}
            for category, count in categories
        ],
        "subcategories": [
            {
                "subcategory": subcategory,
                "category": category,
                "count": count,
                "percentage": count / len(tickets),
            }
            for (category, subcategory), count in pairs
        ],
    })  # fmt: skip


def _first_day(day: date, period: str) -> date:
    """Return the first day of the week or month that *day* is in, or *day* itself."""
    match period:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case _:
            return day


def _volume(call: Call) -> Reply:
    period: str = call.query["group_by"]
    days = (read_instant(row["created_at"]).date() for row in _all_visible(call))
    counts = Counter(_first_day(day, period) for day in days)
    return Reply(
        {"time_series": [{"date": day.isoformat(), "count": counts[day]} for day in sorted(counts)]}
    )


def _resolution(call: Call) -> Reply:
    import statistics  # it loads fractions and more, for this operation alone

    tickets = _all_visible(call)
    hours = [
        (read_instant(row["resolved_at"]) - read_instant(row["created_at"])) / _HOUR
        for row in tickets
        if row["resolved_at"] is not None
    ]
    return Reply({
        "resolution_rate": len(hours) / len(tickets) if tickets else 0.0,
        "avg_resolution_time_hours": statistics.fmean(hours) if hours else None,
        "median_resolution_time_hours": statistics.median(hours) if hours else None,
        "total_resolved": len(hours),
        "total_unresolved": len(tickets) - len(hours),
    })  # fmt: skip


ROUTES: Final[Routes] = {
    ("GET", "/support_tickets"): _list,
    ("GET", "/support_tickets/categories"): _categories,
    ("GET", "/support_tickets/{support_ticket_id}"): _get,
    ("PATCH", "/support_tickets/{support_ticket_id}"): _update,
    ("GET", "/support_tickets/{support_ticket_id}/messages"): _messages,
    ("GET", "/support_tickets/{support_ticket_id}/messages/{message_id}"): _message,
    ("GET", "/support-ticket-stats/sankey"): _sankey,
    ("GET", "/support-ticket-stats/volume"): _volume,
    ("GET", "/support-ticket-stats/resolution"): _resolution,
    ("GET", "/support-ticket-stats/status"): _breakdown("status"),
    ("GET", "/support-ticket-stats/priority"): _breakdown("priority"),
    ("GET", "/support-ticket-stats/source"): _breakdown("source"),
    ("GET", "/support-ticket-stats/top-categories"): _top_categories,
}
