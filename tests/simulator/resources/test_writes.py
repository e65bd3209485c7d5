from __future__ import annotations

import json
from typing import Any

import pytest

ADDRESS = {
    "address_1": "1 Test Road",
    "city": "Leeds",
    "postal_code": "LS1 1UR",
    "country_code": "GB",
}


async def first_evse(api: Any) -> str:
    """Return the URL of the first EVSE."""
    return (await api.get("/evses?page_size=1")).body[0]["url"]


async def test_evse_location_is_set_kept_and_cleared(api: Any) -> None:
    url = await first_evse(api)
    point = {"latitude": -33.5, "longitude": 151}
    answer = await api("PATCH", url, json={"location": point | {"altitude": 3}})
    assert (answer.status, answer.body["location"]) == (200, point)
    assert (await api("PATCH", url, json={})).body["location"] == point
    assert (await api("PATCH", url, json={"location": None})).body["location"] is None
    assert (await api.get(url)).body["location"] is None


async def test_evse_update_ignores_read_only_members(api: Any) -> None:
    url = await first_evse(api)
    before = (await api.get(url)).body
    assert (await api("PATCH", url, json={"cpid": "X", "lock_mode": "LOCKED"})).body == before


async def test_evse_update_expands_like_a_read(api: Any) -> None:
    url = await first_evse(api)
    assert (await api("PATCH", f"{url}?expand=model.make", json={})).body["model"]["make"]["name"]


