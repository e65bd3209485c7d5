from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SHARED = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAMES = st.sampled_from(
    [
        *("location", "latitude", "longitude", "email", "default_location", "city", "tariff"),
        *("address_1", "postal_code", "country_code", "coordinates", "evse_site", "provider"),
        *("serial_number", "evse_model_id", "evse_make_name", "evse_model_name", "program_id"),
    ]
)
TEXTS = st.sampled_from(["EO", "GB", "a@b.example", "http://[", "", "/tariffs/x"]) | st.text()
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
BODIES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=12,
)


@pytest.mark.fuzz
@pytest.mark.parametrize(
    "write",
    [
        "PATCH /evses/{evse}",
        "PATCH /users/{user}",
        "POST /users",
        "POST /evse_onboarding/import",
        "POST /evse_waitlist",
        "POST /evses/{evse}/reconnect",
    ],
)
@SHARED
@given(body=BODIES)
async def test_any_body_is_answered(api: Any, write: str, body: object) -> None:
    evse = (await api.get("/evses?page_size=1")).body[0]["id"]
    method, path = write.format(evse=evse, user=api.simulator.user_id).split()
    answer = await api(method, path, data=json.dumps(body).encode())
    assert answer.status < 500
    assert (await api.get("/evses")).status == (await api.get("/users")).status == 200


QUERY = st.sampled_from(
    [
        *("page_size", "page_after", "page_before", "expand", "cpid", "email", "make_id"),
        *("sampled_at__gte", "sampled_at__lte", "action", "action__in", "direction"),
        *("error_code__in", "available_for_user_id", "client_id", "user_id", "redirect_uri"),
        *("response_type", "model_id", "evse_model_id", "country", "program_id"),
    ]
)


@pytest.mark.fuzz
@pytest.mark.parametrize(
    "path",
    ["/evses", "/users", "/evse_models", "/evses/{evse}/ocpp_logs", "/evse_onboarding"],
)
@SHARED
@given(query=st.lists(st.tuples(QUERY, st.text() | st.sampled_from(["json", "²", "1"]))))
async def test_any_query_is_answered(api: Any, path: str, query: list[tuple[str, str]]) -> None:
    evse = (await api.get("/evses?page_size=1")).body[0]["id"]
    assert (await api.get(path.format(evse=evse), params=query)).status < 500


@SHARED
@given(key=st.text(min_size=1).filter(lambda text: text not in {".", ".."}))
async def test_any_id_is_answered(api: Any, key: str) -> None:
    evse = (await api.get("/evses?page_size=1")).body[0]["url"]
    quoted = quote(key, safe="", errors="replace")
    for url in (f"/evses/{quoted}", f"{evse}/status_logs/{quoted}", f"/users/{quoted}/"):
        assert (await api.get(url)).status in {404, 405}
