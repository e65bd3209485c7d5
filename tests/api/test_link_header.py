"""The parser of the ``Link`` header."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from ev_energy._api.link_header import parse_link_header

BASE = URL("https://api.ev.energy/v2/evses?page_size=1")
NEXT = "https://api.ev.energy/v2/evses?action__in=a,b&page_after=x;y&t=2024-01-01T00:00:00%2B00:00"
URLS = st.from_regex(r"https://api\.ev\.energy/v2/[a-z]{1,5}\?[a-z=&,;:+]{1,20}", fullmatch=True)


def test_links_are_parsed_without_requoting() -> None:
    header = f'<about:blank>; rel="previous", <{NEXT}>; rel="next"'
    assert parse_link_header(header, BASE) == {"next": URL(NEXT, encoded=True)}
    assert str(parse_link_header(header, BASE)["next"]) == NEXT


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", {}),
        (" , ,", {}),
        ("<>; rel=next", {}),
        ("<about:blank>; rel=next", {}),
        ("<ABOUT:BLANK>; rel=next", {}),
        ("<https://a/x>", {}),
        ("<https://a/x>; title=next", {}),
        ("<https://a/x>; rel=next", {"next": "https://a/x"}),
        ("<https://a/x> ;  REL = next", {"next": "https://a/x"}),
        ('<https://a/x>; rel="next last"', {"next": "https://a/x", "last": "https://a/x"}),
        ('<https://a/x>; title="a, <b>; rel=no"; rel="next"', {"next": "https://a/x"}),
        ("<https://a/1>; rel=next, <https://a/2>; rel=next", {"next": "https://a/1"}),
        ("</v2/evses?page=2>; rel=next", {"next": "https://api.ev.energy/v2/evses?page=2"}),
        ("<https://a/x>;;rel=next;", {"next": "https://a/x"}),
        ('<https://a/x>; title="\\"; rel=no"; rel=next', {"next": "https://a/x"}),
        ("<https://a/x>; title*=UTF-8''%e2; rel=next", {"next": "https://a/x"}),
        ("<https://a/1>; rel=last; rel=next", {"last": "https://a/1"}),
        ("<https://a/x>; rel=next, , ", {"next": "https://a/x"}),
        ("<https://a/x>; rel=next; a=b=c", {"next": "https://a/x"}),
        ("<//a/x>; rel=next", {"next": "https://a/x"}),
    ],
)
def test_header_is_parsed_according_to_rfc_8288(header: str, found: dict[str, str]) -> None:
    assert {rel: str(url) for rel, url in parse_link_header(header, BASE).items()} == found


@pytest.mark.parametrize(
    "header",
    [
        "nonsense",
        "<",
        "<https://a/x",
        "no link; rel=next",
        "<https://a/x> rel=next",
        '<https://a/x>; rel="next',
        "<https://a/x>; rel=next <https://a/y>",
        '<http://[nowhere:x; rel="next, <>;;rel=',
        "<http://[nowhere>; rel=next",
        "<http://a:port/>; rel=next",
        "<http://a:99999/>; rel=next",
        "<https://a/x y>; rel=next",
        "<https://a/\r\nHost: b>; rel=next",
        "<https://a/\u00fc>; rel=next",
        "<https://a/\udcff>; rel=next",
        "<https://a/x>; rel=next, nonsense",
    ],
)
def test_malformed_header_is_refused_as_a_whole(header: str) -> None:
    with pytest.raises(ValueError, match=r"link|URL|[pP]ort"):
        parse_link_header(header, BASE)


@given(URLS, URLS)
def test_two_links_are_distinguished(previous: str, following: str) -> None:
    found = parse_link_header(f'<{previous}>; rel="previous", <{following}>; rel="next"', BASE)
    assert str(found["previous"]) == previous
    assert str(found["next"]) == following


@given(st.text(max_size=200))
def test_arbitrary_text_is_parsed_or_refused(header: str) -> None:
    with suppress(ValueError):
        assert all(str(url.origin()) for url in parse_link_header(header, BASE).values())
