from __future__ import annotations

import json
from typing import Any

import pytest

LONDON = "51.5045,-0.0865"


async def as_user(api: Any, user_id: str | None = None) -> dict[str, Any]:
    """Let the api act with a user's own token from now on."""
    user_id = user_id or api.simulator.user_id
    api.token = api.simulator.sign_in(user_id).access_token
    return (await api.get("/users/me")).body


def user_header(user_id: str) -> dict[str, str]:
    return {"EvEnergy-User": user_id}


async def users(api: Any, city: str, count: int = 1) -> list[str]:
    """Ids of users who live in a city."""
    rows = (await api.get("/users?page_size=100")).body
    return [row["id"] for row in rows if row["default_location"]["city"] == city][:count]


async def program(api: Any, name: str) -> dict[str, Any]:
    rows = (await api.get("/programs", token=None)).body
    return next(row for row in rows if row["name"] == name)


async def names(api: Any, path: str, **options: Any) -> set[str]:
    answer = await api.get(path, **options)
    assert answer.status == 200, answer.body
    return {row["name"] for row in answer.body}


async def test_programs_are_listed_and_returned_by_id(api: Any) -> None:
    rows = (await api.get("/programs", token=None)).body
    assert len(rows) == 7
    assert {row["logo"] is None for row in rows} == {True, False}
    for row in rows:
        assert (await api.get(row["url"], token=None)).body == row
    assert (await api.get("/programs", token=api.token)).body == rows


async def test_programs_filter_by_location(api: Any) -> None:
    in_london = {"Thames Night Charge", "Quiet Hours", "Grid Friends Pilot"}
    assert await names(api, f"/programs?coordinates={LONDON}", token=None) == in_london
    assert await names(api, "/programs?postal_code=se1%209sg&country_code=GB") == in_london
    assert await names(api, "/programs?coordinates=0,0") == {"Grid Friends Pilot"}
    in_oakland = await names(api, "/programs?postal_code=94612&country_code=US")
    assert in_oakland == {"East Bay Charge Rewards", "Grid Friends Pilot"}
    assert "Aire Valley Flex" in await names(api, "/programs?country_code=GB")
    assert "Aire Valley Flex" not in await names(api, "/programs?country_code=DE")


@pytest.mark.parametrize(
    ("query", "member"),
    [
        (f"coordinates={LONDON}&postal_code=SE1%209SG&country_code=GB", "postal_code"),
        (f"coordinates={LONDON}&country_code=GB", "country_code"),
        ("postal_code=SE1%209SG", "country_code"),
        ("postal_code=94612&country_code=GB", "postal_code"),
        ("postal_code=SE1&country_code=GB", "postal_code"),
        ("postal_code=1&country_code=XX", "country_code"),
        ("coordinates=here", "coordinates"),
    ],
)
async def test_invalid_location_is_a_400(api: Any, query: str, member: str) -> None:
    answer = await api.get(f"/programs?{query}")
    assert answer.status == 400
    assert member in answer.body["field_errors"]


async def test_user_sees_programs_at_own_location(api: Any) -> None:
    (leeds,) = await users(api, "Leeds")
    in_leeds = {"Aire Valley Flex", "Quiet Hours", "Grid Friends Pilot"}
    assert await names(api, "/programs", headers=user_header(leeds)) == in_leeds
    path = f"/programs?coordinates={LONDON}"
    both = {"Quiet Hours", "Grid Friends Pilot"}
    assert await names(api, path, headers=user_header(leeds)) == both
    await as_user(api, leeds)
    assert await names(api, "/programs") == in_leeds


async def test_user_without_location_sees_all_programs(api: Any) -> None:
    made = (await api("POST", "/users", json={"email": "new@example.com"})).body
    assert len(await names(api, "/programs", headers=user_header(made["id"]))) == 7


