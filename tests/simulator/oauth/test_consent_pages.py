"""The login and consent pages, in a browser without scripts."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from ev_energy.simulator._seeded_random import SeededRandom
from ev_energy.simulator.oauth import (
    ALL_SCOPES,
    Application,
    AuthorizationServer,
    User,
    install,
    redirect_url,
)
from ev_energy.simulator.oauth._scopes import describe_scopes
from ev_energy.simulator.pages import BrowserSessions, tag
from tests.helpers.html_browser import HtmlBrowser, Page, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ev_energy.simulator.clock._clock import Clock

BACK = "https://acme.example/back?keep=1"
MARKUP = '<script>alert("x")</script>&amp;'
CHALLENGE = "c" * 43


class Directory:
    """A directory of two users; the name of one contains markup."""

    def __init__(self) -> None:
        self.all = [
            User("user-ada", "ada@example.com", "Ada Doyle"),
            User("user-bob", "bob@example.com", MARKUP),
        ]

    def by_email(self, email: str) -> User | None:
        return next((user for user in self.all if user.email == email.lower()), None)

    def by_id(self, user_id: str) -> User | None:
        return next((user for user in self.all if user.user_id == user_id), None)

    def suggestions(self) -> list[User]:
        return self.all


class Server(Site):
    """The authorization server with one application."""

    def __init__(self, clock: Clock) -> None:
        app = web.Application()
        self.directory = Directory()
        self.auth_server = AuthorizationServer(SeededRandom(1), clock)
        install(app, self.auth_server, self.directory, BrowserSessions())
        super().__init__(app)
        self.acme = self.auth_server.register(["evse:read", "user:write"], [BACK], name="Acme")

    def authorization_url(self, application: Application | None = None, **asked: str | None) -> str:
        """Return the URL of an authorization request."""
        by = application or self.acme
        query = {"response_type": "code", "client_id": by.client_id, "state": "s", **asked}
        pairs = {name: text for name, text in query.items() if text is not None}
        return f"{self.origin}/o/authorize/?{urlencode(pairs)}"

    async def open_first_page(self, **asked: str | None) -> HtmlBrowser:
        """Return a new browser that has opened the first page."""
        browser = await self.new_browser()
        await browser.open(self.authorization_url(**asked))
        return browser


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[Server]:
    started = Server(clock)
    await started.start()
    yield started
    await started.close()


async def test_consent_sends_the_driver_back_with_a_code(server: Server) -> None:
    browser = await server.open_first_page()
    assert "Any password is accepted" in browser.page.text
    page = await browser.press("Log in", email="Ada@Example.com", password="secret")
    assert page.heading == "Allow Acme?"
    assert "Ada Doyle" in page.text
    assert "It will see your chargers" in page.text
    assert "It will be able to change your name, e-mail address and home" in page.text
    page = await browser.press("Allow")
    assert page.status == 302
    assert page.location is not None
    assert page.location.startswith(f"{BACK}&code=")
    assert page.returned_query["state"] == ["s"]


@pytest.mark.parametrize("state", ["a b&c=d#e?f/%2F+", "ünï ☃", "x" * 2000, "\r\nSet-Cookie: a=b"])
async def test_state_is_returned_unchanged(server: Server, state: str) -> None:
    browser = await server.open_first_page(state=state)
    await browser.press("Ada Doyle")
    page = await browser.press("Allow")
    assert page.returned_query["state"] == [state]


async def test_no_state_is_returned_without_one(server: Server) -> None:
    browser = await server.open_first_page(state=None)
    await browser.press("Ada Doyle")
    page = await browser.press("Allow")
    assert page.returned_query.keys() == {"keep", "code"}


@pytest.mark.parametrize(
    ("email", "password", "said"),
    [
        ("nobody@example.com", "x", "No account has this e-mail address."),
        ("", "x", "No account has this e-mail address."),
        ("ada@example.com", "", "The password must not be empty."),
    ],
)
async def test_failed_login_shows_the_reason_and_keeps_the_address(
    server: Server, email: str, password: str, said: str
) -> None:
    browser = await server.open_first_page()
    page = await browser.press("Log in", email=email, password=password)
    assert page.status == 400
    assert said in page.text
    assert ("email", email) in page.forms[0].fields
    assert (await browser.open(server.authorization_url())).heading == "Log in"


async def test_denial_is_returned_as_access_denied(server: Server) -> None:
    browser = await server.open_first_page()
    page = await browser.press("Cancel")
    assert page.returned_query["error"] == ["access_denied"]
    await browser.open(server.authorization_url())
    await browser.press("Ada Doyle")
    page = await browser.press("Deny")
    assert page.returned_query["error"] == ["access_denied"]
    assert page.returned_query["state"] == ["s"]
    assert "code" not in page.returned_query


@pytest.mark.parametrize(
    "asked",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": "https://acme.example/back"},
        {"redirect_uri": f"{BACK}&more=1"},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": f"{BACK}.evil.example"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": MARKUP},
    ],
)
async def test_untrusted_redirect_ends_on_a_page(
    server: Server, asked: dict[str, str | None]
) -> None:
    page = (await server.open_first_page(**asked)).page
    assert (page.status, page.location) == (400, None)
    assert page.heading == "This link does not work"


async def test_repeated_client_id_ends_on_a_page(server: Server) -> None:
    url = f"{server.authorization_url()}&client_id={server.acme.client_id}"
    assert (await (await server.new_browser()).open(url)).status == 400


async def test_redirect_uri_is_required_unless_exactly_one_is_registered(server: Server) -> None:
    two = server.auth_server.register(["evse:read"], ["https://a.example/", "https://b.example/"])
    assert (await (await server.new_browser()).open(server.authorization_url(two))).status == 400
    named = server.authorization_url(two, redirect_uri="https://b.example/")
    assert (await (await server.new_browser()).open(named)).heading == "Log in"
    none = server.auth_server.register(["evse:read"])
    assert (await (await server.new_browser()).open(server.authorization_url(none))).status == 400


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": ""}, "invalid_request"),
        ({"scope": "evse:read moon:write"}, "invalid_scope"),
        ({"scope": "evse:write"}, "invalid_scope"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "S512"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
    ],
)
async def test_other_errors_are_returned_to_the_application(
    server: Server, asked: dict[str, str | None], error: str
) -> None:
    page = (await server.open_first_page(**asked)).page
    assert page.status == 302
    assert page.returned_query["error"] == [error]
    assert page.returned_query["state"] == ["s"]
    assert page.returned_query["keep"] == ["1"]


async def test_repeated_parameter_is_returned_as_an_error(server: Server) -> None:
    page = await (await server.new_browser()).open(
        f"{server.authorization_url()}&scope=evse:read&scope=user:write"
    )
    assert page.returned_query["error"] == ["invalid_request"]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({}, ["invalid_request"]),
        ({"code_challenge": CHALLENGE}, ["invalid_request"]),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, ["invalid_request"]),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "S256"}, None),
    ],
)
async def test_public_application_must_send_an_s256_challenge(
    server: Server, asked: dict[str, str], error: list[str] | None
) -> None:
    phone = server.auth_server.register(["evse:read"], ["acme://back"], public=True)
    page = await (await server.new_browser()).open(server.authorization_url(phone, **asked))
    assert (page.returned_query["error"] if page.location else None) == error


async def test_logged_in_driver_skips_the_login_page(server: Server) -> None:
    browser = await server.open_first_page()
    await browser.press("Ada Doyle")
    assert (await browser.open(server.authorization_url())).heading == "Allow Acme?"
    assert (await server.open_first_page()).page.heading == "Log in"


async def test_prompt_login_requires_a_new_login(server: Server) -> None:
    browser = await server.open_first_page()
    await browser.press("Ada Doyle")
    assert (await browser.open(server.authorization_url(prompt="login"))).heading == "Log in"
    page = await browser.press("bob@example.com")
    assert page.heading == "Allow Acme?"
    assert "bob@example.com" in page.text


async def test_driver_can_switch_accounts(server: Server) -> None:
    browser = await server.open_first_page()
    await browser.press("Ada Doyle")
    assert (await browser.press("Use another account")).heading == "Log in"
    assert (await browser.open(server.authorization_url())).heading == "Log in"


async def test_deleted_user_must_log_in_again(server: Server) -> None:
    browser = await server.open_first_page()
    await browser.press("Ada Doyle")
    del server.directory.all[0]
    page = await browser.press("Allow")
    assert (page.location, page.heading) == (None, "Log in")


async def test_browsers_have_separate_logins(server: Server) -> None:
    first, second = await server.open_first_page(), await server.open_first_page()
    await first.press("Ada Doyle")
    await second.press("bob@example.com")
    assert "ada@example.com" in (await first.open(server.authorization_url())).text
    assert "bob@example.com" in (await second.open(server.authorization_url())).text


@pytest.mark.parametrize("answer", ["allow", "deny", "login", "other"])
async def test_form_without_its_csrf_token_does_nothing(server: Server, answer: str) -> None:
    browser = await server.open_first_page()
    await browser.press("Ada Doyle")
    stranger = await server.open_first_page()
    (csrf_token,) = (text for name, text in stranger.page.forms[0].fields if name == "seal")
    for forged in ({}, {"seal": ""}, {"seal": "ü"}, {"seal": csrf_token}):
        form = {"answer": answer, "email": "bob@example.com", "password": "x", **forged}
        page = await browser._load("POST", server.authorization_url(), data=form)
        assert (page.status, page.location) == (403, None)
        assert "out of date" in page.text
    assert "Ada Doyle" in (await browser.open(server.authorization_url())).text


async def test_malformed_form_does_nothing(server: Server) -> None:
    browser = await server.open_first_page()
    for raw, kind in ((b"{}", "application/json"), (b"\xff", "application/x-www-form-urlencoded")):
        headers = {"Content-Type": kind}
        page = await browser._load("POST", server.authorization_url(), data=raw, headers=headers)
        assert (page.status, page.location) == (403, None)


async def test_session_key_changes_at_login_and_logout(server: Server) -> None:
    browser = await server.open_first_page()

    def cookie() -> Any:
        (only,) = browser.session.cookie_jar
        return only

    before = cookie()
    assert before["httponly"]
    assert before["samesite"] == "Lax"
    assert before.key.endswith(server.origin.rpartition(":")[2])
    await browser.press("Ada Doyle")
    during = cookie()
    await browser.press("Use another account")
    assert len({before.value, during.value, cookie().value}) == 3
    for old in (before, during):  # a copied cookie is worthless
        headers = {"Cookie": f"{old.key}={old.value}"}
        page = await (await server.new_browser()).open(server.authorization_url(), headers=headers)
        assert page.heading == "Log in"


async def pages_of(server: Server, **asked: str | None) -> list[Page]:
    """Return every page of the flow."""
    browser = await server.open_first_page(**asked)
    pages = [browser.page, await browser.press("Log in", email=MARKUP, password="x")]
    pages.append(await browser.press("bob@example.com"))
    pages.append(await browser.open(server.authorization_url(client_id=MARKUP)))
    return pages


async def test_names_are_escaped_on_every_page(server: Server) -> None:
    evil = server.auth_server.register([f"{MARKUP}:read"], ["https://a.example/"], name=MARKUP)
    for page in await pages_of(server, client_id=evil.client_id):
        assert "<script" not in page.html
    browser = await server.open_first_page(client_id=evil.client_id)
    page = await browser.press("bob@example.com")
    assert f"Allow {MARKUP}?" in page.text
    assert f"It will see {MARKUP}" in page.text


async def test_pages_load_nothing_and_forbid_the_rest(server: Server) -> None:
    for page in await pages_of(server):
        for name, attributes in page.tags:
            assert name not in {"script", "iframe", "object", "embed", "base"}
            assert not [key for key in attributes if key.startswith("on") or key == "style"]
            if name in {"link", "img"}:
                assert (attributes.get("href") or attributes.get("src") or "").startswith("data:")
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == "no-store"


async def test_every_field_has_a_label(server: Server) -> None:
    for page in await pages_of(server):
        ids = {found["id"] for name, found in page.tags if name == "input" and "id" in found}
        assert ids == {found.get("for") for name, found in page.tags if name == "label"}


async def test_redirect_uri_may_have_a_private_scheme(server: Server) -> None:
    phone = server.auth_server.register(["evse:read"], ["com.acme.app:/back"])
    browser = await server.new_browser()
    await browser.open(server.authorization_url(phone))
    await browser.press("Ada Doyle")
    page = await browser.press("Allow")
    assert page.location is not None
    assert page.location.startswith("com.acme.app:/back?code=")


async def test_pages_work_without_the_slash(server: Server) -> None:
    browser = await server.new_browser()
    page = await browser.open(server.authorization_url().replace("/authorize/", "/authorize"))
    assert page.heading == "Log in"
    await browser.press("Ada Doyle")
    assert (await browser.press("Allow")).returned_query["code"]


def test_every_scope_has_a_description() -> None:
    for scope in ALL_SCOPES:
        about, _, ability = scope.rpartition(":")
        (words,) = describe_scopes([scope], ability)
        assert words != about


class Words(HTMLParser):
    """Collects the tags and texts that a parser finds."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Any] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.found.append(data)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), min_size=1)


@given(TEXT, TEXT)
def test_markup_round_trips_through_a_parser(text: str, value: str) -> None:
    reader = Words()
    reader.feed(tag("p", text, title=value, hidden=True, lang=None))
    reader.close()
    assert reader.found[0] == ("p", [("title", value), ("hidden", None)])
    assert "".join(reader.found[1:]) == text


@given(st.lists(st.tuples(TEXT, TEXT), max_size=4), st.sampled_from([BACK, "a://b", "x:/y#z"]))
def test_redirect_url_round_trips_through_a_parser(pairs: list[tuple[str, str]], uri: str) -> None:
    url = redirect_url(uri, pairs)
    assert url.isascii()
    assert url.isprintable()
    kept = [("keep", "1")] if uri == BACK else []
    assert parse_qsl(urlsplit(url).query, keep_blank_values=True) == kept + pairs
