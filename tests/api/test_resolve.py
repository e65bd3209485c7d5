"""`Client.resolve`: many resources in few requests."""

from __future__ import annotations

import asyncio
import pickle
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ev_energy import Client, ClientCredentials, MemoryBudget, Ref, Resolved, errors, models
from ev_energy._api.resolve import _DETAILED, _FAMILIES
from ev_energy.models import EVSE, Region, RegionDetail, Vehicle
from ev_energy.simulator import Simulator
from tests.helpers.fleet_server import Fleet, sub_session, vehicle
from tests.helpers.recording_server import RecordingServer

VEHICLES = [vehicle(n) for n in range(1000)]
VEHICLE = "must be a Vehicle, its id, its URL or a Ref to it"
NO_ID = "is not a resource with an id of its own, so it cannot be resolved"
IDS = [str(item["id"]) for item in VEHICLES]


@pytest.fixture
def fleet() -> Fleet:
    evses = [{"id": f"evse{n}", "url": f"/evses/evse{n}", "cpid": str(n)} for n in range(3)]
    regions = [{"id": f"regn{n}", "url": f"/regions/regn{n}"} for n in range(2)]
    return Fleet({"vehicles": [*VEHICLES], "evses": evses, "regions": regions})


@pytest.fixture
async def server(fleet: Fleet) -> AsyncIterator[RecordingServer]:
    async with RecordingServer(fleet) as running:
        yield running


@pytest.fixture
async def client(server: RecordingServer) -> AsyncIterator[Client]:
    async with server.client(retries=0) as opened:
        yield opened


def ref(server: RecordingServer, id_: str, into: Any = Vehicle) -> Ref[Any]:
    return Ref(f"{server.url}/{_FAMILIES[into.__name__]}/{id_}", into)


async def test_fleet_is_resolved_from_its_listing_in_order(client: Client, fleet: Fleet) -> None:
    wanted = [*reversed(IDS)]
    resolved = await client.resolve(wanted, Vehicle)
    assert [found and found.id for found in resolved] == wanted
    assert fleet.by_path == {"/vehicles": 10}
    assert resolved.requests == 10
    assert (resolved.missing, resolved.pending) == ([], [])
    assert resolved.found["vhcl00007"].id == "vhcl00007"
    assert repr(resolved) == "<Resolved 1000 items: 1000 found, 0 missing, 10 requests>"


async def test_every_way_of_naming_a_resource_is_one_request_for_it(
    client: Client, server: RecordingServer, fleet: Fleet
) -> None:
    url = f"{server.url}/vehicles/vhcl00500"
    listed = Vehicle.from_dict({"id": "vhcl00999", "url": url.replace("500", "999")})
    items = [url, "vhcl00500", Ref(url, Vehicle), f"{url}/", None, listed, Ref(listed, Vehicle)]
    resolved = await client.resolve(items, Vehicle)
    assert [found and found.id for found in resolved] == [
        *["vhcl00500"] * 4,
        None,
        *["vhcl00999"] * 2,
    ]
    assert resolved[5] is listed
    assert resolved.missing == []
    assert fleet.requests == ["/vehicles/vhcl00500"]
    assert resolved[:2] == [resolved[0], resolved[1]]


async def test_what_is_gone_is_reported_and_the_rest_found(
    client: Client, server: RecordingServer, fleet: Fleet
) -> None:
    fleet.unlisted = [vehicle(2000)]
    gone = ref(server, "vhcl09999")
    items = [*(ref(server, id_) for id_ in IDS), gone, ref(server, "vhcl02000"), gone]
    resolved = await client.resolve(items)
    assert resolved.missing == [gone, gone]
    assert [resolved[1000], resolved[1002]] == [None, None]
    assert resolved[1001] is not None
    assert resolved.requests == fleet.count == 12  # 10 pages, and those that they did not show


async def test_resources_of_several_classes_are_grouped(
    client: Client, server: RecordingServer, fleet: Fleet
) -> None:
    items = [
        ref(server, "evse2", EVSE),
        ref(server, "vhcl00001"),
        f"{server.url}/evses/evse0",
        f"{server.url}/vehicles/vhcl00000",
    ]
    resolved = await client.resolve(items)
    assert [(type(found), found and found.id) for found in resolved] == [
        (EVSE, "evse2"),
        (Vehicle, "vhcl00001"),
        (EVSE, "evse0"),
        (Vehicle, "vhcl00000"),
    ]
    assert fleet.requests == ["/evses?page_size=100", "/vehicles?page_size=100"]


