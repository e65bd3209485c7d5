"""Pages for people, and problem JSON for other programs."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from starlette.requests import Request

from ev_energy.fastapi import Problem
from ev_energy.fastapi._pages import prefers_html, reply_with
from tests.helpers.html_browser import Reader

NOTICE = Problem(
    status=400,
    type="urn:ev-energy:problem:a-type",
    title='<b>"Title"</b>',
    detail="A & B <script>alert(1)</script>",
    headers={"Retry-After": "7"},
)
LINKS = {"Try <again>": 'start?a=1&b="'}


def request(accept: str) -> Request:
    return Request({"type": "http", "headers": [(b"accept", accept.encode())]})


def test_page_is_escaped_and_has_no_script() -> None:
    reply = reply_with(request("text/html"), NOTICE, LINKS)
    html = bytes(reply.body).decode()
    reader = Reader()
    reader.feed(html)
    assert "script" not in {tag for tag, _ in reader.tags}
    assert reader.links == LINKS
    assert NOTICE.detail in reader.texts
    assert reader.texts.count(NOTICE.title) == 2  # of the window and of the page
    assert "b" not in {tag for tag, _ in reader.tags}
    assert reply.status_code == 400
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["retry-after"] == "7"


def test_page_can_be_read_aloud_and_in_the_dark() -> None:
    reader = Reader()
    html = bytes(reply_with(request("text/html"), NOTICE, LINKS).body).decode()
    reader.feed(html)
    tags = [tag for tag, _ in reader.tags]
    assert ("html", {"lang": "en"}) in reader.tags
    assert tags.count("h1") == tags.count("main") == tags.count("title") == 1
    assert "color-scheme: light dark" in html
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html


def test_policy_allows_the_style_of_the_page_and_nothing_else() -> None:
    reply = reply_with(request("text/html"), NOTICE, LINKS)
    style = bytes(reply.body).decode().partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(
        part.strip().split(" ", 1) for part in reply.headers["content-security-policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["referrer-policy"] == "no-referrer"


def test_problem_has_the_members_of_rfc_9457() -> None:
    reply = reply_with(request("application/json"), NOTICE)
    assert reply.headers["content-type"] == "application/problem+json"
    assert json.loads(bytes(reply.body)) == {
        "type": NOTICE.type,
        "title": NOTICE.title,
        "status": 400,
        "detail": NOTICE.detail,
    }


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("TEXT/HTML", True),
        ("application/xhtml+xml", True),
        ("application/json;q=0.5, text/html;q=0.9", True),
        ("application/json, text/html", True),
        ("application/json, text/html;q=0.9", False),
        ("application/problem+json", False),
        ("text/html;q=0", False),
        ("text/html;q=x", False),
        ("text/html; level=1; q = 0.5", True),
        ("*/*", False),
        ("", False),
        (",;,=", False),
    ],
)
def test_html_is_for_clients_that_name_it(accept: str, *, html: bool) -> None:
    assert prefers_html(accept) == html
