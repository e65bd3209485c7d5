from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

HALF_HOUR = timedelta(minutes=30)


def parse(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def british_feed(api: Any) -> str:
    feeds = (await api.get("/carbon_feeds")).body
    return next(feed["url"] for feed in feeds if feed["name"] == "Great Britain")


async def test_feeds_are_listed_and_returned_by_id(api: Any) -> None:
    for path in ("/carbon_feeds", "/grid_feeds"):
        feeds = (await api.get(path)).body
        assert len(feeds) > 3
        assert [one["id"] for one in feeds] == sorted(one["id"] for one in feeds)
        assert (await api.get(feeds[1]["url"])).body == feeds[1]
        page = (await api.get(f"{path}?page_size=2&page_after={feeds[0]['id']}")).body
        assert page == feeds[1:3]
        unknown = feeds[0]["url"][:-3] + "000"
        assert (await api.get(unknown)).status == 404


async def test_intensities_are_in_an_envelope_newest_first(api: Any) -> None:
    api.simulator.clock.stop()
    url = await british_feed(api)
    page = (await api.get(f"{url}/carbon_intensities?page_size=100&expand=carbon_feed")).body
    assert page["url"] == f"{url}/carbon_intensities"
    assert page["carbon_feed"] == url
    starts = [parse(one["started_at"]) for one in page["carbon_intensities"]]
    assert starts == [starts[0] - n * HALF_HOUR for n in range(100)]
    assert starts[0] > api.simulator.clock.now()  # the page includes forecasts
    for one in page["carbon_intensities"]:
        assert parse(one["created_at"]) <= api.simulator.clock.now()
        assert "url" not in one


async def test_pages_of_intensities_link_in_both_directions(api: Any) -> None:
    api.simulator.clock.stop()
    path = f"{await british_feed(api)}/carbon_intensities?page_size=7"
    whole = (await api.get(path.replace("=7", "=21"))).body["carbon_intensities"]
    found: list[Any] = []
    for _ in range(3):
        answer = await api.get(path)
        found += answer.body["carbon_intensities"]
        previous, following = (
            part.partition(">")[0].strip(" <") for part in answer.headers["Link"].split(",")
        )
        path = following
    assert found == whole
    back = (await api.get(previous)).body["carbon_intensities"]
    assert back == whole[7:14]


async def test_forecast_is_close_to_the_final_intensity(api: Any) -> None:
    api.simulator.clock.stop()
    path = f"{await british_feed(api)}/carbon_intensities"
    bounds = {
        "started_at__gte": "2026-10-05T13:00:00Z",
        "started_at__lte": "2026-10-06T12:00:00Z",
        "page_size": "100",
    }

    async def intensities() -> list[tuple[str, int]]:
        found = (await api.get(path, params=bounds)).body["carbon_intensities"]
        return [(one["started_at"], one["co2_intensity_grams_per_kilowatt_hour"]) for one in found]

    expected = await intensities()
    assert len(expected) == 47
    api.simulator.clock.advance(days=2)
    await api.log_in()
    settled = await intensities()
    assert [start for start, _ in settled] == [start for start, _ in expected]
    assert settled != expected
    for (_, before), (_, after) in zip(expected, settled, strict=True):
        assert abs(before - after) <= after * 0.07 + 1
    api.simulator.clock.advance(days=200)
    await api.log_in()
    assert await intensities() == settled


async def test_levels_are_on_numbered_pages_and_published_the_day_before(api: Any) -> None:
    api.simulator.clock.stop()
    feed = next(one for one in (await api.get("/grid_feeds")).body if one["priority"] == 5)
    query = "page_size=40&started_at__gte=2026-10-05T00:00:00Z"
    first = await api.get(f"{feed['url']}/levels?{query}")
    second = await api.get(f"{feed['url']}/levels?{query}&page=3")
    starts = [parse(one["started_at"]) for one in first.body]
    assert starts == [starts[0] - n * HALF_HOUR for n in range(40)]
    assert starts[0] == parse("2026-10-06T23:30:00Z")
    assert parse(second.body[-1]["started_at"]) == parse("2026-10-05T00:00:00Z")
    assert (await api.get(f"{feed['url']}/levels?{query}&page=4")).status == 404
    for one in first.body:
        assert 1 <= one["value"] <= 100
        assert parse(one["created_at"]) <= api.simulator.clock.now()
    evening = [one["value"] for one in first.body if parse(one["started_at"]).hour == 18]
    night = [one["value"] for one in first.body if parse(one["started_at"]).hour == 5]
    assert min(evening) > max(night)


async def test_constant_level_has_no_start_and_matches_no_bound(api: Any) -> None:
    feed = next(one for one in (await api.get("/grid_feeds")).body if one["priority"] == 2)
    levels = (await api.get(f"{feed['url']}/levels")).body
    assert [(one["value"], one["started_at"], one["interval_seconds"]) for one in levels] == [
        (50, None, None)
    ]
    bounded = await api.get(f"{feed['url']}/levels?started_at__lte=2026-10-05T00:00:00Z")
    assert bounded.body == []
    assert (await api.get("/grid_feeds/grfd01HN2NJ9NMRZBXT1H6FT9N7735/levels")).status == 404


async def test_feeds_require_their_scopes(api: Any) -> None:
    url = await british_feed(api)
    await api.log_in(*api.simulator.add_application(scopes=["grid:read"]))
    assert (await api.get(f"{url}/carbon_intensities")).status == 403
    assert (await api.get("/grid_feeds")).status == 200
