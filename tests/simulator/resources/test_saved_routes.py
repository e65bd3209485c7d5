from __future__ import annotations

from typing import Any

import pytest

PATH = "/users/me/saved_routes"
ROUTE: dict[str, Any] = {
    "name": "To the sea",
    "origin": {"latitude": 51.5, "longitude": -0.1, "name": "Home"},
    "destination": {"latitude": 50.8, "longitude": -0.14, "name": "Brighton"},
    "arrive_with_min_percent": 20,
}
STOP = {"latitude": 51, "longitude": 0, "name": "Coffee"}
SLUG = "/problems/validation-failed-saved-route/"


def user_header(api: Any) -> dict[str, str]:
    return {"EvEnergy-User": api.simulator.user_id}


async def list_routes(api: Any) -> list[dict[str, Any]]:
    return (await api.get(PATH, headers=user_header(api))).body


async def save_route(api: Any, **members: Any) -> Any:
    return await api("POST", PATH, json=ROUTE | members, headers=user_header(api))


async def test_seeded_routes_are_listed_and_returned_by_id(api: Any) -> None:
    routes = await list_routes(api)
    assert len(routes) == 3
    for route in routes:
        assert route["url"].endswith(f"/users/{api.simulator.user_id}/saved_routes/{route['id']}")
        assert route["user"].endswith(f"/users/{api.simulator.user_id}")
        assert (await api.get(route["url"])).body == route
    path = f"/users/{api.simulator.user_id}/saved_routes?page_size=1&page_after={routes[0]['id']}"
    assert (await api.get(path)).body == [routes[1]]


async def test_saved_route_is_listed_changed_and_deleted(api: Any) -> None:
    api.simulator.clock.stop()
    before = await list_routes(api)
    answer = await save_route(api)
    made = answer.body
    assert answer.status == 201
    assert {name: made[name] for name in ROUTE} == ROUTE
    assert (made["favourite"], made["waypoints"]) == (False, [])
    assert made["preferred_departure_minutes"] is None
    assert made["created_at"] == made["last_used_at"]
    assert await list_routes(api) == [*before, made]

    changes = {"name": "Away", "favourite": True, "waypoints": [STOP]}
    changes["last_used_at"] = "2026-10-06T10:00:00+02:00"
    answer = await api("PATCH", made["url"], json=changes)
    assert answer.status == 200
    changes["last_used_at"] = "2026-10-06T08:00:00.000000Z"
    assert answer.body == made | changes
    assert (await api("PATCH", made["url"], json={})).body == answer.body
    assert (await api.get(made["url"])).body == answer.body

    assert (await api("DELETE", made["url"])).status == 204
    for method in ("GET", "PATCH", "DELETE"):
        body = {} if method == "GET" else {"json": {}}
        assert (await api(method, made["url"], **body)).status == 404
    assert await list_routes(api) == before


async def test_seeded_route_can_be_changed_and_deleted(api: Any) -> None:
    first, *others = await list_routes(api)
    leave_now = {"preferred_departure_minutes": None}
    answer = await api("PATCH", first["url"], json={"preferred_departure_minutes": 1439})
    assert answer.body == first | {"preferred_departure_minutes": 1439}
    assert (await api("PATCH", first["url"], json=leave_now)).body == first | leave_now
    assert (await api("DELETE", first["url"])).status == 204
    assert await list_routes(api) == others


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x" * 201},
        {"name": None},
        {"waypoints": [STOP] * 26},
        {"waypoints": [{"latitude": 1, "longitude": 2}]},
        {"origin": {"latitude": 91, "longitude": 0, "name": "Nowhere"}},
        {"destination": None},
        {"arrive_with_min_percent": -1},
        {"preferred_departure_minutes": 1440},
        {"last_used_at": None},
        {"favourite": "yes"},
    ],
)
async def test_invalid_route_is_neither_saved_nor_changed(api: Any, change: dict[str, Any]) -> None:
    before = await list_routes(api)
    for answer in (
        await save_route(api, **change),
        await api("PATCH", before[0]["url"], json=change),
    ):
        assert answer.status == 400
        assert answer.body["type"].endswith(SLUG)
        assert list(answer.body["field_errors"]) == list(change)
    assert await list_routes(api) == before


async def test_routes_are_limited_to_50_with_25_stops(api: Any) -> None:
    for _ in range(50 - len(await list_routes(api))):
        answer = await save_route(api, waypoints=[STOP] * 25)
        assert answer.status == 201
    refused = await save_route(api)
    assert refused.status == 400
    assert refused.body["type"].endswith(SLUG)
    assert (await api("DELETE", answer.body["url"])).status == 204
    assert (await save_route(api)).status == 201


async def test_routes_are_visible_to_their_user_only(api: Any) -> None:
    users = (await api.get("/users?page_size=100")).body
    other = next(user for user in users[1:] if user["vehicles"])
    theirs = (await api.get(f"{other['url']}/saved_routes")).body
    assert theirs
    own = (await list_routes(api))[0]
    swapped = f"{other['url']}/saved_routes/{own['id']}"
    assert (await api.get(swapped)).status == 404
    tokens = api.simulator._auth_server.sign_in(api.simulator.client_id, api.simulator.user_id)
    api.token = tokens["access_token"]
    assert (await api.get(PATH)).body[0] == own
    assert (await api.get(theirs[0]["url"])).status == 404
    for method in ("GET", "POST"):
        body = {} if method == "GET" else {"json": ROUTE}
        assert (await api(method, f"{other['url']}/saved_routes", **body)).status == 404


async def test_new_user_has_no_routes_until_one_is_saved(api: Any) -> None:
    user = (await api("POST", "/users", json={})).body
    assert (await api.get(f"{user['url']}/saved_routes")).body == []
    made = await api("POST", f"{user['url']}/saved_routes", json=ROUTE)
    assert (await api.get(f"{user['url']}/saved_routes")).body == [made.body]
