from __future__ import annotations

import json
from typing import Any

import pytest

BASE = "/users/me"
SLUG = "/problems/validation-failed-update-{}/"


def user_header(api: Any) -> dict[str, str]:
    return {"EvEnergy-User": api.simulator.user_id}


async def get_preferences(api: Any, preference: str) -> Any:
    return await api.get(f"{BASE}/{preference}", headers=user_header(api))


async def patch_preferences(api: Any, preference: str, body: Any) -> Any:
    return await api("PATCH", f"{BASE}/{preference}", json=body, headers=user_header(api))


def others_vehicle(vehicles: list[dict[str, Any]], user_id: str) -> str:
    return next(one["url"] for one in vehicles if not one["user"].endswith(user_id))


async def test_notification_groups_are_changed_one_by_one(api: Any) -> None:
    before = (await get_preferences(api, "notification_preferences")).body
    assert len(before["groups"]) == 5
    assert before["url"].endswith(f"/users/{api.simulator.user_id}/notification_preferences")
    for nothing in ({}, {"groups": {}}):
        assert (await patch_preferences(api, "notification_preferences", nothing)).body == before
    flipped = not before["groups"]["deals_and_offers"]
    answer = await patch_preferences(
        api, "notification_preferences", {"groups": {"deals_and_offers": flipped}}
    )
    assert answer.status == 200
    assert answer.body["groups"] == before["groups"] | {"deals_and_offers": flipped}
    assert (await get_preferences(api, "notification_preferences")).body == answer.body


@pytest.mark.parametrize(
    "groups", [{"weather": True}, {"charging_flow": 1}, {"charging_flow": None}]
)
async def test_invalid_group_is_a_400_and_changes_nothing(api: Any, groups: dict[str, Any]) -> None:
    before = (await get_preferences(api, "notification_preferences")).body
    answer = await patch_preferences(
        api, "notification_preferences", {"groups": {"charging_issues": False, **groups}}
    )
    assert answer.status == 400
    assert answer.body["type"].endswith(SLUG.format("notification-preferences"))
    assert list(answer.body["field_errors"]["groups"]) == list(groups)
    assert (await get_preferences(api, "notification_preferences")).body == before


async def test_route_planner_preferences_take_partial_changes(api: Any) -> None:
    api.simulator.clock.stop()
    before = (await get_preferences(api, "route_planner_preferences")).body
    assert (await api.get(before["preferred_vehicle"])).body["user"].endswith(api.simulator.user_id)
    assert (await patch_preferences(api, "route_planner_preferences", {})).body == before
    api.simulator.clock.advance(hours=1)
    answer = await patch_preferences(
        api, "route_planner_preferences", {"min_charger_power_watts": 250_000}
    )
    changed = {"min_charger_power_watts": 250_000, "updated_at": answer.body["updated_at"]}
    assert answer.body == before | changed
    assert changed["updated_at"].startswith("2026-10-05T13:00:0")
    answer = await patch_preferences(
        api,
        "route_planner_preferences",
        {"min_charger_power_watts": None, "preferred_vehicle": None},
    )
    assert answer.body["min_charger_power_watts"] is None
    assert answer.body["preferred_vehicle"] is None
    assert (await get_preferences(api, "route_planner_preferences")).body == answer.body


async def test_preferred_vehicle_must_belong_to_the_user(api: Any) -> None:
    vehicles = (await api.get("/vehicles?page_size=100")).body
    own = [one["url"] for one in vehicles if one["user"].endswith(api.simulator.user_id)]
    for url in own:
        answer = await patch_preferences(
            api, "route_planner_preferences", {"preferred_vehicle": url}
        )
        assert answer.body["preferred_vehicle"] == url
    foreign = others_vehicle(vehicles, api.simulator.user_id)
    for invalid in (foreign, f"{own[0][:-3]}000", "https://example.com/cars/1"):
        answer = await patch_preferences(
            api, "route_planner_preferences", {"preferred_vehicle": invalid}
        )
        assert (answer.status, list(answer.body["field_errors"])) == (400, ["preferred_vehicle"])
        assert answer.body["type"].endswith(SLUG.format("route-planner-preferences"))
    assert (await get_preferences(api, "route_planner_preferences")).body[
        "preferred_vehicle"
    ] == own[-1]


