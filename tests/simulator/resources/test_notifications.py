from __future__ import annotations

from typing import Any

import pytest

from ev_energy.models.notifications import NotificationCategory


def user_header(api: Any, **headers: str) -> dict[str, str]:
    return {"EvEnergy-User": api.simulator.user_id, **headers}


async def own_notifications(api: Any) -> list[dict[str, Any]]:
    return (await api.get("/notifications", headers=user_header(api))).body


async def test_first_user_has_notifications_of_every_kind(api: Any) -> None:
    notifications = await own_notifications(api)
    assert {one["category"] for one in notifications} == {str(one) for one in NotificationCategory}
    assert {"read_at" in one for one in notifications} == {True, False}
    assert {"resolved_at" in one for one in notifications} == {True, False}
    assert {one["external_link"] is None for one in notifications} == {True, False}
    times = [one["event_time"] for one in notifications]
    assert times == sorted(times)


async def test_application_sees_all_notifications_and_user_only_own(api: Any) -> None:
    all_notifications = (await api.get("/notifications?page_size=100")).body
    own = await own_notifications(api)
    assert len(all_notifications) == 100
    assert len(own) == 8
    other = next(one for one in all_notifications if one not in own)
    assert (await api.get(other["url"])).body == other
    tokens = api.simulator._auth_server.sign_in(api.simulator.client_id, api.simulator.user_id)
    api.token = tokens["access_token"]
    assert (await api.get("/notifications")).body == own
    assert (await api.get(own[0]["url"])).body == own[0]
    assert (await api.get(other["url"])).status == 404
    read = {"read_at": "2026-10-05T12:00:00Z"}
    assert (await api("PATCH", other["url"], json=read)).status == 404


async def test_notifications_of_a_user_are_paged(api: Any) -> None:
    own = await own_notifications(api)
    query = f"page_size=3&page_after={own[2]['id']}"
    page = await api.get(f"/notifications?{query}", headers=user_header(api))
    assert page.body == own[3:6]
    assert 'rel="next"' in page.headers["Link"]


async def test_only_the_first_time_of_reading_is_stored(api: Any) -> None:
    unread = next(one for one in await own_notifications(api) if "read_at" not in one)
    answer = await api("PATCH", unread["url"], json={})
    assert answer.body == {"Notification": unread}
    first, second = "2026-10-05T14:00:00+02:00", "2026-10-06T12:00:00Z"
    answer = await api("PATCH", unread["url"], json={"read_at": first})
    read = answer.body["Notification"]
    assert read == unread | {"read_at": "2026-10-05T12:00:00.000000Z"}
    answer = await api("PATCH", unread["url"], json={"read_at": second})
    assert answer.body["Notification"] == read
    assert (await api.get(unread["url"])).body == read
    assert read in await own_notifications(api)


@pytest.mark.parametrize("value", [None, "now", 5, "2026-10-05"])
async def test_invalid_time_of_reading_is_a_400(api: Any, value: object) -> None:
    unread = (await own_notifications(api))[-1]
    answer = await api("PATCH", unread["url"], json={"read_at": value})
    assert (answer.status, list(answer.body["field_errors"])) == (400, ["read_at"])
    assert (await api.get(unread["url"])).body == unread


async def test_texts_are_in_the_requested_language(api: Any) -> None:
    words = {"short_text_title", "short_text_body", "detail_page_title", "detail_page_body"}
    english = await own_notifications(api)
    german = (
        await api.get(
            "/notifications",
            headers=user_header(api, **{"Accept-Language": "fr, de-AT;q=0.8, en;q=0.5"}),
        )
    ).body
    changed = [
        name
        for before, after in zip(english, german, strict=True)
        for name in before
        if before[name] != after[name]
    ]
    assert words <= set(changed) <= {*words, "external_button_label"}
    one = await api.get(german[0]["url"], headers={"Accept-Language": "de"})
    assert one.body == german[0]
    assert (await api.get(german[0]["url"], headers={"Accept-Language": "xx"})).body == english[0]


async def test_texts_default_to_the_language_of_the_country(api: Any) -> None:
    users = (await api.get("/users?page_size=100")).body
    german = next(u for u in users if u["default_location"]["country_code"] == "DE")
    found = (await api.get("/notifications", headers={"EvEnergy-User": german["id"]})).body
    assert "Dein Auto antwortet nicht" in {one["short_text_title"] for one in found}


async def test_issue_is_resolved_after_its_time(start: Any) -> None:
    api = await start(vehicles=2000, rate_limit=None)
    newest = await api.get(f"/notifications?page_size=100&page_before=notf7{'Z' * 25}")
    unsettled = [
        one for one in newest.body if one["category"] == "ACTIONABLE" and "resolved_at" not in one
    ]
    assert unsettled
    api.simulator.clock.advance(hours=31)
    await api.log_in()
    for one in unsettled:
        settled = (await api.get(one["url"])).body
        assert settled.pop("resolved_at") > one["event_time"]
        assert settled == one
