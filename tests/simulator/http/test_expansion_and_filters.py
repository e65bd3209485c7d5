from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
async def evse(api: Any) -> dict[str, Any]:
    """The first EVSE with a CT clamp of the first user."""
    user = (await api.get(f"/users/{api.simulator.user_id}")).body
    evses = [(await api.get(url)).body for url in user["evses"]]
    return next(evse for evse in evses if evse["ct_clamp"])


async def test_references_are_urls_without_expand(evse: dict[str, Any]) -> None:
    for name in ("user", "model", "latest_status_log", "ct_clamp"):
        assert evse[name].startswith("http://127.0.0.1:")


async def test_expand_replaces_a_url_by_its_object(api: Any, evse: dict[str, Any]) -> None:
    names = ("user", "model", "latest_status_log", "ct_clamp")
    query = "&".join(f"expand={name}" for name in names)
    expanded = (await api.get(f"{evse['url']}?{query}")).body
    for name in ("model", "latest_status_log", "ct_clamp"):
        assert expanded[name] == (await api.get(evse[name])).body
    assert expanded["user"]["url"] == evse["user"]
    assert isinstance(expanded["model"]["make"], str)


async def test_nested_expand_includes_the_parents(api: Any, evse: dict[str, Any]) -> None:
    expanded = (await api.get(f"{evse['url']}?expand=model.make")).body
    assert expanded["model"]["make"]["name"]
    assert isinstance(expanded["user"], str)


async def test_expansion_works_on_lists_and_logs(api: Any, evse: dict[str, Any]) -> None:
    query = "expand=evse.user&expand=evse.model.make&page_size=3"
    for entry in (await api.get(f"{evse['url']}/command_logs?{query}")).body:
        assert entry["evse"]["user"]["id"] == api.simulator.user_id
        assert entry["evse"]["model"]["make"]["name"]


async def test_location_is_embedded_and_its_links_expand(api: Any) -> None:
    path = f"/users/{api.simulator.user_id}"
    location = (await api.get(path)).body["default_location"]
    assert location["tariff"].startswith("http")
    expanded = (await api.get(f"{path}?expand=default_location.tariff.supplier")).body
    assert expanded["default_location"]["tariff"]["supplier"]["name"] == "Fernhill Energy"


async def test_carbon_intensity_is_omitted_in_lists_of_users(api: Any) -> None:
    member = "current_carbon_intensity_grams_per_kilowatt_hour"
    assert member in (await api.get(f"/users/{api.simulator.user_id}")).body["default_location"]
    listed = (await api.get("/users")).body
    assert not [user for user in listed if member in user["default_location"]]


@pytest.mark.parametrize("name", ["moon", "model,make", "user.default_location", "model.", ""])
async def test_undocumented_expand_is_a_400(api: Any, name: str) -> None:
    answer = await api.get("/evses", params={"expand": name})
    assert answer.status == 400
    assert list(answer.body["field_errors"]) == ["expand"]


async def test_expanding_prices_requires_another_scope(api: Any) -> None:
    user = (await api.get(f"/users/{api.simulator.user_id}")).body
    url = user["default_location"]["tariff"]
    assert len((await api.get(f"{url}?expand=prices")).body["prices"]) == 48
    assert (await api.get(url)).body["prices"] == f"{url}/prices"
    await api.log_in(*api.simulator.add_application(scopes=["tariff:read"]))
    assert (await api.get(f"{url}?expand=supplier")).status == 200
    assert (await api.get(f"{url}?expand=prices")).status == 403


async def test_evses_filter_by_charge_point_id(api: Any, evse: dict[str, Any]) -> None:
    assert (await api.get("/evses", params={"cpid": evse["cpid"]})).body == [evse]
    assert (await api.get("/evses", params={"cpid": evse["cpid"].lower()})).body == []


async def test_users_filter_by_email_ignoring_case(api: Any) -> None:
    user = (await api.get(f"/users/{api.simulator.user_id}")).body
    found = await api.get("/users", params={"email": user["email"].upper()})
    assert [one["id"] for one in found.body] == [user["id"]]


async def test_models_filter_by_make_and_by_country_of_a_user(api: Any) -> None:
    makes = {make["name"]: make for make in (await api.get("/evse_makes")).body}
    easee = (await api.get(makes["Easee"]["evse_models"])).body
    assert {model["make"] for model in easee} == {makes["Easee"]["url"]}
    assert len(easee) == 3
    here = {"available_for_user_id": api.simulator.user_id}
    names = {make["name"] for make in (await api.get("/evse_makes", params=here)).body}
    assert "Easee" in names
    assert "Enel X" not in names  # not sold in the country of this user
    assert (await api.get("/evse_makes?available_for_user_id=nobody")).status == 400


async def test_bounds_of_log_times_are_inclusive(api: Any, evse: dict[str, Any]) -> None:
    for log, member in (("status_logs", "sampled_at"), ("command_logs", "logged_at")):
        url = f"{evse['url']}/{log}"
        times = [entry[member] for entry in (await api.get(f"{url}?page_size=20")).body]
        bounds = {f"{member}__gte": times[10], f"{member}__lte": times[4]}
        found = await api.get(url, params=bounds)
        assert [entry[member] for entry in found.body] == times[4:11]


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-06-01", "2026-06-01T10:00:00", "2026-02-31T00:00:00Z", ""]
)
async def test_invalid_time_is_a_400_that_names_the_parameter(
    api: Any, evse: dict[str, Any], text: str
) -> None:
    answer = await api.get(f"{evse['url']}/status_logs", params={"sampled_at__gte": text})
    assert answer.status == 400
    assert list(answer.body["field_errors"]) == ["sampled_at__gte"]


@pytest.mark.parametrize(
    ("query", "member", "values"),
    [
        ("action=Heartbeat", "action", {"Heartbeat"}),
        ("action__in=Heartbeat,MeterValues", "action", {"Heartbeat", "MeterValues"}),
        ("direction=SENT", "direction", {"Sent"}),
        ("direction=RECEIVED", "direction", {"Received"}),
    ],
)
async def test_ocpp_logs_filter_by_action_and_direction(
    api: Any, evse: dict[str, Any], query: str, member: str, values: set[str]
) -> None:
    found = (await api.get(f"{evse['url']}/ocpp_logs?page_size=100&{query}")).body
    assert {entry[member] for entry in found} == values


async def test_ocpp_logs_filter_by_error_code_of_the_response(
    api: Any, evse: dict[str, Any]
) -> None:
    url = f"{evse['url']}/ocpp_logs?page_size=100"
    answered = [entry["response"] for entry in (await api.get(url)).body if entry["response"]]
    codes = {response["error_code"] for response in answered} - {"NoError"}
    assert codes
    for query in (f"error_code={min(codes)}", f"error_code__in={','.join(codes)}"):
        wanted = set(query.partition("=")[2].split(","))
        found = (await api.get(f"{url}&{query}")).body
        assert {entry["response"]["error_code"] for entry in found} == wanted


@pytest.mark.parametrize(
    "query", ["action=Dance", "action__in=Heartbeat,Dance", "direction=Sent", "error_code=Odd"]
)
async def test_unknown_enum_value_is_a_400(api: Any, evse: dict[str, Any], query: str) -> None:
    answer = await api.get(f"{evse['url']}/ocpp_logs?{query}")
    assert answer.status == 400
    assert list(answer.body["field_errors"]) == [query.partition("=")[0]]
