from __future__ import annotations

import re
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ev_energy.simulator.http._paging import ScanLimitError, cursor_page

if TYPE_CHECKING:
    from collections.abc import Iterator

BLANK = "about:blank"


def links(answer: Any) -> dict[str, str]:
    found = re.fullmatch(r'<(.*)>; rel="previous", <(.*)>; rel="next"', answer.headers["Link"])
    assert found, answer.headers["Link"]
    return {"previous": found[1], "next": found[2]}


async def follow_next(api: Any, path: str) -> tuple[list[list[str]], str]:
    """Return the URLs of all items by page, and the URL of the last page."""
    pages, url = [], path
    while True:
        answer = await api.get(url)
        assert answer.status == 200, answer.body
        pages.append([item["url"] for item in answer.body])
        if links(answer)["next"] == BLANK:
            return pages, answer.url
        url = links(answer)["next"]


async def follow_previous(api: Any, url: str) -> list[list[str]]:
    pages: list[list[str]] = []
    while url != BLANK:
        answer = await api.get(url)
        pages.insert(0, [item["url"] for item in answer.body])
        url = links(answer)["previous"]
    return pages


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/evses", "/evse_models", "LOG"])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(size=st.integers(1, 100))
async def test_paging_in_both_directions_returns_each_item_once(
    api: Any, path: str, size: int
) -> None:
    if path == "LOG":
        path = (await api.get("/evses?page_size=1")).body[0]["url"] + "/error_logs"
    everything = [item["url"] for item in (await api.get(f"{path}?page_size=100")).body]
    forwards, last = await follow_next(api, f"{path}?page_size={size}")
    assert list(chain(*forwards)) == everything
    assert all(len(page) == size for page in forwards[:-1])
    assert list(chain(*await follow_previous(api, last))) == everything


async def test_status_logs_are_paged_newest_first(start: Any, clock: Any) -> None:
    api = await start(rate_limit=None, clock=clock)
    evse = (await api.get("/evses?page_size=1")).body[0]
    since = (clock.now() - timedelta(days=1)).isoformat().replace("+00:00", "Z")
    pages, _ = await follow_next(api, f"{evse['url']}/status_logs?sampled_at__gte={since}")
    urls = list(chain(*pages))
    assert {len(page) for page in pages[:-1]} == {25}
    assert len(urls) > 90
    assert urls == sorted(set(urls), reverse=True)
    assert urls[0] == evse["latest_status_log"]


async def test_links_are_blank_without_a_neighbouring_page(api: Any) -> None:
    answer = await api.get("/evses?page_size=100")
    assert links(answer) == {"previous": BLANK, "next": BLANK}
    empty = await api.get("/evses?cpid=none")
    assert (empty.body, links(empty)) == ([], {"previous": BLANK, "next": BLANK})


async def test_links_keep_all_other_parameters(api: Any) -> None:
    evse_url = (await api.get("/evses?page_size=1")).body[0]["url"]
    query = "page_size=2&expand=evse.user&expand=evse.model&action__in=Heartbeat,MeterValues"
    answer = await api.get(
        f"{evse_url}/ocpp_logs?{query}&sampled_at__gte=2026-01-01T01%3A00%3A00%2B01%3A00"
    )
    cursor = answer.body[-1]["sampled_at"]
    assert parse_qsl(urlsplit(links(answer)["next"]).query) == [
        ("page_size", "2"),
        ("expand", "evse.user"),
        ("expand", "evse.model"),
        ("action__in", "Heartbeat,MeterValues"),
        ("sampled_at__gte", "2026-01-01T01:00:00+01:00"),
        ("page_after", cursor),
    ]


async def test_page_before_is_ignored_with_page_after(api: Any) -> None:
    ids = [evse["id"] for evse in (await api.get("/evses?page_size=100")).body]
    answer = await api.get(f"/evses?page_size=2&page_after={ids[4]}&page_before={ids[2]}")
    assert [evse["id"] for evse in answer.body] == ids[5:7]


