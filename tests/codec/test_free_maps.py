"""Deviations inside maps are reported by key; prices and times may be arbitrary text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from ev_energy import Drift, errors
from ev_energy.models import ChargingSubSessionAssessment, PriceSummary, Times
from tests.helpers.recording_server import Handler, RecordingServer

Serve = Callable[[Handler], Awaitable[RecordingServer]]


def answering(body: Any) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body)

    return answer


async def test_wrong_type_in_a_map_is_reported_with_its_key(serve: Serve) -> None:
    server = await serve(answering({"remaining_car_count": "none", "others": 2}))
    drifts: list[Drift] = []
    async with server.client(on_drift=drifts.append) as client:
        found = await client.vehicles.delete("vhcl01")
        assert found == {"remaining_car_count": "none", "others": 2}
    assert [(one.model, one.member, one.path) for one in drifts] == [
        ("Counts", "remaining_car_count", "$.remaining_car_count")
    ]
    async with server.client(strict=True) as client:
        with pytest.raises(errors.DecodeError, match=r"wrong type Counts\.remaining_car_count"):
            await client.vehicles.delete("vhcl01")


async def test_error_for_a_reply_that_is_no_map_names_the_expected_type(serve: Serve) -> None:
    server = await serve(answering([1]))
    async with server.client() as client:
        with pytest.raises(errors.DecodeError, match="expected Counts: "):
            await client.vehicles.delete("vhcl01")


async def test_wrong_type_in_the_map_of_a_field_is_reported_with_the_field(serve: Serve) -> None:
    server = await serve(answering({"ratings": {"a": "RED", "b": 5}}))
    drifts: list[Drift] = []
    async with server.client(on_drift=drifts.append) as client:
        found = await client.charging_sub_sessions.assessment("cses01")
    assert isinstance(found, ChargingSubSessionAssessment)
    assert [(one.model, one.member, one.path) for one in drifts] == [
        ("ChargingSubSessionAssessment", "ratings", "$.ratings.b")
    ]


async def test_null_items_of_an_envelope_are_reported_and_empty(serve: Serve) -> None:
    server = await serve(answering({"carbon_intensities": None, "url": "u"}))
    drifts: list[Drift] = []
    async with server.client(on_drift=drifts.append) as client:
        assert await client.carbon_feeds.carbon_intensities("crbf01").collect() == []
    assert [one.path for one in drifts] == ["$.carbon_intensities"]
    async with server.client(strict=True) as client:
        with pytest.raises(errors.DecodeError, match=r"at \$\.carbon_intensities"):
            await client.carbon_feeds.carbon_intensities("crbf01").collect()


async def test_notification_without_an_envelope_is_read(serve: Serve) -> None:
    server = await serve(answering({"id": "noti01", "url": "u", "read_at": None}))
    async with server.client() as client:
        found = await client.notifications.update("noti01")
        assert found is not None
        assert found.id == "noti01"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("0.10", Decimal("0.10")),
        ("-1e2", Decimal("-1e2")),
        ("", ""),
        ("from 10p", "from 10p"),
        ("£0.10", "£0.10"),
        (None, None),
    ],
)
async def test_price_is_a_decimal_or_text_that_is_no_number(
    serve: Serve, text: Any, read: Any
) -> None:
    price = {"peak": {"price": text, "times": [{"start": "18:00:00", "end": "24:00:00"}]}}
    tariff = {
        "id": "tari01",
        "url": "https://api.ev.energy/v2/tariffs/tari01",
        "supplier": "https://api.ev.energy/v2/suppliers/sply01",
        "name": "n",
        "currency": "GBP",
        "daily_prices": price,
    }
    server = await serve(answering(tariff))
    async with server.client(strict=True) as client:
        found = await client.tariffs.get("tari01")
    assert found.daily_prices is not None
    peak = found.daily_prices.peak
    assert peak.price == read
    assert type(peak.price) is type(read)
    assert peak.times == (Times(start=dt.time(18), end="24:00:00"),)
    assert type(found).from_dict(found.to_dict()) == found


def test_price_of_a_wrong_type_is_kept() -> None:
    assert PriceSummary.from_dict({"price": ["0.10"]}).to_dict() == {"price": ["0.10"]}
