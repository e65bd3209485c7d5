"""From the page that somebody logs in on to the day they are signed out, over a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import attrs
import pytest
from driver import Driver

import ev_energy_sync
from ev_energy import AuthorizationCode, Client, ClientCredentials, errors
from ev_energy.auth import AuthorizationRequest, MemoryStore, Token
from ev_energy.simulator import SeenRequest, Simulator

Register = Callable[..., AuthorizationCode]
Consent = Callable[[AuthorizationRequest], Awaitable[str]]


@attrs.frozen
class Twin:
    """A client, async or blocking, that is told what to do in one way."""

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
async def twin(request, sim: Simulator) -> AsyncIterator[Callable[..., Twin]]:
    """Make clients whose time is the simulator's."""
    made: list[Twin] = []

    def make(auth: Any, **settings: Any) -> Twin:
        kind = Client if request.param == "async" else ev_energy_sync.Client
        settings = {
            "base_url": sim.base_url,
            "now": lambda: sim.clock.now().timestamp(),
            **settings,
        }
        made.append(Twin(kind(auth, **settings)))
        return made[-1]

    yield make
    for each in made:
        await each(lambda client: client.close())


def from_clients(sim: Simulator) -> list[SeenRequest]:
    """What did not come from a browser."""
    return [seen for seen in sim.requests if "authorize" not in seen.path]


def asked(sim: Simulator) -> list[str]:
    """The last word of each path that a client asked for."""
    return [seen.path.strip("/").rpartition("/")[2] for seen in from_clients(sim)]


@pytest.mark.parametrize("public", [False, True])
@pytest.mark.parametrize("method", ["basic", "form"])
async def test_a_user_signs_in_once_and_stays_until_they_sign_out(
    sim: Simulator, register: Register, consent: Consent, twin, *, public: bool, method: str
) -> None:
    app = register(public=public, method=method)
    user = twin(app)
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

    for day in range(1, 4):  # each refresh token is good for one refresh
        sim.clock.advance(hours=10)
        assert await user.first_evse() == evse
        assert asked(sim).count("token") == 1 + day

    await user(lambda client: client.sign_out())
    sent = len(sim.requests)
    with pytest.raises(errors.SignInRequiredError):
        await user.first_evse()
    assert len(sim.requests) == sent


async def test_a_token_is_renewed_a_minute_before_it_ends_and_no_sooner(
    sim: Simulator, register: Register, consent: Consent, twin
) -> None:
    app = register()
    user = twin(app)
    request = app.start_authorization(sim.base_url)
    await user.sign_in(request, await consent(request))
    sim.clock.advance(seconds=36000 - 61)
    await user.first_evse()
    assert asked(sim) == ["token", "evses"]
    sim.clock.advance(seconds=2)
    await user.first_evse()
    assert asked(sim) == ["token", "evses", "token", "evses"]
    assert {seen.status for seen in from_clients(sim)} == {200}


async def test_a_code_that_is_older_than_a_minute_is_too_old(
    sim: Simulator, register: Register, consent: Consent, twin
) -> None:
    app = register()
    user = twin(app)
    request = app.start_authorization(sim.base_url)
    callback = await consent(request)
    sim.clock.advance(seconds=61)
    with pytest.raises(errors.InvalidGrantError):
        await user.sign_in(request, callback)
    request = app.start_authorization(sim.base_url)  # and nothing is broken by that
    await user.sign_in(request, await consent(request))
    assert await user.first_evse()


async def test_a_code_that_is_used_twice_is_refused_and_ends_what_it_began(
    sim: Simulator, register: Register, consent: Consent, twin
) -> None:
    app = register()
    user = twin(app)
    request = app.start_authorization(sim.base_url)
    callback = await consent(request)
    await user.sign_in(request, callback)
    with pytest.raises(errors.InvalidGrantError):
        await user.sign_in(request, callback)
    # The server takes the code for stolen, and its tokens along (RFC 6749 §4.1.2).
    with pytest.raises(errors.SignInRequiredError):
        await user.first_evse()


@pytest.mark.parametrize("change", ["verifier"])
async def test_whoever_stole_a_code_can_do_nothing_with_it(
    register: Register, consent: Consent, sim: Simulator, twin, change: str
) -> None:
    app = register()
    thief = twin(app)
    request = app.start_authorization(sim.base_url)
    callback = await consent(request)
    other = {
        "verifier": app.start_authorization().verifier,
        "redirect_uri": "https://thief.example/",
    }[change]
    with pytest.raises(errors.InvalidGrantError):
        await thief.sign_in(attrs.evolve(request, **{change: other}), callback)


async def test_a_code_is_good_for_the_application_it_was_given_to(
    register: Register, consent: Consent, sim: Simulator, twin
) -> None:
    app, other = register(), register()
    request = app.start_authorization(sim.base_url)
    callback = await consent(request)
    with pytest.raises(errors.InvalidGrantError):
        await twin(other).sign_in(attrs.evolve(request, client_id=other.client_id), callback)


async def test_an_unknown_application_is_told_so(register: Register, sim: Simulator, twin) -> None:
    app = attrs.evolve(register(), client_secret="another-secret")
    request = app.start_authorization(sim.base_url)
    with pytest.raises(errors.InvalidClientError, match="check the client id and secret"):
        await twin(app).sign_in(request, f"/back?code=a-code&state={request.state}")


