from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest

from ev_energy.simulator.resources.regions import link_organisation

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def square(x: float, y: float, side: float = 1) -> dict[str, Any]:
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return polygon(ring)


def region(name: str = "ATOLL", **members: Any) -> dict[str, Any]:
    return {"name": name, "geometries": [polygon(SQUARE)], **members}


async def names(api: Any, path: str) -> list[str]:
    answer = await api.get(path)
    assert answer.status == 200, answer.body
    return [row["name"] for row in answer.body]


async def other_application(api: Any, organisation: str | None) -> None:
    client_id, secret = api.simulator.add_application(scopes=["region:read", "region:write"])
    link_organisation(api.simulator._world, client_id, organisation)
    await api.log_in(client_id, secret)


async def every_page(api: Any, path: str) -> list[Any]:
    answer = await api.get(path)
    rows = list(answer.body)
    while (link := answer.headers["Link"].partition(", <")[2].partition(">")[0]) != "about:blank":
        answer = await api.get(link)
        rows += answer.body
    return rows


async def test_regions_are_listed_without_and_shown_with_their_geometry(api: Any) -> None:
    rows = await every_page(api, "/regions?page_size=10")
    assert len(rows) > 25
    assert len({row["id"] for row in rows}) == len(rows)
    assert not [row for row in rows if "geometry" in row]
    assert {row["type"] for row in rows} == {"ELECTRICITY", "OTHER", None}
    shown = [(await api.get(row["url"])).body for row in rows]
    assert [one.pop("geometry") and one for one in shown if one["name"] != "UNMAPPED"]
    assert [{n: v for n, v in one.items() if n != "geometry"} for one in shown] == rows


async def test_region_without_polygons_has_no_geometry(api: Any) -> None:
    row = (await api.get("/regions?name=UNMAPPED")).body[0]
    assert (await api.get(row["url"])).body["geometry"] is None


async def test_regions_filter_by_name_type_and_group(api: Any) -> None:
    assert await names(api, "/regions?name=LEEDS%20AREA") == ["LEEDS AREA"]
    assert await names(api, "/regions?name=leeds") == []
    both = await names(api, "/regions?name__in=LEEDS%20AREA,UNMAPPED,nowhere")
    assert both == ["LEEDS AREA", "UNMAPPED"]
    assert len(await names(api, "/regions?type=ELECTRICITY")) == 5
    group = (await api.get("/region_groups?name=Leeds%20districts")).body[0]
    members = (await api.get(group["regions_collection"])).body
    assert [row["url"] for row in members] == group["regions"]
    assert all(group["url"] in row["region_groups"] for row in members)


async def test_contains_excludes_points_in_holes(api: Any) -> None:
    middle = await names(api, "/regions?contains=51.5046,-0.0865")
    assert {"LONDON AREA", "LONDON CENTRE", "LONDON NORTH"} == set(middle)
    outside = await names(api, "/regions?contains=51.6,%20-0.0865")
    assert {"LONDON AREA", "LONDON OUTSKIRTS", "LONDON NORTH"} == set(outside)
    assert await names(api, "/regions?contains=0,0") == []


async def test_contains_excludes_points_on_an_edge(api: Any) -> None:
    assert (await api("POST", "/regions", json=region())).status == 201
    assert await names(api, "/regions?contains=0.5,0.5") == ["ATOLL"]
    for point in ("0,0", "0.5,1", "1,0.25", "1.000001,0.5"):
        assert await names(api, f"/regions?contains={point}") == []


@pytest.mark.parametrize("point", ["here", "91,0", "0,181", "1", "", "1,2,3"])
async def test_invalid_point_is_a_400(api: Any, point: str) -> None:
    answer = await api.get(f"/regions?contains={point}")
    assert (answer.status, list(answer.body["field_errors"])) == (400, ["contains"])


