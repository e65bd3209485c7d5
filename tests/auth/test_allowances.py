"""The rate limit that a token draws from."""

from __future__ import annotations

import contextlib

import pytest

from ev_energy import AuthorizationCode, Client, ClientCredentials, MemoryBudget, errors
from ev_energy.auth import MemoryStore
from ev_energy.simulator import Clock, Simulator

BACK = "https://app.example.com/back"
LIMIT = 4


async def test_application_and_each_user_have_separate_rate_limits() -> None:
    budget, store = MemoryBudget(), MemoryStore()
    async with Simulator(rate_limit=LIMIT, clock=Clock(speed=0)) as sim:
        client_id, secret = sim.add_application(redirect_uris=[BACK])
        credentials = {"client_id": client_id, "client_secret": secret, "store": store}
        users = AuthorizationCode(**credentials, redirect_uri=BACK)
        settings = {"base_url": sim.base_url, "budget": budget, "when_exhausted": "raise"}
        async with contextlib.AsyncExitStack() as stack:
            own = ClientCredentials(**credentials)
            application = await stack.enter_async_context(Client(own, **settings))
            people = (await application.users.list(page_size=2).pages().__anext__()).items
            clients = [application]
            for number, person in enumerate(people):
                auth = users.for_account(f"user {number}")
                token = sim.sign_in(person.id, client_id=client_id)
                await store.save(auth.key(sim.page_url.rstrip("/")), token)
                clients.append(await stack.enter_async_context(Client(auth, **settings)))
            left = [LIMIT - 1, LIMIT, LIMIT]
            for client, count in zip(clients, left, strict=True):
                for _ in range(count):
                    await client.evses.list(page_size=1).first()
                with pytest.raises(errors.BudgetExceeded):
                    await client.evses.list(page_size=1).first()
            # Calls for a user are the application's, and use its rate limit.
            with pytest.raises(errors.BudgetExceeded):
                await application.acting_for(people[0].id).evses.list(page_size=1).first()
        assert 429 not in {seen.status for seen in sim.requests}
