from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from ev_energy.models.support_tickets import SupportTicketMessageTypeEnum as Message


async def all_tickets(api: Any, query: str = "", **options: Any) -> list[dict[str, Any]]:
    """Return the tickets that match a query, from all pages."""
    found: list[dict[str, Any]] = []
    path = f"/support_tickets?page_size=100&{query}"
    while path != "about:blank":
        answer = await api.get(path, **options)
        assert answer.status == 200
        found += answer.body
        path = answer.headers["Link"].partition(", <")[2].partition(">")[0]
    return found


async def stats(api: Any, which: str) -> Any:
    answer = await api.get(f"/support-ticket-stats/{which}")
    assert answer.status == 200
    return answer.body


def as_user(api: Any) -> None:
    tokens = api.simulator._auth_server.sign_in(api.simulator.client_id, api.simulator.user_id)
    api.token = tokens["access_token"]


async def test_tickets_cover_all_values(api: Any) -> None:
    tickets = await all_tickets(api)
    assert len(tickets) > 100
    assert len({one["id"] for one in tickets}) == len(tickets)
    assert len({one["external_ticket_id"] for one in tickets}) == len(tickets)
    for member in ("user", "subject", "status", "priority", "source", "resolved_at",
                   "human_verified_category", "ai_generated_category", "type_deprecated",
                   "ticket_updated_at", "conversation_summary"):  # fmt: skip
        values = {one[member] for one in tickets}
        assert None in values, member
        assert len(values) > 1, member
    assert len({one["human_verified_category"] for one in tickets}) == 9
    for one in tickets:
        assert (one["resolved_at"] is not None) == (one["status"] in {"Resolved", "Closed"})
        assert one["created_at"] <= (one["resolved_at"] or one["created_at"])
        assert datetime.fromisoformat(one["created_at"]) < api.simulator.clock.now()


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("status=Open", lambda t: t["status"] == "Open"),
        ("status__in=Open,Pending", lambda t: t["status"] in {"Open", "Pending"}),
        ("priority=High", lambda t: t["priority"] == "High"),
        ("priority__in=High,Urgent", lambda t: t["priority"] in {"High", "Urgent"}),
        ("priority__isnull=true", lambda t: t["priority"] is None),
        ("source=Email", lambda t: t["source"] == "Email"),
        ("source__in=Email,Phone", lambda t: t["source"] in {"Email", "Phone"}),
        ("user__isnull=true", lambda t: t["user"] is None),
        ("user__isnull=false", lambda t: t["user"] is not None),
        ("tags=escalated", lambda t: "escalated" in t["tags"]),
        ("human_verified_category=SOLAR", lambda t: t["human_verified_category"] == "SOLAR"),
        ("human_verified_category__isnull=true", lambda t: t["human_verified_category"] is None),
        (
            "human_verified_subcategory__isnull=false&ai_generated_category=CHARGER",
            lambda t: t["human_verified_subcategory"] and t["ai_generated_category"] == "CHARGER",
        ),
        (
            "ai_generated_subcategory__isnull=true&ai_generated_category__isnull=false",
            lambda t: not t["ai_generated_subcategory"] and t["ai_generated_category"],
        ),
        ("resolved_at__isnull=true", lambda t: t["resolved_at"] is None),
        ("ticket_updated_at__isnull=true", lambda t: t["ticket_updated_at"] is None),
        ("created_at__gte=2026-08-01T00:00:00Z", lambda t: t["created_at"] >= "2026-08-01T"),
        ("created_at__lte=2026-08-01T00:00:00Z", lambda t: t["created_at"] < "2026-08-01T"),
        (
            "resolved_at__range=2026-07-01T00:00:00Z,2026-08-01T00:00:00Z",
            lambda t: "2026-07-01" <= (t["resolved_at"] or "") < "2026-08-01T",
        ),
        (
            "ticket_updated_at__range=2026-07-01T00:00:00Z,2026-08-01T00:00:00Z",
            lambda t: "2026-07-01" <= (t["ticket_updated_at"] or "") < "2026-08-01T",
        ),
        ("resolved_at__gte=2026-08-01T00:00:00Z", lambda t: (t["resolved_at"] or "") >= "2026-08"),
    ],
)
async def test_tickets_filter(api: Any, query: str, fits: Any) -> None:
    tickets = await all_tickets(api)
    wanted = [one for one in tickets if fits(one)]
    assert 0 < len(wanted) < len(tickets)
    assert await all_tickets(api, query) == wanted


async def test_tickets_filter_by_external_id_and_user(api: Any) -> None:
    ticket = (await all_tickets(api))[3]
    assert await all_tickets(api, f"external_ticket_id={ticket['external_ticket_id']}") == [ticket]
    mine = [t for t in await all_tickets(api) if (t["user"] or "").endswith(api.simulator.user_id)]
    assert len(mine) == 4
    for name in (api.simulator.user_id, mine[0]["user"]):
        assert await all_tickets(api, f"user={name}") == mine
    assert (await api.get("/support_tickets?created_at__range=yesterday")).status == 400