async def test_expanded_links_are_free_unless_more_is_to_be_expanded(
    client: Client, server: RecordingServer, fleet: Fleet
) -> None:
    [first, *_] = await client.vehicles.list(expand=["trim"]).collect(limit=1)
    fleet.requests.clear()
    assert (await client.resolve([first, Ref(first, Vehicle)], expand=["trim"]))[0] is first
    assert fleet.requests == []
    [again] = await client.resolve([first], expand=["trim.model"])
    assert again is not first
    assert fleet.requests == ["/vehicles/vhcl00000?expand=trim.model"]
    without_trim = Vehicle.from_dict({"id": "v", "url": f"{server.url}/vehicles/v", "trim": None})
    assert (await client.resolve([without_trim], expand=["trim.model"]))[0] is without_trim


async def test_every_item_of_a_list_of_links_must_be_expanded(
    client: Client, server: RecordingServer, fleet: Fleet
) -> None:
    one, two = (
        {"id": f"csub{n}", "url": f"{server.url}/charging_sub_sessions/csub{n}"} for n in (1, 2)
    )
    session = {"id": "cses1", "url": f"{server.url}/charging_sessions/cses1"}
    fleet.collections["charging_sessions"] = [{**session, "url": "/charging_sessions/cses1"}]
    half = models.ChargingSession.from_dict({**session, "sub_sessions": [one, two["url"]]})
    whole = models.ChargingSession.from_dict({**session, "sub_sessions": [one, two]})
    assert (await client.resolve([whole], expand=["sub_sessions"]))[0] is whole
    assert fleet.count == 0
    assert (await client.resolve([half], expand=["sub_sessions"]))[0] is not half
    assert fleet.count == 1


async def test_expand_reaches_the_listing_and_the_single_requests(
    client: Client, fleet: Fleet
) -> None:
    fleet.unlisted = [vehicle(2000)]
    del fleet.collections["vehicles"][100:]
    resolved = await client.resolve([*IDS[:100], "vhcl02000"], Vehicle, expand=["trim"])
    assert all(found and found.trim and found.trim.is_expanded for found in resolved)
    assert fleet.requests == [
        "/vehicles?page_size=100&expand=trim",
        "/vehicles/vhcl02000?expand=trim",
    ]


async def test_classes_with_more_detail_than_their_listing_are_requested_singly(
    client: Client, fleet: Fleet
) -> None:
    resolved = await client.resolve(["regn0", "regn1"], RegionDetail)
    assert [type(found) for found in resolved] == [RegionDetail] * 2
    assert fleet.by_path == {"/regions/regn0": 1, "/regions/regn1": 1}
    fleet.requests.clear()
    listed = await client.resolve(["regn0", "regn1"], Region)
    assert [type(found) for found in listed] == [Region] * 2
    assert fleet.by_path == {"/regions": 1}
    assert type((await client.resolve([listed[0]], RegionDetail))[0]) is RegionDetail
    assert (await client.resolve([*resolved], Region))[0] is resolved[0]


async def test_nothing_to_resolve_sends_nothing(client: Client, fleet: Fleet) -> None:
    assert list(await client.resolve([])) == []
    assert list(await client.resolve([None, None])) == [None, None]
    assert fleet.count == 0


async def test_error_has_what_was_resolved_and_another_call_continues(
    client: Client, fleet: Fleet
) -> None:
    fleet.refuse_from = 4
    with pytest.raises(errors.ServerError) as caught:
        await client.resolve(IDS, Vehicle)
    partial = caught.value.partial
    assert isinstance(partial, Resolved)
    assert (len(partial.found), len(partial.pending), partial.requests) == (300, 700, 3)
    assert partial.pending[0] == "vhcl00300"
    assert repr(partial) == ("<Resolved 1000 items: 300 found, 0 missing, 700 pending, 3 requests>")
    fleet.refuse_from = float("inf")
    fleet.requests.clear()
    resolved = await client.resolve(IDS, Vehicle, resume=pickle.loads(pickle.dumps(partial)))
    assert [found and found.id for found in resolved] == IDS
    assert fleet.by_path == {"/vehicles": 7}


async def test_single_requests_are_not_repeated_after_an_error(
    client: Client, fleet: Fleet
) -> None:
    del fleet.collections["vehicles"][1:]
    fleet.refuse_from = 30
    wanted = [f"gone{n}" for n in range(60)]
    with pytest.raises(errors.ServerError) as caught:
        await client.resolve(wanted, Vehicle)
    partial = caught.value.partial
    assert len(partial.missing) == partial.requests - 1 == 28  # and one page
    assert fleet.count < 30 + 16  # no request was started after the failure
    fleet.refuse_from = float("inf")
    fleet.requests.clear()
    resolved = await client.resolve(wanted, Vehicle, resume=partial)
    assert resolved.missing == wanted
    assert fleet.by_path["/vehicles"] == 0  # it was read already
    assert fleet.count == 60 - len(partial.missing)