async def test_page_before_returns_the_preceding_items(api: Any) -> None:
    ids = [evse["id"] for evse in (await api.get("/evses?page_size=100")).body]
    answer = await api.get(f"/evses?page_size=2&page_before={ids[4]}")
    assert [evse["id"] for evse in answer.body] == ids[2:4]


async def test_cursor_of_a_deleted_item_works(api: Any) -> None:
    ids = [evse["id"] for evse in (await api.get("/evses?page_size=100")).body]
    assert (await api("DELETE", f"/evses/{ids[3]}")).status == 204
    answer = await api.get(f"/evses?page_size=2&page_after={ids[3]}")
    assert [evse["id"] for evse in answer.body] == ids[4:6]
    assert links(answer)["previous"] != BLANK


async def test_default_page_size_is_25(start: Any) -> None:
    api = await start(vehicles=120)
    assert len((await api.get("/evses")).body) == 25
    assert len((await api.get("/evses?page_size=100")).body) == 100


@pytest.mark.parametrize(
    "query",
    [
        *("page_size=0", "page_size=101", "page_size=ten", "page_size=", "page_size=-1"),
        *("page_size=1.5", "page_after=nonsense", "page_before=user01HN2NJ9NMRZBXT1H6FT9N7735"),
    ],
)
async def test_invalid_paging_parameter_has_its_own_problem_type(api: Any, query: str) -> None:
    answer = await api.get(f"/evses?{query}")
    assert answer.status == 400
    assert answer.body["type"].endswith("/problems/pagination-parameters/")


async def test_logs_are_paged_by_timestamp(api: Any) -> None:
    evse = (await api.get("/evses?page_size=1")).body[0]
    answer = await api.get(f"{evse['url']}/status_logs?page_after={evse['id']}")
    assert answer.body["type"].endswith("/problems/pagination-parameters/")
    later = await api.get(f"{evse['url']}/status_logs?page_after=2026-05-30T12:00:00%2B02:00")
    assert later.body[0]["sampled_at"] < "2026-05-30T10:00"


async def test_page_ends_at_the_scan_limit_without_losing_items(
    start: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await start(rate_limit=None, clock=clock)
    evse = (await api.get("/evses?page_size=1")).body[0]
    since = (clock.now() - timedelta(days=1)).isoformat().replace("+00:00", "Z")
    url = f"{evse['url']}/ocpp_logs?sampled_at__gte={since}&action=BootNotification"
    whole, _ = await follow_next(api, url)
    monkeypatch.setattr("ev_energy.simulator.http._paging._SCAN_LIMIT", 20)
    pages, _ = await follow_next(api, url)
    assert list(chain(*pages)) == list(chain(*whole))
    assert len(pages) > len(whole)
    assert any(len(page) == 0 for page in pages)


class Numbers:
    """Eight rows, of which one scan yields six, as a list of filtered sub-sessions does."""

    def after(self, position: int | None) -> Iterator[dict[str, int]]:
        start = 0 if position is None else position + 1
        for scanned, number in enumerate(range(start, 8)):
            if scanned == 6:
                raise ScanLimitError(str(number))
            yield {"number": number}

    def before(self, position: int | None) -> Iterator[dict[str, int]]:
        raise AssertionError("nothing precedes the first page")

    def position(self, row: dict[str, int]) -> int:
        return row["number"]

    def cursor(self, row: dict[str, int]) -> str:
        return str(row["number"])


@pytest.mark.parametrize(("last", "following"), [(2, BLANK), (7, "url?page_after=2")])
def test_rows_of_a_page_do_not_count_in_the_search_for_the_next(last: int, following: str) -> None:
    numbers: Any = Numbers()
    rows, link = cursor_page(
        numbers, lambda row: row["number"] in {0, 1, 2, last}, "url", {"page_size": 3}, []
    )
    assert [row["number"] for row in rows] == [0, 1, 2]
    assert link == f'<{BLANK}>; rel="previous", <{following}>; rel="next"'
