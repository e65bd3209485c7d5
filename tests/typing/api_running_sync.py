"""As `api_running`, blocking. Checkers must accept it; it is never run."""

from __future__ import annotations

import datetime as dt
from typing import assert_type

from ev_energy_sync import AuthorizationCode, Client, MemoryBudget, RateLimit, RetryPolicy, errors


def signing_in(came_back_at: str) -> None:
    app = AuthorizationCode(client_id="id", redirect_uri="https://example.com/back")
    request = app.begin()
    with Client(app.of("user 7")) as client:
        client.sign_in(request, came_back_at)
        client.sign_out()


def keeping_the_allowance() -> None:
    budget = MemoryBudget(limit=500)
    with Client("token", budget=budget, retries=RetryPolicy(retries=1)) as client:
        with client.reserve(300) as reserved:
            assert_type(reserved, Client)
        try:
            client.with_options(when_exhausted="raise").evses.get("evse1")
        except errors.BudgetExceeded as error:
            assert_type(error.at, dt.datetime)
        assert_type(client.rate_limit, RateLimit | None)
