"""Clients with other credentials that share connections, budget and settings."""

from __future__ import annotations

import aiohttp
import attrs
import pytest

import ev_energy_sync
from ev_energy import AuthorizationCode, Client, ClientCredentials, MemoryBudget, StaticToken
from ev_energy.auth import MemoryStore, Token
from ev_energy.errors import BudgetExceeded, ClientClosedError, SignInRequiredError, TokenError
from ev_energy.simulator import Simulator


def token_of(simulator: Simulator) -> str:
    return simulator.sign_in().access_token


async def test_credentials_differ_and_all_else_is_shared(
    simulator: Simulator, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    create = aiohttp.ClientSession.__init__

    def counting(self: aiohttp.ClientSession, *args: object, **kwargs: object) -> None:
        made.append(self)
        create(self, *args, **kwargs)

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", counting)
    settled = client.with_options(headers={"X-Trace": "one"}).acting_for(simulator.user_id)
    user = settled.with_auth(token_of(simulator))
    await client.vehicles.list().first()
    await user.vehicles.list().first()
    first, second = (seen for seen in simulator.requests if seen.path == "/v2/vehicles")
    assert (first.user_id, second.user_id) == (None, simulator.user_id)
    assert second.headers["X-Trace"] == "one"
    assert "EvEnergy-User" not in second.headers  # that was another client's user
    assert len(made) == 1
    assert client.rate_limit is not user.rate_limit
    assert repr(user).endswith("as StaticToken()>")


async def test_budget_is_shared_and_counts_each_credentials_apart(simulator: Simulator) -> None:
    budget = MemoryBudget(limit=1)
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    async with Client(
        auth, base_url=simulator.base_url, budget=budget, when_exhausted="raise"
    ) as client:
        token = token_of(simulator)
        await client.vehicles.list().first()
        await client.with_auth(token).vehicles.list().first()
        for exhausted in (client, client.with_auth(auth), client.with_auth(token)):
            with pytest.raises(BudgetExceeded):
                await exhausted.vehicles.list().first()


async def test_closing_one_closes_all(simulator: Simulator, client: Client) -> None:
    user = client.with_auth(token_of(simulator))
    nested = user.with_auth(token_of(simulator))
    await nested.close()
    for closed in (client, user, nested):
        with pytest.raises(ClientClosedError):
            await closed.vehicles.list().first()


async def test_closing_saves_the_token_of_another(simulator: Simulator, client: Client) -> None:
    """A token that could not be saved is saved when any of the clients is closed."""
    client_id, secret = simulator.add_application(redirect_uris=["https://app.example.com/"])
    store = MemoryStore()
    save, failing = store.save, True

    async def save_or_fail(key: str, token: Token | None) -> None:
        if failing:
            raise OSError
        await save(key, token)

    auth = AuthorizationCode(
        client_id=client_id,
        client_secret=secret,
        redirect_uri="https://app.example.com/",
        account="ada",
        store=store,
    )
    key = auth.key(str(client.base_url.origin()))
    token = simulator.sign_in(client_id=client_id)
    old = attrs.evolve(token, access_token="old", expires_at=1.0)
    await store.save(key, old)
    object.__setattr__(store, "save", save_or_fail)
    user = client.with_auth(auth)
    await user.vehicles.list().first()
    failing = False
    await client.close()
    assert (await store.load(key)) not in (None, old)


async def test_reservation_of_another_is_released(simulator: Simulator, client: Client) -> None:
    await client.vehicles.list().first()
    async with client.reserve(5) as reserved:
        user = reserved.with_auth(token_of(simulator))
        await user.vehicles.list().first()
        assert user.rate_limit is not None
        assert user.rate_limit.reserved == 0
        async with user.reserve(7):
            assert (client.rate_limit.reserved, user.rate_limit.reserved) == (5, 7)
            await client.close()
        assert user.rate_limit.reserved == 0


async def test_secrets_of_new_credentials_are_masked(simulator: Simulator, client: Client) -> None:
    secret = "secret-of-another-application"
    other = ClientCredentials(client_id=simulator.client_id, client_secret=secret)
    with pytest.raises(TokenError) as caught:
        await client.with_auth(other).vehicles.list().first()
    assert secret not in repr([caught.value, vars(caught.value)])
    redactor = client.with_auth(other)._caller.state.http.redactor
    assert secret not in redactor.redact(f"the server says {secret}")
    assert simulator.client_secret not in redactor.redact(f"it says {simulator.client_secret}")


async def test_wrong_credentials_are_errors_at_once(simulator: Simulator, client: Client) -> None:
    with pytest.raises(TypeError, match="auth must be credentials or an access token, not None"):
        client.with_auth(None)
    with pytest.raises(TypeError, match="not an int"):
        client.with_auth(3)
    with pytest.raises(ValueError, match="needs an account"):
        client.with_auth(AuthorizationCode(client_id="id", redirect_uri="https://app.example.com"))
    user = AuthorizationCode(client_id="id", redirect_uri="https://app.example.com", account="ada")
    with pytest.raises(SignInRequiredError):
        await client.with_auth(user).vehicles.list().first()


def test_blocking_client_has_them_too() -> None:
    with Simulator.in_thread() as simulator:
        auth = ClientCredentials(
            client_id=simulator.client_id, client_secret=simulator.client_secret
        )
        with ev_energy_sync.Client(auth, base_url=simulator.base_url) as client:
            user = client.with_auth(StaticToken(token_of(simulator)))
            assert user.vehicles.list().first() is not None
            assert simulator.requests[-1].user_id == simulator.user_id
            assert (client.token_state.present, user.token_state.present) == (False, True)