async def test_tiers_are_listed_and_paged(api: Any) -> None:
    url = (await program(api, "Thames Night Charge"))["url"]
    first = await api.get(f"{url}/tiers?page_size=3", token=None)
    second = await api.get(f"{url}/tiers?page_after={first.body[-1]['id']}", token=None)
    tiers = first.body + second.body
    assert [tier["short_name"] for tier in tiers] == ["standard", "sun", "plus", "fleet"]
    assert {tier["eligible"] for tier in tiers} == {None}
    assert {tier["visible"] for tier in tiers} == {True, False}
    for tier in tiers:
        assert (await api.get(tier["url"], token=None)).body == tier
    other = (await program(api, "Quiet Hours"))["id"]
    assert (await api.get(f"/programs/{other}/tiers/{tiers[0]['id']}")).status == 404
    assert (await api.get(f"/programs/{tiers[0]['id']}/tiers")).status == 404


async def eligible(api: Any, name: str, user_id: str) -> dict[str, bool]:
    url = (await program(api, name))["url"]
    rows = (await api.get(f"{url}/tiers", headers=user_header(user_id))).body
    for row in rows:
        single = await api.get(row["url"], headers=user_header(user_id))
        assert single.body == row
    return {row["short_name"]: row["eligible"] for row in rows}


async def test_tier_eligibility_depends_on_location_and_devices(api: Any) -> None:
    first = api.simulator.user_id  # has solar panels, in London
    (leeds,) = await users(api, "Leeds")
    assert await eligible(api, "Thames Night Charge", first) == {
        "standard": True,
        "sun": True,
        "plus": False,
        "fleet": True,
    }
    assert set((await eligible(api, "Thames Night Charge", leeds)).values()) == {False}
    assert (await eligible(api, "Aire Valley Flex", leeds))["store"] is False  # no battery


async def test_verification_makes_the_user_eligible(api: Any) -> None:
    first = api.simulator.user_id
    url = (await program(api, "Thames Night Charge"))["url"]
    path, header = f"{url}/user_verification", user_header(first)
    for body in ({}, {"account_number": 12345678}, {"account_number": "?"}):
        answer = await api("POST", path, json=body, headers=header)
        assert (answer.status, list(answer.body["field_errors"])) == (400, ["account_number"])
    assert (await eligible(api, "Thames Night Charge", first))["plus"] is False
    body = {"account_number": "12345678-A"}
    answer = await api("POST", path, json=body, headers=header)
    assert (answer.status, answer.body) == (201, None)
    assert (await eligible(api, "Thames Night Charge", first))["plus"] is True
    assert (await eligible(api, "Thames Night Charge", (await users(api, "London", 2))[1]))[
        "plus"
    ] is False


async def test_programs_verify_with_different_members(api: Any) -> None:
    header = user_header(api.simulator.user_id)
    pin = f"{(await program(api, 'East Bay Charge Rewards'))['url']}/user_verification"
    assert (await api("POST", pin, json={"pin": "12345"}, headers=header)).status == 400
    assert (await api("POST", pin, json={"pin": "abcde-12345"}, headers=header)).status == 201
    free = f"{(await program(api, 'Quiet Hours'))['url']}/user_verification"
    assert (await api("POST", free, json={}, headers=header)).status == 201
    assert (await api("POST", free, json=[], headers=header)).status == 400


async def test_verification_after_enrollment_requires_membership(api: Any) -> None:
    header = user_header(api.simulator.user_id)
    url = (await program(api, "Elbstrom Flex"))["url"]
    path, body = f"{url}/post-enrollment-verification", {"account_number": "12345678-A"}
    assert (await api("POST", path, json=body, headers=header)).status == 400
    assert (await api("POST", f"{url}/join", headers=header)).status == 201
    assert (await api("POST", path, json={}, headers=header)).status == 400
    assert (await api("POST", path, json=body, headers=header)).status == 201