@pytest.mark.parametrize(
    "location",
    [
        *("here", [], {}, {"latitude": 1}, {"latitude": "1", "longitude": 2}),
        {"latitude": 91, "longitude": 0},
        {"latitude": 0, "longitude": -180.1},
        {"latitude": True, "longitude": 0},
        {"latitude": float("nan"), "longitude": 0},
        {"latitude": float("-inf"), "longitude": 0},
        {"latitude": 10**400, "longitude": 0},
    ],
)
async def test_invalid_evse_location_is_named_and_changes_nothing(
    api: Any, location: object
) -> None:
    url = await first_evse(api)
    before = (await api.get(url)).body
    body = json.dumps({"location": location})
    answer = await api("PATCH", url, data=body, headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert answer.body["type"].endswith("/problems/validation-failed-update-evse/")
    assert list(answer.body["field_errors"]) == ["location"]
    assert (await api.get(url)).body == before


@pytest.mark.parametrize("body", ["{", "[]", '"text"'])
async def test_body_that_is_not_an_object_is_a_400(api: Any, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    assert (await api("PATCH", await first_evse(api), data=body, headers=headers)).status == 400


async def test_body_of_another_media_type_is_a_415(api: Any) -> None:
    headers = {"Content-Type": "text/csv"}
    answer = await api("PATCH", await first_evse(api), data="a,b", headers=headers)
    assert answer.status == 415


async def test_deleted_evse_is_gone_everywhere(api: Any) -> None:
    clamp = (await api.get("/ct_clamps?page_size=1&expand=evse")).body[0]
    evse = clamp["evse"]
    answer = await api("DELETE", evse["url"])
    assert (answer.status, answer.body) == (204, None)
    for path in ("", "/status_logs", "/connectivity", "/vpp_modes"):
        assert (await api.get(evse["url"] + path)).status == 404
    assert (await api("DELETE", evse["url"])).status == 404
    listed = (await api.get("/evses?page_size=100")).body
    assert evse["id"] not in [one["id"] for one in listed]
    assert evse["url"] not in (await api.get(evse["user"])).body["evses"]
    assert (await api.get(clamp["url"])).body["evse"] is None


async def test_evse_reconnect_returns_the_url_of_a_page(api: Any) -> None:
    answer = await api("POST", (await first_evse(api)) + "/reconnect")
    assert (answer.status, list(answer.body)) == (201, ["url"])
    async with api.session.get(answer.body["url"]) as page:
        assert (page.status, page.content_type) == (200, "text/html")


async def test_user_is_created_with_writable_members_only(api: Any) -> None:
    body = {"email": "new@example.com", "default_location": ADDRESS, "id": "mine", "evses": ["x"]}
    answer = await api("POST", "/users", json=body)
    assert answer.status == 201
    user = answer.body
    assert user["id"].startswith("user")
    assert (user["email"], user["evses"]) == ("new@example.com", [])
    assert user["default_location"]["city"] == "Leeds"
    assert user["default_location"]["tariff"] is None
    assert (await api.get(user["url"])).body == user
    assert len((await api.get("/users", params={"email": "NEW@example.com"})).body) == 1


async def test_user_is_created_from_an_empty_body(api: Any) -> None:
    answer = await api("POST", "/users", json={})
    assert answer.status == 201
    assert "default_location" not in answer.body
    assert (await api.get(answer.body["url"])).status == 200
    await api.get("/evse_makes", params={"available_for_user_id": answer.body["id"]})


async def test_user_is_created_from_a_form(api: Any) -> None:
    answer = await api("POST", "/users", data={"email": "form@example.com"})
    assert (answer.status, answer.body["email"]) == (201, "form@example.com")


async def test_user_update_keeps_other_members(api: Any) -> None:
    url = f"/users/{api.simulator.user_id}"
    before = (await api.get(url)).body
    answer = await api("PATCH", url, json={"default_location": ADDRESS | {"address_2": "Flat 2"}})
    location = answer.body["default_location"]
    assert (location["city"], location["address_2"]) == ("Leeds", "Flat 2")
    assert location["tariff"] == before["default_location"]["tariff"]
    assert location["coordinates"] == before["default_location"]["coordinates"]
    assert answer.body["email"] == before["email"]
    assert (await api("PATCH", url, json={})).body == answer.body


async def test_address_is_cleared_by_nulls_and_the_tariff_is_kept(api: Any) -> None:
    url = f"/users/{api.simulator.user_id}"
    nulls = dict.fromkeys([*ADDRESS, "address_2", "state", "coordinates"])
    location = (await api("PATCH", url, json={"default_location": nulls})).body["default_location"]
    assert {name: location[name] for name in nulls} == nulls
    assert location["tariff"]


async def test_user_tariff_is_set_by_its_url(api: Any) -> None:
    users = (await api.get("/users?page_size=100")).body
    tariffs = {user["default_location"]["tariff"] for user in users}
    url = users[0]["url"]
    for tariff in tariffs:
        body = {"default_location": {"tariff": tariff + "/"}}
        answer = await api("PATCH", url, json=body)
        assert answer.body["default_location"]["tariff"] == tariff
    assert len(tariffs) > 1
    id_only = {"default_location": {"tariff": next(iter(tariffs)).rpartition("/")[2]}}
    assert (await api("PATCH", url, json=id_only)).status == 400


@pytest.mark.parametrize(
    ("location", "invalid"),
    [
        ({"city": "Leeds"}, {"address_1", "postal_code", "country_code"}),
        ({"coordinates": {"latitude": 1, "longitude": 2}}, {*ADDRESS}),
        (ADDRESS | {"country_code": None}, {"country_code"}),
        (ADDRESS | {"country_code": "XX"}, {"country_code"}),
        (ADDRESS | {"country_code": ["GB"]}, {"country_code"}),
        ({"tariff": "http://["}, {"tariff"}),
        (ADDRESS | {"coordinates": {"latitude": 91, "longitude": 2}}, {"coordinates"}),
        (ADDRESS | {"state": 7}, {"state"}),
        ({"evse_site": "http://x/v2/evse_sites/site00000000000000000000000000"}, {"evse_site"}),
    ],
)
async def test_invalid_address_is_refused_with_its_members(
    api: Any, location: dict[str, Any], invalid: set[str]
) -> None:
    url = f"/users/{api.simulator.user_id}"
    before = (await api.get(url)).body
    answer = await api("PATCH", url, json={"email": "x@y.example", "default_location": location})
    assert answer.status == 400
    assert set(answer.body["field_errors"]["default_location"]) == invalid
    assert (await api.get(url)).body == before


@pytest.mark.parametrize("email", ["no-at-sign", None, 7, "a@b", "a b@example.com"])
async def test_invalid_email_is_refused(api: Any, email: object) -> None:
    answer = await api("POST", "/users", json={"email": email})
    assert (answer.status, list(answer.body["field_errors"])) == (400, ["email"])


async def test_writes_require_the_write_scope(api: Any) -> None:
    url = await first_evse(api)
    await api.log_in(*api.simulator.add_application(scopes=["evse:read", "user:read"]))
    assert (await api("PATCH", url, json={"location": None})).status == 403
    assert (await api("DELETE", url)).status == 403
    assert (await api("POST", "/users", json={})).status == 403
    assert (await api.get(url)).body["location"] is not None
