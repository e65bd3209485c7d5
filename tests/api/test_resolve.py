"""`Client.resolve`: many resources in few requests."""

from __future__ import annotations

import asyncio
import pickle
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from ev_energy import (
    AuthorizationCode,
    Client,
    ClientCredentials,
    MemoryBudget,
    Ref,
    Resolved,
    errors,
    models,
    to_records,
)
from ev_energy._api.resolve_arguments import DETAILED, FAMILIES
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
    return Ref(f"{server.url}/{FAMILIES[into.__name__]}/{id_}", into)


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
    assert type((await client.resolve([*resolved], Region))[0]) is Region


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
    assert (len(partial.found), len(partial.pending), partial.requests) == (300, 700, 4)
    assert partial.pending[0] == "vhcl00300"
    assert repr(partial) == ("<Resolved 1000 items: 300 found, 0 missing, 700 pending, 4 requests>")
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
    assert partial is not None
    assert len(partial.missing) == 28
    assert partial.requests == fleet.count  # and one page, and those that failed
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


@pytest.mark.parametrize("use", [list, len, lambda it: it[0]])
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
    partial = caught.value.partial
    assert partial is not None
    assert (len(partial.found), partial.requests, partial.errors) == (400, 4, {})


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
        (
            ["vhcl1"],
            None,
            (),
            "items[0]='vhcl1' is a bare id: pass its class, such as into=models.Vehi",
        ),
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
    assert {"Vehicle", "EVSE", "User", "ChargingSubSession", "Tariff"} <= FAMILIES.keys()
    assert DETAILED == {"Region": "RegionDetail", "Tariff": "TariffDetail"}
    for name, family in FAMILIES.items():
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


@pytest.mark.parametrize(
    "row",
    [
        {"id": None, "url": None},
        {"id": 7, "url": "/"},
        {"id": "", "url": "https://api.ev.energy"},
        {"id": "a/b", "url": ""},
    ],
)
async def test_listed_resource_without_an_id_of_use_is_skipped(
    client: Client, fleet: Fleet, row: dict[str, Any]
) -> None:
    fleet.collections["vehicles"][3] = row
    fleet.unlisted = [vehicle(3)]
    resolved = await client.resolve(IDS, Vehicle)
    assert [found and found.id for found in resolved] == IDS
    assert fleet.by_path == {"/vehicles": 10, "/vehicles/vhcl00003": 1}


PROBLEM = {"title": "Forbidden", "status": 403}
PROXY_PAGE = web.Response(text="<h1>Not here</h1>", status=404, content_type="text/html")


async def test_error_about_one_resource_names_it(client: Client, fleet: Fleet) -> None:
    fleet.replies["/vehicles/secret"] = web.json_response(PROBLEM, status=403)
    with pytest.raises(errors.ForbiddenError) as caught:
        await client.resolve([*IDS[:3], "secret"], Vehicle)
    partial = caught.value.partial
    assert partial is not None
    assert partial.errors == {"secret": caught.value}
    assert partial.pending == ["secret"]
    assert len(partial.found) == 3
    assert partial.requests == fleet.count
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.partial.errors["secret"] is copy


async def test_errors_about_single_resources_are_returned_on_request(
    client: Client, fleet: Fleet
) -> None:
    for n, status in enumerate((403, 400, 500)):
        fleet.replies[f"/vehicles/bad{n}"] = web.json_response(PROBLEM, status=status)
    fleet.replies["/vehicles/bad3"] = web.json_response([None])
    bad = [f"bad{n}" for n in range(4)]
    resolved = await client.resolve([*bad, *IDS, "gone"], Vehicle, return_exceptions=True)
    assert [type(error) for error in resolved.errors.values()] == [
        errors.ForbiddenError,
        errors.BadRequestError,
        errors.ServerError,
        errors.DecodeError,
    ]
    assert [*resolved.errors] == resolved.pending == bad
    assert (len(resolved.found), resolved.missing) == (1000, ["gone"])
    assert resolved.requests == fleet.count
    fleet.replies.clear()
    fleet.requests.clear()
    fleet.unlisted = [{**vehicle(0), "id": id_} for id_ in bad]
    again = await client.resolve([*bad, *IDS, "gone"], Vehicle, resume=resolved)
    assert (again.pending, again.errors, again.missing) == ([], {}, ["gone"])
    assert fleet.count == 4


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, errors.UnauthorizedError), (503, errors.ServerError), (404, errors.NotFoundError)],
)
async def test_errors_about_every_request_are_raised_in_any_case(
    client: Client, fleet: Fleet, status: int, error: type[Exception]
) -> None:
    reply = PROXY_PAGE if status == 404 else web.json_response({"title": "No"}, status=status)
    fleet.replies["/vehicles/vhcl00001"] = reply
    with pytest.raises(error) as caught:
        await client.resolve(IDS[1:2], Vehicle, return_exceptions=True)
    assert isinstance(caught.value, errors.ApiError)
    assert caught.value.partial is not None
    assert (caught.value.partial.missing, caught.value.partial.pending) == ([], IDS[1:2])


