"""The first and last instants of the calendar, in every parameter and cursor."""

from __future__ import annotations

from typing import Any

import pytest
from yarl import URL

from ev_energy.simulator.http._contract import CONTRACT

EARLY = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00.000001Z",
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T23:59:59-12:00",
    "0999-06-01T00:00:00Z",
    "1969-12-31T23:59:59.999999Z",
)
LATE = (
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.999999-12:00",
    "9999-12-31T00:00:00+14:00",
)
#: The part of an id after its prefix, with milliseconds at or beyond the calendar bounds.
KEYS = ("0" * 26, "7" + "Z" * 25, "Z" * 26, "00000000010000000000000000")


async def path_of(api: Any, template: str) -> tuple[str, str | None]:
    """Return a path of existing resources, and the name of its time parameter."""
    path, instant = "", None
    facts = CONTRACT["GET", template]
    for part in template.strip("/").split("/"):
        name = part.strip("{}")
        if not part.startswith("{"):
            path += f"/{part}"
        elif getattr(facts.in_path.get(name), "format", None) == "date-time":
            instant = name
        elif name == "user_id":
            path += f"/{api.simulator.user_id}"
        else:
            body = (await api.get(f"{path}?page_size=1")).body
            path += f"/{body[0].get('id', 'none')}" if isinstance(body, list) and body else "/none"
    return path, instant


def queries(template: str) -> list[dict[str, str]]:
    facts = CONTRACT["GET", template]
    names = [name for name, shape in facts.query.items() if shape.format == "date-time"]
    ends = (*EARLY, *LATE)
    found = [{name: end} for name in names for end in ends]
    found += [
        {name: f"{EARLY[0]},{end}"} for name in facts.query if "range" in name for end in ends
    ]
    found += [{one: LATE[1], other: EARLY[0]} for one in names for other in names if one != other]
    cursors = [name for name in ("page_after", "page_before") if name in facts.query]
    if facts.cursor == "time":
        return found + [{name: end} for name in cursors for end in ends]
    patterns = [shape.pattern or "" for name, shape in facts.query.items() if name in cursors]
    return found + [
        {name: pattern.lstrip("^")[:4] + key}
        for name, pattern in zip(cursors, patterns, strict=True)
        for key in KEYS
    ]


TEMPLATES = sorted(path for method, path in CONTRACT if method == "GET")


@pytest.fixture
async def small(start: Any) -> Any:
    return await start(vehicles=6, rate_limit=None)


@pytest.mark.matrix
@pytest.mark.parametrize("template", [one for one in TEMPLATES if queries(one)])
async def test_extreme_instant_in_a_query_gets_a_page_or_a_4xx(small: Any, template: str) -> None:
    path, _ = await path_of(small, template)
    facts = CONTRACT["GET", template]
    needed = {n: "2026-10-04T00:00:00Z" for n in facts.required if facts.query[n].format}
    for query in queries(template):
        answer = await small.get(path, params=needed | query)
        assert answer.status in {200, 400, 404}, query


TIMED = [
    one
    for one in TEMPLATES
    if any(shape.format == "date-time" for shape in CONTRACT["GET", one].in_path.values())
]


@pytest.mark.parametrize("template", TIMED)
async def test_extreme_instant_in_a_path_is_not_found(small: Any, template: str) -> None:
    path, instant = await path_of(small, template)
    assert instant is not None
    for end in (*EARLY, *LATE):
        answer = await small.get(f"{path}/{end}")
        assert answer.status in {400, 404}, end


async def test_cursor_at_the_bounds_selects_all_or_nothing(small: Any) -> None:
    evse = (await small.get("/evses?page_size=1")).body[0]["id"]
    logs = URL(f"/evses/{evse}/status_logs")
    whole = (await small.get(str(logs % {"page_size": 100}))).body
    assert whole
    newest_first = logs % {"page_size": 100, "page_after": LATE[1]}
    assert (await small.get(str(newest_first))).body == whole
    assert (await small.get(str(logs % {"page_after": EARLY[0]}))).body == []
    assert (await small.get(str(logs % {"page_before": LATE[1]}))).body == []
    oldest = (await small.get(str(logs % {"page_before": EARLY[0]}))).body
    assert oldest
    assert oldest[0]["sampled_at"] < whole[-1]["sampled_at"]


async def test_dispatch_events_at_the_calendar_bounds_are_answered(small: Any) -> None:
    coordinator = (await small.get("/dispatch_coordinators")).body[0]["id"]
    events = f"/dispatch_coordinators/{coordinator}/dispatch_events"
    for start in (*EARLY, *LATE):
        for end in (*EARLY, *LATE):
            body = {"start_time": start, "end_time": end, "import_limit_watts": 1}
            assert (await small("POST", events, json=body)).status in {201, 400, 422}
    assert (await small.get(f"/dispatch_coordinators/{coordinator}/dispatch_logs")).status == 200
