"""Signing in, renewing and signing out against the simulator, over sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import attrs
import pytest

import ev_energy_sync
from ev_energy import AuthorizationCode, Client, ClientCredentials, errors
from ev_energy.auth import AuthorizationRequest, MemoryStore
from ev_energy.simulator import SeenRequest, Simulator
from tests.helpers.html_browser import HtmlBrowser

Register = Callable[..., AuthorizationCode]
Consent = Callable[[AuthorizationRequest], Awaitable[str]]


@attrs.frozen
class EitherClient:
    """An asynchronous or a blocking client with one interface."""

    client: Any

    async def __call__(self, act: Callable[[Any], Any]) -> Any:
        if isinstance(self.client, Client):
            return await act(self.client)
        return await asyncio.to_thread(act, self.client)

    async def sign_in(self, request: AuthorizationRequest, callback: str) -> None:
        await self(lambda client: client.sign_in(request, callback))

    async def first_evse(self) -> str:
        evse = await self(lambda client: client.evses.list(page_size=1).first())
        return str(evse.id)


@pytest.fixture(params=["async", "blocking"])
async def make_client(request, sim: Simulator) -> AsyncIterator[Callable[..., EitherClient]]:
    """Return a function that creates clients with the clock of the simulator."""
    made: list[EitherClient] = []

    def make(auth: Any, **settings: Any) -> EitherClient:
        kind = Client if request.param == "async" else ev_energy_sync.Client
        settings = {
            "base_url": sim.base_url,
            "wall_clock": lambda: sim.clock.now().timestamp(),
            **settings,
        }
        made.append(EitherClient(kind(auth, **settings)))
        return made[-1]

    yield make
    for each in made:
        await each(lambda client: client.close())


def from_clients(sim: Simulator) -> list[SeenRequest]:
    """Return the requests that did not come from a browser."""
    return [seen for seen in sim.requests if "authorize" not in seen.path]


def asked(sim: Simulator) -> list[str]:
    """Return the last segment of each path that clients requested."""
    return [seen.path.strip("/").rpartition("/")[2] for seen in from_clients(sim)]


@pytest.mark.parametrize("public", [False, True])
@pytest.mark.parametrize("method", ["basic", "form"])
async def test_user_stays_signed_in_until_signing_out(
    sim: Simulator, register: Register, consent: Consent, make_client, *, public: bool, method: str
) -> None:
    app = register(public=public, method=method)
    user = make_client(app)
    with pytest.raises(errors.SignInRequiredError) as missing:
        await user.first_evse()
    assert missing.value.account == "me"
    assert sim.requests == []

    request = app.start_authorization(user.client.base_url)
    kept = AuthorizationRequest.from_dict(request.to_dict())  # as in another process
    await user.sign_in(kept, await consent(request))
    evse = await user.first_evse()
    assert sim.requests[-1].user_id == sim.user_id
    assert await user.first_evse() == evse
    assert asked(sim).count("token") == 1

    for day in range(1, 4):  # a refresh token is valid once
        sim.clock.advance(hours=10)
        assert await user.first_evse() == evse
        assert asked(sim).count("token") == 1 + day

    await user(lambda client: client.sign_out())
    sent = len(sim.requests)
    with pytest.raises(errors.SignInRequiredError):
        await user.first_evse()
    assert len(sim.requests) == sent


async def test_token_is_renewed_a_minute_before_it_expires(
    sim: Simulator, register: Register, consent: Consent, make_client
) -> None:
    app = register()
    user = make_client(app)
    request = app.start_authorization(sim.base_url)
    await user.sign_in(request, await consent(request))
    sim.clock.advance(seconds=36000 - 61)
    await user.first_evse()
    assert asked(sim) == ["token", "evses"]
    sim.clock.advance(seconds=2)
    await user.first_evse()
    assert asked(sim) == ["token", "evses", "token", "evses"]
    assert {seen.status for seen in from_clients(sim)} == {200}


async def test_code_expires_after_a_minute(
    sim: Simulator, register: Register, consent: Consent, make_client
) -> None:
    app = register()
    user = make_client(app)
    request = app.start_authorization(sim.base_url)
    callback = await consent(request)
    sim.clock.advance(seconds=61)
    with pytest.raises(errors.InvalidGrantError):
        await user.sign_in(request, callback)
    request = app.start_authorization(sim.base_url)  # without consequences for the session
    await user.sign_in(request, await consent(request))
    assert await user.first_evse()


async def test_second_use_of_a_code_is_refused_and_revokes_its_tokens(
    sim: Simulator, register: Register, consent: Consent, make_client
) -> None:
    app = register()
    user = make_client(app)
    request = app.start_authorization(sim.base_url)
    callback = await consent(request)
    await user.sign_in(request, callback)
    with pytest.raises(errors.InvalidGrantError):
        await user.sign_in(request, callback)
    # The server revokes the tokens of a code that is used twice (RFC 6749 §4.1.2).
    with pytest.raises(errors.SignInRequiredError):
        await user.first_evse()


@pytest.mark.parametrize("change", ["verifier"])
async def test_stolen_code_is_useless(
    register: Register, consent: Consent, sim: Simulator, make_client, change: str
) -> None:
    app = register()
    attacker = make_client(app)
    request = app.start_authorization(sim.base_url)
    callback = await consent(request)
    other = {
        "verifier": app.start_authorization().verifier,
        "redirect_uri": "https://attacker.example/",
    }[change]
    with pytest.raises(errors.InvalidGrantError):
        await attacker.sign_in(attrs.evolve(request, **{change: other}), callback)


async def test_code_is_valid_for_its_own_application_only(
    register: Register, consent: Consent, sim: Simulator, make_client
) -> None:
    app, other = register(), register()
    request = app.start_authorization(sim.base_url)
    callback = await consent(request)
    with pytest.raises(errors.InvalidGrantError):
        await make_client(other).sign_in(attrs.evolve(request, client_id=other.client_id), callback)


async def test_wrong_secret_is_an_invalid_client_error(
    register: Register, sim: Simulator, make_client
) -> None:
    app = attrs.evolve(register(), client_secret="another-secret")
    request = app.start_authorization(sim.base_url)
    with pytest.raises(errors.InvalidClientError, match="check the client id and secret"):
        await make_client(app).sign_in(request, f"/back?code=a-code&state={request.state}")


async def test_user_who_refuses_is_not_signed_in(
    register: Register, sim: Simulator, browser: HtmlBrowser, make_client
) -> None:
    app = register()
    user = make_client(app)
    request = app.start_authorization(sim.base_url)
    await browser.open(request.url)
    page = await browser.press("Cancel")
    with pytest.raises(errors.AuthorizationError) as caught:
        await user.sign_in(request, page.location)
    assert caught.value.error == "access_denied"
    assert asked(sim) == []


async def test_forbidden_scope_is_an_error_in_the_callback(
    register: Register, sim: Simulator, browser: HtmlBrowser
) -> None:
    request = register(scopes=["moon:write"]).start_authorization(sim.base_url)
    page = await browser.open(request.url)
    assert page.location is not None
    with pytest.raises(errors.AuthorizationError, match="moon:write") as caught:
        request.extract_code(page.location)
    assert caught.value.error == "invalid_scope"


async def test_token_has_the_requested_scopes(
    register: Register, sim: Simulator, consent: Consent, make_client
) -> None:
    app = register(scopes=["user:read"])
    user = make_client(app)
    request = app.start_authorization(sim.base_url)
    await user.sign_in(request, await consent(request))
    kept = await app.store.load(app.key(str(user.client.base_url.origin())))
    assert kept is not None
    assert kept.scope == "user:read"
    with pytest.raises(errors.ForbiddenError):
        await user.first_evse()


@pytest.mark.parametrize(
    "settings",
    [
        {"trailing_slash": False},
        {"token_url": "{origin}/o/token", "authorize_url": "{origin}/o/authorize"},
    ],
)
async def test_endpoints_without_a_slash_work_except_for_revoking(
    register: Register, sim: Simulator, consent: Consent, make_client, settings: dict[str, Any]
) -> None:
    origin = sim.page_url.rstrip("/")
    filled = {n: t.format(origin=origin) if isinstance(t, str) else t for n, t in settings.items()}
    app = register(**filled)
    user = make_client(app)
    request = app.start_authorization(sim.base_url)
    assert request.url.startswith(f"{origin}/o/authorize?")
    await user.sign_in(request, await consent(request))
    assert from_clients(sim)[0].path == "/o/token"
    if "trailing_slash" in settings:
        with pytest.raises(errors.TokenError, match="trailing slash"):
            await user(lambda client: client.sign_out())
        assert await user.first_evse()  # the token is kept, since the revocation was not confirmed
        again = make_client(attrs.evolve(app, revoke_url=f"{origin}/o/revoke_token/"))
        await again(lambda client: client.sign_out())
    else:
        await user(lambda client: client.sign_out())
    with pytest.raises(errors.SignInRequiredError):
        await make_client(app).first_evse()


async def test_signing_out_affects_all_clients_of_the_store(
    register: Register, sim: Simulator, consent: Consent, make_client
) -> None:
    app = register()
    user, other = make_client(app), make_client(app)
    request = app.start_authorization(sim.base_url)
    await user.sign_in(request, await consent(request))
    await other.first_evse()
    await user(lambda client: client.sign_out())
    with pytest.raises(errors.SignInRequiredError):
        await other.first_evse()


async def test_application_gets_a_new_token_after_signing_out(sim: Simulator, make_client) -> None:
    app = make_client(ClientCredentials(client_id=sim.client_id, client_secret=sim.client_secret))
    await app.first_evse()
    await app(lambda client: client.sign_out())
    await app.first_evse()
    assert asked(sim) == ["token", "evses", "revoke_token", "token", "evses"]
    assert {seen.status for seen in sim.requests} == {200}


async def test_token_revoked_elsewhere_requires_signing_in(
    register: Register, sim: Simulator, consent: Consent, make_client
) -> None:
    app = register()
    user = make_client(app)
    request = app.start_authorization(sim.base_url)
    await user.sign_in(request, await consent(request))
    kept = await app.store.load(app.key(str(user.client.base_url.origin())))
    assert kept is not None
    assert kept.refresh_token is not None
    sim.revoke_token(kept.refresh_token)
    with pytest.raises(errors.SignInRequiredError) as caught:
        await user.first_evse()
    assert isinstance(caught.value.__cause__, errors.InvalidGrantError)
    request = app.start_authorization(sim.base_url)
    await user.sign_in(request, await consent(request))
    assert await user.first_evse()


async def test_users_of_one_store_are_separate(
    register: Register, sim: Simulator, browser: HtmlBrowser, consent: Consent, make_client
) -> None:
    app = register(account="")
    ada = app.start_authorization(sim.base_url)
    await make_client(app.for_account("ada")).sign_in(ada, await consent(ada))
    bob = app.start_authorization(sim.base_url)
    await browser.open(bob.url)
    await browser.press("Use another account")
    people = [
        text for form in browser.page.forms[1:] for name, text in form.fields if name == "email"
    ]
    await browser.press("Log in", email=people[1], password="any")
    page = await browser.press("Allow")
    await make_client(app.for_account("bob")).sign_in(bob, page.location or "")
    for account in ("ada", "bob", "ada"):  # each with a client of its own
        await make_client(app.for_account(account)).first_evse()
    first, second, third = (seen.user_id for seen in sim.requests[-3:])
    assert first == third == sim.user_id
    assert second not in {None, first}
    with pytest.raises(errors.SignInRequiredError, match="eve"):
        await make_client(app.for_account("eve")).first_evse()


async def test_token_is_sent_to_its_own_server_only(
    register: Register, sim: Simulator, consent: Consent, make_client
) -> None:
    app = register()
    request = app.start_authorization(sim.base_url)
    await make_client(app).sign_in(request, await consent(request))
    async with Simulator() as other:
        with pytest.raises(errors.SignInRequiredError):
            await make_client(app, base_url=other.base_url).first_evse()
        assert other.requests == []
    assert await make_client(app).first_evse()


async def test_store_may_be_filled_by_another_program(
    register: Register, sim: Simulator, make_client
) -> None:
    store = MemoryStore()
    app = register(store=store)
    token = sim.sign_in(client_id=app.client_id)
    await store.save(app.key(sim.page_url.rstrip("/")), token)
    assert await make_client(app).first_evse()
    sim.expire_tokens()
    assert await make_client(app).first_evse()


async def test_token_requests_are_well_formed(
    register: Register, sim: Simulator, browser: HtmlBrowser
) -> None:
    request = register(scopes=["evse:read", "user:read"]).start_authorization(sim.base_url)
    await browser.open(request.url)
    page = await browser.press("Cancel")
    assert page.location is not None
    assert parse_qs(page.location.partition("?")[2])["state"] == [request.state]
