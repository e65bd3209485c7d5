from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

REBATE = "First electric car"


def user_header(user_id: str) -> dict[str, str]:
    return {"EvEnergy-User": user_id}


async def user_in(api: Any, city: str) -> str:
    rows = (await api.get("/users?page_size=100")).body
    return next(row["id"] for row in rows if row["default_location"]["city"] == city)


async def rebate_type(api: Any, title: str = REBATE) -> dict[str, Any]:
    rows = (await api.get("/rebate_types")).body
    return next(row for row in rows if row["title"] == title)


async def apply(api: Any, title: str = REBATE) -> dict[str, Any]:
    """Return a new application of the first user."""
    body = {"rebate_type": (await rebate_type(api, title))["url"]}
    header = user_header(api.simulator.user_id)
    answer = await api("POST", "/user_rebates", json=body, headers=header)
    assert answer.status == 201
    assert set(answer.body) == {"id", "url"}
    return (await api.get(answer.body["url"])).body


async def evidence(api: Any, application: dict[str, Any]) -> list[dict[str, Any]]:
    path = f"{application['url']}?expand=rebate_type.required_evidence"
    return (await api.get(path)).body["rebate_type"]["required_evidence"]


def start_path(application: dict[str, Any]) -> str:
    return f"/rebate_evidence_files:start_upload?user_rebate={application['id']}"


async def start_upload(api: Any, application: dict[str, Any]) -> dict[str, Any]:
    proof = (await evidence(api, application))[0]
    body = {"file_name": "scan.pdf", "rebate_evidence_type": proof["url"]}
    answer = await api("POST", start_path(application), json=body)
    assert answer.status == 201
    return answer.body


async def put(url: str, data: bytes = b"%PDF-1.7", **headers: str) -> int:
    """Put bytes to where they were asked for, as a client without a token does."""
    headers.setdefault("Content-Type", "application/pdf")
    async with (
        aiohttp.ClientSession() as session,
        session.put(url, data=data, headers=headers) as answer,
    ):
        assert await answer.read() == b"" or answer.content_type == "application/xml"
        return answer.status


async def fill_in(api: Any, application: dict[str, Any], *entries: dict[str, Any]) -> Any:
    proof = (await evidence(api, application))[0]
    kind = application["rebate_type"]
    body = {"rebate_type": kind, "evidence_type": proof["url"], "evidence_data": list(entries)}
    return await api("PATCH", application["url"], json=body)


async def status(api: Any, application: dict[str, Any]) -> str:
    return (await api.get(application["url"])).body["status"]


async def test_rebate_types_are_listed_and_expand_evidence(api: Any) -> None:
    rows = (await api.get("/rebate_types")).body
    assert len(rows) == 6
    assert {row["icon"] is None for row in rows} == {True, False}
    for row in rows:
        assert (await api.get(row["url"])).body == row
        assert all(url.startswith("http") for url in row["required_evidence"])
    expanded = (await api.get("/rebate_types?expand=required_evidence")).body
    known = {row["id"]: row for row in (await api.get("/rebate_evidence_types")).body}
    assert len(known) == 4
    assert all(one == known[one["id"]] for row in expanded for one in row["required_evidence"])
    single = (await api.get(f"{rows[0]['url']}?expand=required_evidence")).body
    assert single == expanded[0]


async def test_rebate_types_are_those_of_the_users_country(api: Any) -> None:
    for city, available, unavailable in (
        ("London", "Smart meter", "Panel upgrade"),
        ("Oakland", "Panel upgrade", "Smart meter"),
    ):
        api.token = api.simulator.sign_in(await user_in(api, city)).access_token
        titles = [row["title"] for row in (await api.get("/rebate_types")).body]
        assert available in titles
        assert unavailable not in titles
        await api.log_in()