async def test_deleted_vehicle_is_no_longer_preferred(api: Any) -> None:
    preferred = (await get_preferences(api, "route_planner_preferences")).body["preferred_vehicle"]
    assert (await api("DELETE", preferred)).status in {200, 204}
    assert (await get_preferences(api, "route_planner_preferences")).body[
        "preferred_vehicle"
    ] is None


@pytest.mark.parametrize(
    "body",
    [
        {"min_charger_power_watts": 11_000},
        {"arrive_with_min_percent": 101},
        {"arrive_with_min_percent": None},
        {"preferred_vehicle": 7},
    ],
)
async def test_invalid_route_planner_preferences_are_a_400(api: Any, body: dict[str, Any]) -> None:
    before = (await get_preferences(api, "route_planner_preferences")).body
    answer = await patch_preferences(api, "route_planner_preferences", body)
    assert (answer.status, list(answer.body["field_errors"])) == (400, list(body))
    assert (await get_preferences(api, "route_planner_preferences")).body == before


@pytest.mark.parametrize(
    ("wallet", "receiver", "kind"),
    [("PAYPAL", "ada@example.com", "EMAIL"), ("VENMO", "+1 (510) 555-0199", "PHONE")],
)
async def test_payout_method_is_set_and_cleared(
    api: Any, wallet: str, receiver: str, kind: str
) -> None:
    answer = await patch_preferences(
        api, "payout_method", {"receiver_wallet": wallet, "receiver": receiver}
    )
    assert (answer.status, answer.body["receiver"]) == (200, receiver)
    assert (answer.body["receiver_wallet"], answer.body["receiver_type"]) == (wallet, kind)
    assert (await get_preferences(api, "payout_method")).body == answer.body
    for _ in range(2):
        cleared = await api("DELETE", f"{BASE}/payout_method", headers=user_header(api))
        assert (cleared.status, cleared.body) == (204, None)
    remaining = (await get_preferences(api, "payout_method")).body
    assert {remaining.pop("url")[-14:], *remaining.values()} == {"/payout_method", None}


async def test_bill_credits_use_the_linked_account(api: Any) -> None:
    answer = await patch_preferences(api, "payout_method", {"receiver_wallet": "BILL_CREDITS"})
    assert answer.body["receiver_type"] == "ACCOUNT_NUMBER"
    assert answer.body["receiver"].isdigit()


@pytest.mark.parametrize(
    "body",
    [
        {"receiver_wallet": "PAYPAL"},
        {"receiver_wallet": "PAYPAL", "receiver": None},
        {"receiver_wallet": "PAYPAL", "receiver": "+15105550199"},
        {"receiver_wallet": "VENMO", "receiver": "ada@example.com"},
        {"receiver_wallet": "VENMO"},
        {"receiver_wallet": "BILL_CREDITS", "receiver": "1"},
        {"receiver_wallet": "BILL_CREDITS", "receiver": None},
        {"receiver_wallet": "CASH", "receiver": "1"},
        {"receiver_wallet": None},
        {"receiver": "ada@example.com"},
        {},
    ],
)
async def test_receiver_must_fit_the_wallet(api: Any, body: dict[str, Any]) -> None:
    before = (await get_preferences(api, "payout_method")).body
    answer = await patch_preferences(api, "payout_method", body)
    assert answer.status == 400
    assert answer.body["type"].endswith(SLUG.format("payout-method"))
    assert answer.body["field_errors"].keys() <= {"receiver", "receiver_wallet"}
    assert (await get_preferences(api, "payout_method")).body == before


PREFERENCES = ("notification_preferences", "route_planner_preferences", "payout_method")


