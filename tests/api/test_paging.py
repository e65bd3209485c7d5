"""Listings of the simulator and of servers with faulty links."""

from __future__ import annotations

import asyncio
import json
import pickle
from datetime import UTC, datetime

import pytest
from aiohttp import web
from yarl import URL

from ev_energy import Client, Pager, errors
from ev_energy._messages import Page
from ev_energy.models import EVSE


def evse(number: int) -> dict[str, str]:
    return {"id": f"evse{number}", "url": f"https://x/v2/evses/evse{number}", "cpid": "c"}


class Listing:
    """A listing of *count* EVSEs in pages of two; ``links`` replaces the links of a page."""

    def __init__(self, count: int = 7, links: dict[int, str] | None = None) -> None:
        self.count, self.links = count, links or {}
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, request: web.Request) -> web.Response:
        await self.gate.wait()
        number = int(request.query.get("page_after", "0"))
        items = [evse(i) for i in range(number, min(number + 2, self.count))]
        base = request.url.with_query([p for p in request.query.items() if p[0] != "page_after"])

        def to(position: int) -> str:
            if not 0 <= position < self.count:
                return "about:blank"
            return str(base.update_query(page_after=position))

        link = f'<{to(number - 2)}>; rel="previous", <{to(number + 2)}>; rel="next"'
        header = self.links.get(number, link)
        return web.json_response(items, headers={"Link": header} if header else {})


async def test_items_are_returned_page_by_page_and_in_order(serve) -> None:
    server = await serve(Listing())
    async with server.client() as client:
        pager = client.evses.list(cpid="c", expand=["user", "model.make"])
        assert server.requests == []
        assert [item.id async for item in pager] == [f"evse{i}" for i in range(7)]
        assert [len(page.items) async for page in pager.pages()] == [2, 2, 2, 1]
    for seen in server.requests:
        assert [p for p in seen.query if p[0] != "page_after"] == [
            ("cpid", "c"),
            ("page_size", "100"),
            ("expand", "user"),
            ("expand", "model.make"),
        ]


async def test_needed_pages_are_requested_only(serve) -> None:
    server = await serve(Listing())
    async with server.client() as client:
        first = await client.evses.list().first()
        assert first is not None
        assert first.id == "evse0"
        assert len(server.requests) == 1
        assert len(await client.evses.list().collect(limit=3)) == 3
        assert len(server.requests) == 3
        assert await client.evses.list().collect(limit=0) == []
        assert len(server.requests) == 3
        with pytest.raises(ValueError, match="limit must be 0 or more, not -1"):
            await client.evses.list().collect(limit=-1)


async def test_empty_listing_has_no_first_item(serve) -> None:
    server = await serve(Listing(0))
    async with server.client() as client:
        assert await client.evses.list().first() is None
        assert await client.evses.list().collect() == []


async def test_empty_page_in_the_middle_does_not_end_the_listing(serve) -> None:
    pages = {"": ([evse(0)], "a"), "a": ([], "b"), "b": ([evse(1)], None)}

    async def handler(request: web.Request) -> web.Response:
        items, following = pages[request.query.get("page_after", "")]
        url = request.url.update_query(page_after=following) if following else "about:blank"
        return web.json_response(items, headers={"Link": f'<{url}>; rel="next"'})

    server = await serve(handler)
    async with server.client() as client:
        assert [item.id async for item in client.evses.list()] == ["evse0", "evse1"]


@pytest.mark.parametrize(
    "end", [" ", '<about:blank>; rel="next"', '<>; rel="next"', '<https://x/>; rel="previous"']
)
async def test_listing_ends_without_a_next_link(serve, end: str) -> None:
    server = await serve(Listing(links={2: end}))
    async with server.client() as client:
        assert len(await client.evses.list().collect()) == 4