@pytest.mark.parametrize(
    ("wanted", "title", "proof"),
    [
        ("de-CH, en;q=0.5", "Wallbox", "Rechnung"),
        ("fr, nl;q=0.8, de;q=0.1", "Laadpaal", "Factuur"),
        ("fr", "Home charger", "Invoice"),
        ("en, de", "Home charger", "Invoice"),
        (";;q", "Home charger", "Invoice"),
    ],
)
async def test_types_are_in_the_requested_language(
    api: Any, wanted: str, title: str, proof: str
) -> None:
    row = await rebate_type(api, "Home charger")
    header = {"Accept-Language": wanted}
    assert (await api.get(row["url"], headers=header)).body["title"] == title
    answer = await api.get(row["required_evidence"][0], headers=header)
    assert answer.body["title"] == proof


async def test_first_user_has_applications_in_every_status(api: Any) -> None:
    header = user_header(api.simulator.user_id)
    own = (await api.get("/user_rebates", headers=header)).body
    assert sorted(row["status"] for row in own) == [
        "COMPLETE",
        "NOT_STARTED",
        "PENDING_IN_PROGRESS",
        "PENDING_TYPE_SELECTED",
    ]
    applications = (await api.get("/user_rebates")).body
    assert len(applications) > len(own)
    assert [row for row in applications if row in own] == own
    files = (await api.get("/rebate_evidence_files", headers=header)).body
    assert len(files) == 2
    for row in files:
        assert (await api.get(row["url"], headers=header)).body == row
        path = f"{row['url']}?expand=rebate_evidence_type"
        assert (await api.get(path)).body["rebate_evidence_type"]["title"]
    every_file = (await api.get("/rebate_evidence_files?expand=rebate_evidence_type")).body
    assert len(every_file) > 2


async def test_complete_application_expands_entries_and_files(api: Any) -> None:
    header = user_header(api.simulator.user_id)
    rows = (await api.get("/user_rebates?expand=rebate_type", headers=header)).body
    complete = next(row for row in rows if row["status"] == "COMPLETE")
    assert isinstance(complete["rebate_type"]["required_evidence"][0], str)
    for proof in await evidence(api, complete):
        assert not proof["upload_required"] or proof["file"]["name"].endswith(".pdf")
        assert all(one["value"] for one in proof["evidence_data"] if one["required"])


async def test_applications_and_files_are_visible_to_their_user_only(api: Any) -> None:
    other = await user_in(api, "Oakland")
    application = await apply(api)
    file = await start_upload(api, application)
    header = user_header(other)
    for url in (application["url"], file["url"]):
        assert (await api.get(url, headers=header)).status == 404
    assert (await api("POST", f"{application['url']}:submit", headers=header)).status == 404
    assert (await api("POST", f"{file['url']}:finish_upload", headers=header)).status == 404
    answer = await api("POST", start_path(application), json={}, headers=header)
    assert "user_rebate" in answer.body["field_errors"]
    listed = (await api.get("/user_rebates", headers=header)).body
    assert application["id"] not in [row["id"] for row in listed]
    api.token = api.simulator.sign_in(other).access_token
    assert (await api.get("/user_rebates")).body == listed
    assert (await api.get(application["url"])).status == 404


async def test_application_is_filled_in_and_submitted(api: Any) -> None:
    application = await apply(api)
    assert application["status"] == "PENDING_TYPE_SELECTED"
    header = user_header(api.simulator.user_id)
    listed = (await api.get("/user_rebates", headers=header)).body
    assert application in listed

    answer = await api("POST", f"{application['url']}:submit")
    assert answer.status == 400
    (proof,) = await evidence(api, application)
    assert len(answer.body["field_errors"]["required_evidence"][proof["id"]]) == 2

    answer = await fill_in(api, application, {"id": 1, "value": "AB12CDE"})
    assert (answer.status, set(answer.body)) == (200, {"id", "url"})
    assert await status(api, application) == "PENDING_IN_PROGRESS"
    assert (await evidence(api, application))[0]["evidence_data"][0]["value"] == "AB12CDE"

    file = await start_upload(api, application)
    assert (await api("POST", f"{file['url']}:finish_upload")).status == 400
    assert await put(file["presigned_url"]) == 200
    assert (await api("POST", f"{application['url']}:submit")).status == 400  # not finished yet
    for _ in range(2):
        answer = await api("POST", f"{file['url']}:finish_upload")
        assert (answer.status, answer.body) == (200, {n: file[n] for n in ("id", "url")})
    (proof,) = await evidence(api, application)
    assert proof["file"]["name"] == "scan.pdf"

    answer = await api("POST", f"{application['url']}:submit")
    assert (answer.status, answer.body) == (200, None)
    assert await status(api, application) == "COMPLETE"


