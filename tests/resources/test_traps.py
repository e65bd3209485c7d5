"""Peculiarities of the API, and differences from its description, by family."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any

import pytest
from aiohttp import web

from ev_energy import UNSET, Client, Pager, Ref, errors, models
from ev_energy.models import (
    EnergyDeliveredByPrice,
    EVSEOCPPLogDirection,
    GeoJsonMultiPolygon,
    GeoJsonPolygon,
    LatLong,
    LocationWrite,
    RegionGroupEntry,
    RoutePoint,
)
from tests.helpers.support import TOKEN, FakeTime

WHEN = datetime(2024, 4, 17, 9, 39, 45, 984584, UTC)
TEXT = "2024-04-17T09:39:45.984584Z"
LATER = WHEN + timedelta(seconds=1)
DAY = timedelta(days=1)


def always(data: Any = UNSET, status: int = 200, **reply: Any):
    async def handler(_: web.Request) -> web.Response:
        if data is UNSET:
            return web.Response(status=status, **reply)
        return web.json_response(data, status=status, **reply)

    return handler


def one_after_the_other(*replies: Any):
    left = list(replies)

    async def handler(_: web.Request) -> web.Response:
        return web.json_response(left.pop(0) if len(left) > 1 else left[0])

    return handler


async def call(client: Client, name: str, /, *ids: Any, **arguments: Any) -> Any:
    """Return the result of a method, named as in ``evses.get``; of a listing, all items."""
    found = attrgetter(name)(client)(*ids, **arguments)
    return await (found.collect() if isinstance(found, Pager) else found)


# --- Carbon intensities: pages with an envelope --------------------------------


def intensity(number: int) -> dict[str, Any]:
    return {
        "started_at": f"2024-04-17T{23 - number:02}:00:00Z",
        "interval_seconds": 3600,
        "co2_intensity_grams_per_kilowatt_hour": number,
        "created_at": TEXT,
    }


class Intensities:
    """Five carbon intensities in pages of two, with or without an envelope."""

    def __init__(self, *, wrapped: bool = True) -> None:
        self.wrapped = wrapped

    async def __call__(self, request: web.Request) -> web.Response:
        number = int(request.query.get("page_after", "0"))
        items = [intensity(i) for i in range(number, min(number + 2, 5))]
        base = request.url.with_query([p for p in request.query.items() if p[0] != "page_after"])
        before = base.update_query(page_after=number - 2) if number else "about:blank"
        after = base.update_query(page_after=number + 2) if number < 4 else "about:blank"
        link = f'<{before}>; rel="previous", <{after}>; rel="next"'
        around = {"url": str(request.url), "carbon_feed": "https://x/v2/carbon_feeds/cabf01"}
        body = {**around, "carbon_intensities": items} if self.wrapped else items
        return web.json_response(body, headers={"Link": link})


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("prefetch", [True, False])
async def test_carbon_intensities_are_read_with_or_without_an_envelope(
    serve, wrapped: bool, prefetch: bool
) -> None:
    server = await serve(Intensities(wrapped=wrapped))
    async with server.client(strict=True) as client:
        listing = client.carbon_feeds.carbon_intensities(
            "cabf01", started_at__gte=WHEN, page_size=2
        )
        listing = listing.prefetch() if prefetch else listing
        found = [one.co2_intensity_grams_per_kilowatt_hour async for one in listing]
        pages = [page async for page in listing.pages()]
    assert found == [0, 1, 2, 3, 4]
    assert [len(page.items) for page in pages] == [2, 2, 1]
    for page in pages:
        assert page.envelope == (
            {"url": str(page.url), "carbon_feed": "https://x/v2/carbon_feeds/cabf01"}
            if wrapped
            else {}
        )
    assert len(server.requests) == 6
    for seen in server.requests:
        assert seen.raw_path == "/v2/carbon_feeds/cabf01/carbon_intensities"
        assert dict(seen.query).items() >= {"started_at__gte": TEXT, "page_size": "2"}.items()


async def test_carbon_intensities_resume_at_a_cursor_in_both_directions(serve) -> None:
    server = await serve(Intensities())

    def numbers(items: Any) -> list[int]:
        return [one.co2_intensity_grams_per_kilowatt_hour for one in items]

    async with server.client() as client:
        first = await client.carbon_feeds.carbon_intensities("cabf01").page()
    async with server.client() as client:
        again = client.carbon_feeds.carbon_intensities("cabf01", page_size=50)
        second = await again.resume(first.next_cursor).page()
        assert numbers(second.items) == [2, 3]
        assert numbers(await again.resume(second.cursor).collect()) == [2, 3, 4]
        assert numbers(await again.resume(second.cursor).backward().collect()) == [2, 3, 0, 1]
        with pytest.raises(errors.CursorError):
            client.carbon_feeds.carbon_intensities("cabf02").resume(first.next_cursor)


@pytest.mark.parametrize("body", [{"carbon_intensities": 5}, 5, None])
async def test_envelope_without_carbon_intensities_is_a_decode_error(serve, body: Any) -> None:
    server = await serve(always(body))
    async with server.client() as client:
        with pytest.raises(errors.DecodeError, match="expected a list of CarbonIntensity") as no:
            await client.carbon_feeds.carbon_intensities("cabf01").collect()
    assert no.value.cursor is not None
    assert no.value.body == json.dumps(body).encode()


async def test_deviation_in_an_envelope_is_reported_with_its_path(serve) -> None:
    drift: list[Any] = []
    server = await serve(always({"carbon_intensities": [intensity(0), {**intensity(1), "new": 1}]}))
    async with server.client(on_drift=drift.append) as client:
        items = await client.carbon_feeds.carbon_intensities("cabf01").collect()
    assert items[1].extra == {"new": 1}
    assert [one.path for one in drift] == ["$.carbon_intensities[1].new"]


# --- Notifications -------------------------------------------------------------

NOTIFICATION = {
    "id": "notf01",
    "url": "https://x/notifications/notf01",
    "message_id": "ERR0123",
    "category": "RETRY",
    "event_time": TEXT,
    "short_text_title": "a",
    "short_text_body": "b",
    "detail_page_title": "c",
    "detail_page_body": "d",
    "external_link": None,
    "external_button_label": "e",
    "read_at": TEXT,
}


@pytest.mark.parametrize("body", [{"Notification": NOTIFICATION}, NOTIFICATION])
async def test_notification_is_read_with_or_without_an_envelope(serve, body: Any) -> None:
    server = await serve(always(body))
    async with server.client(strict=True) as client:
        changed = await client.notifications.update("notf01", read_at=WHEN)
    assert (changed.id, changed.read_at, changed.extra) == ("notf01", WHEN, {})
    [seen] = server.requests
    assert (seen.method, seen.raw_path) == ("PATCH", "/v2/notifications/notf01")
    assert json.loads(seen.body) == {"read_at": TEXT}


async def test_reply_that_is_no_notification_is_a_decode_error(serve) -> None:
    server = await serve(one_after_the_other([], {"Notification": []}, {"Notification": None}))
    async with server.client() as client:
        for _ in range(2):
            with pytest.raises(errors.DecodeError, match="expected Notification"):
                await client.notifications.update("notf01", read_at=WHEN)


# --- Replies without a body or with an unusual one -----------------------------


@pytest.mark.parametrize(
    ("status", "body", "counts"),
    [
        (200, b'{"remaining_car_count": 0}', {"remaining_car_count": 0}),
        (200, b'{"remaining_car_count": 2, "others": 1}', {"remaining_car_count": 2, "others": 1}),
        (200, b"{}", {}),
        (200, b"", {}),
        (204, b"", {}),
    ],
)
async def test_deleted_vehicle_returns_counts_or_none(
    serve, status: int, body: bytes, counts: dict[str, int]
) -> None:
    server = await serve(always(status=status, body=body))
    async with server.client(strict=True) as client:
        assert await client.vehicles.delete("vhcl01") == counts
    assert [(seen.method, seen.raw_path) for seen in server.requests] == [
        ("DELETE", "/v2/vehicles/vhcl01")
    ]


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"null", b'"gone"'])
async def test_deleted_vehicle_with_other_values_than_counts_is_a_decode_error(
    serve, body: bytes
) -> None:
    server = await serve(always(body=body))
    async with server.client() as client:
        with pytest.raises(errors.DecodeError) as caught:
            await client.vehicles.delete("vhcl01")
    assert caught.value.body == body
    assert len(server.requests) == 1


DETAILS = {
    "account_number": "12345678-A/B",
    "utility_id": "a/b/../c",
    "user_id": 5,
    "meter_id": None,
    "contact": {"postal_id": ["SW1A/1AA", 1.5, True]},
    "UNSET": "",
}


@pytest.mark.parametrize(
    ("method", "arguments", "path", "body"),
    [
        ("users.delete_payout_method me", {}, "/users/me/payout_method", None),
        ("users.delete_saved_route u s", {}, "/users/u/saved_routes/s", None),
        ("evses.delete e", {}, "/evses/e", None),
        ("user_rebates.submit r", {}, "/user_rebates/r:submit", None),
        (
            "programs.accept_participation_agreement_version p v",
            {},
            "/programs/p/participation_agreement_versions/v/accept",
            {},
        ),
        (
            "programs.user_verification p",
            {"details": DETAILS},
            "/programs/p/user_verification",
            DETAILS,
        ),
        (
            "programs.post_enrollment_verification p",
            {"details": DETAILS},
            "/programs/p/post-enrollment-verification",
            DETAILS,
        ),
        ("programs.user_verification p", {"details": {}}, "/programs/p/user_verification", {}),
        (
            "vehicle_onboarding.onboarding_link",
            {"email": "a@example.com", "make": "https://x/v2/vehicle_makes/vmak01/"},
            "/vehicle_onboarding/onboarding_link",
            {"email": "a@example.com", "make": "vmak01"},
        ),
    ],
)
@pytest.mark.parametrize("status", [200, 201, 204])
async def test_operation_without_a_reply_body_returns_none(
    serve, method: str, arguments: Any, path: str, body: Any, status: int
) -> None:
    server = await serve(always(status=status))
    async with server.client() as client:
        assert await call(client, *method.split(), **arguments) is None
    [seen] = server.requests
    assert seen.raw_path == f"/v2{path}"
    if body is None:
        assert (seen.body, seen.headers.get("Content-Length", "0")) == (b"", "0")
        assert "Content-Type" not in seen.headers
    else:
        assert json.loads(seen.body) == body
        assert seen.headers["Content-Type"] == "application/json"
        if body == {}:
            assert seen.body == b"{}"


@pytest.mark.parametrize(
    ("details", "kind"),
    [
        ([], TypeError),
        ("x", TypeError),
        (None, TypeError),
        ({"a": float("nan")}, ValueError),
        ({"a": WHEN}, TypeError),
        ({"a": UNSET}, TypeError),
    ],
)
async def test_details_must_be_a_json_object(serve, details: Any, kind: type[Exception]) -> None:
    server = await serve(always(status=201))
    async with server.client() as client:
        for method in (
            client.programs.user_verification,
            client.programs.post_enrollment_verification,
        ):
            with pytest.raises(kind, match="details must be a JSON object"):
                await method("prog01", details=details)
    assert server.requests == []


async def test_write_without_members_is_sent_without_a_body(serve) -> None:
    server = await serve(always({"url": "https://x/"}, status=201))
    async with server.client() as client:
        await client.evses.reconnect("evse01")
        await client.vehicles.reconnect("vhcl01")
        await client.webhook_portal.get()
    for seen in server.requests:
        assert seen.body == b""
        assert "Content-Type" not in seen.headers


# --- Fields with several forms -------------------------------------------------

PRICED = {"price": "21.30", "energy_delivered_watt_hours": 7}
READ = EnergyDeliveredByPrice(price=Decimal("21.30"), energy_delivered_watt_hours=7)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (PRICED, (READ,)),
        ([PRICED], (READ,)),
        ([PRICED, PRICED], (READ, READ)),
        ([], ()),
        (None, None),
        (UNSET, None),
    ],
)
@pytest.mark.parametrize("odd", [False, True])  # read the fast way, or item by item
async def test_energy_by_price_is_a_tuple_in_either_form(
    serve, sent: Any, read: Any, odd: bool
) -> None:
    interval = {} if sent is UNSET else {"energy_delivered_by_price": sent}
    body = {"intervals": [{"interval_seconds": 1800, **interval}]}
    server = await serve(always({**body, "currency": 5} if odd else body))
    async with server.client(strict=not odd) as client:
        usage = await client.charging_sub_sessions.energy_usage("csub01")
    assert usage.intervals is not None
    [found] = usage.intervals
    assert found.energy_delivered_by_price == read
    assert (usage.currency, found.interval_seconds) == (5 if odd else None, 1800)
    assert models.EnergyUsage.from_dict(usage.to_dict()) == usage


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("odd", [False, True])
async def test_unknown_fields_of_energy_by_price_are_kept(serve, alone: bool, odd: bool) -> None:
    drift: list[str] = []
    one = {**PRICED, "new": [1]}
    body = {"intervals": [{"energy_delivered_by_price": one if alone else [PRICED, one]}]}
    server = await serve(always({**body, "currency": 5} if odd else body))
    async with server.client(on_drift=lambda event: drift.append(event.member)) as client:
        usage = await client.charging_sub_sessions.energy_usage("csub01")
    assert usage.intervals is not None
    found = usage.intervals[0].energy_delivered_by_price
    assert found is not None
    assert [dict(each.extra) for each in found] == ([] if alone else [{}]) + [{"new": [1]}]
    assert "new" in drift
    assert models.EnergyUsage.from_dict(usage.to_dict()) == usage


PRICE = {"started_at": TEXT, "interval_seconds": 1800, "price_minor_units": 10}
TARIFF = {"id": "tari01", "url": "u", "supplier": "s", "name": "n", "currency": "GBP"}


@pytest.mark.parametrize("expand", [(), ("prices",)])
@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("https://x/v2/tariffs/tari01/prices", "https://x/v2/tariffs/tari01/prices"),
        ([PRICE], (models.Price(started_at=WHEN, interval_seconds=1800, price_minor_units=10),)),
        ([], ()),
        (None, None),
    ],
)
async def test_prices_are_a_link_a_list_or_none(serve, sent: Any, read: Any, expand: Any) -> None:
    server = await serve(always({**TARIFF, "prices": sent}))
    async with server.client(strict=True) as client:
        tariff = await client.tariffs.get("tari01", expand=expand)
    assert tariff.prices == read
    assert models.TariffDetail.from_dict(tariff.to_dict()) == tariff


@pytest.mark.parametrize("text", ["2024-04-17T09:39:45.984584", TEXT, "2024-04-17 09:39:45.984584"])
@pytest.mark.parametrize("strict", [False, True])
async def test_timestamp_without_a_zone_is_utc_and_no_deviation(
    serve, text: str, strict: bool
) -> None:
    drift: list[Any] = []
    array = {"id": "solr01", "url": "u", "forecast": {"last_updated_at": text}}
    server = await serve(one_after_the_other(array, [array]))
    async with server.client(on_drift=drift.append, strict=strict) as client:
        one = await client.solar_arrays.get("solr01", vehicle_id="vhcl01")
        [same] = await client.solar_arrays.list().collect()
    assert one == same
    assert one.forecast is not None
    assert one.forecast.last_updated_at == WHEN
    assert drift == []


@pytest.mark.parametrize("name", ["expires_at", "expiry"])
@pytest.mark.parametrize("strict", [False, True])
async def test_expiry_of_a_url_is_read_under_both_names(serve, name: str, strict: bool) -> None:
    drift: list[Any] = []
    server = await serve(always({"url": "https://x/", name: TEXT}, status=201))
    async with server.client(on_drift=drift.append, strict=strict) as client:
        link = await client.vehicles.reconnect("vhcl01")
    assert (link.url, link.expires_at, link.extra) == ("https://x/", WHEN, {})
    assert drift == []
    assert models.VehicleReconnectionUrl.from_dict(link.to_dict()) == link


@pytest.mark.parametrize("url", ["https://x/", 5])  # read the fast way, or item by item
async def test_expiry_that_is_no_timestamp_is_kept_and_reported(serve, url: Any) -> None:
    drift: list[Any] = []
    server = await serve(always({"url": url, "expiry": "soon"}, status=201))
    async with server.client(on_drift=drift.append) as client:
        link = await client.vehicles.reconnect("vhcl01")
    assert link.url == url
    assert "soon" in {link.expires_at, link.extra.get("expiry")}
    assert "soon" in link.to_dict().values()
    assert any(one.path == "$.expiry" for one in drift)
    async with server.client(strict=True) as client:
        with pytest.raises(errors.DecodeError, match=r"\$\.(expiry|url)"):
            await client.vehicles.reconnect("vhcl01")


async def test_null_expiry_is_none_under_both_names(serve) -> None:
    server = await serve(one_after_the_other({"expiry": None}, {"expires_at": None}))
    async with server.client(strict=True) as client:
        for _ in range(2):
            link = await client.vehicles.reconnect("vhcl01")
            assert (link.expires_at, link.extra) == (None, {})


@pytest.mark.parametrize("url", ["https://x/", 5])  # read the fast way, or item by item
async def test_expires_at_takes_precedence_over_expiry(serve, url: Any) -> None:
    server = await serve(always({"url": url, "expires_at": None, "expiry": TEXT}, status=201))
    async with server.client() as client:
        link = await client.vehicles.reconnect("vhcl01")
    assert (link.url, link.expires_at, link.extra) == (url, WHEN, {})


# --- Waiting lists, payouts, programs: alternative arguments -------------------


@pytest.mark.parametrize("kind", ["evse", "vehicle"])
async def test_waiting_list_accepts_a_model_or_both_names(serve, kind: str) -> None:
    entry = {"id": f"{kind[0]}wlt01", "email": "a@example.com"}
    server = await serve(always(entry, status=201))
    of = models.EVSEModel if kind == "evse" else models.VehicleModel
    forms = [
        "vmod01",
        f"https://x/v2/{kind}_models/vmod01/",
        Ref(f"https://x/v2/{kind}_models/vmod01", of),
        of.from_dict({"id": "vmod01", "url": f"https://x/v2/{kind}_models/vmod01"}),
    ]
    names = {f"{kind}_make_name": "Make", f"{kind}_model_name": "Model"}
    async with server.client(language="de") as client:
        waitlist = getattr(client, f"{kind}_waitlist")
        for model in forms:
            await waitlist.create(email="a@example.com", **{f"{kind}_model_id": model})
        await waitlist.create(email="a@example.com", **names, program_id=None, client_id="app")
    *by_model, by_names = server.requests
    for seen in by_model:
        assert json.loads(seen.body) == {"email": "a@example.com", f"{kind}_model_id": "vmod01"}
        assert seen.query == []
        assert seen.headers["Accept-Language"] == "de"
    assert json.loads(by_names.body) == {"email": "a@example.com", **names, "program_id": None}
    assert by_names.query == [("client_id", "app")]


@pytest.mark.parametrize("kind", ["evse", "vehicle"])
@pytest.mark.parametrize("given", ["", "make", "model", "id make", "id model", "id make model"])
async def test_waiting_list_refuses_incomplete_and_surplus_arguments(
    serve, kind: str, given: str
) -> None:
    server = await serve(always({}, status=201))
    words = {"id": f"{kind}_model_id", "make": f"{kind}_make_name", "model": f"{kind}_model_name"}
    arguments = {words[word]: "x" for word in given.split()}
    async with server.client() as client:
        with pytest.raises(ValueError, match=f"pass either {kind}_model_id, or both"):
            await call(client, f"{kind}_waitlist.create", email="a@example.com", **arguments)
    assert server.requests == []


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (
            {"receiver_wallet": "PAYPAL", "receiver": "a@example.com"},
            '{"receiver":"a@example.com","receiver_wallet":"PAYPAL"}',
        ),
        (
            {"receiver_wallet": models.PayoutMethodReceiverWallet.VENMO, "receiver": "+1 555"},
            '{"receiver":"+1 555","receiver_wallet":"VENMO"}',
        ),
        ({"receiver_wallet": "BILL_CREDITS"}, '{"receiver_wallet":"BILL_CREDITS"}'),
        (
            {"receiver_wallet": models.PayoutMethodReceiverWallet.BILL_CREDITS},
            '{"receiver_wallet":"BILL_CREDITS"}',
        ),
        ({"receiver_wallet": "NEW"}, '{"receiver_wallet":"NEW"}'),
        ({"receiver_wallet": "NEW", "receiver": "x"}, '{"receiver":"x","receiver_wallet":"NEW"}'),
    ],
)
async def test_payout_method_requires_the_recipient_that_its_wallet_needs(
    serve, arguments: Any, body: str
) -> None:
    server = await serve(always({}))
    async with server.client() as client:
        await client.users.update_payout_method("me", **arguments)
    [seen] = server.requests
    assert (seen.raw_path, seen.body.decode()) == ("/v2/users/me/payout_method", body)


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        ({}, []),
        (
            {"coordinates": LatLong(latitude=51.5, longitude=-0.12)},
            [("coordinates", "51.5,-0.12")],
        ),
        (
            {"coordinates": LatLong(latitude=1e-7, longitude=-0.00001)},
            [("coordinates", "0.0000001,-0.00001")],
        ),
        ({"coordinates": LatLong(latitude=-90, longitude=180)}, [("coordinates", "-90.0,180.0")]),
        ({"coordinates": "51.5,-0.12"}, [("coordinates", "51.5,-0.12")]),
        (
            {"postal_code": "SW1A 1AA", "country_code": "GB"},
            [("postal_code", "SW1A 1AA"), ("country_code", "GB")],
        ),
        ({"country_code": models.CountryCode.GB}, [("country_code", "GB")]),
    ],
)
async def test_programs_are_filtered_by_a_point_or_a_postal_code(
    serve, arguments: Any, query: Any
) -> None:
    server = await serve(always([]))
    async with server.client(auth=None) as client:
        assert await client.programs.list(**arguments).collect() == []
    [seen] = server.requests
    assert seen.query == query
    assert "Authorization" not in seen.headers


async def test_point_of_a_region_filter_has_latitude_first(serve) -> None:
    server = await serve(always([]))
    async with server.client() as client:
        await client.regions.list(contains=LatLong(latitude=51.5, longitude=-1e-5)).collect()
    assert ("contains", "51.5,-0.00001") in server.requests[0].query


# --- Paths and queries ---------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("user_rebates.submit rbtu01", "/user_rebates/rbtu01:submit"),
        ("user_rebates.submit a:b", "/user_rebates/a%3Ab:submit"),
        ("rebate_evidence_files.start_upload", "/rebate_evidence_files:start_upload"),
        ("rebate_evidence_files.finish_upload r", "/rebate_evidence_files/r:finish_upload"),
        (
            "rebate_evidence_files.finish_upload https://x/v2/rebate_evidence_files/r/",
            "/rebate_evidence_files/r:finish_upload",
        ),
        ("users.get me", "/users/me"),
        ("users.update me", "/users/me"),
        ("users.payout_method me", "/users/me/payout_method"),
        ("users.route_planner_preferences me", "/users/me/route_planner_preferences"),
        ("support_tickets.categories", "/support_tickets/categories"),
        ("support_ticket_stats.top_categories", "/support-ticket-stats/top-categories"),
        ("dispatch_coordinators.get dc000000", "/dispatch_coordinators/dc000000"),
        ("cpms_providers.get CHARGEPOINT", "/cpms_providers/CHARGEPOINT"),
        ("vehicle_models.connector v EUROPE", "/vehicle_models/v/connectors/EUROPE"),
        (
            "programs.current_participation_agreement_version p",
            "/programs/p/participation_agreement_versions/current",
        ),
        (
            f"solar_forecasts.forecast_log s {TEXT}",
            f"/solar_forecasts/s/forecast_logs/{TEXT}",
        ),
    ],
)
async def test_path_is_sent_as_the_api_spells_it(serve, method: str, path: str) -> None:
    server = await serve(always({}))
    async with server.client() as client:
        await call(client, *method.split())
    assert [seen.raw_path for seen in server.requests] == [f"/v2{path}"]


async def test_path_accepts_keys_that_are_no_ids(serve) -> None:
    server = await serve(always({}))
    north_america = models.VehicleModelConnectorRegion.NORTH_AMERICA
    async with server.client() as client:
        await client.vehicle_models.connector("v", north_america)
        await client.solar_forecasts.forecast_log("s", WHEN)
        await client.cpms_providers.get(models.CPMSProviderId.CHARGEPOINT)
        await client.region_groups.validate(name="g", regions=[ENTRY])
    assert [seen.raw_path for seen in server.requests] == [
        "/v2/vehicle_models/v/connectors/NORTH_AMERICA",
        f"/v2/solar_forecasts/s/forecast_logs/{TEXT}",
        "/v2/cpms_providers/CHARGEPOINT",
        "/v2/region_groups:validate",
    ]


FILTERS: dict[str, list[tuple[dict[str, Any], list[str]]]] = {
    "support_tickets.list": [
        ({"user__isnull": False}, ["user__isnull=false"]),
        ({"resolved_at__isnull": True}, ["resolved_at__isnull=true"]),
        ({"status__in": ["Open", "On hold"]}, ["status__in=Open,On hold"]),
        ({"source__in": ("Email", "Chat")}, ["source__in=Email,Chat"]),
        (
            {"created_at__range": (WHEN, LATER)},
            [f"created_at__range={TEXT},2024-04-17T09:39:46.984584Z"],
        ),
        ({"user": "https://x/v2/users/u/"}, ["user=https://x/v2/users/u/"]),
        ({"user": Ref("https://x/v2/users/u/", models.User)}, ["user=https://x/v2/users/u/"]),
    ],
    "support_tickets.messages t": [
        (
            {"message_type__in": list(models.SupportTicketMessageTypeEnum)[:2]},
            ["message_type__in=" + ",".join(list(models.SupportTicketMessageTypeEnum)[:2])],
        ),
        ({"position": 0}, ["position=0"]),
    ],
    "charging_sub_sessions.list": [
        ({"is_finished": False}, ["is_finished=false"]),
        ({"user_id": "me"}, ["user_id=me"]),
        (
            {"energy_delivered_watt_hours__gte": 0, "start__gt": WHEN},
            ["energy_delivered_watt_hours__gte=0", f"start__gt={TEXT}"],
        ),
    ],
    "charging_sub_sessions.energy_usage c": [
        (
            {"merge_consecutive_intervals": False, "energy_delivered_watt_hours__gt": 0},
            ["energy_delivered_watt_hours__gt=0", "merge_consecutive_intervals=false"],
        ),
    ],
    "charging_sub_sessions.schedules c": [
        ({"only_most_recently_created": False}, ["only_most_recently_created=false"]),
    ],
    "tariffs.list": [
        ({"valid": False}, ["valid=false"]),
        ({"include_optional": "daily_prices"}, ["include_optional=daily_prices"]),
    ],
    "evses.ocpp_logs e": [
        ({"action__in": ["Heartbeat", "Reset"]}, ["action__in=Heartbeat,Reset"]),
        ({"direction": "SENT"}, ["direction=SENT"]),
    ],
    "regions.list": [({"name__in": ["a", "b c"]}, ["name__in=a,b c"])],
    "rebate_evidence_files.list": [
        ({"user_rebate": "https://x/user_rebates/r/"}, ["user_rebate=r"]),
    ],
    "vehicle_makes.list": [({"ordering": "-name"}, ["ordering=-name"])],
    "dispatcher_logs.list": [
        ({"charging_sub_session_id": "c"}, ["charging_sub_session_id=c"]),
    ],
    "hem_systems.energy_stats h": [
        (
            {"start": WHEN, "end": WHEN + DAY, "resolution": "PT30M"},
            [f"start={TEXT}", "end=2024-04-18T09:39:45.984584Z", "resolution=PT30M"],
        ),
        # A day of 25 hours, at the end of summer time: days are counted, not hours.
        (
            {"start": WHEN, "end": WHEN + 31 * DAY + DAY / 24, "resolution": "P1D"},
            [f"start={TEXT}", "end=2024-05-18T10:39:45.984584Z", "resolution=P1D"],
        ),
    ],
}


@pytest.mark.parametrize(
    ("method", "arguments", "query"),
    [(method, *case) for method, cases in FILTERS.items() for case in cases],
)
async def test_filter_is_sent_as_the_api_expects_it(
    serve, method: str, arguments: dict[str, Any], query: list[str]
) -> None:
    async def handler(request: web.Request) -> web.Response:
        is_one = request.path.endswith(("/energy_usage", "/schedules", "/energy_stats"))
        return web.json_response({} if is_one else [])

    server = await serve(handler)
    async with server.client() as client:
        await call(client, *method.split(), **arguments)
    [seen] = server.requests
    assert [f"{n}={value}" for n, value in seen.query if n != "page_size"] == query


async def test_direction_of_an_ocpp_message_differs_in_case_from_its_filter(
    serve,
) -> None:
    server = await serve(always([{"direction": "Sent"}, {"direction": "Received"}]))
    async with server.client(strict=True) as client:
        logs = await client.evses.ocpp_logs("evse01", direction="RECEIVED").collect()
        assert [log.direction for log in logs] == [
            EVSEOCPPLogDirection.SENT,
            EVSEOCPPLogDirection.RECEIVED,
        ]
        for wrong in ("Sent", logs[0].direction):
            with pytest.raises(ValueError, match="direction must be one of 'SENT', 'RECEIVED'"):
                client.evses.ocpp_logs("evse01", direction=wrong)  # type: ignore[arg-type]


# --- Paging that the description omits or describes differently ----------------


@pytest.mark.parametrize(
    ("method", "has_page_size"),
    [
        ("programs.list", False),
        ("incentive_schemes.list", False),
        ("evse_sites.list", False),
        ("cpms_providers.list", False),
        ("rebate_types.list", False),
        ("support_tickets.messages tick01", False),
        ("programs.vehicle_compatibility prog01", False),
        ("notifications.list", True),
        ("vehicle_models.connectors vmod01", True),
        ("suppliers.list", True),
        ("tariffs.list", True),
        ("tariffs.prices tari01", True),
        ("grid_feeds.levels grfd01", True),
    ],
)
@pytest.mark.parametrize("position", ["page", "page_after"])
async def test_next_link_is_followed_in_every_listing(
    serve, method: str, has_page_size: bool, position: str
) -> None:
    async def handler(request: web.Request) -> web.Response:
        number = int(request.query.get(position, "1"))
        following = (
            request.url.update_query({position: number + 1}) if number < 3 else "about:blank"
        )
        link = f'<about:blank>; rel="previous", <{following}>; rel="next"'
        return web.json_response([{"id": f"id{number}"}], headers={"Link": link})

    server = await serve(handler)
    async with server.client() as client:
        found = await call(client, *method.split())
    assert len(found) == 3
    assert [dict(seen.query).get(position) for seen in server.requests] == [None, "2", "3"]
    for seen in server.requests:
        assert ("page_size" in dict(seen.query)) is has_page_size


# --- GeoJSON ---------------------------------------------------------------------

RING = ((-0.1, 51.0), (0.1, 51.0), (0.1, 51.2), (-0.1, 51.0))
SQUARE = GeoJsonPolygon(coordinates=(RING,))
ENTRY = RegionGroupEntry(name="r", geometries=[SQUARE])
SEVERAL = GeoJsonMultiPolygon(coordinates=((RING,), (RING, RING)))


def polygon(*rings: Any) -> GeoJsonPolygon:
    return GeoJsonPolygon(coordinates=rings)


def with_position(position: Any) -> GeoJsonPolygon:
    return polygon([RING[0], position, RING[2], RING[0]])


async def test_boundary_is_sent_with_longitude_first(serve) -> None:
    server = await serve(always({"id": "regn01"}, status=201))
    as_lists = GeoJsonPolygon(coordinates=[[list(place) for place in RING]])  # type: ignore[arg-type]
    made = GeoJsonPolygon.from_dict({"type": "Polygon", "coordinates": [RING, RING]})
    async with server.client() as client:
        await client.regions.create(
            name="r",
            geometries=[SQUARE, SEVERAL, as_lists, made],
            type="ELECTRICITY",
            region_groups=["rgrp01", "https://x/v2/region_groups/rgrp02"],
        )
        await client.region_groups.create(
            name="g", regions=[RegionGroupEntry(name="r", geometries=(SQUARE,), type=None)]
        )
    region, group = (json.loads(seen.body) for seen in server.requests)
    ring = [list(place) for place in RING]
    assert region == {
        "name": "r",
        "type": "ELECTRICITY",
        "geometries": [
            {"type": "Polygon", "coordinates": [ring]},
            {"type": "MultiPolygon", "coordinates": [[ring], [ring, ring]]},
            {"type": "Polygon", "coordinates": [ring]},
            {"type": "Polygon", "coordinates": [ring, ring]},
        ],
        "region_groups": [
            f"{server.url}/region_groups/rgrp01",
            "https://x/v2/region_groups/rgrp02",
        ],
    }
    assert group == {
        "name": "g",
        "regions": [
            {
                "name": "r",
                "geometries": [{"type": "Polygon", "coordinates": [ring]}],
                "type": None,
            }
        ],
    }


@pytest.mark.parametrize(
    ("geometries", "message"),
    [
        ([], "geometries must hold 1 to 1000 geometries, not 0"),
        ([SQUARE] * 1001, "geometries must hold 1 to 1000 geometries, not 1001"),
        (SQUARE, "geometries must be a list of geometries, not a GeoJsonPolygon"),
        (None, "geometries must be a list of geometries, not None"),
        ([SQUARE, SQUARE.to_dict()], "geometries[1] must be a GeoJsonPolygon or a GeoJsonMulti"),
        (
            [GeoJsonPolygon(type="Point", coordinates=(RING,))],
            "geometries[0].type must be 'Polygon'",
        ),
        (
            [GeoJsonMultiPolygon(type="Polygon", coordinates=((RING,),))],
            "geometries[0].type must be 'MultiPolygon', not 'Polygon'",
        ),
        ([polygon()], "geometries[0].coordinates must hold 1 to 100 rings, not 0"),
        ([polygon(*[RING] * 101)], "geometries[0].coordinates must hold 1 to 100 rings, not 101"),
        (
            [GeoJsonMultiPolygon(coordinates=())],
            "geometries[0].coordinates must hold 1 to 500 polygons, not 0",
        ),
        (
            [GeoJsonMultiPolygon(coordinates=((RING,),) * 501)],
            "geometries[0].coordinates must hold 1 to 500 polygons, not 501",
        ),
        (
            [SQUARE, GeoJsonMultiPolygon(coordinates=((RING,), (RING,) * 101))],
            "geometries[1].coordinates[1] must hold 1 to 100 rings, not 101",
        ),
        ([polygon(RING[:3])], "geometries[0].coordinates[0] must hold 4 to 25000 positions, not 3"),
        (
            [polygon(RING, [RING[0]] * 25_001)],
            "geometries[0].coordinates[1] must hold 4 to 25000 positions, not 25001",
        ),
        ([polygon("abcd")], "geometries[0].coordinates[0] must be a list of positions, not a str"),
        (
            [polygon((*RING[:3], RING[1]))],
            "geometries[0].coordinates[0] must end where it starts: repeat its first position",
        ),
        (
            [GeoJsonMultiPolygon(coordinates=((RING,), (RING, (*RING[:3], RING[1]))))],
            "geometries[0].coordinates[1][1] must end where it starts",
        ),
        (
            [with_position((51.5, 100.0))],
            "geometries[0].coordinates[0][1] must be two numbers: longi",
        ),
        ([with_position((180.1, 0.0))], "geometries[0].coordinates[0][1] must be two numbers"),
        ([with_position((-180.1, 0.0))], "geometries[0].coordinates[0][1] must be two numbers"),
        ([with_position((0.0, -90.1))], "geometries[0].coordinates[0][1] must be two numbers"),
        ([with_position((0.0, 1.0, 2.0))], "geometries[0].coordinates[0][1] must be two numbers"),
        ([with_position((0.0,))], "geometries[0].coordinates[0][1] must be two numbers"),
        ([with_position(("0", "1"))], "geometries[0].coordinates[0][1] must be two numbers"),
        ([with_position((True, 1.0))], "geometries[0].coordinates[0][1] must be two numbers"),
        ([with_position((float("nan"), 1.0))], "geometries[0].coordinates[0][1] must be two num"),
        ([with_position((float("inf"), 1.0))], "geometries[0].coordinates[0][1] must be two num"),
        ([with_position(None)], "geometries[0].coordinates[0][1] must be two numbers"),
        (
            [with_position(LatLong(latitude=51.0, longitude=0.0))],
            "geometries[0].coordinates[0][1] must be two numbers",
        ),
    ],
)
async def test_boundary_beyond_the_limits_is_refused_with_its_path(
    serve, geometries: Any, message: str
) -> None:
    server = await serve(always({}, status=201))
    entries = [
        RegionGroupEntry(name="fine", geometries=[SQUARE]),
        RegionGroupEntry(name="bad", geometries=geometries),
    ]
    async with server.client() as client:
        with pytest.raises((ValueError, TypeError), match=re.escape(message)):
            await client.regions.create(name="r", geometries=geometries)
        for method in (client.region_groups.create, client.region_groups.validate):
            with pytest.raises((ValueError, TypeError), match=re.escape(f"regions[1].{message}")):
                await method(name="g", regions=entries)
    assert server.requests == []


async def test_boundary_at_the_limits_is_sent(serve) -> None:
    server = await serve(always({}, status=201))
    long = [(0.0, number / 25_000) for number in range(24_999)]
    edge = ((-180, -90), (180, -90), (180, 90), (-180, -90))
    for geometries in (
        [SQUARE] * 1000,
        [polygon(*[RING] * 100)],
        [GeoJsonMultiPolygon(coordinates=((RING,),) * 500)],
        [polygon([*long, long[0]])],
        [polygon(edge)],
    ):
        async with server.client() as client:
            await client.regions.create(name="r", geometries=geometries)
    assert len(server.requests) == 5


# --- Errors with a meaning of their own, and writes ----------------------------


@pytest.mark.parametrize("method", ["boost_start", "boost_end"])
async def test_impossible_boost_is_a_conflict_or_a_server_error(
    serve, time: FakeTime, method: str
) -> None:
    replies = [(409, errors.ConflictError), (503, errors.ServerError)]
    left = list(replies)

    async def handler(_: web.Request) -> web.Response:
        status, _kind = left.pop(0)
        return web.json_response({"title": "No", "detail": "why not"}, status=status)

    server = await serve(handler)
    async with server.client(clock=time, sleep=time.sleep) as client:
        for status, kind in replies:
            with pytest.raises(kind, match="why not") as caught:
                await call(client, f"charging_sessions.{method}", "cses01")
            assert type(caught.value) is kind
            assert (caught.value.status, caught.value.type) == (status, None)
    assert time.slept == []
    assert [(seen.raw_path, seen.body) for seen in server.requests] == [
        (f"/v2/charging_sessions/cses01/{method}", b"")
    ] * 2


WRITES: dict[str, dict[str, Any]] = {
    "charging_sessions.boost_start c": {},
    "dispatch_coordinators.create_dispatch_event d": {"start_time": WHEN, "end_time": LATER},
    "dispatch_coordinators.cancel_dispatch_event d devt01": {},
    "programs.join p": {},
    "vehicles.disconnect v": {},
    "vehicles.delete v": {},
    "users.delete_payout_method u": {},
    "users.create": {"email": "a@example.com"},
    "notifications.update n": {"read_at": WHEN},
    "user_rebates.submit r": {},
    "rebate_evidence_files.finish_upload r": {},
    "region_groups.validate": {"name": "g", "regions": [ENTRY]},
    "auth.password_reset": {"email": "a@example.com"},
    "evse_onboarding.import_": {"provider": "Easee", "serial_number": "1"},
}


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_write_is_not_repeated_after_a_server_error(
    serve, time: FakeTime, method: str, status: int
) -> None:
    server = await serve(always({"title": "Oops"}, status=status, headers={"Retry-After": "1"}))
    async with server.client(clock=time, sleep=time.sleep) as client:
        with pytest.raises(errors.ServerError) as caught:
            await call(client, *method.split(), **WRITES[method])
    assert caught.value.status == status
    assert (len(server.requests), time.slept) == (1, [])


@pytest.mark.parametrize(
    ("problem", "kind", "extension"),
    [
        (
            {
                "type": "https://api.ev.energy/v2/problems/region-name-conflict/",
                "status": 409,
                "conflicts": [{"name": "r", "existing_region": "https://x/v2/regions/regn01"}],
            },
            errors.ConflictError,
            "conflicts",
        ),
        (
            {
                "type": "https://api.ev.energy/v2/problems/region-group-name-conflict",
                "status": 409,
                "existing_region_group": {"url": "https://x/v2/region_groups/rgrp01"},
            },
            errors.ConflictError,
            "existing_region_group",
        ),
        (
            {"type": "https://x/payload-too-large/", "status": 413, "limit": 20_000_000},
            errors.ApiError,
            "limit",
        ),
        (
            {"type": "https://x/problems/invalid-geometry/", "status": 422, "region": "r"},
            errors.UnprocessableError,
            "region",
        ),
    ],
)
async def test_error_of_a_region_names_the_conflicting_ones(
    serve, problem: dict[str, Any], kind: type[errors.ApiError], extension: str
) -> None:
    body = {"title": "No", "detail": "why", **problem}
    server = await serve(
        always(body, status=problem["status"], content_type="application/problem+json")
    )
    entries = [ENTRY]
    async with server.client() as client:
        for making in (
            client.regions.create(name="r", geometries=[SQUARE]),
            client.region_groups.create(name="g", regions=entries),
        ):
            with pytest.raises(kind) as caught:
                await making
            assert type(caught.value) is kind
            assert caught.value.type == problem["type"].rstrip("/").rpartition("/")[2]
            assert caught.value.extensions == {extension: problem[extension]}


@pytest.mark.parametrize("error", ["validation-failed-password-reset"])
async def test_invalid_address_is_an_error_with_field_errors(serve, error: str) -> None:
    problem = {
        "type": f"https://api.ev.energy/v2/problems/{error}/",
        "title": "No",
        "detail": "why",
        "field_errors": {"email": ["Not an address."]},
    }
    server = await serve(always(problem, status=422))
    async with server.client(auth=None) as client:
        with pytest.raises(errors.UnprocessableError, match="Not an address") as caught:
            await client.auth.password_reset(email="nobody")
    assert caught.value.type == error
    assert caught.value.field_errors == {"email": ["Not an address."]}
    assert "Authorization" not in server.requests[0].headers


# --- Onboarding --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "is_private"),
    [
        ("inverter_onboarding", True),
        ("evse_onboarding", False),
        ("vehicle_onboarding", False),
    ],
)
async def test_onboarding_of_inverters_sends_the_acting_user_only(
    serve, name: str, is_private: bool
) -> None:
    server = await serve(always(status=302, headers={"Location": "https://drivers.example/?a=%2F"}))
    settings = {"language": "de-DE", "api_version": "2", "headers": {"X-Mine": "1"}}
    async with server.client(**settings) as client:
        link = await call(
            client, f"{name}.get", user_id="https://x/v2/users/user01/", client_id="app"
        )
    assert link.url == "https://drivers.example/?a=%2F"
    [seen] = server.requests
    assert seen.raw_path == f"/v2/{name}"
    assert seen.query == [("user_id", "user01"), ("client_id", "app")]
    sent = {header: seen.headers.get(header) for header in ("Authorization", "Accept-Language")}
    wanted = (f"Bearer {TOKEN}", "de-DE") if is_private else (None, None)
    assert tuple(sent.values()) == wanted
    assert ("X-Mine" in seen.headers) is is_private


async def test_onboarding_of_inverters_needs_a_token(serve) -> None:
    server = await serve(always(status=302, headers={"Location": "https://drivers.example/"}))
    async with server.client(auth=None) as client:
        with pytest.raises(ValueError, match="needs an access token"):
            await client.inverter_onboarding.get(user_id="user01", client_id="app")
        await client.evse_onboarding.get(user_id="user01", client_id="app")
    assert [seen.raw_path for seen in server.requests] == ["/v2/evse_onboarding"]


async def test_onboarding_is_completed_with_the_id_under_its_other_name(serve) -> None:
    uid = "123e4567-e89b-12d3-a456-426614174000"
    replies = {
        "GET": {"authorization_request_id": uid, "url": "https://x/", "auth_method": "native"},
        "POST": {"vehicles": []},
    }

    async def handler(request: web.Request) -> web.Response:
        return web.json_response(replies[request.method])

    server = await serve(handler)
    async with server.client(auth=None) as client:
        begun = await client.vehicle_onboarding.get_json(
            user_id="user01", client_id="app", make_id="vmak01"
        )
        await client.vehicle_onboarding.complete(
            authorization_request_uid=begun.authorization_request_id, auth_code="code"
        )
    assert json.loads(server.requests[1].body) == {
        "authorization_request_uid": uid,
        "auth_code": "code",
    }


# --- Invalid arguments ---------------------------------------------------------

HOME = RoutePoint(latitude=51.0, longitude=0.0, name="Home")
ROUTE = {"name": "n", "origin": HOME, "destination": HOME, "arrive_with_min_percent": 10}
NAN = float("nan")
NAIVE = WHEN.replace(tzinfo=None)


def at(latitude: float, longitude: float) -> RoutePoint:
    return RoutePoint(latitude=latitude, longitude=longitude, name="x")


def here(latitude: float, longitude: float) -> LatLong:
    return LatLong(latitude=latitude, longitude=longitude)


#: Invalid arguments and their error messages, by method and ids.
BAD: dict[str, list[tuple[dict[str, Any], str]]] = {
    "users.update_route_planner_preferences u": [
        ({"arrive_with_min_percent": -1}, "arrive_with_min_percent must be 0 to 100, not -1"),
        ({"arrive_with_min_percent": 101}, "arrive_with_min_percent must be 0 to 100, not 101"),
        ({"arrive_with_min_percent": 5.0}, "arrive_with_min_percent must be a whole number"),
        ({"arrive_with_min_percent": True}, "arrive_with_min_percent must be a whole number"),
        ({"min_charger_power_watts": 22_001}, "must be one of 22000, 50000, 100000, 150000, 25"),
        ({"min_charger_power_watts": 0}, "min_charger_power_watts must be one of 22000"),
    ],
    **{
        f"users.{method}": [
            ({**rest, **wrong}, message)
            for wrong, message in (
                ({"arrive_with_min_percent": -1}, "arrive_with_min_percent must be 0 to 100"),
                ({"arrive_with_min_percent": 101}, "arrive_with_min_percent must be 0 to 100"),
                ({"preferred_departure_minutes": -1}, "departure_minutes must be 0 to 1439"),
                ({"preferred_departure_minutes": 1440}, "departure_minutes must be 0 to 1439"),
                ({"origin": at(90.1, 0)}, "origin.latitude must be -90 to 90, not 90.1"),
                ({"origin": at(0, -181)}, "origin.longitude must be -180 to 180, not -181"),
                ({"destination": at(-91, 0)}, "destination.latitude must be -90 to 90"),
                ({"destination": at(0, NAN)}, "destination.longitude must be -180 to 180"),
                ({"waypoints": [HOME, at(0, 181)]}, "waypoints[1].longitude must be -180 to 180"),
                ({"waypoints": [HOME] * 26}, "waypoints must be 25 or fewer, not 26"),
            )
        ]
        for method, rest in (("create_saved_route u", ROUTE), ("update_saved_route u s", {}))
    },
    "users.update_payout_method u": [
        ({"receiver_wallet": "PAYPAL"}, "receiver is needed for PAYPAL"),
        ({"receiver_wallet": "VENMO", "receiver": ""}, "receiver is needed for VENMO"),
        ({"receiver_wallet": "VENMO", "receiver": None}, "receiver is needed for VENMO"),
        ({"receiver_wallet": models.PayoutMethodReceiverWallet.PAYPAL}, "receiver is needed"),
        ({"receiver_wallet": "BILL_CREDITS", "receiver": "x"}, "receiver must be left out"),
        ({"receiver_wallet": "BILL_CREDITS", "receiver": None}, "receiver must be left out"),
    ],
    "evses.update e": [
        ({"location": here(90.5, 0)}, "location.latitude must be -90 to 90, not 90.5"),
        ({"location": here(0, -180.5)}, "location.longitude must be -180 to 180, not -180.5"),
        ({"location": here(NAN, 0)}, "location.latitude must be -90 to 90, not nan"),
    ],
    **{
        method: [
            ({**rest, "battery_size_watt_hours": 999}, "must be 1000 to 300000, not 999"),
            ({**rest, "battery_size_watt_hours": 300_001}, "must be 1000 to 300000, not 300001"),
            ({**rest, "battery_size_watt_hours": 75.5}, "must be a whole number, not 75.5"),
        ]
        for method, rest in (
            ("vehicles.create", {"model": "m"}),
            ("vehicle_trims.create", {"name": "n", "model": "m"}),
        )
    },
    "vehicles.update v": [
        ({"battery_size_watt_hours": 999}, "battery_size_watt_hours must be 1000 to 300000"),
        ({"battery_size_watt_hours": 300_001}, "battery_size_watt_hours must be 1000 to 300000"),
        ({"maximum_charge_limit_percentage": 49}, "percentage must be 50 to 100, not 49"),
        ({"maximum_charge_limit_percentage": 101}, "percentage must be 50 to 100, not 101"),
    ],
    "vehicles.update_state_of_charge v": [
        ({"state_of_charge_percentage": -1}, "state_of_charge_percentage must be 0 to 100"),
        ({"state_of_charge_percentage": 101}, "state_of_charge_percentage must be 0 to 100"),
    ],
    "vehicles.update_connectors v": [
        ({"adaptors": ["CCS", "CCS"]}, "adaptors must not hold a connector twice"),
        ({"adaptors": ["A"], "native_connector": "A"}, "must not hold the native_connector"),
        ({"adaptors": "CCS"}, "adaptors must be a list"),
    ],
    "vehicle_makes.list": [({"ordering": "id"}, "ordering must be one of 'name', '-name'")],
    "vehicle_models.list": [({"ordering": "NAME"}, "ordering must be one of 'name', '-name'")],
    "vehicle_trims.list": [({"ordering": ""}, "ordering must be one of 'name', '-name'")],
    "solar_arrays.create": [({"capacity_watts": -1}, "capacity_watts must be 0 or more, not -1")],
    "solar_arrays.update s": [({"capacity_watts": -1}, "capacity_watts must be 0 or more")],
    "support_ticket_stats.top_categories": [({"limit": 0}, "limit must be 1 or more, not 0")],
    "support_ticket_stats.volume": [
        ({"group_by": "year"}, "must be one of 'day', 'week', 'month'")
    ],
    "support_tickets.list": [
        ({"created_at__range": (LATER, WHEN)}, "created_at__range must not end before it starts"),
        ({"created_at__range": (NAIVE, NAIVE)}, "created_at__range is a naive datetime"),
        ({"status__in": []}, "an empty list would not filter anything"),
        ({"status__in": ["a,b"]}, "'a,b' contains a comma"),
    ],
    "tariffs.list": [
        ({"include_optional": "prices"}, "include_optional must be one of 'daily_prices'"),
        ({"expand": ["prices"]}, "expand: 'prices' is not one of supplier, scheduler_tariff"),
        ({"expand": "supplier"}, "expand must be a list: expand=['supplier']"),
    ],
    "hem_systems.energy_stats h": [
        ({"start": WHEN, "end": end, "resolution": resolution}, message)
        for end, resolution, message in (
            (WHEN, "P1D", "end must be after start"),
            (LATER + DAY, "PT30M", "end must be at most 24 hours after start with PT30M"),
            (WHEN + 32 * DAY, "P1D", "end must be at most 31 days after start with P1D"),
            (WHEN + 368 * DAY, "P1M", "end must be at most 366 days after start with P1M"),
            (WHEN + DAY, "P1Y", "resolution must be one of 'PT30M', 'P1D', 'P1M'"),
            (NAIVE, "P1D", "end is a naive datetime"),
        )
    ],
    "dispatch_coordinators.create_dispatch_event d": [
        ({"start_time": WHEN, "end_time": WHEN}, "end_time must be after start_time"),
        ({"start_time": NAIVE, "end_time": WHEN}, "start_time is a naive datetime"),
    ],
    "programs.list": [
        ({"coordinates": here(91, 0)}, "coordinates.latitude must be -90 to 90, not 91"),
        ({"coordinates": "1,2", "postal_code": "x"}, "give either coordinates or postal_code"),
        ({"postal_code": "SW1A 1AA"}, "postal_code needs country_code"),
    ],
    "regions.list": [({"contains": here(0, 181)}, "contains.longitude must be -180 to 180")],
    **{
        method: [
            ({"page_size": size}, f"page_size must be 1 to 100, not {size}")
            for size in (0, 101, -1)
        ]
        for method in ("users.list", "carbon_feeds.carbon_intensities c", "tariffs.prices t")
    },
    "regions.create": [
        ({"name": " ", "geometries": [SQUARE]}, "name must not be empty"),
        (
            {"name": "r", "geometries": [SQUARE], "region_groups": "rgrp01"},
            "region_groups must be a list: region_groups=['rgrp01']",
        ),
    ],
    "region_groups.create": [
        ({"name": "", "regions": [ENTRY]}, "name must not be empty"),
        ({"name": "g", "regions": []}, "regions must hold 1 to 500 regions, not 0"),
        ({"name": "g", "regions": [ENTRY] * 501}, "regions must hold 1 to 500 regions, not 501"),
    ],
    "region_groups.validate": [
        (
            {"name": "g", "regions": [ENTRY, RegionGroupEntry(name="", geometries=[SQUARE])]},
            "regions[1].name must not be empty",
        ),
    ],
    "evse_onboarding.get": [({"user_id": "u", "client_id": ""}, "client_id must not be empty")],
    "inverter_onboarding.get": [({"user_id": "u", "client_id": " "}, "client_id must not be")],
    "evse_onboarding.get_json": [
        ({"user_id": "u", "client_id": "c"}, "pass at least one of make_id, model_id"),
    ],
    "vehicle_onboarding.get_json": [
        ({"user_id": "u", "client_id": "c"}, "pass at least one of make_id, model_id, trim_id"),
    ],
    "auth.password_reset": [({"email": ""}, "email must not be empty")],
}


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [(method, *case) for method, cases in BAD.items() for case in cases],
)
async def test_invalid_arguments_are_refused_before_anything_is_sent(
    serve, method: str, arguments: dict[str, Any], message: str
) -> None:
    server = await serve(always({}))
    async with server.client() as client:
        with pytest.raises((ValueError, TypeError), match=re.escape(message)):
            await call(client, *method.split(), **arguments)
    assert server.requests == []


SENT_AS_THEY_ARE: dict[str, list[dict[str, Any]]] = {
    "users.update_route_planner_preferences u": [
        {},
        {"arrive_with_min_percent": 0, "min_charger_power_watts": 22_000},
        {"arrive_with_min_percent": 100, "min_charger_power_watts": 250_000},
        {"preferred_vehicle": None, "min_charger_power_watts": None},
    ],
    "users.update_saved_route u s": [
        {"preferred_departure_minutes": 0, "waypoints": [], "favourite": False},
        {"preferred_departure_minutes": 1439},
        {"preferred_departure_minutes": None},
    ],
    "vehicles.update_state_of_charge v": [
        {},
        {"state_of_charge_percentage": None},
        {"state_of_charge_percentage": 0},
        {"state_of_charge_percentage": 100},
    ],
    "vehicles.update_connectors v": [
        {},
        {"native_connector": None, "adaptors": []},
        {"adaptors": ["CCS", "GBT"], "native_connector": "NACS"},
    ],
    "vehicles.update v": [
        {"battery_size_watt_hours": 1000, "maximum_charge_limit_percentage": 50},
        {"battery_size_watt_hours": 300_000, "maximum_charge_limit_percentage": 100},
        {"smart_charging_enabled": False, "vehicle_class": None},
    ],
    "solar_arrays.create": [{}, {"capacity_watts": 0}],
    "charging_sub_sessions.recalculate_energy_usages c": [
        {},
        {"dry_run": True, "cap_overages": False},
    ],
    "support_tickets.update t": [{"human_verified_category": None}],
    "evses.update e": [{"location": None}],
}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [(method, case) for method, cases in SENT_AS_THEY_ARE.items() for case in cases],
)
async def test_arguments_at_the_limits_are_sent_unchanged(
    serve, method: str, arguments: dict[str, Any]
) -> None:
    server = await serve(always({}))
    async with server.client() as client:
        await call(client, *method.split(), **arguments)
    assert json.loads(server.requests[0].body) == arguments


async def test_bodies_have_timestamps_urls_and_nested_values_as_the_api_expects(serve) -> None:
    server = await serve(always({}))
    data = [models.EvidenceDataWrite(id=7, value="a/b")]
    groups = models.NotificationGroupsWrite(deals_and_offers=False)
    async with server.client() as client:
        await client.dispatch_coordinators.create_dispatch_event(
            "d", start_time=WHEN, end_time=LATER, target_power_watts=None, import_limit_watts=0
        )
        await client.user_rebates.update(
            "r", rebate_type="rbtt01", evidence_type="https://x/e/", evidence_data=data
        )
        await client.users.update_notification_preferences("u", groups=groups)
        await client.users.update("u", default_location=LocationWrite(country_code=None))
        await client.evses.update("e", location=here(-90, 180))
        await client.inverters.create(model="imod01", user="https://x/v2/users/user01/")
    assert [json.loads(seen.body) for seen in server.requests] == [
        {
            "start_time": TEXT,
            "end_time": "2024-04-17T09:39:46.984584Z",
            "import_limit_watts": 0,
            "target_power_watts": None,
        },
        {
            "rebate_type": f"{server.url}/rebate_types/rbtt01",
            "evidence_type": "https://x/e/",
            "evidence_data": [{"id": 7, "value": "a/b"}],
        },
        {"groups": {"deals_and_offers": False}},
        {"default_location": {"country_code": None}},
        {"location": {"latitude": -90, "longitude": 180}},
        {"model": f"{server.url}/inverter_models/imod01", "user": "https://x/v2/users/user01/"},
    ]


async def test_waitlist_accepts_a_model_with_a_list_instead_of_a_text(serve) -> None:
    model = models.EVSEModel.from_dict({"id": "emod01", "url": "u/emod01", "name": ["odd"]})
    assert hash(model) == hash(models.EVSEModel.from_dict(model.to_dict()))
    server = await serve(always({"id": "ewlt01"}))
    async with server.client() as client:
        await client.evse_waitlist.create(email="a@example.com", evse_model_id=model)
    assert json.loads(server.requests[0].body)["evse_model_id"] == "emod01"
