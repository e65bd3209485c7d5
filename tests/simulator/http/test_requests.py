from __future__ import annotations

from typing import Any

import pytest


async def test_paths_are_served_with_and_without_a_slash(api: Any) -> None:
    for path in ("/evses", f"/users/{api.simulator.user_id}", "/evse_makes"):
        bare, slashed = await api.get(path), await api.get(path + "/")
        assert (bare.status, slashed.status) == (200, 200)
        assert bare.body == slashed.body


@pytest.mark.parametrize("path", ["/moons", "/evses/evse00000000000000000000000000/moons"])
async def test_unknown_path_is_a_404_problem(api: Any, path: str) -> None:
    answer = await api.get(path)
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_wrong_method_is_a_405_with_allow(api: Any) -> None:
    answer = await api("POST", "/evses")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize("accept", ["text/html", "text/*, image/png", "application/json;q=0"])
async def test_client_that_excludes_json_gets_406(api: Any, accept: str) -> None:
    assert (await api.get("/evses", headers={"Accept": accept})).status == 406


@pytest.mark.parametrize("accept", ["*/*", "application/*", "text/html, application/json;q=0.2"])
async def test_client_that_accepts_json_among_others_gets_json(api: Any, accept: str) -> None:
    assert (await api.get("/evses", headers={"Accept": accept})).status == 200


async def test_version_two_is_served_and_echoed(api: Any) -> None:
    for version in ("2", "2.0"):
        answer = await api.get("/evses", headers={"EvEnergy-Version": version})
        assert (answer.status, answer.headers["EvEnergy-Version"]) == (200, "2")


async def test_unknown_version_is_a_400(api: Any) -> None:
    answer = await api.get("/evses", headers={"EvEnergy-Version": "3.0"})
    assert answer.status == 400
    assert answer.body["type"].endswith("/problems/pagination-parameters/")


async def test_urls_have_the_host_of_the_request(api: Any) -> None:
    answer = await api.get("/evses?page_size=1", headers={"Host": "localhost"})
    assert answer.body[0]["url"].startswith("http://localhost/v2/evses/")
    assert "<http://localhost/v2/evses?" in answer.headers["Link"]


@pytest.mark.parametrize("form", ["{id}", "{root}/users/{id}", "{root}/users/{id}/"])
async def test_user_header_limits_lists_to_that_user(api: Any, form: str) -> None:
    user_id = api.simulator.user_id
    header = form.format(id=user_id, root=api.simulator.base_url)
    headers = {"EvEnergy-User": header}
    users = await api.get("/users", headers=headers)
    assert [user["id"] for user in users.body] == [user_id]
    evses = await api.get("/evses", headers=headers)
    assert {evse["url"] for evse in evses.body} == set(users.body[0]["evses"])
    assert len(evses.body) >= 3
    # An operation that does not declare the header ignores it.
    clamps = await api.get("/ct_clamps", headers=headers)
    assert clamps.body == (await api.get("/ct_clamps")).body


async def test_unknown_user_in_the_header_is_a_400(api: Any) -> None:
    assert (await api.get("/evses", headers={"EvEnergy-User": "user" + "0" * 26})).status == 400


async def test_me_is_the_user_of_the_header_or_not_found(api: Any) -> None:
    assert (await api.get("/users/me")).status == 404
    answer = await api.get("/users/me", headers={"EvEnergy-User": api.simulator.user_id})
    assert answer.body["id"] == api.simulator.user_id


async def test_onboarding_links_contain_the_user_of_the_header(api: Any) -> None:
    async def link(**options: Any) -> str | None:
        answer = await api.get("/evse_makes?page_size=1", **options)
        return answer.body[0]["onboarding_url"]

    user_id = api.simulator.user_id
    assert await link(token=None) is None
    assert "user_id" not in (await link() or "")
    assert f"user_id={user_id}" in (await link(headers={"EvEnergy-User": user_id}) or "")


async def test_seen_requests_contain_no_credentials(api: Any) -> None:
    await api.get("/evses?expand=user&expand=model&cpid=a%20b", headers={"X-Trace": "7"})
    await api.get("/evses/a%2Fb", token=None)
    first, second = api.simulator.requests
    assert (first.method, first.path, first.status) == ("GET", "/v2/evses", 200)
    assert first.query == (("expand", "user"), ("expand", "model"), ("cpid", "a b"))
    assert first.authorization_scheme == "Bearer"
    assert first.headers["x-trace"] == "7"
    assert api.token not in repr(first)
    assert (second.status, second.authorization_scheme) == (401, None)
    assert second.path == "/v2/evses/a%2Fb"


async def test_log_callback_gets_each_request(start: Any) -> None:
    lines: list[str] = []
    api = await start(log=lambda seen: lines.append(str(seen)))
    await api.get("/evses?page_size=1")
    assert lines[-1].split()[:3] == ["200", "GET", "/v2/evses?page_size=1"]


async def test_every_reference_of_an_evse_resolves(api: Any) -> None:
    user = (await api.get(f"/users/{api.simulator.user_id}")).body
    evse = (await api.get(user["evses"][0])).body
    make = (await api.get((await api.get(evse["model"])).body["make"])).body
    tariff = (await api.get(user["default_location"]["tariff"])).body
    for url in (evse["user"], evse["latest_status_log"], make["evse_models"], tariff["supplier"]):
        assert (await api.get(url)).status == 200
    clamped = [(await api.get(url)).body["ct_clamp"] for url in user["evses"]]
    assert any([(await api.get(url)).status == 200 for url in clamped if url])


async def test_encoded_slash_in_an_id_reaches_no_other_operation(api: Any) -> None:
    evse = (await api.get("/evses?page_size=1")).body[0]
    entry = (await api.get(f"{evse['url']}/command_logs?page_size=1")).body[0]
    await api.log_in(*api.simulator.add_application(scopes=["evse:read"]))
    assert (await api.get(entry["url"])).status == 403
    hidden = f"{evse['id']}%2Fcommand_logs%2F{entry['logged_at']}"
    assert (await api.get(f"/evses/{hidden}")).status == 404