async def test_submitted_application_cannot_be_changed(api: Any) -> None:
    header = user_header(api.simulator.user_id)
    rows = (await api.get("/user_rebates", headers=header)).body
    closed = next(row for row in rows if row["status"] == "COMPLETE")
    assert (await fill_in(api, closed, {"id": 2, "value": "Me"})).status == 400
    assert (await api("POST", f"{closed['url']}:submit")).status == 400
    answer = await api("POST", start_path(closed), json={"file_name": "late.pdf"})
    assert "user_rebate" in answer.body["field_errors"]


async def test_entries_that_are_not_sent_keep_their_value(api: Any) -> None:
    application = await apply(api, "Home charger")
    assert (await fill_in(api, application, {"id": 1, "value": "99.50"})).status == 200
    assert (await fill_in(api, application, {"id": 2.0, "value": "Sparks"})).status == 200
    values = [one["value"] for one in (await evidence(api, application))[0]["evidence_data"]]
    assert values == ["99.50", "Sparks", None]


@pytest.mark.parametrize(
    ("entry", "member"),
    [
        ({"id": 4, "value": "x"}, "id"),
        ({"id": 0, "value": "x"}, "id"),
        ({"id": 1.5, "value": "x"}, "id"),
        ({"id": 1, "value": "£100"}, "value"),
        ({"id": 1, "value": "-1"}, "value"),
        ({"id": 2, "value": " "}, "value"),
        ({"id": "1", "value": "1"}, "id"),
        ({"id": 1}, "value"),
    ],
)
async def test_invalid_entry_is_named_and_nothing_is_stored(
    api: Any, entry: dict[str, Any], member: str
) -> None:
    application = await apply(api, "Home charger")
    answer = await fill_in(api, application, {"id": 2, "value": "Sparks"}, entry)
    assert answer.status == 400
    assert list(answer.body["field_errors"]["evidence_data"]["1"]) == [member]
    assert await status(api, application) == "PENDING_TYPE_SELECTED"


async def test_evidence_must_belong_to_the_rebate(api: Any) -> None:
    application, other = await apply(api), await rebate_type(api, "Smart meter")
    body: dict[str, Any] = {
        "rebate_type": other["url"],
        "evidence_type": other["required_evidence"][0],
        "evidence_data": [],
    }
    answer = await api("PATCH", application["url"], json=body)
    assert (answer.status, set(answer.body["field_errors"])) == (
        400,
        {"rebate_type", "evidence_type"},
    )
    for name in body:
        incomplete = {key: value for key, value in body.items() if key != name}
        answer = await api("PATCH", application["url"], json=incomplete)
        assert name in answer.body["field_errors"]


async def test_applications_require_a_rebate_of_the_users_country(api: Any) -> None:
    header = user_header(api.simulator.user_id)
    for url in ((await rebate_type(api, "Panel upgrade"))["url"], "https://example.com/rbtt0"):
        answer = await api("POST", "/user_rebates", json={"rebate_type": url}, headers=header)
        assert (answer.status, list(answer.body["field_errors"])) == (400, ["rebate_type"])
    body = {"rebate_type": (await rebate_type(api))["url"]}
    assert (await api("POST", "/user_rebates", json=body)).status == 400  # without a user


