from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

ALL = "page_size=100"


async def advance(api: Any, **by: float) -> None:
    """Advance the clock and obtain a new token, since the old one expires."""
    api.simulator.clock.advance(**by)
    await api.log_in()


async def tariff_named(api: Any, name: str) -> dict[str, Any]:
    """Return the tariff with a name."""
    listed = (await api.get(f"/tariffs?{ALL}&include_optional=daily_prices")).body
    return next(tariff for tariff in listed if tariff["name"] == name)


async def all_pages(api: Any, path: str) -> list[Any]:
    """Return the items of all pages."""
    found: list[Any] = []
    while True:
        answer = await api.get(path)
        assert answer.status == 200
        found += answer.body
        links = dict(reversed(part.split("; rel=")) for part in answer.headers["Link"].split(", "))
        path = links['"next"'].strip("<>")
        if path == "about:blank":
            return found


async def test_tariffs_and_suppliers_are_listed_by_name_on_numbered_pages(api: Any) -> None:
    tariffs = await all_pages(api, "/tariffs")
    assert len(tariffs) > 25
    assert [one["name"] for one in tariffs] == sorted(one["name"] for one in tariffs)
    assert len({one["id"] for one in tariffs}) == len(tariffs)
    suppliers = await all_pages(api, "/suppliers?page_size=2")
    assert [one["name"] for one in suppliers] == sorted(one["name"] for one in suppliers)
    assert (await api.get("/tariffs?page=9")).status == 404
    assert (await api.get("/suppliers?page=0")).status == 400


async def test_supplier_is_returned_with_its_tariffs(api: Any) -> None:
    supplier = (await api.get("/suppliers")).body[1]
    assert (await api.get(supplier["url"])).body == supplier
    mine = (await api.get(f"/tariffs?{ALL}&supplier_id={supplier['id']}")).body
    assert mine
    assert {tariff["supplier"] for tariff in mine} == {supplier["url"]}
    assert (await api.get("/suppliers/supl01HN2NJ9NMRZBXT1H6FT9N7735")).status == 404


async def test_available_tariffs_are_those_sold_at_the_home_of_the_user(api: Any) -> None:
    params = {"available_for_user_id": api.simulator.user_id, "page_size": "100"}
    tariffs = (await api.get("/tariffs", params=params)).body
    assert {tariff["currency"] for tariff in tariffs} == {"GBP"}
    assert {tariff["gsp_group"] for tariff in tariffs} == {None, "_C"}
    suppliers = (await api.get("/suppliers", params=params)).body
    assert {tariff["supplier"] for tariff in tariffs} == {one["url"] for one in suppliers}
    foreign_tariff = await tariff_named(api, "Daluren")
    assert (
        await api.get(foreign_tariff["url"], params=params)
    ).status == 400  # a tariff has no pages
    del params["page_size"]
    assert (await api.get(foreign_tariff["url"], params=params)).status == 404
    assert (await api.get(tariffs[0]["url"], params=params)).status == 200
    unknown_user = {"available_for_user_id": "user01HN2NJ9NMRZBXT1H6FT9N7735"}
    for path in ("/tariffs", "/suppliers", tariffs[0]["url"]):
        answer = await api.get(path, params=unknown_user)
        assert (answer.status, list(answer.body["field_errors"])) == (400, [*unknown_user])


async def test_tariffs_filter_by_gsp_group_and_validity(api: Any) -> None:
    leeds = (await api.get("/tariffs?gsp_group=_M")).body
    assert [tariff["gsp_group"] for tariff in leeds] == ["_M"]
    sold = {one["id"] for one in (await api.get(f"/tariffs?{ALL}&valid=true")).body}
    not_sold = {one["name"]: one for one in (await api.get("/tariffs?valid=false")).body}
    assert len(sold) + len(not_sold) == len((await api.get(f"/tariffs?{ALL}")).body)
    assert set(not_sold) == {"Overnight Drive 2025", "Overnight Drive 2027"}
    await advance(api, days=80)
    not_sold = {one["name"]: one for one in (await api.get("/tariffs?valid=false")).body}
    assert set(not_sold) == {"Overnight Drive 2025"}


async def test_future_tariff_has_no_prices(api: Any) -> None:
    coming = await tariff_named(api, "Overnight Drive 2027")
    assert (await api.get(coming["url"])).body["prices"] is None
    assert (await api.get(f"{coming['url']}/prices")).body == []
    await advance(api, days=80)
    coming = (await api.get(coming["url"])).body
    assert coming["current_price"] == 30
    assert (await api.get(coming["prices"])).body


async def test_daily_prices_are_returned_on_request_in_major_units(api: Any) -> None:
    tariff = await tariff_named(api, "Three Steps")
    assert tariff["type"] == "THREE_RATE"
    assert tariff["daily_prices"] == {
        "peak": {"price": "0.415", "times": [{"start": "16:00:00", "end": "19:00:00"}]},
        "mid_peak": {
            "price": "0.27",
            "times": [
                {"start": "06:00:00", "end": "16:00:00"},
                {"start": "19:00:00", "end": "00:00:00"},
            ],
        },
        "off_peak": {"price": "0.14", "times": [{"start": "00:00:00", "end": "06:00:00"}]},
    }
    assert (await api.get(tariff["url"])).body["daily_prices"] == tariff["daily_prices"]
    overnight = (await tariff_named(api, "Overnight Drive 2025"))["daily_prices"]["off_peak"]
    assert overnight["times"] == [{"start": "23:30:00", "end": "05:30:00"}]
    assert "daily_prices" not in await tariff_named(api, "Market Half-Hours")
    for listed in (await api.get(f"/tariffs?{ALL}")).body:
        assert "daily_prices" not in listed