async def test_page_that_cannot_be_decoded_is_replaced_by_single_requests(
    client: Client, fleet: Fleet
) -> None:
    fleet.replies["/vehicles?page_size=100&page_after=100"] = web.json_response([None])
    resolved = await client.resolve(IDS[:120], Vehicle)
    assert len(resolved.found) == 120
    assert resolved.requests == fleet.count == 2 + 20


async def test_page_that_fails_for_good_is_replaced_on_request(
    client: Client, fleet: Fleet
) -> None:
    page = "/vehicles?page_size=100&page_after=100"
    fleet.replies[page] = web.json_response({"title": "Broken"}, status=500)
    with pytest.raises(errors.ServerError) as caught:
        await client.resolve(IDS[:120], Vehicle)
    resolved = await client.resolve(
        IDS[:120], Vehicle, resume=caught.value.partial, return_exceptions=True
    )
    assert len(resolved.found) == 120
    assert fleet.by_path["/vehicles"] == 3


async def test_single_requests_follow_the_last_page_that_max_pages_allows(
    client: Client, fleet: Fleet
) -> None:
    few_pages = client.with_options(max_pages=2)
    assert few_pages.estimate(IDS[:230], Vehicle).requests == 32
    resolved = await few_pages.resolve(IDS[:230], Vehicle)
    assert len(resolved.found) == 230
    assert fleet.by_path["/vehicles"] == 2
    assert fleet.count == 32


async def test_bound_holds_for_a_resolve_that_is_resumed(client: Client, fleet: Fleet) -> None:
    wanted = [f"vhcl{n:05}" for n in range(5000, 5030)]
    fleet.collections["vehicles"] = [vehicle(n) for n in range(100_000, 120_000)]
    partial = None
    while True:
        fleet.refuse_from = fleet.count + 8
        try:
            resolved = await client.resolve(wanted, Vehicle, resume=partial)
        except errors.ServerError as error:
            fleet.requests.pop()  # that failed
            partial = pickle.loads(pickle.dumps(error.partial))
        else:
            break
    assert resolved.missing == wanted
    assert fleet.by_path["/vehicles"] == 30


async def test_result_of_another_user_or_api_is_not_continued(
    client: Client, server: RecordingServer, fleet: Fleet
) -> None:
    partial = await client.acting_for("user1").resolve(IDS[:2], Vehicle)
    async with Client("a-token", base_url=f"{server.origin}/v3") as other:
        for another in (client, client.acting_for("user2"), other):
            with pytest.raises(ValueError, match=r"^resume: this result is of another user \(acti"):
                another.resolve(IDS, Vehicle, resume=partial)
    fleet.requests.clear()
    await client.acting_for("user1").resolve(IDS[:2], Vehicle, resume=partial)
    assert fleet.count == 0


async def test_result_of_another_account_is_not_continued(server: RecordingServer) -> None:
    application = AuthorizationCode(
        client_id="an-app", client_secret="s", redirect_uri="https://example.com/callback"
    )
    one, two = (server.client(application.for_account(name)) for name in ("one", "two"))
    async with one, two, server.client("a-token") as before, server.client("renewed") as renewed:
        partial = await one.resolve([None], Vehicle)
        assert len(await one.resolve([None], Vehicle, resume=partial)) == 1
        with pytest.raises(ValueError, match="^resume: this result is of another user"):
            two.resolve([None], Vehicle, resume=partial)
        partial = await before.resolve([None], Vehicle)
        assert len(await renewed.resolve([None], Vehicle, resume=partial)) == 1


async def test_tariffs_with_an_expansion_of_details_are_requested_singly(
    client: Client, fleet: Fleet
) -> None:
    fleet.collections["tariffs"] = [
        {"id": f"t{n}", "url": f"/tariffs/t{n}", "prices": f"/tariffs/t{n}/prices"}
        for n in range(3)
    ]
    for into in (models.Tariff, models.TariffDetail):
        fleet.requests.clear()
        assert client.estimate(["t0", "t1"], into, expand=["prices"]).requests == 2
        found = await client.resolve(["t0", "t1"], into, expand=["prices"])
        assert [type(one) for one in found] == [models.TariffDetail] * 2
        assert fleet.requests == [f"/tariffs/t{n}?expand=prices" for n in range(2)]
    plain = await client.resolve(["t0"], models.TariffDetail)
    fleet.requests.clear()
    await client.resolve([*plain], expand=["prices"])  # it has only the link
    assert fleet.count == 1
    with pytest.raises(ValueError, match="^expand: 'price' is not one of supplier, scheduler_tari"):
        client.resolve(["t0"], models.TariffDetail, expand=["price"])