@pytest.mark.parametrize("action", ["user_verification", "post-enrollment-verification", "join"])
async def test_writes_require_a_user_and_a_program(api: Any, action: str) -> None:
    url = (await program(api, "Quiet Hours"))["url"]
    assert (await api("POST", f"{url}/{action}", json={})).status == 400
    header = user_header(api.simulator.user_id)
    unknown = f"/programs/prog01JCK1HPNAANB8WN253G27SFPC/{action}"
    assert (await api("POST", unknown, json={}, headers=header)).status == 404
    assert (await api("POST", f"{url}/{action}", token=None, json={})).status == 401


async def schemes(api: Any, user_id: str) -> dict[str, dict[str, Any]]:
    answer = await api.get("/incentive_schemes", headers=user_header(user_id))
    assert answer.status == 200
    return {row["name"]: row for row in answer.body}


async def test_joining_is_idempotent_and_starts_the_program_in_sessions(
    start: Any, clock: Any
) -> None:
    api = await start(clock=clock, rate_limit=None)
    made = (await api("POST", "/users", json={"email": "new@example.com"})).body["id"]
    assert list(await schemes(api, made)) == ["Bring a neighbour"]
    quiet = await program(api, "Quiet Hours")
    answer = await api("POST", f"{quiet['url']}/join", headers=user_header(made))
    assert (answer.status, answer.body) == (201, quiet)
    joined = await schemes(api, made)
    assert joined["Welcome bonus"]["available"] is True
    assert joined["Grid emergencies"]["visible"] is False
    clock.advance(days=31)  # it is November now
    await api.log_in()
    assert (await api("POST", f"{quiet['url']}/join", headers=user_header(made))).status == 201
    later = await schemes(api, made)
    assert later["Welcome bonus"]["available"] is False
    assert joined["Winter evenings"]["available"] is False
    assert later["Winter evenings"]["available"] is True


async def test_joining_another_program_ends_the_previous_membership(api: Any) -> None:
    first = api.simulator.user_id
    before = await schemes(api, first)
    other = (await program(api, "Quiet Hours"))["url"]
    await api("POST", f"{other}/join", headers=user_header(first))
    after = await schemes(api, first)
    assert before["Welcome bonus"]["available"] is False
    assert after["Welcome bonus"]["available"] is True
    assert not {row["id"] for row in before.values()} & {
        row["id"] for name, row in after.items() if name != "Bring a neighbour"
    }


async def test_program_without_default_tier_cannot_be_joined(api: Any) -> None:
    url = (await program(api, "Grid Friends Pilot"))["url"]
    header = user_header(api.simulator.user_id)
    assert (await api("POST", f"{url}/join", headers=header)).status == 404


async def test_joining_requires_a_scope(api: Any) -> None:
    url = (await program(api, "Quiet Hours"))["url"]
    await api.log_in(scope="programs:write")
    header = user_header(api.simulator.user_id)
    assert (await api("POST", f"{url}/join", headers=header)).status == 403


async def test_incentives_require_a_user(api: Any) -> None:
    assert (await api.get("/incentive_schemes")).status == 400
    user = await as_user(api)
    assert (await api.get("/incentive_schemes")).body == list(
        (await schemes(api, user["id"])).values()
    )


async def test_current_agreement_is_the_published_version(api: Any) -> None:
    url = f"{(await program(api, 'Thames Night Charge'))['url']}/participation_agreement_versions"
    rows = (await api.get(f"{url}?page_size=2", token=None)).body
    rows += (await api.get(f"{url}?page_after={rows[-1]['id']}", token=None)).body
    assert [row["version_number"] for row in rows] == [1, 2, 3]
    assert [row["published"] for row in rows] == [False, True, False]
    assert (await api.get(f"{url}/current", token=None)).body == rows[1]
    for row in rows:
        assert (await api.get(row["url"], token=None)).body == row


async def test_unpublished_agreement_is_a_404(api: Any) -> None:
    for name, count in (("Quiet Hours", 1), ("Grid Friends Pilot", 0)):
        url = f"{(await program(api, name))['url']}/participation_agreement_versions"
        assert len((await api.get(url, token=None)).body) == count
        assert (await api.get(f"{url}/current", token=None)).status == 404


