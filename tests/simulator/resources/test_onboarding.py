from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
async def makes(api: Any) -> dict[str, dict[str, Any]]:
    return {make["name"]: make for make in (await api.get("/evse_makes")).body}


def application_and_user(api: Any) -> dict[str, str]:
    """Return the query parameters that every onboarding request needs."""
    return {"client_id": api.simulator.client_id, "user_id": api.simulator.user_id}


async def test_onboarding_redirects_to_a_page_outside_the_api(api: Any) -> None:
    answer = await api.get("/evse_onboarding", params=application_and_user(api), token=None)
    assert answer.status == 302
    location = answer.headers["Location"]
    assert location.startswith(api.simulator.base_url.removesuffix("/v2") + "/onboarding/")
    async with api.session.get(location) as page:
        assert (page.status, page.content_type) == (200, "text/html")
        assert api.simulator.user_id in await page.text()


async def test_onboarding_requires_no_token_version_or_media_type(api: Any) -> None:
    headers = {"Authorization": "Bearer stale", "Accept": "text/html", "EvEnergy-Version": "9"}
    answer = await api.get("/evse_onboarding", params=application_and_user(api), headers=headers)
    assert answer.status == 302


async def test_onboarding_returns_json_if_the_make_is_chosen(
    api: Any, makes: dict[str, dict[str, Any]]
) -> None:
    query = application_and_user(api) | {"response_type": "json", "make_id": makes["Easee"]["id"]}
    answer = await api.get("/evse_onboarding", params=query, token=None)
    assert answer.status == 200
    assert makes["Easee"]["id"] in answer.body["url"]


@pytest.mark.parametrize(
    ("change", "invalid"),
    [
        ({"client_id": "unknown"}, "client_id"),
        ({"client_id": None}, "client_id"),
        ({"user_id": None}, "user_id"),
        ({"response_type": "json"}, "make_id"),
        ({"response_type": "xml"}, "response_type"),
        ({"redirect_uri": "https://evil.example/"}, "redirect_uri"),
        ({"redirect_uri": "https://["}, "redirect_uri"),
        ({"redirect_uri": "http://drivers.example.com/"}, "redirect_uri"),
        ({"redirect_uri": "https://drivers.example.com.evil.example/"}, "redirect_uri"),
    ],
)
async def test_onboarding_names_the_invalid_parameter(
    api: Any, change: dict[str, str | None], invalid: str
) -> None:
    query = {
        name: text
        for name, text in (application_and_user(api) | change).items()
        if text is not None
    }
    answer = await api.get("/evse_onboarding", params=query, token=None)
    assert answer.status == 400
    assert list(answer.body["field_errors"]) == [invalid]


async def test_onboarding_accepts_any_redirect_to_a_registered_host(api: Any) -> None:
    query = application_and_user(api) | {"redirect_uri": "https://drivers.example.com/any?page=1"}
    assert (await api.get("/evse_onboarding", params=query, token=None)).status == 302


@pytest.mark.parametrize("name", ["user_id", "make_id", "model_id"])
async def test_onboarding_of_unknown_user_make_or_model_is_a_404(api: Any, name: str) -> None:
    query = application_and_user(api) | {name: "user" + "0" * 26}
    assert (await api.get("/evse_onboarding", params=query, token=None)).status == 404


async def test_onboarding_url_of_a_make_works_with_a_user_id(
    api: Any, makes: dict[str, dict[str, Any]]
) -> None:
    assert makes["ChargePoint"]["onboarding_url"] is None  # the model must be chosen first
    url = makes["Wallbox"]["onboarding_url"]
    assert (await api.get(url, token=None)).status == 400
    assert (await api.get(f"{url}&user_id={api.simulator.user_id}", token=None)).status == 302


async def test_imported_evse_belongs_to_the_user_and_has_no_logs(api: Any) -> None:
    user_id = (await api.get("/users?page_size=3")).body[2]["id"]
    answer = await api(
        "POST",
        "/evse_onboarding/import?expand=model.make&expand=user",
        json={"provider": "SyncEV", "serial_number": "SHIR777"},
        headers={"EvEnergy-User": user_id},
    )
    assert answer.status == 201
    evse = answer.body
    assert (evse["cpid"], evse["latest_status_log"]) == ("SHIR777", None)
    assert evse["model"]["make"]["name"] == "BG SyncEV"
    assert evse["user"]["id"] == user_id
    assert evse["url"] in evse["user"]["evses"]
    assert (await api.get(f"{evse['url']}/status_logs")).body == []
    assert [e["id"] for e in (await api.get("/evses?cpid=SHIR777")).body] == [evse["id"]]


async def test_serial_number_is_imported_once_per_provider(api: Any) -> None:
    for provider in ("ChargePoint", "EO", "SyncEV", "EnelX", "Easee", "Wallbox", "Zaptec"):
        body = {"provider": provider, "serial_number": f"{provider}-1"}
        answers = [await api("POST", "/evse_onboarding/import", json=body) for _ in range(2)]
        assert [answer.status for answer in answers] == [201, 422]