async def test_created_region_is_listed_and_has_one_multipolygon(api: Any) -> None:
    group = (await api.get("/region_groups?name=Islands")).body[0]
    sent = region(
        type="OTHER",
        region_groups=[group["url"]],
        geometries=[
            square(0, 0),
            square(0.5, 0),
            {"type": "MultiPolygon", "coordinates": [square(5, 5)["coordinates"]]},
        ],
    )
    answer = await api("POST", "/regions", json=sent)
    assert answer.status == 201
    made = answer.body
    assert made["geometry"]["type"] == "MultiPolygon"
    assert len(made["geometry"]["coordinates"]) == 2
    assert (made["type"], made["region_groups"]) == ("OTHER", [group["url"]])
    assert made["created_at"] == made["updated_at"]
    assert (await api.get(made["url"])).body == made
    listed = (await api.get(f"/regions?region_group_id={group['id']}")).body
    assert made["url"] in [row["url"] for row in listed]
    assert made["url"] in (await api.get(group["url"])).body["regions"]


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        (polygon([[0, 0], [1, 0], [1, 1], [0, 1]]), "must be equal"),
        (polygon([[0, 0], [100, 95], [1, 1], [0, 0]]), "longitude"),
        (polygon([[181, 0], [182, 0], [182, 1], [181, 0]]), "longitude"),
        (polygon([[0, 0], [1, 1], [2, 2], [0, 0]]), "area"),
        (polygon(SQUARE, SQUARE), "area"),
    ],
)
async def test_invalid_geometry_is_a_422_that_names_the_region(
    api: Any, geometry: Any, reason: str
) -> None:
    answer = await api("POST", "/regions", json=region(geometries=[geometry]))
    assert answer.status == 422
    assert answer.body["type"].endswith("/problems/invalid-geometry/")
    assert answer.body["detail"].startswith("ATOLL: ")
    assert reason in answer.body["detail"]
    assert await names(api, "/regions?name=ATOLL") == []


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({"name": "X"}, "geometries"),
        (region(geometries=[]), "geometries"),
        (region(geometries=[square(0, 0)] * 1001), "geometries"),
        (region(geometries=[{"type": "Point", "coordinates": [0, 0]}]), "geometries"),
        (region(geometries=[polygon(SQUARE[:3])]), "geometries"),
        (region(geometries=[polygon([[0, 0, 0]] * 4)]), "geometries"),
        (region(name=" "), "name"),
        (region(type="WATER"), "type"),
        (region(region_groups=["https://api.ev.energy/v2/region_groups/x"]), "region_groups"),
        (region(region_groups=["x"]), "region_groups"),
    ],
)
async def test_invalid_member_of_a_region_is_a_422_that_names_it(
    api: Any, body: Any, member: str
) -> None:
    answer = await api("POST", "/regions", json=body)
    assert answer.status == 422
    assert answer.body["type"].endswith("/problems/validation-failed-regions/")
    assert list(answer.body["field_errors"]) == [member]


async def test_region_names_are_unique_across_organisations(api: Any) -> None:
    answer = await api("POST", "/regions", json=region("LEEDS AREA"))
    assert answer.status == 409
    assert answer.body["type"].endswith("/problems/region-name-conflict/")
    known = (await api.get("/regions?name=LEEDS%20AREA")).body[0]
    assert answer.body["conflicts"] == [{"name": "LEEDS AREA", "existing_region": known["url"]}]
    # The same for a region of another organisation, which stays hidden.
    answer = await api("POST", "/regions", json=region("MANCHESTER AREA"))
    assert answer.status == 409
    assert (await api.get(answer.body["conflicts"][0]["existing_region"])).status == 404
    assert await names(api, "/regions?name=MANCHESTER%20AREA") == []


async def test_regions_are_visible_to_their_organisation_only(api: Any) -> None:
    made = (await api("POST", "/regions", json=region())).body
    group = (await api.get("/region_groups?name=Islands")).body[0]
    await other_application(api, "Harbourside Networks")
    assert (await api.get(made["url"])).status == 404
    assert (await api.get(group["url"])).status == 404
    assert await names(api, "/regions") == ["MANCHESTER AREA"]
    assert await names(api, "/region_groups") == ["Northern pilot"]
    linked = region("REEF", region_groups=[group["url"]])
    assert (await api("POST", "/regions", json=linked)).status == 422


async def test_application_without_organisation_creates_and_sees_nothing(api: Any) -> None:
    await other_application(api, None)
    group = {"name": "Mine", "regions": [region()]}
    assert (await api("POST", "/regions", json=region())).status == 403
    assert (await api("POST", "/region_groups", json=group)).status == 403
    assert (await api("POST", "/region_groups:validate", json=group)).status == 403
    assert await names(api, "/regions") == []
    assert await names(api, "/region_groups") == []


async def test_read_scope_does_not_permit_writes(api: Any) -> None:
    await api.log_in(scope="region:read")
    assert (await api("POST", "/regions", json=region())).status == 403


async def test_body_of_more_than_20_mib_is_a_413(api: Any) -> None:
    body = json.dumps(region()).encode() + b" " * (20 * 2**20)
    headers = {"Content-Type": "application/json"}
    for path in ("/regions", "/region_groups", "/region_groups:validate"):
        answer = await api("POST", path, data=io.BytesIO(body), headers=headers)
        assert answer.status == 413
        assert answer.body["type"].endswith("/problems/payload-too-large/")


async def test_group_is_created_with_its_regions(api: Any) -> None:
    sent = {"name": "Atolls", "regions": [region("EAST"), region("FAR WEST", type="OTHER")]}
    assert (await api("POST", "/region_groups:validate", json=sent)).body["valid"] is True
    assert await names(api, "/region_groups?name=Atolls") == []
    answer = await api("POST", "/region_groups", json=sent)
    assert answer.status == 201
    made = answer.body
    assert (await api.get(made["url"])).body == made
    assert await names(api, "/region_groups?name=Atolls") == ["Atolls"]
    regions = [(await api.get(url)).body for url in made["regions"]]
    assert [(one["name"], one["type"]) for one in regions] == [
        ("EAST", None),
        ("FAR WEST", "OTHER"),
    ]
    assert all(one["region_groups"] == [made["url"]] for one in regions)


