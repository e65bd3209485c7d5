from __future__ import annotations

from typing import Any


def user_header(user_id: str) -> dict[str, str]:
    return {"EvEnergy-User": user_id}


async def test_sites_have_evses_of_several_users(api: Any) -> None:
    answer = await api.get("/evse_sites")
    sites = answer.body
    assert answer.headers["Link"].count("about:blank") == 2
    assert {site["cpms_connection"] for site in sites} == {"CHARGEPOINT", "SWTCH", None}
    for site in sites:
        assert (await api.get(site["url"])).body == site
        assert site["user_connected"] is None
    owners = {(await api.get(url)).body["user"] for url in sites[0]["evses"]}
    assert len(owners) == 2


async def test_removed_evse_is_not_in_its_site(api: Any) -> None:
    site = (await api.get("/evse_sites")).body[0]
    assert (await api("DELETE", site["evses"][0])).status == 204
    assert (await api.get(site["url"])).body["evses"] == site["evses"][1:]


async def test_site_shows_whether_the_user_is_connected(api: Any) -> None:
    first = user_header(api.simulator.user_id)
    rows = (await api.get("/evse_sites", headers=first)).body
    told = [(site["cpms_connection"], site["user_connected"]) for site in rows]
    assert told[:3] == [("CHARGEPOINT", True), ("SWTCH", False), (None, None)]
    one = (await api.get(rows[0]["url"], headers=first)).body
    assert one["user_connected"] is True
    api.token = api.simulator.sign_in().access_token
    assert (await api.get("/evse_sites")).body == rows


async def test_location_of_a_member_links_to_the_site(api: Any) -> None:
    site = (await api.get("/evse_sites")).body[0]
    owner = (await api.get((await api.get(site["evses"][0])).body["user"])).body
    assert owner["default_location"]["evse_site"] == site["url"]
    path = f"{owner['url']}?expand=default_location.evse_site"
    assert (await api.get(path)).body["default_location"]["evse_site"] == site


async def test_unknown_site_is_a_404_and_a_scope_is_required(api: Any) -> None:
    assert (await api.get("/evse_sites/site01JX2SZ0WAFTDYVYY0JRAYREY7")).status == 404
    await api.log_in(scope="evse:read")
    assert (await api.get("/evse_sites")).status == 403


async def test_number_of_sites_does_not_grow_with_the_world(start: Any) -> None:
    api = await start(vehicles=100_000, rate_limit=None)
    assert len((await api.get("/evse_sites")).body) == 40


async def test_cpms_providers_have_words_as_ids(api: Any) -> None:
    rows = (await api.get("/cpms_providers")).body
    assert [row["id"] for row in rows] == ["CHARGEPOINT", "SWTCH"]
    for row in rows:
        assert (await api.get(f"/cpms_providers/{row['id']}")).body == row
    assert (await api.get("/cpms_providers/EVBOX")).status == 404
    later = await api.get("/cpms_providers?page_after=CHARGEPOINT")
    assert later.body == rows[1:]
    assert "page_before=SWTCH" in later.headers["Link"]
    assert (await api.get("/cpms_providers?page_before=SWTCH")).body == rows[:1]


async def test_cpms_providers_refuse_an_unknown_cursor(api: Any) -> None:
    answer = await api.get("/cpms_providers?page_after=EVBOX")
    assert answer.status == 400
    assert answer.body["type"].endswith("/problems/pagination-parameters/")
    assert (await api.get("/cpms_providers?page_size=1")).status == 400