async def test_deleted_evse_can_be_imported_again(api: Any) -> None:
    body = {"provider": "EO", "serial_number": "EO-2"}
    first = await api("POST", "/evse_onboarding/import", json=body)
    await api("DELETE", first.body["url"])
    second = await api("POST", "/evse_onboarding/import", json=body)
    assert second.status == 201
    assert second.body["id"] != first.body["id"]


@pytest.mark.parametrize(
    ("body", "status", "invalid"),
    [
        ({"provider": "Pod Point", "serial_number": "1"}, 400, ["provider"]),
        ({"provider": "EO"}, 400, ["serial_number"]),
        ({}, 400, ["provider", "serial_number"]),
        ({"provider": ["EO"], "serial_number": 7}, 400, ["provider", "serial_number"]),
        ({"provider": "EO", "serial_number": "UNKNOWN1"}, 404, []),
    ],
)
async def test_invalid_import_is_refused(
    api: Any, body: dict[str, Any], status: int, invalid: list[str]
) -> None:
    answer = await api("POST", "/evse_onboarding/import", json=body)
    assert answer.status == status
    assert list(answer.body.get("field_errors", {})) == invalid


MANUAL = {"evse_make_name": "Acme", "evse_model_name": "One"}


@pytest.mark.parametrize("extra", [MANUAL, MANUAL | {"evse_model_id": None, "program_id": None}])
async def test_waitlist_accepts_names_of_make_and_model(api: Any, extra: dict[str, Any]) -> None:
    answer = await api("POST", "/evse_waitlist", json={"email": "a@b.example", **extra}, token=None)
    assert (answer.status, list(answer.body)) == (201, ["id"])
    assert answer.body["id"].startswith("ewlt")


async def test_waitlist_accepts_the_id_of_a_model(api: Any) -> None:
    model_id = (await api.get("/evse_models?page_size=1")).body[0]["id"]
    body = {"email": "a@b.example", "evse_model_id": model_id}
    first = await api("POST", "/evse_waitlist", json=body, token=None)
    second = await api("POST", "/evse_waitlist", json=body, token=None)
    assert first.status == second.status == 201
    assert first.body != second.body
    both = await api("POST", "/evse_waitlist", json=body | MANUAL, token=None)
    assert both.status == 400


@pytest.mark.parametrize(
    ("body", "invalid"),
    [
        ({"email": "a@b.example"}, ["evse_make_name", "evse_model_name"]),
        ({"email": "a@b.example", "evse_make_name": "Acme"}, ["evse_model_name"]),
        ({"email": "a@b.example", "evse_model_id": "emod0"}, ["evse_model_id"]),
        (MANUAL, ["email"]),
        (MANUAL | {"email": "a@b.example", "program_id": "prog0"}, ["program_id"]),
    ],
)
async def test_invalid_waitlist_entry_is_refused(
    api: Any, body: dict[str, Any], invalid: list[str]
) -> None:
    answer = await api("POST", "/evse_waitlist", json=body, token=None)
    assert answer.status == 400
    assert answer.body["type"].endswith("/problems/validation-failed-evse-waitlist/")
    assert list(answer.body["field_errors"]) == invalid


@pytest.mark.parametrize(
    ("query", "languages", "compatible"),
    [
        ({"country": "GB"}, None, True),
        ({"country": "gb"}, "en-US", True),
        ({}, "fr, en-GB;q=0.9", True),
        ({}, "en", False),
        ({}, None, False),
        ({"country": "US"}, "en-GB", False),
    ],
)
async def test_compatibility_depends_on_country_then_language_then_us(
    api: Any, query: dict[str, str], languages: str | None, compatible: bool
) -> None:
    models = {model["name"]: model["id"] for model in (await api.get("/evse_models")).body}
    headers = {} if languages is None else {"Accept-Language": languages}
    answer = await api.get(
        "/evse_compatibility/check",
        params={"evse_model_id": models["Solo 3"], **query},
        headers=headers,
        token=None,
    )
    assert answer.body == {
        "compatible": compatible,
        "beta": compatible,
        "recommendation_rank": None,
    }


@pytest.mark.parametrize(
    ("query", "status", "slug"),
    [
        ({}, 400, "validation-failed-evse-compatibility-check"),
        ({"evse_model_id": "emod1"}, 400, "validation-failed-evse-compatibility-check"),
        ({"evse_model_id": "emod" + "0" * 26}, 404, "evse-model-not-found"),
        (
            {"evse_model_id": "emod" + "0" * 26, "country": "GBR"},
            400,
            "validation-failed-evse-compatibility-check",
        ),
        (
            {"evse_model_id": "emod" + "0" * 26, "program_id": "prog" + "0" * 26},
            404,
            "program-not-found",
        ),
    ],
)
async def test_invalid_compatibility_check_has_its_own_problem_type(
    api: Any, query: dict[str, str], status: int, slug: str
) -> None:
    answer = await api.get("/evse_compatibility/check", params=query, token=None)
    assert (answer.status, answer.body["type"].rstrip("/").rpartition("/")[2]) == (status, slug)
