from __future__ import annotations

from typing import Any

import pytest


async def test_root_links_to_collections_without_a_token(api: Any) -> None:
    answer = await api.get("/", token=None)
    assert (answer.status, len(answer.body)) == (200, 14)
    assert (await api.get("", token=None)).body == answer.body
    for name, url in answer.body.items():
        if name != "dispatch_coordinators":
            assert (await api.get(url)).status == 200, name


async def test_time_zones_are_paged_and_returned_by_id(api: Any) -> None:
    first = (await api.get("/timezones")).body
    assert len(first) == 25
    rest = (await api.get(f"/timezones?page_size=100&page_after={first[-1]['id']}")).body
    names = [zone["name"] for zone in first + rest]
    assert names == sorted(names)
    assert {"Europe/London", "America/Los_Angeles", "UTC"} <= set(names)
    assert (await api.get(first[3]["url"])).body == first[3]
    assert (await api.get(first[3]["url"][:-2] + "00")).status == 404
    assert (await api.get("/timezones", token=None)).status == 401


@pytest.mark.parametrize("known", [True, False])
async def test_password_reset_does_not_reveal_accounts(api: Any, known: bool) -> None:
    user = (await api.get(f"/users/{api.simulator.user_id}")).body
    body = {"email": user["email"] if known else "nobody@example.com"}
    answer = await api("POST", "/auth/password_reset", json=body, token=None)
    assert (answer.status, answer.body) == (200, {"status": "password_reset_email_sent"})


@pytest.mark.parametrize("body", [{}, {"email": None}, {"email": "ada"}, {"email": 5}])
async def test_password_reset_without_an_address_is_a_422(api: Any, body: Any) -> None:
    answer = await api("POST", "/auth/password_reset", json=body, token=None)
    assert (answer.status, list(answer.body["field_errors"])) == (422, ["email"])
    assert answer.body["type"].endswith("/problems/validation-failed-password-reset/")


async def test_portal_link_works_once(api: Any) -> None:
    first, second = [(await api.get("/webhook_portal")).body["url"] for _ in range(2)]
    assert first != second
    for url, status in ((first, 303), (first, 403), (second, 303)):
        async with api.session.get(url, allow_redirects=False) as page:
            assert page.status == status


async def test_portal_refuses_user_tokens(api: Any) -> None:
    tokens = api.simulator._auth_server.sign_in(api.simulator.client_id, api.simulator.user_id)
    api.token = tokens["access_token"]
    assert (await api.get("/webhook_portal")).status == 403
    assert (await api.get("/webhook_portal", token=None)).status == 401
