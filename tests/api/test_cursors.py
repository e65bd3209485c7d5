"""A cursor leads back to its page; a forged one never leaves its listing."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

import ev_energy_sync
from ev_energy import errors
from ev_energy._api.cursors import Listing
from tests.helpers.support import TOKEN

ORIGIN = "https://api.ev.energy"
OWN = Listing(URL(f"{ORIGIN}/v2/evses?cpid=c&page_size=100&expand=user&expand=model"), "user01")
SECOND = OWN.start.update_query(page_after="evse02")
POSITION = {"page", "page_after", "page_before", "page_size"}

TEXTS = st.text(max_size=8)
#: Values in queries of servers: ids, timestamps with an escaped or a raw ``+``, opaque text.
VALUES = st.from_regex(r"([A-Za-z0-9:+.,~@/?=-]|%2B|%20|%26|%23|%C3%A9){1,30}", fullmatch=True)
LISTINGS = st.builds(
    lambda query, size, user: Listing(
        URL(f"{ORIGIN}/v2/evses").with_query([*query, *([] if size is None else [size])]), user
    ),
    st.lists(st.tuples(st.sampled_from(["cpid", "expand", "pages", "a b"]), TEXTS), max_size=4),
    st.none() | st.tuples(st.just("page_size"), st.integers(1, 100)),
    st.none() | TEXTS,
)


def unpacked(cursor: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


def packed(content: Any) -> str:
    text = content if isinstance(content, str) else json.dumps(content, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


FINGERPRINT = unpacked(OWN.cursor(SECOND))[1]


def forged(position: Any) -> str:
    """Return a cursor with *position*, in the format of the client."""
    return packed([2, FINGERPRINT, position])


def filters(url: URL) -> list[tuple[str, str]]:
    """Return the query without its position, parsed independently of the client."""
    found = parse_qsl(url.raw_query_string, keep_blank_values=True, strict_parsing=False)
    return sorted(pair for pair in found if pair[0] not in POSITION)


@given(LISTINGS, st.sampled_from(["page", "page_after", "page_before"]), VALUES)
def test_cursor_leads_back_to_its_page(listing: Listing, name: str, value: str) -> None:
    start = str(listing.start)
    url = URL(f"{start}{'&' if '?' in start else '?'}{name}={value}", encoded=True)
    back = listing.resume(listing.cursor(url))
    assert sorted(back.raw_query_string.split("&")) == sorted(url.raw_query_string.split("&"))
    assert (back.origin(), back.raw_path) == (url.origin(), url.raw_path)


@given(LISTINGS)
def test_cursor_of_the_first_page_leads_back_to_it(listing: Listing) -> None:
    back = listing.resume(listing.cursor(listing.start))
    assert sorted(back.query.items()) == sorted(listing.start.query.items())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 101) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from([*POSITION, "email", "expand", "cpid", "user", "page_after&email"]) | TEXTS
PIECES = st.sampled_from(
    ["evse02", "&email=x", "#", "%26", "%0a", "%00", "\n", "/../", "?", ";", "é", "%zz", "=", "5"]
)
POSITIONS = st.dictionaries(
    NAMES, st.lists(PIECES, max_size=4).map("".join) | JSON, min_size=1, max_size=4
)


@st.composite
def corrupted(draw: Callable[..., Any]) -> str:
    """Draw a cursor of this listing with some changed characters, also characters not in base64."""
    text = draw(st.sampled_from([OWN.cursor(SECOND), OWN.cursor(OWN.start)]))
    inside = draw(st.booleans())
    letters = list(json.dumps(unpacked(text)) if inside else text)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(letters)))
        letters[place : place + draw(st.integers(0, 2))] = draw(st.text(max_size=3))
    return packed("".join(letters)) if inside else "".join(letters)


PATHS = st.sampled_from(
    ["/v2/users", "/o/token/", "//evil.example/v2/evses", "/v2/evses", "/v2/evses?email=a"]
)
FORGED = st.one_of(
    corrupted(),
    st.text(max_size=60),
    JSON.map(packed),
    POSITIONS.map(forged),
    POSITIONS.map(lambda position: forged(position).swapcase()),
    st.tuples(st.just(FINGERPRINT), PATHS).map(packed),
    st.tuples(st.just(2), st.just(FINGERPRINT), PATHS).map(packed),
)


@given(FORGED)
def test_forged_cursor_stays_within_its_listing(cursor: str) -> None:
    try:
        url = OWN.resume(cursor)
    except errors.CursorError:
        return
    assert (url.origin(), url.raw_path) == (OWN.start.origin(), OWN.start.raw_path)
    assert not url.fragment
    assert filters(url) == filters(OWN.start)
    position = [pair for pair in url.query.items() if pair[0] in POSITION]
    assert len({name for name, _ in position}) == len(position)
    assert all(value.isprintable() for _, value in position)
    assert OWN.cursor(url) == cursor  # each position has one spelling


class Evses:
    """A listing of seven EVSEs in pages of two; *link* returns the URL of a page."""

    def __init__(self, link: Callable[[web.Request, int], str]) -> None:
        self.link, self.broken_at = link, -1

    async def __call__(self, request: web.Request) -> web.Response:
        number = int(request.query.get("page_after", request.query.get("cursor", "0")))
        if number == self.broken_at:
            return web.json_response({"title": "down"}, status=500)
        items = [{"id": f"evse{i}", "url": "u", "cpid": "c"} for i in range(number, number + 2)]
        following = self.link(request, number + 2) if number < 6 else "about:blank"
        return web.json_response(
            items[: 7 - number], headers={"Link": f'<{following}>; rel="next"'}
        )


def natural(request: web.Request, number: int) -> str:
    return str(request.url.update_query(page_after=number))


ALL = [f"evse{i}" for i in range(7)]

FORGERIES = {
    "a filter of another user": {"page_after": "2", "email": "victim@example.com"},
    "a filter inside a position": {"page_after": "2&email=victim@example.com"},
    "another expand": {"expand": "user"},
    "a fragment": {"page_after": "2#"},
    "another separator": {"page_after": "2;email=x"},
    "several values": {"page_after": ["2", "4"]},
    "a number": {"page_after": 2},
    "null": {"page_after": None},
    "a line break": {"page_after": "2%0d%0aX-Evil:1"},
    "a zero byte": {"page_after": "2%00"},
    "a broken escape": {"page_after": "2%"},
    "letters that are not escaped": {"page_after": "é"},
    "a page_size beyond the API's": {"page_size": "1000"},
    "a page_size of nothing": {"page_size": "0"},
    "a position without an end": {"page_after": "2" * 4000},
    "an unknown position": {"offset": "2"},
}


@pytest.mark.parametrize("position", FORGERIES.values(), ids=FORGERIES.keys())
async def test_forged_position_is_refused_before_anything_is_sent(serve, position: Any) -> None:
    server = await serve(Evses(natural))
    async with server.client() as client:
        listing = client.evses.list(cpid="c")
        fingerprint = unpacked((await listing.page()).cursor)[1]
        with pytest.raises(errors.CursorError):
            listing.resume(packed([2, fingerprint, position]))
        assert len(server.requests) == 1
        inside = listing.resume(packed([2, fingerprint, {"page_after": "4"}]))
        assert [evse.id async for evse in inside] == ALL[4:]
    for seen in server.requests:
        assert seen.raw_path == "/v2/evses"
        assert [pair for pair in seen.query if pair[0] not in POSITION] == [("cpid", "c")]


async def test_repeated_parameter_in_a_cursor_is_refused(serve) -> None:
    server = await serve(Evses(natural))
    async with server.client() as client:
        listing = client.evses.list()
        fingerprint = unpacked((await listing.page()).cursor)[1]
        twice = f'[2,"{fingerprint}",{{"page_after":"2","page_after":"4"}}]'
        with pytest.raises(errors.CursorError):
            listing.resume(packed(twice))


@pytest.mark.parametrize(
    "path", ["/v2/users", "/o/token/", "/v2/evses?page_after=2", "/v2/evses?email=x"]
)
async def test_cursor_of_the_earlier_format_is_refused_with_the_reason(serve, path: str) -> None:
    server = await serve(Evses(natural))
    async with server.client() as client:
        with pytest.raises(errors.CursorError, match="saved by an earlier version"):
            client.evses.list().resume(packed(["0123456789abcdef", path]))
    assert server.requests == []


@pytest.mark.parametrize("cursor", [None, b"WzIsMV0", 5, ["x"]])
async def test_cursor_that_is_not_a_str_is_refused_by_name(serve, cursor: Any) -> None:
    server = await serve(Evses(natural))
    async with server.client() as client:
        with pytest.raises(TypeError, match="cursor must be a str, not"):
            client.evses.list().resume(cursor)


def test_cursor_holds_no_filter_and_no_user() -> None:
    listing = Listing(URL(f"{ORIGIN}/v2/users?email=driver@example.com"), "user01SECRET")
    content = json.dumps(unpacked(listing.cursor(listing.start)))
    assert "driver" not in content
    assert "SECRET" not in content


#: Links that change more than the position, as some servers and proxies do.
LINKS: dict[str, Callable[[web.Request, int], str]] = {
    "the position alone": natural,
    "another order": lambda _, n: f"/v2/evses?page_after={n}&expand=user&page_size=100&cpid=c",
    "a slash at the end": lambda r, n: (
        f"/v2/evses/?{r.url.update_query(page_after=n).query_string}"
    ),
    "no filters": lambda _, n: f"/v2/evses?page_after={n}",
    "a parameter more": lambda r, n: f"{natural(r, n)}&format=json",
    "an escaped name": lambda r, n: f"/v2/evses?cpid=c&expand=user&page%5Fafter={n}",
}


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS.keys())
async def test_listing_resumes_even_if_links_change_other_parameters(serve, link: Any) -> None:
    listing = Evses(link)
    server = await serve(listing)
    async with server.client(retries=0) as client:
        pager = client.evses.list(cpid="c", expand=["user"])
        listing.broken_at = 4
        got = []
        with pytest.raises(errors.ServerError) as caught:
            async for evse in pager:
                got.append(evse.id)
        listing.broken_at = -1
        assert caught.value.cursor is not None
        sent = len(server.requests)
        got += [evse.id async for evse in pager.resume(caught.value.cursor)]
        assert got == ALL
        assert sorted(p for p in server.requests[sent].query if p[0] not in POSITION) == [
            ("cpid", "c"),
            ("expand", "user"),
        ]
        assert server.requests[sent].raw_path == "/v2/evses"


async def test_link_with_an_undocumented_position_is_followed_but_has_no_cursor(serve) -> None:
    listing = Evses(lambda request, number: str(request.url.update_query(cursor=number)))
    server = await serve(listing)
    async with server.client(retries=0) as client:
        pager = client.evses.list(cpid="c")
        assert [evse.id async for evse in pager] == ALL
        page = await pager.page()
        pager.resume(page.cursor)
        with pytest.raises(errors.CursorError, match="none of the parameters page, page_after and"):
            _ = page.next_cursor  # it would restart at the first page
        listing.broken_at = 2
        with pytest.raises(errors.ServerError) as caught:
            await pager.collect()
        assert caught.value.cursor is None


async def test_timestamp_with_a_plus_is_sent_as_the_server_wrote_it(serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        following = "about:blank"
        if "page_after" not in request.query:
            following = "/v2/evses/e/status_logs?page_after=2024-01-01T00:00:00+00:00"
        paths.append(request.raw_path)
        return web.json_response([], headers={"Link": f'<{following}>; rel="next"'})

    paths: list[str] = []
    server = await serve(handler)
    async with server.client() as client:
        listing = client.evses.status_logs("e")
        first = await listing.page()
        assert first.next_cursor is not None
        await listing.resume(first.next_cursor).page()
    assert paths[1] == "/v2/evses/e/status_logs?page_after=2024-01-01T00:00:00+00:00"


async def test_pickled_page_keeps_its_cursors(serve) -> None:
    server = await serve(Evses(natural))
    async with server.client() as client:
        page = await client.evses.list(cpid="c").page()
        copy = pickle.loads(pickle.dumps(page))
        assert (copy.cursor, copy.next_cursor) == (page.cursor, page.next_cursor)


async def test_blocking_client_refuses_the_same_cursors(serve) -> None:
    server = await serve(Evses(natural))
    async with server.client() as client:
        cursor = (await client.evses.list(cpid="c").page()).next_cursor
    assert cursor is not None
    fingerprint = unpacked(cursor)[1]
    with ev_energy_sync.Client(TOKEN, base_url=server.url) as blocking:
        listing = blocking.evses.list(cpid="c")
        listing.resume(cursor)
        for bad in (packed([fingerprint, "/v2/users"]), packed([2, fingerprint, {"email": "x"}])):
            with pytest.raises(errors.CursorError):
                listing.resume(bad)
        with pytest.raises(errors.CursorError, match="belongs to another listing"):
            blocking.evses.list(cpid="d").resume(cursor)
    assert len(server.requests) == 1