async def test_messages_are_in_order_and_expand(api: Any) -> None:
    tickets = await all_tickets(api, "expand=messages&expand=user")
    kinds = {message["message_type"] for one in tickets for message in one["messages"]}
    assert kinds == {str(kind) for kind in Message}
    assert tickets[0]["user"]["email"]
    ticket = next(one for one in tickets if len(one["messages"]) == 5)
    plain = (await api.get(ticket["url"])).body
    expanded = (await api.get(f"{ticket['url']}?expand=messages")).body
    assert expanded["messages"] == ticket["messages"]
    assert [(await api.get(url)).body for url in plain["messages"]] == ticket["messages"]
    assert (await api.get(f"{ticket['url']}/messages")).body == ticket["messages"]
    assert [one["position"] for one in ticket["messages"]] == [0, 1, 2, 3, 4]
    times = [one["created_at"] for one in ticket["messages"]]
    assert times == sorted(times)
    assert times[0] == ticket["created_at"]
    assert times[-1] == ticket["ticket_updated_at"]


async def test_messages_filter_by_type_and_position(api: Any) -> None:
    ticket = next(one for one in await all_tickets(api) if len(one["messages"]) == 5)
    path = f"{ticket['url']}/messages"
    all_messages = (await api.get(path)).body
    assert (await api.get(f"{path}?position=2")).body == all_messages[2:3]
    assert (await api.get(f"{path}?position__gte=1&position__lte=3")).body == all_messages[1:4]
    asked = (await api.get(f"{path}?message_type=INITIAL_REQUEST")).body
    assert asked == all_messages[:1]
    both = (await api.get(f"{path}?message_type__in=INITIAL_REQUEST,CUSTOMER_RESPONSE")).body
    assert both == [
        one for one in all_messages if "R" in one["message_type"][-8:] and one["message_clean"]
    ]
    assert (await api.get(f"{path}?position=first")).status == 400
    assert (await api.get(f"{path}/tmsg{'0' * 26}")).status == 404


async def test_only_categories_can_be_changed(api: Any) -> None:
    ticket = (await all_tickets(api, "human_verified_category__isnull=true"))[0]
    body = {
        "human_verified_category": "SOLAR",
        "human_verified_subcategory": "INVERTER",
        "status": "Closed",
        "subject": "Mine",
    }
    answer = await api("PATCH", ticket["url"], json=body)
    assert answer.status == 200
    del body["status"], body["subject"]
    assert answer.body == ticket | body
    assert (await api.get(ticket["url"])).body == answer.body
    assert answer.body in await all_tickets(api, "human_verified_category=SOLAR")
    assert (await api("PATCH", ticket["url"], json={})).body == answer.body
    cleared = await api("PATCH", ticket["url"], json=dict.fromkeys(body))
    assert cleared.body == ticket


@pytest.mark.parametrize(
    "body", [{"human_verified_category": "WEATHER"}, {"ai_generated_subcategory": 5}]
)
async def test_unknown_category_is_a_400(api: Any, body: dict[str, Any]) -> None:
    ticket = (await all_tickets(api))[0]
    answer = await api("PATCH", ticket["url"], json=body)
    assert (answer.status, list(answer.body["field_errors"])) == (400, list(body))
    assert (await api.get(ticket["url"])).body == ticket


async def test_tickets_without_user_require_full_access(api: Any) -> None:
    tickets = await all_tickets(api)
    nobodys = [one for one in tickets if one["user"] is None]
    assert (await api.get(nobodys[0]["url"])).status == 200
    own = await all_tickets(api, headers={"EvEnergy-User": api.simulator.user_id})
    assert len(own) == 4

    await api.log_in(*api.simulator.add_application(scopes=["support:read", "support:write"]))
    assert await all_tickets(api) == [one for one in tickets if one["user"] is not None]
    assert await all_tickets(api, "user__isnull=true") == []
    message = nobodys[0]["messages"][0]
    for url in (nobodys[0]["url"], f"{nobodys[0]['url']}/messages", message):
        assert (await api.get(url)).status == 404
    assert (await api("PATCH", nobodys[0]["url"], json={})).status == 404
    status = await stats(api, "resolution")
    assert status["total_resolved"] + status["total_unresolved"] == len(tickets) - len(nobodys)

    as_user(api)
    assert await all_tickets(api) == own
    assert (await api.get(nobodys[0]["url"])).status == 404
    other = next(one for one in tickets if one["user"] and one not in own)
    assert (await api.get(other["url"])).status == 404
    assert (await api.get(other["messages"][0])).status == 404
    status = await stats(api, "resolution")
    assert status["total_resolved"] + status["total_unresolved"] == len(own)


@pytest.mark.parametrize("member", ["status", "priority", "source"])
async def test_breakdowns_agree_with_lists(api: Any, member: str) -> None:
    total = len(await all_tickets(api))
    for part in (await stats(api, member))["breakdown"]:
        assert part["count"] == len(await all_tickets(api, f"{member}={part[member]}"))
        assert part["percentage"] == part["count"] / total
    counted = sum(part["count"] for part in (await stats(api, member))["breakdown"])
    without = [one for one in await all_tickets(api) if one[member] is None]
    assert counted + len(without) == total