async def test_groups_of_an_organisation_are_paged(api: Any) -> None:
    rows = await every_page(api, "/region_groups?page_size=2")
    assert len(rows) == len({row["id"] for row in rows}) == 7


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ({"name": "Islands", "regions": [region()]}, 409, "region-group-name-conflict"),
        ({"name": "G", "regions": [region("LEEDS AREA")]}, 409, "region-name-conflict"),
        ({"name": "G", "regions": [region(), region()]}, 422, "validation-failed-regions"),
        ({"name": "G", "regions": [region(" ")]}, 422, "validation-failed-regions"),
        ({"name": "", "regions": [region()]}, 422, "validation-failed-regions"),
        ({"name": "G", "regions": []}, 422, "validation-failed-regions"),
        ({"name": "G", "regions": [region()] * 501}, 422, "validation-failed-regions"),
        (
            {"name": "G", "regions": [region(), region("B", geometries=[polygon(SQUARE[1:])])]},
            422,
            "invalid-geometry",
        ),
    ],
)
async def test_refused_group_stores_nothing(api: Any, body: Any, status: int, slug: str) -> None:
    answer = await api("POST", "/region_groups", json=body)
    assert (answer.status, answer.body["type"].split("/")[-2]) == (status, slug)
    assert await names(api, "/region_groups?name=G") == []
    assert await names(api, "/regions?name=ATOLL") == []


async def test_group_name_conflict_names_the_existing_group(api: Any) -> None:
    known = (await api.get("/region_groups?name=Islands")).body[0]
    answer = await api("POST", "/region_groups", json={"name": "Islands", "regions": [region()]})
    assert answer.body["existing_region_group"] == known["url"]


async def test_validation_reports_all_problems_and_writes_nothing(api: Any) -> None:
    known = (await api.get("/regions?name=LEEDS%20AREA")).body[0]
    sent = {
        "name": "Islands",
        "regions": [
            region("FINE", geometries=[square(0, 0), square(0.5, 0), square(4, 4)]),
            region("LEEDS AREA"),
            region("OPEN", geometries=[polygon(SQUARE[1:])]),
            region("FINE"),
        ],
    }
    answer = await api("POST", "/region_groups:validate", json=sent)
    assert answer.status == 200
    assert answer.body["valid"] is False
    assert answer.body["group"]["status"] == "NAME_EXISTS"
    fine, taken, broken, twice = answer.body["regions"]
    assert (fine["status"], fine["problems"]) == ("OK", [])
    assert fine["computed"]["geometry_count"] == 3
    assert fine["computed"]["resulting_polygon_count"] == 2
    # A degree at the equator is 111.2 km.
    assert fine["computed"]["area_sq_km"] == pytest.approx(2.5 * 111.195**2, rel=0.01)
    assert (taken["status"], taken["existing_region"]) == ("NAME_EXISTS", known["url"])
    assert (broken["status"], broken["computed"]) == ("INVALID_GEOMETRY", None)
    assert twice["status"] == "INVALID"
    assert all(one["problems"] for one in (taken, broken, twice))
    assert await names(api, "/regions?name=FINE") == []


async def test_validation_of_a_malformed_body_is_a_422(api: Any) -> None:
    for body in ({"regions": [region()]}, {"name": "G"}, {"name": 1, "regions": [region()]}):
        assert (await api("POST", "/region_groups:validate", json=body)).status == 422


async def test_created_regions_survive_in_a_state_file(start: Any, clock: Any) -> None:
    api = await start(clock=clock, rate_limit=None)
    clock.advance(timedelta(days=2))
    await api.log_in()
    made = (await api("POST", "/regions", json=region())).body
    assert made["created_at"] == "2026-10-07T12:00:00.000000Z"
    state = json.loads(json.dumps(api.simulator._world.dump()))
    other = await start(rate_limit=None)
    other.simulator._world.load(state)
    again = (await other.get(f"/regions/{made['id']}")).body
    assert again["geometry"] == made["geometry"]
    assert await names(other, "/regions?contains=0.5,0.5") == ["ATOLL"]


async def test_regions_depend_on_the_seed(start: Any) -> None:
    first, second = await start(seed=4), await start(seed=4)
    shown = [[row["id"] for row in (await api.get("/regions")).body] for api in (first, second)]
    assert shown[0] == shown[1]


@pytest.mark.parametrize("path", ["/regions", "/region_groups", "/region_groups:validate"])
async def test_missing_body_names_all_required_members(api: Any, path: str) -> None:
    answer = await api("POST", path)
    assert answer.status == 422
    assert "name" in answer.body["field_errors"]