async def test_second_application_during_review_is_refused(start: Any, clock: Any) -> None:
    api = await start(clock=clock, rate_limit=None)
    application = await apply(api, "Smart meter")
    await fill_in(api, application, {"id": 1, "value": "SM-1"})
    assert (await api("POST", f"{application['url']}:submit")).status == 200
    body, header = {"rebate_type": application["rebate_type"]}, user_header(api.simulator.user_id)
    assert (await api("POST", "/user_rebates", json=body, headers=header)).status == 400
    clock.advance(days=3)
    await api.log_in()
    assert (await api("POST", "/user_rebates", json=body, headers=header)).status == 201


@pytest.mark.parametrize("missing", ["user_rebate", "file_name", "rebate_evidence_type"])
async def test_upload_requires_a_name_and_an_application(api: Any, missing: str) -> None:
    application = await apply(api)
    (proof,) = await evidence(api, application)
    body = {"file_name": "scan.pdf", "rebate_evidence_type": proof["url"]}
    path = (
        start_path(application)
        if missing != "user_rebate"
        else start_path(application).partition("?")[0]
    )
    answer = await api("POST", path, json={n: v for n, v in body.items() if n != missing})
    assert (answer.status, list(answer.body["field_errors"])) == (400, [missing])
    files = (await api.get(f"/rebate_evidence_files?user_rebate={application['id']}")).body
    assert files == []


async def test_files_filter_by_application(api: Any) -> None:
    application, other = await apply(api), await apply(api)
    file = await start_upload(api, application)
    listed = (await api.get(f"/rebate_evidence_files?user_rebate={application['id']}")).body
    assert [row["id"] for row in listed] == [file["id"]]
    assert (await api.get(f"/rebate_evidence_files?user_rebate={other['id']}")).body == []
    assert listed[0]["file_name"] == "scan.pdf"


async def test_upload_accepts_only_the_signature(start: Any, clock: Any) -> None:
    api = await start(clock=clock, rate_limit=None)
    file = await start_upload(api, await apply(api))
    url = file["presigned_url"]
    bare, _, query = url.partition("?")
    assert "/v2/" not in bare
    assert await put(url, Authorization=f"Bearer {api.token}") == 400
    assert await put(bare) == 403
    assert await put(url.replace("Signature=", "Signature=0")) == 403
    assert await put(f"{bare.replace(file['id'], 'rbef0')}?{query}") == 403
    async with api.session.get(url) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "PUT")
    assert (await api("POST", f"{file['url']}:finish_upload")).status == 400
    clock.advance(minutes=59)
    assert await put(url) == 200
    clock.advance(minutes=1)
    assert await put(url) == 403
    assert (await api("POST", f"{file['url']}:finish_upload")).status == 200


async def test_upload_stores_only_size_and_type(start: Any) -> None:
    api, other = await start(rate_limit=None), await start(rate_limit=None)
    application = await apply(api)
    file = await start_upload(api, application)
    assert await put(file["presigned_url"], b"x" * 300_000) == 200
    await api("POST", f"{file['url']}:finish_upload")
    state = json.dumps(api.simulator._world.dump())
    assert '{"size": 300000, "type": "application/pdf"}' in state
    assert len(state) < 50_000
    other.simulator._world.load(json.loads(state))
    (proof,) = await evidence(other, {"url": f"/user_rebates/{application['id']}"})
    assert proof["file"]["name"] == "scan.pdf"


async def test_number_of_applications_does_not_grow_with_the_world(start: Any) -> None:
    large = await start(vehicles=100_000, rate_limit=None)
    assert len((await large.get("/user_rebates")).body) == 51
    assert len((await large.get("/rebate_evidence_files")).body) == 33


async def test_missing_body_names_all_required_members(api: Any) -> None:
    application = await apply(api)
    header = user_header(api.simulator.user_id)
    for method, url in (("POST", "/user_rebates"), ("PATCH", application["url"])):
        answer = await api(method, url, headers=header)
        assert answer.status == 400
        assert "rebate_type" in answer.body["field_errors"]
