from __future__ import annotations

from typing import Any


async def test_subscriptions_are_paged_and_expand(api: Any) -> None:
    first = await api.get("/subscriptions")
    assert len(first.body) == 25
    assert 'rel="next"' in first.headers["Link"]
    assert "page_after" in first.headers["Link"]
    path = "/subscriptions?page_size=100"
    plain = (await api.get(path)).body
    assert None in {one["offering"] for one in plain}
    full = (await api.get(f"{path}&expand=user&expand=offering")).body
    for before, after in zip(plain, full, strict=True):
        assert after["user"]["url"] == before["user"]
        if before["offering"] is None:
            assert after["offering"] is None
        else:
            assert after["offering"]["url"] == before["offering"]


async def test_user_sees_only_own_subscriptions(api: Any) -> None:
    acting = {"EvEnergy-User": api.simulator.user_id}
    own = (await api.get("/subscriptions", headers=acting)).body
    assert len(own) == 2
    assert {one["user"].rpartition("/")[2] for one in own} == {api.simulator.user_id}
    tokens = api.simulator._auth_server.sign_in(api.simulator.client_id, api.simulator.user_id)
    api.token = tokens["access_token"]
    assert (await api.get("/subscriptions")).body == own
    assert (await api.get(own[0]["offering"])).status == 200


async def test_offerings_have_names_in_several_languages(api: Any) -> None:
    acting = {"EvEnergy-User": api.simulator.user_id}
    solar = (await api.get("/subscriptions", headers=acting)).body[1]["offering"]
    names = [
        (
            await api.get(f"{solar}?expand=user&expand=offering", headers={"Accept-Language": tag})
        ).body["name"]
        for tag in ("en-GB", "de", "nl-NL,en;q=0.3", "ja")
    ]
    plain = (await api.get(solar)).body["name"]
    assert names[0] == names[3] == plain
    assert len(set(names)) == 3
    german = {"Accept-Language": "de", **acting}
    listed = (await api.get("/subscriptions?expand=offering", headers=german)).body
    assert listed[1]["offering"]["name"] == names[1]


async def test_unknown_offering_is_a_404(api: Any) -> None:
    for key in ("subo01HN2NJ9NMRZBXT1H6FT9N7735", "lifetime"):
        assert (await api.get(f"/subscription_offerings/{key}")).status == 404