async def test_other_items_than_before_are_looked_for_from_the_first_page(
    client: Client, fleet: Fleet
) -> None:
    fleet.refuse_from = 3
    with pytest.raises(errors.ServerError) as caught:
        await client.resolve(IDS[150:], Vehicle)
    fleet.refuse_from = float("inf")
    fleet.requests.clear()
    resolved = await client.resolve(IDS, Vehicle, resume=caught.value.partial)
    assert len(resolved.found) == 1000
    assert fleet.by_path == {"/vehicles": 10}


async def test_resumed_resources_without_a_new_expansion_are_requested_again(
    client: Client, fleet: Fleet
) -> None:
    before = await client.resolve(IDS, Vehicle)
    fleet.requests.clear()
    expanded = await client.resolve(IDS, Vehicle, expand=["trim"], resume=before)
    assert all(found and found.trim and found.trim.is_expanded for found in expanded)
    assert fleet.by_path == {"/vehicles": 10}


async def test_resolve_that_failed_continues_when_it_is_awaited_again(
    client: Client, fleet: Fleet
) -> None:
    fleet.refuse_from = 4
    resolution = client.resolve(IDS, Vehicle)
    assert repr(resolution) == "<Resolve 1000 items, not sent>"
    with pytest.raises(errors.ServerError):
        await resolution
    fleet.refuse_from = float("inf")
    assert len((await resolution).found) == 1000
    assert fleet.by_path == {"/vehicles": 11}
    assert len((await resolution).found) == 1000
    assert fleet.by_path == {"/vehicles": 11}


@pytest.mark.parametrize("use", [list, len, bool, lambda it: it[0]])
async def test_missing_await_is_named(client: Client, use: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match=r"^nothing is resolved yet: write `await client\.resolve"):
        use(client.resolve(IDS, Vehicle))


async def test_exhausted_budget_stops_and_leaves_the_rest_pending(
    server: RecordingServer, fleet: Fleet
) -> None:
    async with server.client(budget=MemoryBudget(4), when_exhausted="raise") as client:
        with pytest.raises(errors.BudgetExceeded) as caught:
            await client.resolve(IDS, Vehicle)
    assert fleet.count == 4
    assert (len(caught.value.partial.found), caught.value.partial.requests) == (400, 4)