async def test_page_without_links_is_an_error_and_not_the_end(serve) -> None:
    listing = Listing(links={2: ""})
    server = await serve(listing)
    async with server.client() as client:
        got, error = await items_and_error(client.evses.list())
        assert got == ["evse0", "evse1"]
        listing.links.clear()
        rest = await client.evses.list().resume(error.cursor or "").collect()
    assert got + [evse.id for evse in rest] == [f"evse{i}" for i in range(7)]


async def test_last_page_needs_no_links_if_pages_only_link_to_the_next(serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        if "page_after" in request.query:
            return web.json_response([evse(1)])
        following = f'<{request.url.update_query(page_after=1)}>; rel="next"'
        return web.json_response([evse(0)], headers={"Link": following})

    server = await serve(handler)
    async with server.client() as client:
        assert len(await client.evses.list().collect()) == 2


async def items_and_error(pager: Pager[EVSE]) -> tuple[list[str], errors.PagingError]:
    """Return the items before a wrong link, and the error that it caused."""
    got: list[str] = []
    with pytest.raises(errors.PagingError) as caught:
        async for evse in pager:
            assert evse.id is not None
            got.append(evse.id)
    return got, caught.value


BROKEN = ["<garbage", 'no link; rel="next"', '<http://[x>; rel="next"', '<http://a b/>; rel="next"']


@pytest.mark.parametrize("header", BROKEN)
@pytest.mark.parametrize("ahead", [False, True])
async def test_malformed_link_is_an_error_and_not_the_end(serve, header: str, ahead: bool) -> None:
    listing = Listing(links={2: header})
    server = await serve(listing)
    async with server.client() as client:
        pager = client.evses.list(cpid="c")
        got, error = await items_and_error(pager.prefetch() if ahead else pager)
        assert got == ["evse0", "evse1"]
        assert str(error) == f"GET /v2/evses: the Link header cannot be read: {error.args[0][47:]}"
        assert error.page is not None
        assert [item.id for item in error.page.items] == ["evse2", "evse3"]
        assert header not in str(error)
        assert len(server.requests) == 2
        assert error.cursor is not None
        with pytest.raises(errors.PagingError):
            await pager.resume(error.cursor).page()
        listing.links.clear()
        got += [item.id async for item in pager.resume(error.cursor)]
    assert got == [f"evse{i}" for i in range(7)]


@pytest.mark.parametrize(
    "back",
    [
        "page_after=2&cpid=c&page_size=100",
        "cpid=c&page_size=100",
        "cpid=c&page_size=100&page_after=4",
    ],
    ids=["a page before", "the first page", "itself"],
)
async def test_link_to_a_page_seen_before_is_an_error_and_not_the_end(serve, back: str) -> None:
    listing = Listing()
    server = await serve(listing)
    listing.links[4] = f'<{server.url}/evses?{back}>; rel="next"'
    async with server.client(max_pages=10) as client:
        pager = client.evses.list(cpid="c")
        got, error = await items_and_error(pager)
        assert "its next link leads to a page seen before" in str(error)
        assert error.request.label == "GET /v2/evses"
        assert got == [f"evse{i}" for i in range(4)]
        assert len(server.requests) == 3
        assert error.page is not None
        assert [item.id for item in error.page.items] == ["evse4", "evse5"]
        pickled = pickle.loads(pickle.dumps(error))
        assert pickled.cursor == error.cursor
        assert [item.id for item in pickled.page.items] == ["evse4", "evse5"]
        listing.links.clear()
        assert error.cursor is not None
        got += [item.id async for item in pager.resume(error.cursor)]
    assert got == [f"evse{i}" for i in range(7)]


async def test_iteration_continues_after_the_server_repairs_its_link(serve) -> None:
    listing = Listing(links={2: "<garbage"})
    server = await serve(listing)
    async with server.client() as client:
        items = aiter(client.evses.list())
        got = [await anext(items), await anext(items)]
        with pytest.raises(errors.PagingError):
            await anext(items)
        listing.links.clear()
        got += [item async for item in items]
    assert [item.id for item in got] == [f"evse{i}" for i in range(7)]


@pytest.mark.parametrize("ahead", [False, True])
async def test_endless_listing_ends_at_max_pages(serve, ahead: bool) -> None:
    async def endless(request: web.Request) -> web.Response:
        number = int(request.query.get("page_after", "0"))
        url = request.url.update_query(page_after=number + 1)
        return web.json_response([evse(number)], headers={"Link": f'<{url}>; rel="next"'})

    server = await serve(endless)
    async with server.client(max_pages=3) as client:
        pager = client.evses.list()
        got, error = await items_and_error(pager.prefetch() if ahead else pager)
        assert got == ["evse0", "evse1", "evse2"]
        assert "there are more than 3 pages (max_pages)" in str(error)
        assert error.page is None
        assert len(server.requests) == 3
        assert error.cursor is not None
        more, error = await items_and_error(pager.resume(error.cursor))
        assert more == ["evse3", "evse4", "evse5"]
        one = client.with_options(max_pages=1).evses.list()
        assert (await items_and_error(one))[0] == ["evse0"]
        assert (await one.first()) is not None


async def test_listing_of_exactly_max_pages_is_complete(serve) -> None:
    server = await serve(Listing(6))
    async with server.client(max_pages=3) as client:
        assert len(await client.evses.list().collect()) == 6


async def test_link_to_another_origin_is_an_error_and_not_requested(serve) -> None:
    stranger = await serve(Listing())
    server = await serve(Listing(links={2: f'<{stranger.url}/evses?page_after=4>; rel="next"'}))
    async with server.client() as client:
        pager = client.evses.list()
        seen = []
        with pytest.raises(errors.ForeignOriginError, match="token is sent nowhere else"):
            async for item in pager:
                seen.append(item.id)
    assert seen == ["evse0", "evse1", "evse2", "evse3"]
    assert stranger.requests == []


async def test_cursor_resumes_in_another_client(serve) -> None:
    server = await serve(Listing())
    async with server.client() as client:
        pages = client.evses.list(cpid="c").pages()
        await anext(pages)
        second = await anext(pages)
    saved = json.loads(json.dumps([second.cursor, second.next_cursor]))
    async with server.client() as client:
        again = client.evses.list(cpid="c", page_size=50)
        assert [i.id async for i in again.resume(saved[0])] == [f"evse{i}" for i in range(2, 7)]
        assert [i.id async for i in again.resume(saved[1])] == ["evse4", "evse5", "evse6"]
        last = await again.resume(saved[1]).page()
        assert last.next_cursor is not None
        assert (await again.resume(last.next_cursor).page()).next_cursor is None


async def test_cursor_of_another_listing_is_refused_before_anything_is_sent(serve) -> None:
    server, other = await serve(Listing()), await serve(Listing())
    async with server.client() as client, other.client() as elsewhere:
        cursor = (await client.evses.list(cpid="c").page()).cursor
        asked = len(server.requests)
        for pager in (
            client.evses.list(cpid="d"),
            client.evses.list(cpid="c", expand=["user"]),
            client.evse_models.list(),
            client.acting_for("user01").evses.list(cpid="c"),
            elsewhere.evses.list(cpid="c"),
        ):
            with pytest.raises(errors.CursorError, match="belongs to another listing"):
                pager.resume(cursor)
        for bad in ("", "x", "!!", cursor[:-3], "WzEsMl0", "bnVsbA"):
            with pytest.raises(errors.CursorError):
                client.evses.list(cpid="c").resume(bad)
        assert len(server.requests) == asked
        assert other.requests == []


async def test_error_while_paging_has_the_cursor_to_resume_from(serve) -> None:
    listing, broken = Listing(), True

    async def handler(request: web.Request) -> web.Response:
        if broken and request.query.get("page_after") == "4":
            return web.json_response({"title": "Gone mad"}, status=500)
        return await listing(request)

    server = await serve(handler)
    async with server.client() as client:
        pager = client.evses.list()
        got = []
        with pytest.raises(errors.ServerError) as caught:
            async for item in pager:
                got.append(item.id)
        broken = False
        assert caught.value.cursor is not None
        got += [item.id async for item in pager.resume(caught.value.cursor)]
    assert got == [f"evse{i}" for i in range(7)]


async def test_listing_can_be_iterated_backward(client: Client) -> None:
    target = await client.evses.list().first()
    assert target is not None
    there = client.evses.status_logs(target, page_size=25)
    pages = []
    async for page in there.pages():
        pages.append(page)
        if len(pages) == 5:
            break
    assert len(pages) == 5
    back = [page async for page in there.resume(pages[3].cursor).backward().pages()]
    assert [[log.url for log in page.items] for page in back] == [
        [log.url for log in page.items] for page in reversed(pages[:4])
    ]


async def test_prefetching_returns_the_same_items_and_requests_one_page_ahead(serve) -> None:
    listing = Listing()
    server = await serve(listing)
    async with server.client() as client:
        pages = client.evses.list().prefetch().pages()
        first = await anext(pages)
        assert len(first.items) == 2
        while len(server.requests) < 2:
            await asyncio.sleep(0)
        rest = [item.id async for page in pages for item in page.items]
        assert rest == ["evse2", "evse3", "evse4", "evse5", "evse6"]
        assert [i.id async for i in client.evses.list().prefetch()] == [
            f"evse{i}" for i in range(7)
        ]


async def test_page_has_its_reply_and_can_be_pickled_with_it(client: Client) -> None:
    page = await client.evses.list(page_size=3).page()
    copy = pickle.loads(pickle.dumps(page))
    assert copy.items == page.items
    assert (copy.cursor, copy.next_cursor) == (page.cursor, page.next_cursor)
    assert copy.response.header("LINK") == page.response.header("link") != ""
    assert len(page.items) == 3
    assert page.response.status == 200
    assert json.loads(page.response.body)[0]["id"] == page.items[0].id
    assert page.rate_limit is not None
    assert page.rate_limit.limit == 1000
    assert page.previous_url is None
    assert page.next_url is not None


async def test_repr_of_a_listing_tells_what_it_will_request(serve) -> None:
    server = await serve(Listing())
    async with server.client() as client:
        listing = client.evses.list(cpid="eve@x.example", page_size=2, expand=["user", "model"])
        request = "GET /v2/evses?cpid=***&page_size=2&expand=user&expand=model"
        assert repr(listing) == f"<Pager {request}: EVSE, from the first page>"
        cursor = (await listing.page()).next_cursor
        assert cursor is not None
        resumed = listing.resume(cursor)
        query = "cpid=***&expand=user&expand=model&page_after=***&page_size=2"
        shown = f"GET /v2/evses?{query}: EVSE, resumed at a cursor"
        assert repr(resumed) == f"<Pager {shown}>"
        assert repr(resumed.backward().prefetch()) == f"<Pager {shown}, backward, prefetching>"
        log = client.evses.status_logs("evse1", sampled_at__gte=datetime(2026, 1, 1, tzinfo=UTC))
        assert repr(log) == (
            "<LogPager GET /v2/evses/evse1/status_logs?sampled_at__gte=2026-01-01T00:00:00.000000Z"
            "&page_size=100: EVSEStatusLog, from the first page>"
        )
    assert len(server.requests) == 1


async def test_pager_can_be_constructed_and_iterated_twice() -> None:
    start = URL("https://api.ev.energy/v2/evses")
    model = EVSE(id="e", url="u", cpid="c")
    response: object = None

    async def fetch(url: URL) -> Page[EVSE]:
        return Page(items=[model], url=url, response=response)  # type: ignore[arg-type]  # unused

    pager = Pager(fetch, start)
    assert [item async for item in pager] == [model]
    assert [item async for item in pager] == [model]
