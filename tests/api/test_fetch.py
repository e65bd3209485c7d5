"""`Client.fetch` of links to every model, in every spelling."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from aiohttp import web

import ev_energy_sync
from ev_energy import Ref, errors, models
from ev_energy._api.resource_paths import RESOURCE_PATHS
from tests.helpers.recording_server import RecordingServer
from tests.helpers.support import TOKEN

WHEN = "2024-04-17T09:39:45.1111Z"


async def empty_object(_: web.Request) -> web.Response:
    return web.json_response({})


def path_of(template: str) -> str:
    """Return the path of the template *template*, with ids."""

    def named(match: re.Match[str]) -> str:
        name = match[1]
        return WHEN if name.endswith(("_at", "_start")) else f"{name.removesuffix('_id')}01"

    return re.sub(r"{(\w+)}", named, template)


def origin(server: RecordingServer) -> str:
    return server.url.removesuffix("/v2")


@pytest.mark.parametrize("name", RESOURCE_PATHS)
async def test_link_is_fetched_from_its_resource_path_in_any_spelling(serve, name: str) -> None:
    server = await serve(empty_object)
    path = path_of(RESOURCE_PATHS[name].path)
    forms = [f"/v2{path}", f"/v2{path}/", path, f"{path}/", f"/v2//{path}//"]
    async with server.client() as client:
        got = [
            await client.fetch(Ref(origin(server) + form, getattr(models, name))) for form in forms
        ]
    assert {type(one).__name__ for one in got} == {RESOURCE_PATHS[name].model}
    assert [seen.raw_path for seen in server.requests] == [f"/v2{path}"] * len(forms)
    for seen in server.requests:
        assert (seen.method, seen.body, seen.query) == ("GET", b"", [])
        assert seen.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("name", "written", "fetched"),
    [
        ("EVSEStatusLog", f"/v2/evse/e/status_logs/{WHEN}/", f"/evses/e/status_logs/{WHEN}"),
        ("User", "/v2/user/user01", "/users/user01"),
        ("VehicleTrim", "/v2/trim/vehicle_trim01", "/vehicle_trims/vehicle_trim01"),
        ("VehicleTrim", "/v2/vehicle_trim/trim01/", "/vehicle_trims/trim01"),
        ("RebateEvidenceType", "/v2/rebate_evidence_type/rbet01", "/rebate_evidence_types/rbet01"),
        (
            "RebateEvidenceFile",
            "/v2/user_rebate_evidence_files/rbef01",
            "/rebate_evidence_files/rbef01",
        ),
        (
            "RebateEvidenceFile",
            "/v2/user_rebates/rbtu01/evidence_files/rbef01/",
            "/rebate_evidence_files/rbef01",
        ),
        ("InverterModel", "/inverters/imod01", "/inverter_models/imod01"),
        ("InverterModel", "/v2/inverters/imod01/", "/inverter_models/imod01"),
        ("InverterMake", "/inverter_makes/imak01", "/inverter_makes/imak01"),
    ],
)
async def test_misspelt_link_is_fetched_from_the_right_path(
    serve, name: str, written: str, fetched: str
) -> None:
    server = await serve(empty_object)
    async with server.client() as client:
        got = await client.fetch(Ref(origin(server) + written, getattr(models, name)))
    assert type(got).__name__ == name
    assert [seen.raw_path for seen in server.requests] == [f"/v2{fetched}"]


async def test_links_in_a_reply_can_be_followed(serve) -> None:
    base = ""

    async def handler(request: web.Request) -> web.Response:
        there = {"tariff": f"{base}/tariffs/t1"}
        prices = f"{base}/tariffs/t1/prices"
        replies: dict[str, Any] = {
            "/v2/evses/evse01": {"id": "evse01", "user": f"{base}/user/u1/"},
            "/v2/users/u1": {"id": "u1", "default_location": there},
            "/v2/tariffs/t1": {"id": "t1", "current_price": 21, "prices": prices},
        }
        return web.json_response(replies[request.path])

    server = await serve(handler)
    base = server.url
    async with server.client() as client:
        evse = await client.evses.get("evse01")
        assert evse.user is not None
        user = await client.fetch(evse.user)
        assert user.id == "u1"
        assert user.default_location is not None
        assert user.default_location.tariff is not None
        tariff = await client.fetch(user.default_location.tariff)
    assert isinstance(tariff, models.TariffDetail)
    assert (tariff.current_price, tariff.prices) == (21, f"{base}/tariffs/t1/prices")


async def test_expanded_link_is_fetched_again_with_the_options_of_the_client(serve) -> None:
    server = await serve(empty_object)
    evse = models.EVSE(id="evse01", url=f"{server.url}/evses/evse01", cpid="old")
    async with server.client(language="en-GB") as client:
        got = await client.acting_for("user01").fetch(Ref(evse, models.EVSE))
    assert got.cpid is None
    [seen] = server.requests
    assert seen.headers["EvEnergy-User"] == "user01"
    assert seen.headers["Accept-Language"] == "en-GB"


@pytest.mark.parametrize(
    "text",
    [
        "2024-04-17T09:39:45.984584Z",
        "2024-01-01T11:11:11.1111Z",
        "2024-01-01T11:11:11+00:00",
        "2024-01-01T11:11:11%2B01:00",
        "2024-01-01T11%3A11%3A11Z",
    ],
)
async def test_timestamp_keeps_the_text_of_the_server(serve, text: str) -> None:
    server = await serve(empty_object)
    async with server.client() as client:
        for name, key in (("EVSECommandLog", "command_logs"), ("EVSEStatusLog", "status_logs")):
            url = f"{server.url}/evses/evse01/{key}/{text}/"
            await client.fetch(Ref(url, getattr(models, name)))
    assert [seen.raw_path for seen in server.requests] == [
        f"/v2/evses/evse01/command_logs/{text}",
        f"/v2/evses/evse01/status_logs/{text}",
    ]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("a%20b", "a%20b"),
        ("a b", "a%20b"),
        ("\u00fc", "%C3%BC"),
        ("a%3Fb", "a%3Fb"),
        ("a;b=c", "a;b=c"),
        ("dc000000#there", "dc000000"),
    ],
)
async def test_id_keeps_its_spelling_in_the_link_and_makes_a_valid_path(
    serve, written: str, sent: str
) -> None:
    server = await serve(empty_object)
    async with server.client() as client:
        await client.fetch(Ref(f"{server.url}/evses/{written}", models.EVSE))
    assert [(seen.raw_path, seen.query) for seen in server.requests] == [(f"/v2/evses/{sent}", [])]


async def test_query_of_a_link_is_sent(serve) -> None:
    server = await serve(empty_object)
    async with server.client() as client:
        await client.fetch(Ref(f"{server.url}/evse/evse01/?expand=user&expand=model", models.EVSE))
    (seen,) = server.requests
    assert (seen.raw_path, seen.query) == (
        "/v2/evses/evse01",
        [("expand", "user"), ("expand", "model")],
    )


@pytest.mark.parametrize("name", ["InverterStatusLog", "Subscription", "VPPModes", "DispatchEvent"])
async def test_resource_without_an_operation_is_refused_with_advice(serve, name: str) -> None:
    server = await serve(empty_object)
    url = f"{server.url}/inverters/invt01/status_logs/{WHEN}"
    async with server.client() as client:
        with pytest.raises(ValueError, match=f"no operation that returns a single {name}") as no:
            await client.fetch(Ref(url, getattr(models, name)))
    assert "request it with expand=, or call a method that returns it" in str(no.value)
    assert url in str(no.value)
    assert server.requests == []


async def test_link_without_a_url_cannot_be_fetched(serve) -> None:
    server = await serve(empty_object)
    bare = models.EVSE.from_dict({"id": "evse01"})
    async with server.client() as client:
        for ref in (Ref("", models.EVSE), Ref(bare, models.EVSE)):
            with pytest.raises(ValueError, match="has no URL to fetch"):
                await client.fetch(ref)
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("EVSE", ""),
        ("EVSE", "/"),
        ("EVSE", "/v2"),
        ("EVSE", "/v2/evses"),
        ("EVSE", "/v2/evses/"),
        ("EVSE", "/evse01"),
        ("EVSECommandLog", f"/{WHEN}"),
        ("EVSECommandLog", f"/command_logs/{WHEN}"),
        ("EVSECommandLog", f"/v2/evses/command_logs/{WHEN}"),
        ("EVSECommandLog", "/v2/evses/evse01/command_logs"),
        ("ChargingSubSessionFlags", "/v2/charging_sub_sessions/csub01"),
        ("ChargingSubSessionFlags", "/v2/charging_sub_sessions/flags"),
    ],
)
async def test_url_without_its_ids_cannot_be_fetched(serve, name: str, written: str) -> None:
    server = await serve(empty_object)
    async with server.client() as client:
        with pytest.raises(ValueError, match=re.escape(RESOURCE_PATHS[name].path)):
            await client.fetch(Ref(origin(server) + written, getattr(models, name)))
    assert server.requests == []


@pytest.mark.parametrize(
    "segment", [".", "..", "%2e%2e", "%2E%2e/", "a%2Fb", "..%2Fusers", "a%5Cb", "a%00b", "a%0D%0Ab"]
)
async def test_invalid_id_in_a_url_is_refused(serve, segment: str) -> None:
    server = await serve(empty_object)
    async with server.client() as client:
        for written in (f"evses/{segment}", f"evses/{segment.rstrip('/')}/command_logs/{WHEN}"):
            into = models.EVSECommandLog if "logs" in written else models.EVSE
            with pytest.raises(ValueError, match="evse_id=.* is not an id"):
                await client.fetch(Ref(f"{server.url}/{written}", into))
    assert server.requests == []


async def test_link_to_another_origin_is_not_requested(serve) -> None:
    server, stranger = await serve(empty_object), await serve(empty_object)
    async with server.client() as client:
        for name, (path, _) in RESOURCE_PATHS.items():
            with pytest.raises(errors.ForeignOriginError, match="is sent nowhere else"):
                await client.fetch(Ref(stranger.url + path_of(path), getattr(models, name)))
    assert server.requests == stranger.requests == []


async def test_blocking_client_fetches_links(serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"id": "tari01", "name": request.path})

    server = await serve(handler)

    def fetch() -> models.Tariff:
        ref = Ref(f"{origin(server)}/tariff/tari01/", models.Tariff)
        with ev_energy_sync.Client(TOKEN, base_url=server.url) as client:
            with pytest.raises(ValueError, match="returns a single VPPModes"):
                client.fetch(Ref(f"{server.url}/vehicles/v/vpp_modes", models.VPPModes))
            with pytest.raises(errors.ForeignOriginError):
                client.fetch(Ref("https://api.ev.energy/v2/tariffs/tari01", models.Tariff))
            return client.fetch(ref)

    tariff = await asyncio.to_thread(fetch)
    assert isinstance(tariff, models.TariffDetail)
    assert tariff.name == "/v2/tariffs/tari01"
    assert len(server.requests) == 1


async def test_argument_that_is_not_a_ref_is_refused_by_name(serve) -> None:
    server = await serve(empty_object)
    for wrong in ("user01", f"{server.url}/users/user01", None):
        with pytest.raises(TypeError, match="ref must be a Ref"):
            await server.client(auth=TOKEN).fetch(wrong)  # type: ignore[arg-type]