async def test_single_requests_run_a_few_at_a_time(client: Client, fleet: Fleet) -> None:
    running, most = 0, 0
    answer = fleet.__call__

    async def slowly(request: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        return await answer(request)

    async with RecordingServer(slowly) as server, server.client() as slow_client:
        await slow_client.resolve([f"vhcl{n:05}" for n in range(5000, 5040)], Vehicle)
    assert 1 < most <= 16


@pytest.mark.parametrize(
    ("items", "into", "expand", "message"),
    [
        (["vhcl1"], None, (), "items[0]='vhcl1' is a bare id: pass it, such as into=models.Vehi"),
        (
            ["{url}/vhcls/v1"],
            None,
            (),
            "items[0]='{url}/vhcls/v1' is a URL that does not tell the class of the resource: pass",
        ),
        (["{url}/evses/e1"], Vehicle, (), "items[0]='{url}/evses/e1' is the URL of an EVSE, not"),
        (
            [Ref("{url}/vehicles/v/status_logs/t", models.VehicleStatusLog)],
            None,
            (),
            f"items[0]: VehicleStatusLog {NO_ID}: fetch each with client.fetch(ref)",
        ),
        (
            ["subs1"],
            models.Subscription,
            (),
            f"into=Subscription: Subscription {NO_ID}: request its parent with expand=",
        ),
        ([""], Vehicle, (), "items[0]='' is not an id: pass the bare id"),
        (["v1"], Vehicle, ["trimm"], "expand: 'trimm' is not one of user, trim, trim.model"),
        (["r1"], Region, ["name"], "expand: Region has no links that can be expanded"),
    ],
)
async def test_item_that_names_no_resource_is_refused_before_anything_is_sent(
    client: Client,
    server: RecordingServer,
    items: list[Any],
    into: Any,
    expand: list[str],
    message: str,
) -> None:
    def at_server(item: Any) -> Any:
        if isinstance(item, Ref):
            return Ref(item.url.replace("{url}", server.url), item.into)
        return item.replace("{url}", server.url)

    expected = re.escape(message.replace("{url}", server.url))
    with pytest.raises(ValueError, match=f"^{expected}"):
        client.resolve([*map(at_server, items)], into, expand=expand)
    assert server.requests == []


@pytest.mark.parametrize(
    ("items", "into", "message"),
    [
        ("vhcl1", Vehicle, "items must be a list of ids or links, not a str"),
        (7, Vehicle, "items must be a list of ids or links, not an int"),
        ([7], None, "items[0] must be an id, a Ref, a model or a URL, not an int"),
        ([None, 7], Vehicle, f"items[1] {VEHICLE}, not an int"),
        (["v", Ref("https://a/v2/x", EVSE)], Vehicle, f"items[1] {VEHICLE}, not a Ref to an EVSE"),
        (["v"], "Vehicle", "into must be a class of models, such as models.Vehicle, not a str"),
    ],
)
async def test_argument_of_a_wrong_type_is_refused(
    client: Client, items: Any, into: Any, message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        client.resolve(items, into)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "origin",
    ["https://example.com", "{origin}0", "{origin}@example.com", "http://user@{host}", "//{host}"],
)
async def test_link_to_another_server_is_refused(
    client: Client, server: RecordingServer, origin: str
) -> None:
    origin = origin.format(origin=server.origin, host=server.origin.partition("://")[2])
    own = f"{server.url}/vehicles/v1"
    for item in (f"{origin}/v2/vehicles/v1", Ref(f"{origin}/v2/vehicles/v1", Vehicle)):
        if isinstance(item, str) and "://" not in item:
            continue  # not a URL but an id that is not valid
        with pytest.raises(errors.ForeignOriginError):
            client.resolve([own, Ref(own, Vehicle), item])
    assert server.requests == []


def test_families_with_resources_of_their_own_have_get_and_list() -> None:
    client = Client("a-token")
    assert {"Vehicle", "EVSE", "User", "ChargingSubSession", "Tariff"} <= _FAMILIES.keys()
    assert {"RegionDetail", "TariffDetail"} == _DETAILED
    for name, family in _FAMILIES.items():
        resources = getattr(client, family)
        resources.get("an-id").close()
        if name != "SubscriptionOffering":
            resources.list()  # every argument has a default


async def test_links_of_simulated_sub_sessions_are_resolved(simulator: Simulator) -> None:
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    async with Client(auth, base_url=simulator.base_url) as client:
        subs = await client.charging_sub_sessions.list().collect(limit=100)
        simulator.requests.clear()
        vehicles = await client.resolve([sub.vehicle for sub in subs], expand=["trim.model"])
        calls = [seen.path for seen in simulator.requests]
        one = await client.vehicles.get(vehicles[0] or "", expand=["trim.model"])
    for sub, found in zip(subs, vehicles, strict=True):
        assert (sub.vehicle and sub.vehicle.id) == (found and found.id)
    assert vehicles[0] == one
    assert calls == ["/v2/vehicles"]


async def test_listing_is_matched_by_the_id_and_by_the_url(
    client: Client, server: RecordingServer, fleet: Fleet
) -> None:
    fleet.collections["vehicles"][0:2] = [
        {"id": "bare", "url": "/vehicles/in-the-url"},
        {"id": "bare-2", "url": "/vehicles/in-the-url-2"},
    ]
    resolved = await client.resolve(["bare", ref(server, "in-the-url-2")], Vehicle)
    assert [found and found.id for found in resolved] == ["bare", "bare-2"]
    assert fleet.count == 1


@pytest.mark.slow
async def test_state_of_10_000_vehicles_takes_100_requests(serve: Any) -> None:
    fleet = Fleet({"vehicles": [vehicle(n) for n in range(10_000)]})
    server = await serve(fleet)
    async with server.client() as client:
        listed = await client.vehicles.list(expand=["latest_status_log"]).collect()
        assert (len(listed), fleet.count) == (10_000, 100)
        fleet.requests.clear()
        ids = [found.id for found in listed]
        resolved = await client.resolve(ids, Vehicle, expand=["latest_status_log"])
    assert len(resolved.found) == 10_000
    assert fleet.count == 100


@pytest.mark.slow
async def test_12_000_sub_sessions_with_their_vehicles_take_120_requests(serve: Any) -> None:
    subs = [sub_session(n, of_vehicle=n * 7919 % 10_000) for n in range(12_000)]
    fleet = Fleet({"vehicles": [vehicle(n) for n in range(10_000)], "charging_sub_sessions": subs})
    server = await serve(fleet)
    async with server.client() as client:
        expanded = await client.charging_sub_sessions.list(expand=["vehicle"]).collect()
        assert (len(expanded), fleet.count) == (12_000, 120)
        plain = await client.charging_sub_sessions.list().collect()
        fleet.requests.clear()
        resolved = await client.resolve(sub.vehicle for sub in plain)
    assert [found and found.id for found in resolved] == [
        sub.vehicle and sub.vehicle.id for sub in plain
    ]
    assert fleet.count <= 101