async def test_whoever_says_no_is_not_signed_in(
    register: Register, sim: Simulator, browser: Driver, twin
) -> None:
    app = register()
    user = twin(app)
    request = app.start_authorization(sim.base_url)
    await browser.open(request.url)
    page = await browser.press("Cancel")
    with pytest.raises(errors.AuthorizationError) as caught:
        await user.sign_in(request, page.location)
    assert caught.value.error == "access_denied"
    assert asked(sim) == []


async def test_a_scope_that_the_application_may_not_have_comes_back_as_an_error(
    register: Register, sim: Simulator, browser: Driver
) -> None:
    request = register(scopes=["moon:write"]).start_authorization(sim.base_url)
    page = await browser.open(request.url)
    assert page.location is not None
    with pytest.raises(errors.AuthorizationError, match="moon:write") as caught:
        request.extract_code(page.location)
    assert caught.value.error == "invalid_scope"


async def test_the_token_has_the_scopes_that_were_asked_for(
    register: Register, sim: Simulator, consent: Consent, twin
) -> None:
    app = register(scopes=["user:read"])
    user = twin(app)
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
async def test_endpoints_without_a_slash_do_but_for_revoking(
    register: Register, sim: Simulator, consent: Consent, twin, settings: dict[str, Any]
) -> None:
    origin = sim.page_url.rstrip("/")
    filled = {n: t.format(origin=origin) if isinstance(t, str) else t for n, t in settings.items()}
    app = register(**filled)
    user = twin(app)
    request = app.start_authorization(sim.base_url)
    assert request.url.startswith(f"{origin}/o/authorize?")
    await user.sign_in(request, await consent(request))
    assert from_clients(sim)[0].path == "/o/token"
    if "trailing_slash" in settings:
        with pytest.raises(errors.TokenError, match="trailing slash"):
            await user(lambda client: client.sign_out())
        assert await user.first_evse()  # it is kept: nobody said that it is revoked
        again = twin(attrs.evolve(app, revoke_url=f"{origin}/o/revoke_token/"))
        await again(lambda client: client.sign_out())
    else:
        await user(lambda client: client.sign_out())
    with pytest.raises(errors.SignInRequiredError):
        await twin(app).first_evse()


async def test_signing_out_ends_what_others_who_share_the_store_have(
    register: Register, sim: Simulator, consent: Consent, twin
) -> None:
    app = register()
    user, other = twin(app), twin(app)
    request = app.start_authorization(sim.base_url)
    await user.sign_in(request, await consent(request))
    await other.first_evse()
    await user(lambda client: client.sign_out())
    with pytest.raises(errors.SignInRequiredError):
        await other.first_evse()


async def test_an_application_that_signs_out_gets_a_new_token(sim: Simulator, twin) -> None:
    app = twin(ClientCredentials(client_id=sim.client_id, client_secret=sim.client_secret))
    await app.first_evse()
    await app(lambda client: client.sign_out())
    await app.first_evse()
    assert asked(sim) == ["token", "evses", "revoke_token", "token", "evses"]
    assert {seen.status for seen in sim.requests} == {200}


async def test_a_token_that_was_revoked_elsewhere_means_signing_in_again(
    register: Register, sim: Simulator, consent: Consent, twin
) -> None:
    app = register()
    user = twin(app)
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


async def test_users_of_one_store_are_kept_apart(
    register: Register, sim: Simulator, browser: Driver, consent: Consent, twin
) -> None:
    app = register(account="")
    ada = app.start_authorization(sim.base_url)
    await twin(app.for_account("ada")).sign_in(ada, await consent(ada))
    bob = app.start_authorization(sim.base_url)
    await browser.open(bob.url)
    await browser.press("Use another account")
    people = [
        text for form in browser.page.forms[1:] for name, text in form.fields if name == "email"
    ]
    await browser.press("Log in", email=people[1], password="any")
    page = await browser.press("Allow")
    await twin(app.for_account("bob")).sign_in(bob, page.location or "")
    for account in ("ada", "bob", "ada"):  # each a client of its own
        await twin(app.for_account(account)).first_evse()
    first, second, third = (seen.user_id for seen in sim.requests[-3:])
    assert first == third == sim.user_id
    assert second not in {None, first}
    with pytest.raises(errors.SignInRequiredError, match="eve"):
        await twin(app.for_account("eve")).first_evse()


async def test_a_token_of_one_server_is_shown_to_no_other(
    register: Register, sim: Simulator, consent: Consent, twin
) -> None:
    app = register()
    request = app.start_authorization(sim.base_url)
    await twin(app).sign_in(request, await consent(request))
    async with Simulator() as other:
        with pytest.raises(errors.SignInRequiredError):
            await twin(app, base_url=other.base_url).first_evse()
        assert other.requests == []
    assert await twin(app).first_evse()


async def test_a_store_may_be_filled_by_somebody_else(
    register: Register, sim: Simulator, twin
) -> None:
    store = MemoryStore()
    app = register(store=store)
    reply = sim.sign_in(client_id=app.client_id)
    token = Token(access_token=reply["access_token"], refresh_token=reply["refresh_token"])
    await store.save(app.key(sim.page_url.rstrip("/")), token)
    assert await twin(app).first_evse()
    sim.expire_tokens()
    assert await twin(app).first_evse()


async def test_what_is_asked_for_has_the_right_form(
    register: Register, sim: Simulator, browser: Driver
) -> None:
    request = register(scopes=["evse:read", "user:read"]).start_authorization(sim.base_url)
    await browser.open(request.url)
    page = await browser.press("Cancel")
    assert page.location is not None
    assert parse_qs(page.location.partition("?")[2])["state"] == [request.state]
