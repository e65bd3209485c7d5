"""Login and consent, as a browser without scripts goes through them."""

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
from tests.helpers.html_browser import Driver, Page, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ev_energy.simulator.clock._clock import Clock

BACK = "https://acme.example/back?keep=1"
NASTY = '<script>alert("x")</script>&amp;'
CHALLENGE = "c" * 43


class People:
    """Two people, one of them with a name that is no HTML."""

    def __init__(self) -> None:
        self.all = [
            User("user-ada", "ada@example.com", "Ada Doyle"),
            User("user-bob", "bob@example.com", NASTY),
        ]

    def by_email(self, email: str) -> User | None:
        return next((who for who in self.all if who.email == email.lower()), None)

    def by_id(self, user_id: str) -> User | None:
        return next((who for who in self.all if who.user_id == user_id), None)

    def suggestions(self) -> list[User]:
        return self.all


class Server(Site):
    """The authorization server, with one application that asks drivers in."""

    def __init__(self, clock: Clock) -> None:
        app = web.Application()
        self.people = People()
        self.auth_server = AuthorizationServer(SeededRandom(1), clock)
        install(app, self.auth_server, self.people, BrowserSessions())
        super().__init__(app)
        self.acme = self.auth_server.register(["evse:read", "user:write"], [BACK], name="Acme")

    def asking(self, application: Application | None = None, **asked: str | None) -> str:
        """The URL at which the application asks a driver in."""
        by = application or self.acme
        query = {"response_type": "code", "client_id": by.client_id, "state": "s", **asked}
        pairs = {name: text for name, text in query.items() if text is not None}
        return f"{self.origin}/o/authorize/?{urlencode(pairs)}"

    async def arrive(self, **asked: str | None) -> Driver:
        """A new browser on the first page."""
        driver = await self.driver()
        await driver.open(self.asking(**asked))
        return driver


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[Server]:
    started = Server(clock)
    await started.start()
    yield started
    await started.close()


async def test_a_driver_logs_in_says_yes_and_is_sent_back_with_a_code(server: Server) -> None:
    driver = await server.arrive()
    assert "Any password is accepted" in driver.page.text
    page = await driver.press("Log in", email="Ada@Example.com", password="secret")
    assert page.heading == "Allow Acme?"
    assert "Ada Doyle" in page.text
    assert "It will see your chargers" in page.text
    assert "It will be able to change your name, e-mail address and home" in page.text
    page = await driver.press("Allow")
    assert page.status == 302
    assert page.location is not None
    assert page.location.startswith(f"{BACK}&code=")
    assert page.came_back_with["state"] == ["s"]


@pytest.mark.parametrize("state", ["a b&c=d#e?f/%2F+", "ünï ☃", "x" * 2000, "\r\nSet-Cookie: a=b"])
async def test_the_state_comes_back_as_it_was_sent(server: Server, state: str) -> None:
    driver = await server.arrive(state=state)
    await driver.press("Ada Doyle")
    page = await driver.press("Allow")
    assert page.came_back_with["state"] == [state]


async def test_without_a_state_none_comes_back(server: Server) -> None:
    driver = await server.arrive(state=None)
    await driver.press("Ada Doyle")
    page = await driver.press("Allow")
    assert page.came_back_with.keys() == {"keep", "code"}


@pytest.mark.parametrize(
    ("email", "password", "said"),
    [
        ("nobody@example.com", "x", "No account has this e-mail address."),
        ("", "x", "No account has this e-mail address."),
        ("ada@example.com", "", "The password must not be empty."),
    ],
)
async def test_a_login_that_fails_says_why_and_keeps_the_address(
    server: Server, email: str, password: str, said: str
) -> None:
    driver = await server.arrive()
    page = await driver.press("Log in", email=email, password=password)
    assert page.status == 400
    assert said in page.text
    assert ("email", email) in page.forms[0].fields
    assert (await driver.open(server.asking())).heading == "Log in"


async def test_whoever_says_no_is_sent_back_with_that(server: Server) -> None:
    driver = await server.arrive()
    page = await driver.press("Cancel")
    assert page.came_back_with["error"] == ["access_denied"]
    await driver.open(server.asking())
    await driver.press("Ada Doyle")
    page = await driver.press("Deny")
    assert page.came_back_with["error"] == ["access_denied"]
    assert page.came_back_with["state"] == ["s"]
    assert "code" not in page.came_back_with


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
        {"redirect_uri": NASTY},
    ],
)
async def test_a_request_that_may_not_be_sent_back_ends_on_a_page(
    server: Server, asked: dict[str, str | None]
) -> None:
    page = (await server.arrive(**asked)).page
    assert (page.status, page.location) == (400, None)
    assert page.heading == "This link does not work"


