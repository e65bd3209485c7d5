"""The onboarding pages, in a browser without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest
from aiohttp import web

from ev_energy.simulator._seeded_random import SeededRandom
from ev_energy.simulator.clock._instants import write_instant
from ev_energy.simulator.oauth import AuthorizationServer, User
from ev_energy.simulator.onboarding_pages import (
    DEVICE_KINDS,
    ConnectError,
    MakerAccount,
    Option,
    install,
    legacy_id,
    onboarding_url,
    reconnect_url,
)
from ev_energy.simulator.pages import BrowserSessions
from tests.helpers.html_browser import HtmlBrowser, Site, open_browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from ev_energy.simulator.clock._clock import Clock

BACK = "https://acme.example/back?keep=1#part"
MARKUP = "<script>Garage</script>"


class World:
    """Two makes with two models each and an account with two devices; records connections."""

    def __init__(self) -> None:
        self.connected: list[tuple[str, str, dict[str, str], list[str]]] = []
        self.reconnected: list[tuple[str, str]] = []
        self.held = [Option("d1", "My <first>", "VIN 1"), Option("d2", "My second")]
        self.single = False
        self.refuses: str | None = None

    def by_email(self, email: str) -> User | None:
        raise AssertionError(email)

    def by_id(self, user_id: str) -> User | None:
        return User("user-ada", "ada@example.com", "Ada Doyle") if user_id == "user-ada" else None

    def suggestions(self) -> list[User]:
        return []

    def makes(self, kind: str) -> Sequence[Option]:
        return [Option("m1", "Wallbox"), Option("m2", MARKUP, "Beta")]

    def models(self, kind: str, make_id: str) -> Sequence[Option]:
        return [Option(f"{make_id}-a", "Pulsar", "7.4 kW"), Option(f"{make_id}-b", "Quasar")]

    def make(self, kind: str, about: Mapping[str, str]) -> Option | None:
        ids = [about[name] for name in ("make_id", "model_id", "trim_id") if name in about]
        makes = [make for make in self.makes(kind) if all(i.startswith(make.id) for i in ids)]
        return makes[0] if makes else None

    def account(self, kind: str, user_id: str, about: Mapping[str, str]) -> MakerAccount:
        return MakerAccount(self.held, self.single)

    def connect(
        self, kind: str, user_id: str, about: Mapping[str, str], devices: Sequence[str]
    ) -> Sequence[str]:
        if self.refuses is not None:
            raise ConnectError(self.refuses)
        self.connected.append((kind, user_id, dict(about), list(devices)))
        return [f"new-{device}" for device in devices]

    def owner(self, kind: str, device_id: str) -> str | None:
        return "user-ada" if device_id == "d1" else None

    def reconnect(self, kind: str, device_id: str) -> None:
        self.reconnected.append((kind, device_id))


class Server(Site):
    """The onboarding pages and one application."""

    def __init__(self, clock: Clock) -> None:
        app = web.Application()
        self.clock = clock
        self.world = World()
        self.auth_server = AuthorizationServer(SeededRandom(1), clock)
        install(
            app, self.world, self.world, self.auth_server.applications, BrowserSessions(), clock
        )
        super().__init__(app)
        self.acme = self.auth_server.register(
            ["evse:write"], ["https://acme.example/other"], name="Acme"
        )

    def link(self, kind: str, **about: str | None) -> str:
        """Return the URL of the first page."""
        known = {"user_id": "user-ada", "client_id": self.acme.client_id, "redirect_uri": BACK}
        given = {name: text for name, text in (known | about).items() if text is not None}
        return onboarding_url(f"{self.origin}/v2", kind, given)

    def reconnect_link(self, kind: str, **about: str) -> str:
        """Return the URL of the page that reconnects a device."""
        known = {"device_id": "d1", "client_id": self.acme.client_id, "redirect_uri": BACK}
        return reconnect_url(f"{self.origin}/v2", kind, known | about)

    async def open_first_page(self, kind: str, **about: str | None) -> HtmlBrowser:
        """Return a new browser that has opened the first page."""
        browser = await self.new_browser()
        await browser.open(self.link(kind, **about))
        return browser


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[Server]:
    started = Server(clock)
    await started.start()
    yield started
    await started.close()


async def test_charger_is_connected_by_model_and_serial_number(server: Server) -> None:
    browser = await server.open_first_page("evses")
    assert browser.page.heading == "Which make is your charger?"
    assert "Ada Doyle, on behalf of Acme" in browser.page.text
    assert (await browser.follow("Wallbox")).heading == "Which Wallbox model is it?"
    page = await browser.follow("Quasar")
    assert page.heading == "Connect your Wallbox"
    assert ("email", "ada@example.com") in page.forms[0].fields
    page = await browser.press("Connect", serial="  WB-1 ")
    assert page.status == 302
    uid = "new-WB-1"
    assert page.location == (
        f"https://acme.example/back?keep=1&evse_id={legacy_id(uid)}&evse_uid={uid}#part"
    )
    ((kind, user_id, about, devices),) = server.world.connected
    assert (kind, user_id, devices) == ("evses", "user-ada", ["WB-1"])
    assert about["model_id"] == "m1-b"


async def test_makes_can_be_searched(server: Server) -> None:
    browser = await server.open_first_page("evses")
    page = await browser.press("Search", q="wALL")
    assert list(page.links) == ["Wallbox"]
    assert (await browser.press("Search", q="nothing")).links == {}
    assert "No make of chargers matches your search." in browser.page.text
    assert list((await browser.press("Search", q="")).links) == ["Wallbox", f"{MARKUP} Beta"]
    await browser.press("Search", q="wall")
    page = await browser.follow("Wallbox")
    assert "q=" not in urlsplit(page.url).query


async def test_link_with_a_make_or_model_skips_pages(server: Server) -> None:
    browser = await server.open_first_page("evses", make_id="m1")
    assert browser.page.heading == "Which Wallbox model is it?"
    browser = await server.open_first_page("evses", model_id="m1-a")
    assert browser.page.heading == "Connect your Wallbox"


async def test_rejected_serial_number_can_be_corrected(server: Server) -> None:
    browser = await server.open_first_page("evses", model_id="m1-a")
    page = await browser.press("Connect", serial=" ")
    assert (page.status, server.world.connected) == (400, [])
    assert "The serial number is missing." in page.text
    server.world.refuses = "That one is taken."
    page = await browser.press("Connect", serial="WB-2", email="other@example.com")
    assert page.status == 400
    assert "That one is taken." in page.text
    assert {("serial", "WB-2"), ("email", "other@example.com")} <= set(page.forms[0].fields)
    server.world.refuses = None
    page = await browser.press("Connect", serial="WB-3")
    assert page.returned_query["evse_uid"] == ["new-WB-3"]


async def test_cars_of_an_account_are_returned_in_order(server: Server) -> None:
    browser = await server.open_first_page("vehicles")
    page = await browser.follow("Wallbox")
    assert page.heading == "Sign in to Wallbox"
    page = await browser.press("Sign in", password="x")
    assert page.heading == "Which devices may ev.energy use?"
    assert page.checked == []
    page = await browser.press("Allow", "My second", "My <first>")
    uids = page.returned_query["vehicle_uid"]
    assert uids == ["new-d1", "new-d2"]
    assert page.returned_query["vehicle_id"] == [str(legacy_id(uid)) for uid in uids]


@pytest.mark.parametrize("about", [{"make_id": "m1"}, {"model_id": "m1-a"}, {"trim_id": "m1-a-x"}])
async def test_link_with_a_car_opens_the_login_of_its_maker(
    server: Server, about: dict[str, str]
) -> None:
    browser = await server.open_first_page("vehicles", **about)
    assert browser.page.heading == "Sign in to Wallbox"
    await browser.press("Sign in", password="x")
    await browser.press("Allow", "My second")
    ((_, _, given, devices),) = server.world.connected
    assert devices == ["d2"]
    assert given.items() >= about.items()


async def test_inverter_is_connected_from_an_account(server: Server) -> None:
    server.world.held = server.world.held[:1]
    browser = await server.open_first_page("inverters", make_id="m1")
    page = await browser.press("Sign in", password="x")
    assert page.checked == ["d1"]  # a single device is preselected
    page = await browser.press("Allow", "My <first>")
    assert page.returned_query["inverter_uid"] == ["new-d1"]


@pytest.mark.parametrize(
    ("filled", "said"),
    [
        ({"email": "nobody", "password": "x"}, "Enter an e-mail address."),
        ({"password": ""}, "The password must not be empty."),
    ],
)
async def test_maker_login_requires_an_address_and_a_password(
    server: Server, filled: dict[str, str], said: str
) -> None:
    browser = await server.open_first_page("vehicles", make_id="m1")
    page = await browser.press("Sign in", **filled)
    assert (page.status, page.heading) == (400, "Sign in to Wallbox")
    assert said in page.text


async def test_only_chosen_devices_of_the_account_are_connected(server: Server) -> None:
    browser = await server.open_first_page("vehicles", make_id="m1")
    await browser.press("Sign in", password="x")
    page = await browser.press("Allow")
    assert page.status == 400
    assert "Choose at least one of these." in page.text
    page.forms[0].fields.append(("device", "foreign-device"))
    page = await browser.press("Allow", "My second")
    assert (page.status, page.checked) == (400, ["d2"])
    assert server.world.connected == []


async def test_single_account_connects_one_device_at_a_time(server: Server) -> None:
    server.world.single = True
    browser = await server.open_first_page("vehicles", make_id="m1")
    page = await browser.press("Sign in", password="x")
    assert {found.get("type") for name, found in page.tags if found.get("name") == "device"} == {
        "radio"
    }
    page = await browser.press("Allow", "My second", "My <first>")
    assert "Choose one of these." in page.text
    page = await browser.press("Allow", "My second")
    assert page.returned_query["vehicle_uid"] == ["new-d2"]


async def test_connect_error_is_shown_and_can_be_retried(server: Server) -> None:
    browser = await server.open_first_page("vehicles", make_id="m1")
    await browser.press("Sign in", password="x")
    server.world.refuses = "This car is too old."
    page = await browser.press("Allow", "My second")
    assert page.status == 400
    assert "This car is too old." in page.text
    assert page.checked == ["d2"]


async def test_empty_account_shows_a_message(server: Server) -> None:
    server.world.held = []
    browser = await server.open_first_page("vehicles", make_id="m1")
    page = await browser.press("Sign in", password="x")
    assert "has no car that is not connected yet" in page.text
    page = await browser.press("Cancel")
    assert page.returned_query["error"] == ["access_denied"]


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("evses", {}),
        ("evses", {"make_id": "m1"}),
        ("evses", {"model_id": "m1-a"}),
        ("vehicles", {}),
        ("vehicles", {"make_id": "m1"}),
        ("inverters", {}),
    ],
)
async def test_every_page_can_be_cancelled(
    server: Server, kind: str, about: dict[str, str]
) -> None:
    browser = await server.open_first_page(kind, **about)
    page = await browser.press("Cancel")
    assert page.location == "https://acme.example/back?keep=1&error=access_denied#part"


async def test_device_can_be_reconnected(server: Server) -> None:
    for kind, known in DEVICE_KINDS.items():
        browser = await server.new_browser()
        page = await browser.open(server.reconnect_link(kind))
        assert page.heading == f"Reconnect your {known.noun}"
        page = await browser.press("Reconnect")
        assert page.returned_query[f"{known.prefix}_uid"] == ["d1"]
    assert server.world.reconnected == [(kind, "d1") for kind in DEVICE_KINDS]


async def test_reconnect_link_expires_by_the_clock(server: Server, clock: Clock) -> None:
    ends = write_instant(clock.advance(hours=1))
    url = server.reconnect_link("vehicles", expires_at=ends)
    assert (await (await server.new_browser()).open(url)).status == 410
    later = server.reconnect_link("vehicles", expires_at=ends.replace("2026", "2027"))
    browser = await server.new_browser()
    assert (await browser.open(later)).status == 200
    clock.advance(days=366)
    assert (await browser.press("Reconnect")).status == 410
    assert (
        await (await server.new_browser()).open(server.reconnect_link("evses", expires_at="soon"))
    ).status == 400
    assert server.world.reconnected == []


async def test_onboarding_redirect_url_is_the_default(
    server: Server,
) -> None:
    home = server.auth_server.register(
        ["evse:write"], onboarding_redirect_url="https://home.example/"
    )
    about = {"client_id": home.client_id, "redirect_uri": None, "model_id": "m1-a"}
    browser = await server.open_first_page("evses", **about)
    page = await browser.press("Connect", serial="WB-1")
    assert page.location is not None
    assert page.location.startswith("https://home.example/?evse_id=")


async def test_result_is_shown_without_any_redirect_url(server: Server) -> None:
    browser = await server.open_first_page("evses", redirect_uri=None, model_id="m1-a")
    page = await browser.press("Connect", serial="WB-1")
    assert (page.status, page.heading) == (200, "All done")
    assert "evse_uid new-WB-1" in page.text
    browser = await server.open_first_page("evses", redirect_uri=None)
    assert (await browser.press("Cancel")).heading == "Nothing was connected"


@pytest.mark.parametrize(
    ("kind", "about", "status"),
    [
        ("evses", {"client_id": "nobody"}, 400),
        ("evses", {"client_id": None}, 400),
        ("evses", {"redirect_uri": "https://evil.example/"}, 400),
        ("evses", {"redirect_uri": "http://acme.example/back"}, 400),
        ("evses", {"redirect_uri": "https://acme.example@evil.example/"}, 400),
        ("evses", {"redirect_uri": "https://acme.example\\@evil.example/"}, 400),
        ("evses", {"redirect_uri": "//acme.example/back"}, 400),
        ("evses", {"redirect_uri": "https://["}, 400),
        ("evses", {"user_id": "nobody"}, 404),
        ("evses", {"user_id": None}, 404),
        ("evses", {"make_id": "nothing"}, 404),
        ("evses", {"make_id": "m2", "model_id": "m1-a"}, 404),
        ("vehicles", {"trim_id": "nothing"}, 404),
        ("toasters", {}, 404),
    ],
)
async def test_invalid_link_shows_a_message(
    server: Server, kind: str, about: dict[str, str | None], status: int
) -> None:
    page = (await server.open_first_page(kind, **about)).page
    assert (page.status, page.location) == (status, None)
    assert page.heading == "This link does not work"


async def test_unknown_device_cannot_be_reconnected(server: Server) -> None:
    assert (
        await (await server.new_browser()).open(server.reconnect_link("evses", device_id="d9"))
    ).status == 404
    assert (
        await (await server.new_browser()).open(server.reconnect_link("evses", device_id=""))
    ).status == 404


async def test_form_without_its_csrf_token_connects_nothing(server: Server) -> None:
    browser = await server.open_first_page("evses", model_id="m1-a")
    url = server.link("evses", model_id="m1-a")
    for forged in ({}, {"seal": "guessed"}):
        form = {"answer": "connect", "serial": "WB-1", "email": "a@b.example", **forged}
        page = await browser._load("POST", url, data=form)
        assert (page.status, page.location) == (403, None)
        assert "out of date" in page.text
    page = await browser._load("POST", server.reconnect_link("evses"), data={"answer": "reconnect"})
    assert page.status == 403
    assert server.world.connected == server.world.reconnected == []


async def test_redirect_uri_cannot_inject_headers(server: Server) -> None:
    uri = "https://acme.example/bück\r\nSet-Cookie: a=b?x= y"
    browser = await server.open_first_page("evses", redirect_uri=uri)
    page = await browser.press("Cancel")
    assert page.location is not None
    assert page.location.isascii()
    assert page.location.startswith("https://acme.example/b%C3%BCckSet-Cookie:%20a=b?x=%20y&")
    assert "a" not in {cookie.key for cookie in browser.session.cookie_jar}


async def test_names_from_the_world_are_escaped(server: Server) -> None:
    browser = await server.open_first_page("vehicles")
    pages = [browser.page, await browser.follow("Garage")]
    pages.append(await browser.press("Sign in", password="x"))
    assert "My <first>" in pages[-1].text
    for page in pages:
        assert "<script" not in page.html


async def test_charger_connected_in_a_browser_appears_in_the_api(api: Any) -> None:
    simulator = api.simulator
    makes = {make["name"]: make for make in (await api.get("/evse_makes")).body}
    query = {
        "client_id": simulator.client_id,
        "user_id": simulator.user_id,
        "make_id": makes["Easee"]["id"],
        "redirect_uri": "https://drivers.example.com/garage",
    }
    start = await api.get(f"/evse_onboarding?{urlencode(query)}", token=None)
    async with open_browser() as browser:
        await browser.open(start.headers["Location"])
        await browser.follow("Charge")
        page = await browser.press("Connect", serial="EH999")
        assert page.location is not None
        assert page.location.startswith("https://drivers.example.com/garage?evse_id=")
        (uid,) = page.returned_query["evse_uid"]
        await browser.open(start.headers["Location"])
        await browser.follow("Charge")
        page = await browser.press("Connect", serial="EH999")
        assert "connected already" in page.text
    evse = (await api.get(f"/evses/{uid}?expand=model.make")).body
    assert (evse["cpid"], evse["model"]["make"]["name"]) == ("EH999", "Easee")
    mine = await api.get("/evses", headers={"EvEnergy-User": simulator.user_id})
    assert uid in [row["id"] for row in mine.body]


async def test_cars_connected_in_a_browser_appear_in_the_api(api: Any) -> None:
    simulator = api.simulator
    before = (await api.get(f"/users/{simulator.user_id}")).body["vehicles"]
    makes = [make for make in (await api.get("/vehicle_makes")).body if make["onboarding_url"]]
    query = {
        "client_id": simulator.client_id,
        "user_id": simulator.user_id,
        "make_id": makes[0]["id"],
        "redirect_uri": "https://drivers.example.com/garage",
    }
    start = await api.get(f"/vehicle_onboarding?{urlencode(query)}", token=None)
    async with open_browser() as browser:
        await browser.open(start.headers["Location"])
        page = await browser.press("Sign in", password="x")
        page = await browser.press("Allow", *page.forms[0].boxes)
    uids = page.returned_query["vehicle_uid"]
    assert page.returned_query["vehicle_id"] == [str(legacy_id(uid)) for uid in uids]
    after = (await api.get(f"/users/{simulator.user_id}")).body["vehicles"]
    assert sorted(url.rpartition("/")[2] for url in after if url not in before) == sorted(uids)
    for uid in uids:
        assert (await api.get(f"/vehicles/{uid}")).status == 200