async def test_top_categories_agree_with_lists_and_follow_a_change(api: Any) -> None:
    top = await stats(api, "top-categories?limit=50")
    for part in top["categories"]:
        listed = await all_tickets(api, f"human_verified_category={part['category']}")
        assert part["count"] == len(listed)
    for part in top["subcategories"]:
        query = f"human_verified_subcategory={part['subcategory']}"
        listed = await all_tickets(api, f"{query}&human_verified_category={part['category']}")
        assert part["count"] == len(listed)
    counts = [part["count"] for part in top["categories"]]
    assert counts == sorted(counts, reverse=True)
    assert len((await stats(api, "top-categories?limit=1"))["subcategories"]) == 1
    assert len((await stats(api, "top-categories"))["subcategories"]) == 10
    assert await stats(api, "top-categories?limit=none") == await stats(api, "top-categories")

    open_one = (await all_tickets(api, "human_verified_category__isnull=true"))[0]
    verdict = {"human_verified_category": "OTHER", "human_verified_subcategory": "SPAM"}
    await api("PATCH", open_one["url"], json=verdict)
    after = (await stats(api, "top-categories?limit=50"))["subcategories"]
    assert [p["count"] for p in after if p["subcategory"] == "SPAM"] == [1]


async def test_sankey_diagram_counts_verified_categories(api: Any) -> None:
    labels = (await api.get("/support_tickets/categories")).body
    named = {
        kind: {one["value"]: one["label"] for one in labels[kind]}
        for kind in ("categories", "subcategories")
    }
    assert len(named["categories"]) == 8
    assert len(named["subcategories"]) == 100
    sankey = await stats(api, "sankey")
    flows = Counter(
        (
            f"category:{named['categories'][one['human_verified_category']]}",
            f"subcategory:{named['subcategories'][one['human_verified_subcategory']]}",
        )
        for one in await all_tickets(
            api, "human_verified_category__isnull=false&human_verified_subcategory__isnull=false"
        )
    )
    assert {(link["source"], link["target"]): link["value"] for link in sankey["links"]} == flows
    nodes = {node["id"]: node["label"] for node in sankey["nodes"]}
    assert {end for flow in flows for end in flow} <= nodes.keys()
    for key, label in nodes.items():
        assert key.partition(":")[2] == label


@pytest.mark.parametrize("period", ["day", "week", "month"])
async def test_volume_counts_every_ticket_in_each_period(api: Any, period: str) -> None:
    series = (await stats(api, f"volume?group_by={period}"))["time_series"]
    assert sum(part["count"] for part in series) == len(await all_tickets(api))
    lengths = {"day": 1, "week": 7, "month": 31}
    for part, following in pairwise(series):
        begin = datetime.fromisoformat(f"{part['date']}T00:00:00Z")
        assert part["date"] < following["date"]
        end = datetime.fromisoformat(f"{following['date']}T00:00:00Z")
        end = min(end, begin + timedelta(days=lengths[period]))
        bounds = {
            "created_at__range": f"{begin.isoformat()},{end.isoformat()}",
            "page_size": "100",
        }
        assert len((await api.get("/support_tickets", params=bounds)).body) == part["count"]
    if period == "day":
        assert (await stats(api, "volume"))["time_series"] == series


async def test_resolution_agrees_with_lists(api: Any) -> None:
    numbers = await stats(api, "resolution")
    solved = await all_tickets(api, "resolved_at__isnull=false")
    hours = sorted(
        (
            datetime.fromisoformat(one["resolved_at"]) - datetime.fromisoformat(one["created_at"])
        ).total_seconds()
        / 3600
        for one in solved
    )
    assert numbers["total_resolved"] == len(solved)
    assert numbers["total_unresolved"] == len(await all_tickets(api, "resolved_at__isnull=true"))
    assert numbers["avg_resolution_time_hours"] == pytest.approx(sum(hours) / len(hours))
    assert hours[0] < numbers["median_resolution_time_hours"] < hours[-1]
    assert numbers["resolution_rate"] == len(solved) / len(await all_tickets(api))


async def test_statistics_without_tickets_are_empty(api: Any) -> None:
    user = (await api("POST", "/users", json={"email": "new@example.com"})).body
    tokens = api.simulator._auth_server.sign_in(api.simulator.client_id, user["id"])
    api.token = tokens["access_token"]
    assert await stats(api, "resolution") == {
        "resolution_rate": 0,
        "avg_resolution_time_hours": None,
        "median_resolution_time_hours": None,
        "total_resolved": 0,
        "total_unresolved": 0,
    }
    assert await stats(api, "status") == {"breakdown": []}
    assert await stats(api, "sankey") == {"nodes": [], "links": []}


async def test_statistics_require_a_token_and_tickets_a_scope(api: Any) -> None:
    for path in ("/support-ticket-stats/volume", "/support_tickets/categories"):
        assert (await api.get(path, token=None)).status == 401
    await api.log_in(*api.simulator.add_application(scopes=["user:read"]))
    assert (await api.get("/support_tickets")).status == 403
    assert await stats(api, "priority")