async def test_a_client_named_twice_ends_on_a_page(server: Server) -> None:
    url = f"{server.asking()}&client_id={server.acme.client_id}"
    assert (await (await server.driver()).open(url)).status == 400


async def test_with_two_addresses_to_return_to_the_request_must_say_which(server: Server) -> None:
    two = server.auth_server.register(["evse:read"], ["https://a.example/", "https://b.example/"])
    assert (await (await server.driver()).open(server.asking(two))).status == 400
    named = server.asking(two, redirect_uri="https://b.example/")
    assert (await (await server.driver()).open(named)).heading == "Log in"
    none = server.auth_server.register(["evse:read"])
    assert (await (await server.driver()).open(server.asking(none))).status == 400


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
async def test_other_mistakes_are_told_to_the_application(
    server: Server, asked: dict[str, str | None], error: str
) -> None:
    page = (await server.arrive(**asked)).page
    assert page.status == 302
    assert page.came_back_with["error"] == [error]
    assert page.came_back_with["state"] == ["s"]
    assert page.came_back_with["keep"] == ["1"]


async def test_a_parameter_sent_twice_is_told_to_the_application(server: Server) -> None:
    page = await (await server.driver()).open(f"{server.asking()}&scope=evse:read&scope=user:write")
    assert page.came_back_with["error"] == ["invalid_request"]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({}, ["invalid_request"]),
        ({"code_challenge": CHALLENGE}, ["invalid_request"]),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, ["invalid_request"]),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "S256"}, None),
    ],
)
async def test_an_app_without_a_secret_must_send_a_hashed_challenge(
    server: Server, asked: dict[str, str], error: list[str] | None
) -> None:
    phone = server.auth_server.register(["evse:read"], ["acme://back"], public=True)
    page = await (await server.driver()).open(server.asking(phone, **asked))
    assert (page.came_back_with["error"] if page.location else None) == error


async def test_whoever_is_logged_in_goes_straight_to_consent(server: Server) -> None:
    driver = await server.arrive()
    await driver.press("Ada Doyle")
    assert (await driver.open(server.asking())).heading == "Allow Acme?"
    assert (await server.arrive()).page.heading == "Log in"


async def test_a_request_can_insist_on_a_new_login(server: Server) -> None:
    driver = await server.arrive()
    await driver.press("Ada Doyle")
    assert (await driver.open(server.asking(prompt="login"))).heading == "Log in"
    page = await driver.press("bob@example.com")
    assert page.heading == "Allow Acme?"
    assert "bob@example.com" in page.text


async def test_another_account_can_be_used(server: Server) -> None:
    driver = await server.arrive()
    await driver.press("Ada Doyle")
    assert (await driver.press("Use another account")).heading == "Log in"
    assert (await driver.open(server.asking())).heading == "Log in"


async def test_a_user_who_is_gone_is_logged_in_no_more(server: Server) -> None:
    driver = await server.arrive()
    await driver.press("Ada Doyle")
    del server.people.all[0]
    page = await driver.press("Allow")
    assert (page.location, page.heading) == (None, "Log in")


async def test_two_browsers_are_logged_in_as_two_people(server: Server) -> None:
    first, second = await server.arrive(), await server.arrive()
    await first.press("Ada Doyle")
    await second.press("bob@example.com")
    assert "ada@example.com" in (await first.open(server.asking())).text
    assert "bob@example.com" in (await second.open(server.asking())).text


@pytest.mark.parametrize("answer", ["allow", "deny", "login", "other"])
async def test_a_form_that_is_not_from_here_does_nothing(server: Server, answer: str) -> None:
    driver = await server.arrive()
    await driver.press("Ada Doyle")
    stranger = await server.arrive()
    (seal,) = (text for name, text in stranger.page.forms[0].fields if name == "seal")
    for forged in ({}, {"seal": ""}, {"seal": "ü"}, {"seal": seal}):
        form = {"answer": answer, "email": "bob@example.com", "password": "x", **forged}
        page = await driver._load("POST", server.asking(), data=form)
        assert (page.status, page.location) == (403, None)
        assert "out of date" in page.text
    assert "Ada Doyle" in (await driver.open(server.asking())).text