async def test_new_user_has_default_preferences(api: Any) -> None:
    user = (await api("POST", "/users", json={"email": "new@example.com"})).body
    groups, planner, payout = [
        (await api.get(f"{user['url']}/{preference}")).body for preference in PREFERENCES
    ]
    assert set(groups["groups"].values()) == {True}
    assert planner["preferred_vehicle"] is None
    assert planner["updated_at"] == user["joined_at"]
    assert payout["receiver_wallet"] is None
    body = {"receiver_wallet": "BILL_CREDITS"}
    credited = await api("PATCH", f"{user['url']}/payout_method", json=body)
    assert credited.body["receiver"] == ""


async def test_preferences_of_other_users_are_a_404(api: Any) -> None:
    users = (await api.get("/users")).body
    other = next(one["url"] for one in users if one["id"] != api.simulator.user_id)
    tokens = api.simulator._auth_server.sign_in(api.simulator.client_id, api.simulator.user_id)
    api.token = tokens["access_token"]
    for preference in PREFERENCES:
        assert (await api.get(f"/users/me/{preference}")).status == 200
        assert (await api.get(f"{other}/{preference}")).status == 404
        body = {"receiver_wallet": "BILL_CREDITS"} if preference == "payout_method" else {}
        assert (await api("PATCH", f"{other}/{preference}", json=body)).status == 404
    assert (await api("DELETE", f"{other}/payout_method")).status == 404


async def test_read_scope_does_not_permit_writes(api: Any) -> None:
    scopes = ["payout_method:read", "route_planner_preferences:read"]
    await api.log_in(*api.simulator.add_application(scopes=scopes))
    assert (await get_preferences(api, "payout_method")).status == 200
    assert (
        await patch_preferences(api, "payout_method", {"receiver_wallet": "BILL_CREDITS"})
    ).status == 403
    assert (await patch_preferences(api, "route_planner_preferences", {})).status == 403
    assert (await get_preferences(api, "notification_preferences")).status == 403


async def test_preferences_survive_in_a_state_file(start: Any) -> None:
    first, second = [await start(rate_limit=None) for _ in range(2)]
    vehicle = (await get_preferences(first, "route_planner_preferences")).body["preferred_vehicle"]
    await patch_preferences(first, "notification_preferences", {"groups": {"charging_flow": False}})
    await patch_preferences(first, "route_planner_preferences", {"preferred_vehicle": vehicle})
    await patch_preferences(
        first, "payout_method", {"receiver_wallet": "VENMO", "receiver": "+15105550199"}
    )
    route = {
        "name": "There",
        "origin": {"latitude": 0, "longitude": 0, "name": "Here"},
        "destination": {"latitude": 1, "longitude": 1, "name": "There"},
        "arrive_with_min_percent": 5,
    }
    await first("POST", f"{BASE}/saved_routes", json=route, headers=user_header(first))
    await first("DELETE", (await get_preferences(first, "saved_routes")).body[0]["url"])
    notification = (await first.get("/notifications", headers=user_header(first))).body[-1]
    await first("PATCH", notification["url"], json={"read_at": "2026-10-05T12:00:00Z"})
    ticket = (await first.get("/support_tickets")).body[0]
    await first("PATCH", ticket["url"], json={"human_verified_category": "OTHER"})

    second.simulator._world.load(json.loads(json.dumps(first.simulator._world.dump())))
    for preference in (*PREFERENCES, "saved_routes"):
        before, after = [(await get_preferences(api, preference)).body for api in (first, second)]
        host = first.simulator.base_url
        assert json.loads(json.dumps(before).replace(host, second.simulator.base_url)) == after
    for path, member in (
        ("notifications", "read_at"),
        ("support_tickets", "human_verified_category"),
    ):
        key = (notification if path == "notifications" else ticket)["id"]
        before, after = [(await api.get(f"/{path}/{key}")).body[member] for api in (first, second)]
        assert before == after