async def test_agreement_is_in_the_language_of_the_user(api: Any) -> None:
    (utrecht,) = await users(api, "Utrecht")
    url = f"{(await program(api, 'Zonuren Utrecht'))['url']}/participation_agreement_versions"
    assert "Version 2" in (await api.get(f"{url}/current")).body["content"]
    await as_user(api, utrecht)
    assert "Versie 2" in (await api.get(f"{url}/current")).body["content"]


async def test_agreement_can_be_accepted_repeatedly(start: Any, clock: Any) -> None:
    api = await start(clock=clock, rate_limit=None)
    url = f"{(await program(api, 'Thames Night Charge'))['url']}/participation_agreement_versions"
    version = (await api.get(f"{url}/current")).body
    accept = f"{version['url']}/accept"
    assert (await api("POST", accept, json={})).status == 403  # a token of the application
    header = user_header(api.simulator.user_id)
    assert (await api("POST", accept, json={}, headers=header)).status == 403
    user = await as_user(api)
    for _ in range(2):
        answer = await api("POST", accept, json={})
        assert (answer.status, answer.body) == (201, None)
        clock.advance(minutes=5)
    kept = api.simulator._world.dump()["extra_state"]["accepted_agreements"]
    assert kept == {user["id"]: {version["id"]: "2026-10-05T12:00:00.000000Z"}}


async def test_acceptance_takes_no_other_members(api: Any) -> None:
    url = f"{(await program(api, 'Thames Night Charge'))['url']}/participation_agreement_versions"
    version = (await api.get(f"{url}/current")).body
    await as_user(api)
    refused: tuple[Any, ...] = ({"accepted": True}, [], None)
    for body in refused:
        assert (await api("POST", f"{version['url']}/accept", json=body)).status == 400
    assert (await api("POST", f"{version['url']}/accept")).status == 400
    other_program = (await program(api, "Quiet Hours"))["url"]
    path = f"{other_program}/participation_agreement_versions/{version['id']}/accept"
    assert (await api("POST", path, json={})).status == 404


async def test_vehicle_compatibility_lists_models(api: Any) -> None:
    url = (await program(api, "East Bay Charge Rewards"))["url"]
    america = (await api.get(f"{url}/vehicle_compatibility?expand=model")).body
    names = {row["model"]["name"] for row in america}
    assert "Bolt EV" in names
    assert not {"Zoe", "eCity"} & names
    assert all({"US", "GB"} <= set(row["supported_countries"]) for row in america)
    assert {row["type"] for row in america} == {"BEV", "PHEV", None}
    assert {row["can_control_charge"] for row in america} == {True, False}
    url = (await program(api, "Zonuren Utrecht"))["url"]
    header = user_header((await users(api, "Utrecht"))[0])
    europe = (await api.get(f"{url}/vehicle_compatibility", headers=header)).body
    assert len(europe) > len(america)
    assert all(row["model"].startswith("http") for row in europe)
    assert all(row["end_year"] is None or row["start_year"] < row["end_year"] for row in europe)


async def test_memberships_survive_in_a_state_file(start: Any) -> None:
    api, other = await start(rate_limit=None), await start(rate_limit=None)
    url = (await program(api, "Quiet Hours"))["url"]
    first = api.simulator.user_id
    await api("POST", f"{url}/join", headers=user_header(first))
    assert await schemes(other, first) != await schemes(api, first)
    other.simulator._world.load(json.loads(json.dumps(api.simulator._world.dump())))
    assert await schemes(other, first) == await schemes(api, first)


async def test_programs_and_memberships_depend_on_the_seed(start: Any) -> None:
    first, second = await start(seed=7), await start(seed=7)
    assert {row["id"] for row in (await first.get("/programs")).body} == {
        row["id"] for row in (await second.get("/programs")).body
    }
    user_ids = [row["id"] for row in (await first.get("/users?page_size=40")).body]
    for user_id in user_ids[:12]:
        assert await schemes(first, user_id) == await schemes(second, user_id)
