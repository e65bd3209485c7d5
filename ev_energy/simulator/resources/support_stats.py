"""Numbers about support tickets: all of them are counted from the tickets the caller may see."""

from __future__ import annotations

import statistics
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.clock._instants import read_instant
from ev_energy.simulator.http._routes import Reply
from ev_energy.simulator.resources.support import label_of, tickets_seen

if TYPE_CHECKING:
    from datetime import date

    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.world._rows import Row


_HOUR: Final = timedelta(hours=1)
_CATEGORY: Final = "human_verified_category"
_SUBCATEGORY: Final = "human_verified_subcategory"


def _tickets(call: Call) -> list[Row]:
    return list(tickets_seen(call).after(None))


def _share(count: int, tickets: list[Row]) -> float:
    return count / len(tickets)


def _breakdown(member: str) -> Handler:
    """Return a handler that counts the values of a member; tickets without one count in no part."""

    def answer(call: Call) -> Reply:
        tickets = _tickets(call)
        counted = Counter(row[member] for row in tickets if row[member] is not None)
        return Reply({
            "breakdown": [
                {member: value, "count": count, "percentage": _share(count, tickets)}
                for value, count in _most_first(counted)
            ]
        })  # fmt: skip

    return answer


def _most_first(counted: Counter[Any]) -> list[tuple[Any, int]]:
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def _pairs(tickets: list[Row]) -> Counter[tuple[str, str]]:
    return Counter(
        (row[_CATEGORY], row[_SUBCATEGORY])
        for row in tickets
        if row[_CATEGORY] is not None and row[_SUBCATEGORY] is not None
    )


def _categories(tickets: list[Row]) -> Counter[str]:
    return Counter(row[_CATEGORY] for row in tickets if row[_CATEGORY] is not None)


def _sankey(call: Call) -> Reply:
    tickets = _tickets(call)
    pairs = _pairs(tickets)
    nodes = {f"category:{label_of(value)}": label_of(value) for value in _categories(tickets)}
    nodes |= {f"subcategory:{label_of(value)}": label_of(value) for _, value in pairs}
    return Reply({
        "nodes": [{"id": key, "label": label} for key, label in sorted(nodes.items())],
        "links": [
            {
                "source": f"category:{label_of(category)}",
                "target": f"subcategory:{label_of(subcategory)}",
                "value": count,
            }
            for (category, subcategory), count in _most_first(pairs)
        ],
    })  # fmt: skip


def _top(call: Call) -> Reply:
    tickets, limit = _tickets(call), call.query["limit"]
    return Reply({
        "categories": [
            {"category": category, "count": count, "percentage": _share(count, tickets)}
            for category, count in _most_first(_categories(tickets))[:limit]
        ],
        "subcategories": [
            {
                "subcategory": subcategory,
                "category": category,
                "count": count,
                "percentage": _share(count, tickets),
            }
            for (category, subcategory), count in _most_first(_pairs(tickets))[:limit]
        ],
    })  # fmt: skip


def _first_day(day: date, period: str) -> date:
    match period:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case _:
            return day


def _volume(call: Call) -> Reply:
    period: str = call.query["group_by"]
    days = (read_instant(row["created_at"]).date() for row in _tickets(call))
    counted = Counter(_first_day(day, period) for day in days)
    return Reply({
        "time_series": [
            {"date": day.isoformat(), "count": counted[day]} for day in sorted(counted)
        ]
    })  # fmt: skip


def _resolution(call: Call) -> Reply:
    tickets = _tickets(call)
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
    ("GET", "/support-ticket-stats/sankey"): _sankey,
    ("GET", "/support-ticket-stats/volume"): _volume,
    ("GET", "/support-ticket-stats/resolution"): _resolution,
    ("GET", "/support-ticket-stats/status"): _breakdown("status"),
    ("GET", "/support-ticket-stats/priority"): _breakdown("priority"),
    ("GET", "/support-ticket-stats/source"): _breakdown("source"),
    ("GET", "/support-ticket-stats/top-categories"): _top,
}
