"""`webhooks.read`: deliveries to a webhook."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ev_energy import errors, webhooks
from ev_energy.models import ChargingSubSession, ChargingSubSessionMode, Vehicle

ROOT = "https://api.ev.energy/v2"
VEHICLE = f"{ROOT}/vehicles/vhcl01"
SUB_SESSION: dict[str, Any] = {
    "id": "csub01",
    "url": f"{ROOT}/charging_sub_sessions/csub01",
    "start": "2024-04-17T09:39:45.984584Z",
    "end": None,
    "mode": "SMART",
    "energy_delivered_watt_hours": 0,
    "cost": None,
    "location": {"name": "Home"},
    "currency": "GBP",
    "total_co2_grams": None,
    "co2_intensity_grams_per_kilowatt_hour": None,
    "co2_intensity_classification": "very low",
    "duration_minutes": 0,
    "grid_energy_delivered_watt_hours": None,
    "solar_energy_delivered_watt_hours": None,
    "vehicle": VEHICLE,
    "grid_feeds": [f"{ROOT}/grid_feeds/grfd01"],
}
CREATED = "charging_sub_session.created"
ENDED = "charging_sub_session.ended"
CLASSES = {
    CREATED: webhooks.ChargingSubSessionCreated,
    ENDED: webhooks.ChargingSubSessionEnded,
}


def delivery(type_: Any = CREATED, data: Any = None, **more: Any) -> bytes:
    event = {"type": type_, "timestamp": "2024-04-17T09:39:46Z", "data": data or SUB_SESSION}
    return json.dumps({**event, **more}).encode()


@pytest.mark.parametrize("type_", CLASSES)
@pytest.mark.parametrize("as_text", [False, True])
def test_event_is_parsed_from_bytes_and_from_text(type_: str, as_text: bool) -> None:
    body = delivery(type_)
    event = webhooks.read(body.decode() if as_text else body, strict=True)
    assert type(event) is CLASSES[type_]
    assert event.type == type_
    assert event.timestamp == datetime(2024, 4, 17, 9, 39, 46, tzinfo=UTC)
    assert isinstance(event.data, ChargingSubSession)
    assert event.data.mode is ChargingSubSessionMode.SMART
    assert event.data.end is None
    assert event.extra == {}


@pytest.mark.parametrize("type_", [*CLASSES, "vehicle.connected"])
def test_event_round_trips_through_json(type_: str) -> None:
    event = webhooks.read(delivery(type_, new=[1, {"a": None}]))
    assert type(event).from_dict(event.to_dict()) == event
    assert webhooks.read(json.dumps(event.to_dict())) == event
    assert event.to_dict()["new"] == [1, {"a": None}]


def test_links_are_parsed_expanded_or_not() -> None:
    plain = webhooks.read(delivery(), strict=True)
    vehicle = {"id": "vhcl01", "url": VEHICLE}
    expanded = webhooks.read(delivery(data={**SUB_SESSION, "vehicle": vehicle}))
    assert isinstance(plain, webhooks.ChargingSubSessionCreated)
    assert isinstance(expanded, webhooks.ChargingSubSessionCreated)
    assert plain.data.vehicle is not None
    assert expanded.data.vehicle is not None
    assert (plain.data.vehicle.id, plain.data.vehicle.is_expanded) == ("vhcl01", False)
    assert plain.data.vehicle == expanded.data.vehicle
    assert isinstance(expanded.data.vehicle.value, Vehicle)
    assert expanded.data.vehicle.value.id == "vhcl01"
    assert plain.data.grid_feeds is not None
    assert [feed.id for feed in plain.data.grid_feeds] == ["grfd01"]


@pytest.mark.parametrize("type_", ["vehicle.connected", "", None, 5, ["x"], {"a": 1}])
@pytest.mark.parametrize("strict", [False, True])
def test_event_of_an_unknown_type_is_kept_completely(type_: Any, strict: bool) -> None:
    sent = {"type": type_, "timestamp": "2024-04-17T09:39:46Z", "data": {"a": [1]}, "more": None}
    event = webhooks.read(json.dumps(sent), strict=strict)
    assert isinstance(event, webhooks.UnknownEvent)
    assert (event.type, event.data) == (type_, {"a": [1]})
    assert event.timestamp == datetime(2024, 4, 17, 9, 39, 46, tzinfo=UTC)
    assert event.extra == {"more": None}


@pytest.mark.parametrize(
    "sent", [{}, {"type": "x", "data": [1, 2]}, {"type": "x", "data": "y", "timestamp": 5}]
)
def test_unknown_event_may_have_any_content(sent: dict[str, Any]) -> None:
    event = webhooks.read(json.dumps(sent), strict=True)
    assert isinstance(event, webhooks.UnknownEvent)
    assert event.to_dict() == sent


def test_unknown_fields_are_kept_and_reported() -> None:
    drift: list[Any] = []
    data = {**SUB_SESSION, "mode": "NEW", "newer": 1, "location": {"floor": 2}}
    event = webhooks.read(delivery(data=data, newest={"a": 1}), on_drift=drift.append)
    assert isinstance(event, webhooks.ChargingSubSessionCreated)
    assert event.extra == {"newest": {"a": 1}}
    assert event.data.extra == {"newer": 1}
    assert event.data.location.extra == {"floor": 2}
    assert event.data.mode == "NEW"
    assert sorted(str(one) for one in drift) == [
        "unknown enum text ChargingSubSession.mode at $.data.mode",
        "unknown member ChargingSubSession.newer at $.data.newer",
        "unknown member ChargingSubSessionCreatedWebhook.newest at $.newest",
        "unknown member ChargingSubSessionLocation.floor at $.data.location.floor",
    ]


def test_deviating_event_is_parsed_leniently() -> None:
    drift: list[Any] = []
    event = webhooks.read(delivery(data={"id": 5}, timestamp="soon"), on_drift=drift.append)
    assert isinstance(event, webhooks.ChargingSubSessionCreated)
    assert (event.timestamp, event.data.id, event.data.url) == ("soon", 5, None)
    kinds = {(one.kind.value, one.path) for one in drift}
    assert {("wrong type", "$.timestamp"), ("wrong type", "$.data.id")} <= kinds
    assert ("missing member", "$.data.url") in kinds


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (delivery(data={**SUB_SESSION, "mode": "NEW"}), "$.data.mode"),
        (delivery(new=1), "$.new"),
        (delivery(timestamp=None), "$.timestamp"),
        (delivery(data={**SUB_SESSION, "cost": "a lot"}), "$.data.cost"),
        (json.dumps({"type": CREATED}).encode(), "$.timestamp"),
    ],
)
def test_deviation_in_strict_mode_is_an_error_with_its_path(body: bytes, path: str) -> None:
    for _ in range(2):
        with pytest.raises(errors.UnreadableEventError) as caught:
            webhooks.read(body, strict=True)
        assert caught.value.path == path
        assert caught.value.body == body
        assert path in str(caught.value)
    assert webhooks.read(body).type == CREATED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"<html>",
        b"[]",
        b"[{}]",
        b"null",
        b"5",
        b'"charging_sub_session.created"',
        b'{"type": ',
        b'{"type": "charging_sub_session.created"',
        b"\xff\xfe",
        b'{"a":' * 100_000,
        b'{"type":"charging_sub_session.created","data":' + b"[" * 100_000,
        b'{"type":"charging_sub_session.created","data":[]}',
        b'{"type":"charging_sub_session.created","data":null,"timestamp":NaN}',
        b'{"type":"charging_sub_session.ended","data":{"id":"\\ud800"}}',
    ],
)
def test_invalid_body_is_an_error_with_the_body(body: bytes) -> None:
    with pytest.raises(errors.UnreadableEventError) as caught:
        webhooks.read(body, strict=True)
    assert caught.value.body == body
    assert caught.value.path.startswith("$")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["", "nothing", "\ud800", "{\ud800}", "\ufeff"])
def test_invalid_text_is_an_error(text: str) -> None:
    with pytest.raises(
        errors.UnreadableEventError, match="a delivery must be a JSON object"
    ) as caught:
        webhooks.read(text)
    assert isinstance(caught.value.body, bytes)
    assert caught.value.path == "$"


def test_exception_of_the_drift_hook_reaches_the_caller() -> None:
    class HookError(Exception):
        pass

    def hook(_: Any) -> None:
        raise HookError

    with pytest.raises(HookError):
        webhooks.read(delivery(new=1), on_drift=hook)


def only_an_event_or_a_webhook_error(body: bytes | str) -> None:
    for strict in (False, True):
        try:
            event = webhooks.read(body, strict=strict)
        except errors.UnreadableEventError:
            continue
        assert isinstance(event, (*CLASSES.values(), webhooks.UnknownEvent))
        assert isinstance(event.to_dict(), dict)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_arbitrary_body_is_an_event_or_a_webhook_error(body: bytes | str) -> None:
    only_an_event_or_a_webhook_error(body)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=9,
)


@given(
    st.sampled_from([*CLASSES, "new"]),
    st.dictionaries(st.sampled_from(["type", "timestamp", "data", "a"]), ANY_JSON),
    st.dictionaries(st.sampled_from([*SUB_SESSION, "flags", "evse", "labels"]), ANY_JSON),
)
def test_arbitrary_json_is_an_event_or_a_webhook_error(
    type_: str, event: dict[str, Any], data: dict[str, Any]
) -> None:
    whole = {"type": type_, "timestamp": "2024-04-17T09:39:46Z"}
    only_an_event_or_a_webhook_error(json.dumps({**whole, "data": {**SUB_SESSION, **data}}))
    only_an_event_or_a_webhook_error(json.dumps({**whole, **event}))


@given(st.integers(0, 400), st.integers(0, 400), st.binary(max_size=3))
def test_damaged_delivery_is_an_event_or_a_webhook_error(
    start: int, end: int, middle: bytes
) -> None:
    body = delivery()
    only_an_event_or_a_webhook_error(body[:start] + middle + body[end:])