async def test_a_body_that_is_no_form_does_nothing_either(server: Server) -> None:
    driver = await server.arrive()
    for raw, kind in ((b"{}", "application/json"), (b"\xff", "application/x-www-form-urlencoded")):
        headers = {"Content-Type": kind}
        page = await driver._load("POST", server.asking(), data=raw, headers=headers)
        assert (page.status, page.location) == (403, None)


async def test_the_key_of_a_browser_changes_with_who_is_logged_in(server: Server) -> None:
    driver = await server.arrive()

    def cookie() -> Any:
        (only,) = driver.session.cookie_jar
        return only

    before = cookie()
    assert before["httponly"]
    assert before["samesite"] == "Lax"
    assert before.key.endswith(server.origin.rpartition(":")[2])
    await driver.press("Ada Doyle")
    during = cookie()
    await driver.press("Use another account")
    assert len({before.value, during.value, cookie().value}) == 3
    for old in (before, during):  # whoever kept a copy has nothing
        headers = {"Cookie": f"{old.key}={old.value}"}
        page = await (await server.driver()).open(server.asking(), headers=headers)
        assert page.heading == "Log in"


async def pages_of(server: Server, **asked: str | None) -> list[Page]:
    """Every page there is."""
    driver = await server.arrive(**asked)
    pages = [driver.page, await driver.press("Log in", email=NASTY, password="x")]
    pages.append(await driver.press("bob@example.com"))
    pages.append(await driver.open(server.asking(client_id=NASTY)))
    return pages


async def test_whatever_is_shown_is_text_and_never_markup(server: Server) -> None:
    evil = server.auth_server.register([f"{NASTY}:read"], ["https://a.example/"], name=NASTY)
    for page in await pages_of(server, client_id=evil.client_id):
        assert "<script" not in page.html
    driver = await server.arrive(client_id=evil.client_id)
    page = await driver.press("bob@example.com")
    assert f"Allow {NASTY}?" in page.text
    assert f"It will see {NASTY}" in page.text


async def test_pages_need_nothing_from_anywhere_and_allow_nothing_else(server: Server) -> None:
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


async def test_every_field_has_a_label_that_leads_to_it(server: Server) -> None:
    for page in await pages_of(server):
        ids = {found["id"] for name, found in page.tags if name == "input" and "id" in found}
        assert ids == {found.get("for") for name, found in page.tags if name == "label"}


async def test_an_app_on_a_phone_is_returned_to_by_its_own_scheme(server: Server) -> None:
    phone = server.auth_server.register(["evse:read"], ["com.acme.app:/back"])
    driver = await server.driver()
    await driver.open(server.asking(phone))
    await driver.press("Ada Doyle")
    page = await driver.press("Allow")
    assert page.location is not None
    assert page.location.startswith("com.acme.app:/back?code=")


async def test_the_pages_answer_without_their_slash_as_well(server: Server) -> None:
    driver = await server.driver()
    page = await driver.open(server.asking().replace("/authorize/", "/authorize"))
    assert page.heading == "Log in"
    await driver.press("Ada Doyle")
    assert (await driver.press("Allow")).came_back_with["code"]


def test_every_scope_of_the_api_has_words_for_drivers() -> None:
    for scope in ALL_SCOPES:
        about, _, ability = scope.rpartition(":")
        (words,) = describe_scopes([scope], ability)
        assert words != about


class Words(HTMLParser):
    """What a browser would make of markup."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Any] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.found.append(data)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), min_size=1)


@given(TEXT, TEXT)
def test_a_browser_reads_the_text_that_was_put_in(text: str, value: str) -> None:
    reader = Words()
    reader.feed(tag("p", text, title=value, hidden=True, lang=None))
    reader.close()
    assert reader.found[0] == ("p", [("title", value), ("hidden", None)])
    assert "".join(reader.found[1:]) == text


@given(st.lists(st.tuples(TEXT, TEXT), max_size=4), st.sampled_from([BACK, "a://b", "x:/y#z"]))
def test_what_is_added_to_a_url_is_what_its_reader_finds(
    pairs: list[tuple[str, str]], uri: str
) -> None:
    url = redirect_url(uri, pairs)
    assert url.isascii()
    assert url.isprintable()
    kept = [("keep", "1")] if uri == BACK else []
    assert parse_qsl(urlsplit(url).query, keep_blank_values=True) == kept + pairs
