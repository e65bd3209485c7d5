from __future__ import annotations

import base64
from typing import Any

import pytest


async def token(api: Any, *, basic: str | None = None, **form: str) -> Any:
    headers = {}
    if basic is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(basic.encode()).decode()
    return await api("POST", api.simulator.token_url, token=None, headers=headers, data=form)


async def test_basic_authentication_gets_a_token_for_ten_hours(api: Any) -> None:
    answer = await api.log_in()
    assert answer.status == 200
    assert answer.body["token_type"] == "Bearer"
    assert answer.body["expires_in"] == 36000
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await api.get("/evses")).status == 200


async def test_credentials_in_the_body_get_a_token(api: Any) -> None:
    simulator = api.simulator
    answer = await token(
        api,
        grant_type="client_credentials",
        client_id=simulator.client_id,
        client_secret=simulator.client_secret,
    )
    assert answer.status == 200
    assert (await api.get("/evses", token=answer.body["access_token"])).status == 200


async def test_token_url_works_without_its_slash(api: Any) -> None:
    url = api.simulator.token_url.rstrip("/")
    form = {
        "grant_type": "client_credentials",
        "client_id": api.simulator.client_id,
        "client_secret": api.simulator.client_secret,
    }
    assert (await api("POST", url, token=None, data=form)).status == 200


@pytest.mark.parametrize(
    ("basic", "form", "status", "error"),
    [
        ("{id}:wrong", {"grant_type": "client_credentials"}, 401, "invalid_client"),
        ("nobody:{secret}", {"grant_type": "client_credentials"}, 401, "invalid_client"),
        (None, {"grant_type": "client_credentials"}, 401, "invalid_client"),
        ("{id}:{secret}", {"grant_type": "password"}, 400, "unsupported_grant_type"),
        ("{id}:{secret}", {}, 400, "invalid_request"),
        (
            "{id}:{secret}",
            {"grant_type": "client_credentials", "client_secret": "again"},
            400,
            "invalid_request",
        ),
        (
            "{id}:{secret}",
            {"grant_type": "client_credentials", "scope": "evse:read moon:write"},
            400,
            "invalid_scope",
        ),
    ],
)
async def test_invalid_token_request_gets_the_error_of_rfc_6749(
    api: Any, basic: str | None, form: dict[str, str], status: int, error: str
) -> None:
    simulator = api.simulator
    pair = basic and basic.format(id=simulator.client_id, secret=simulator.client_secret)
    answer = await token(api, basic=pair, **form)
    assert (answer.status, answer.body["error"]) == (status, error)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


async def test_token_has_only_the_requested_scopes(api: Any) -> None:
    answer = await api.log_in(scope="evse:read")
    assert answer.body["scope"] == "evse:read"
    assert (await api.get("/evses")).status == 200
    refused = await api.get("/users")
    assert refused.status == 403
    assert set(refused.body) == {"status", "title", "detail"}


async def test_application_without_a_scope_gets_403(api: Any) -> None:
    await api.log_in(*api.simulator.add_application(scopes=["user:read"]))
    assert (await api.get("/users")).status == 200
    assert (await api.get("/evses")).status == 403


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic nonsense", "Bearer"])
async def test_missing_or_invalid_token_is_a_401_problem(api: Any, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await api.get("/evses", token=None, headers=headers)
    assert answer.status == 401
    assert set(answer.body) == {"status", "title", "detail"}
    assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_invalid_token_is_a_401_on_public_operations(api: Any) -> None:
    assert (await api.get("/evse_makes", token=None)).status == 200
    assert (await api.get("/evse_makes", token="stale")).status == 401


async def test_expire_tokens_invalidates_issued_tokens_only(api: Any) -> None:
    api.simulator.expire_tokens()
    assert (await api.get("/evses")).status == 401
    await api.log_in()
    assert (await api.get("/evses")).status == 200


async def test_token_expires_by_the_clock(start: Any, clock: Any) -> None:
    api = await start(clock=clock)
    clock.advance(seconds=35999)
    assert (await api.get("/evses")).status == 200
    clock.advance(seconds=1)
    assert (await api.get("/evses")).status == 401