async def test_class_does_not_depend_on_the_number_of_resources(
    client: Client, server: RecordingServer, fleet: Fleet
) -> None:
    fleet.unlisted = [{"id": "regn9", "url": "/regions/regn9"}]
    [one] = await client.resolve(["regn0"], Region)
    several = await client.resolve(["regn0", "regn1", "regn9", "gone"], Region)
    assert [type(found) for found in (one, *several)] == [Region] * 4 + [type(None)]
    assert several[0] == one
    records = to_records(several.found.values())
    assert [record["id"] for record in records] == ["regn0", "regn1", "regn9"]
    with pytest.raises(TypeError, match=r"item 3 is None: pass resolved\.found\.values\(\)"):
        to_records(several)  # type: ignore[arg-type]


async def test_found_has_the_resources_of_all_classes_in_the_order_of_the_items(
    client: Client, server: RecordingServer, fleet: Fleet
) -> None:
    fleet.collections["evses"][0] = {"id": "vhcl00000", "url": "/evses/vhcl00000"}
    items = [ref(server, "vhcl00000"), ref(server, "evse2", EVSE), ref(server, "vhcl00000", EVSE)]
    resolved = await client.resolve(items)
    assert {key: type(found) for key, found in resolved.found.items()} == {
        "Vehicle/vhcl00000": Vehicle,
        "evse2": EVSE,
        "EVSE/vhcl00000": EVSE,
    }
    assert [*resolved.found] == ["Vehicle/vhcl00000", "evse2", "EVSE/vhcl00000"]


async def test_models_in_hand_are_refreshed_on_request(client: Client, fleet: Fleet) -> None:
    [known] = await client.resolve(IDS[:1], Vehicle)
    assert known is not None
    fleet.requests.clear()
    [fresh, linked] = await client.resolve([known, Ref(known, Vehicle)], refresh=True)
    assert fresh is linked is not known
    assert fleet.count == 1


async def test_resource_of_another_server_is_refused(client: Client, fleet: Fleet) -> None:
    foreign = Vehicle.from_dict({"id": "v", "url": "https://example.com/v2/vehicles/v"})
    for item in (foreign, Ref(foreign, Vehicle)):
        with pytest.raises(errors.ForeignOriginError):
            client.resolve([item])
    without_url = Vehicle.from_dict({"id": "v"})
    assert [*await client.resolve([without_url])] == [without_url]
    assert fleet.count == 0


async def test_resolve_runs_as_a_task(client: Client, fleet: Fleet) -> None:
    task = asyncio.create_task(client.resolve(IDS, Vehicle))
    assert len((await task).found) == 1000
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.resolve([id_], Vehicle)) for id_ in IDS[:3]]
    assert [one.result()[0] for one in tasks] == (await task)[:3]
    never_started = client.resolve(IDS, Vehicle)
    never_started.close()
    stuck = asyncio.create_task(client.resolve(IDS, Vehicle))
    await asyncio.sleep(0)
    stuck.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stuck


async def test_resolve_that_two_tasks_await_is_sent_once(client: Client, fleet: Fleet) -> None:
    resolution = client.resolve([*IDS[:150], "gone"], Vehicle)

    async def result() -> Resolved[Vehicle]:
        return await resolution

    one, two = await asyncio.gather(result(), result())
    assert (len(one), one.missing, two.missing) == (151, ["gone"], ["gone"])
    assert fleet.count == 3


async def test_several_tasks_may_be_made_of_one_resolve(client: Client, fleet: Fleet) -> None:
    resolution = client.resolve([*IDS[:150], "gone"], Vehicle)
    tasks = [asyncio.create_task(resolution) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert [len(one) for one in done[1:] if isinstance(one, Resolved)] == [151, 151]
    assert len(await asyncio.create_task(resolution)) == 151
    assert fleet.by_path["/vehicles/gone"] == 1
    assert "Client.resolve()" in repr(tasks[1])


async def test_resume_of_something_else_is_refused(client: Client) -> None:
    with pytest.raises(TypeError, match="^resume must be the partial result of an error, not a st"):
        client.resolve(IDS, Vehicle, resume="x")  # type: ignore[arg-type]


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