async def test_weekend_prices_differ_and_so_do_daily_prices(api: Any) -> None:
    tariff = await tariff_named(api, "Easy Weekend")
    assert tariff["daily_prices"]["peak"]["price"] == "0.31"
    await advance(api, days=5)  # from Monday to Saturday
    tariff = (await api.get(tariff["url"])).body
    assert tariff["daily_prices"]["peak"]["price"] == "0.19"
    assert tariff["current_price"] == 19


@pytest.mark.parametrize("day", ["2025-10-26", "2026-03-29", "2026-01-15", "2026-07-15"])
async def test_prices_follow_the_time_zone_of_the_tariff(api: Any, day: str) -> None:
    tariff, zone = await tariff_named(api, "Night Saver"), ZoneInfo("Europe/London")
    midnight = datetime.fromisoformat(f"{day}T00:00:00Z")
    bounds = {
        "started_at__gte": (midnight - timedelta(hours=2)).isoformat(),
        "started_at__lte": (midnight + timedelta(hours=24)).isoformat(),
        "page_size": "100",
    }
    prices = (await api.get(f"{tariff['url']}/prices", params=bounds)).body
    assert len(prices) == 53
    starts = [datetime.fromisoformat(price["started_at"]) for price in prices]
    assert starts == sorted(starts, reverse=True)
    for start, price in zip(starts, prices, strict=True):
        night = start.astimezone(zone).hour < 7
        assert price["price_minor_units"] == (9 if night else 29)
        assert price["interval_seconds"] == 1800


async def test_pages_of_prices_lead_to_the_oldest_price(api: Any) -> None:
    api.simulator.clock.stop()
    tariff = await tariff_named(api, "Market Half-Hours")
    since = {"started_at__gte": "2026-10-01T00:00:00Z"}
    query = "started_at__gte=2026-10-01T00:00:00Z&page_size=50"
    prices = await all_pages(api, f"{tariff['url']}/prices?{query}")
    starts = [datetime.fromisoformat(price["started_at"]) for price in prices]
    assert starts == [starts[0] - timedelta(minutes=30 * n) for n in range(len(starts))]
    assert starts[-1] == datetime.fromisoformat(since["started_at__gte"])
    assert starts[0] <= api.simulator.clock.now() < starts[0] + timedelta(minutes=30)
    assert len({price["price_minor_units"] for price in prices}) > 20


async def test_current_price_is_the_newest_and_expanded_prices_are_of_one_day(api: Any) -> None:
    api.simulator.clock.stop()
    for name in ("Market Half-Hours", "One Price", "Home and EV", "Uurprijs"):
        url = (await tariff_named(api, name))["url"]
        tariff = (
            await api.get(f"{url}?expand=prices&expand=supplier&expand=scheduler_tariff")
        ).body
        newest = (await api.get(f"{url}/prices?page_size=48")).body
        assert tariff["prices"] == newest
        assert tariff["current_price"] == newest[0]["price_minor_units"]
        assert tariff["supplier"]["name"]
    api.simulator.clock.advance(minutes=30)
    advance = (await api.get(f"{url}/prices?page_size=1")).body
    assert advance != newest[:1]


async def test_externally_managed_tariff_has_no_prices(api: Any) -> None:
    managed = await tariff_named(api, "Utility Managed")
    assert managed["type"] == "EXTERNALLY_MANAGED"
    detail = (await api.get(managed["url"])).body
    assert (detail["current_price"], detail["prices"]) == (None, None)
    assert (await api.get(f"{managed['url']}?expand=prices")).body["prices"] == []


async def test_scheduler_tariff_has_the_same_supplier(api: Any) -> None:
    billed = await tariff_named(api, "One Price")
    listed = (await api.get(f"/tariffs?{ALL}&expand=scheduler_tariff&expand=prices")).body
    plan = next(one for one in listed if one["id"] == billed["id"])["scheduler_tariff"]
    assert plan["url"] == billed["scheduler_tariff"]
    assert plan["supplier"] == billed["supplier"]


async def test_prices_require_two_scopes(api: Any) -> None:
    url = (await tariff_named(api, "One Price"))["url"]
    await api.log_in(*api.simulator.add_application(scopes=["tariff:read"]))
    assert (await api.get(f"{url}/prices")).status == 403


async def test_tariff_ids_depend_on_the_seed_only(start: Any) -> None:
    def ids(answer: Any) -> list[str]:
        return [one["id"] for one in answer.body]

    first, same, other = [
        ids(await (await start(seed=seed, rate_limit=None)).get("/tariffs")) for seed in (1, 1, 2)
    ]
    assert first == same
    assert not set(first) & set(other)
