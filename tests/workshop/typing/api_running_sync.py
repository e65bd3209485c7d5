"""Blocking user code for settings and hooks. Type checkers must accept it; it is never run."""

# ruff: noqa: I001  (in the order of api_running.py)

from __future__ import annotations

import datetime as dt
from typing import assert_type

from ev_energy_sync import (
    AuthorizationCode,
    Client,
    ClientCredentials,
    MemoryBudget,
    RateLimit,
    Request,
    Response,
    RetryPolicy,
    StaticToken,
    errors,
)
from ev_energy.auth import (
    AuthorizationRequest,
    FileStore,
    MemoryStore,
    SecretProvider,
    TokenStore,
)
from ev_energy.hooks import RequestEvent, ResponseEvent, RetryEvent, WaitEvent, WaitReason
from ev_energy.redis import RedisBudget, RedisTokenStore


def signing_in(callback: str) -> None:
    app = AuthorizationCode(client_id="id", redirect_uri="https://example.com/back")
    stores: list[TokenStore] = [MemoryStore(), FileStore("tokens.json")]
    stores.append(RedisTokenStore("redis://localhost"))
    request = app.start_authorization()
    assert_type(request, AuthorizationRequest)
    assert_type(request.url, str)
    kept = AuthorizationRequest.from_dict(request.to_dict())
    with Client(app.for_account("user 7")) as client:
        client.sign_in(kept, callback)
        try:
            client.users.get("me")
        except errors.SignInRequiredError as error:
            assert_type(error.account, str)
        client.sign_out()
    ClientCredentials(client_id="id", client_secret="secret", store=stores[-1], method="form")


def rotating_secrets() -> None:
    def access_token() -> str:
        return "token"

    def client_secret() -> str:
        return "secret"

    provider: SecretProvider = access_token
    app = ClientCredentials(client_id="id", client_secret=client_secret)
    users = AuthorizationCode(
        client_id="id", client_secret=provider, redirect_uri="https://example.com/back"
    )
    with Client(app) as client:
        client.with_auth(users.for_account("user 7"))
        client.with_auth(StaticToken(access_token, account="user 7"))
        try:
            client.users.get("me")
        except errors.CredentialUnavailableError as error:
            assert_type(error.outcome, errors.CallOutcome | None)
    Client(access_token)
    Client(client_secret)


def sharing_the_allowance() -> None:
    budget = MemoryBudget(limit=500)
    with Client("token", budget=budget, priority="batch", max_pages=10) as client:
        with client.reserve(300) as reserved:
            assert_type(reserved, Client)
            reserved.evses.get("evse1")
        hasty = client.with_options(when_exhausted="raise", priority="interactive")
        try:
            hasty.evses.get("evse1")
        except errors.BudgetExceeded as error:
            assert_type(error.at, dt.datetime)
            assert_type(error.wait, float)
        if client.rate_limit is not None:
            assert_type(client.rate_limit, RateLimit)
            assert_type(client.rate_limit.waiting, int)
    Client("token", budget=None)
    Client("token", budget=RedisBudget("redis://localhost"))


def observing() -> Client:
    def log_request(event: RequestEvent) -> None:
        assert_type(event.request, Request)
        assert_type(event.attempt, int)

    def log_response(event: ResponseEvent) -> None:
        assert_type(event.response, Response | None)
        assert_type(event.error, BaseException | None)
        assert_type(event.request.operation, str)

    pauses: list[float] = []

    def log_retry(event: RetryEvent) -> None:
        pauses.append(event.pause)

    def log_wait(event: WaitEvent) -> None:
        pauses.append(event.seconds)
        assert_type(event.reason, WaitReason)

    policy = RetryPolicy(retries=5, max_backoff=30)
    return Client(
        "token",
        retries=policy,
        on_request=log_request,
        on_response=log_response,
        on_retry=log_retry,
        on_wait=log_wait,
    ).with_options(retries=1)
