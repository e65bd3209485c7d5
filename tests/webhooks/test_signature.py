"""`Webhook`: signatures, with the libraries of Svix and Standard Webhooks as oracles."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Any, cast

import pytest
import standardwebhooks
from aiohttp import web
from hypothesis import assume, given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from ev_energy import errors
from ev_energy.simulator import Clock, Simulator
from ev_energy.webhooks import ChargingSubSessionCreated, UnknownEvent, Webhook
from tests.helpers.strategies import raises_only

KEY = bytes(range(24))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
OTHER = "whsec_" + base64.b64encode(KEY[::-1]).decode()
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
BODY = b'{"type":"vehicle.seen","timestamp":"2026-11-29T12:00:00Z","data":{"a":"\xc3\xa9"}}'
WEBHOOK = Webhook(SECRET, clock=lambda: NOW)
HEADERS = WEBHOOK.sign(BODY, delivery_id="msg_1")


def test_published_example_of_svix_is_verified() -> None:
    webhook = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = {
        "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "svix-timestamp": "1614265330",
        "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    now = datetime(2021, 2, 25, 15, 2, 10, tzinfo=UTC)
    event = webhook.verify(b'{"test": 2432232314}', headers, now=now)
    assert isinstance(event, UnknownEvent)
    assert event.extra == {"test": 2432232314}


@pytest.fixture(scope="module")
def svix_webhook() -> Any:
    from svix.webhooks import Webhook as SvixWebhook  # takes most of a second

    return SvixWebhook(SECRET)


def test_signature_is_verified_by_svix(svix_webhook: Any) -> None:
    svix_webhook.verify(BODY, Webhook(SECRET).sign(BODY, delivery_id="msg_1"))


def test_signature_of_svix_is_verified(svix_webhook: Any) -> None:
    signature = svix_webhook.sign("msg_1", NOW, BODY.decode())
    assert signature == HEADERS["svix-signature"]
    assert WEBHOOK.verify(BODY, {**HEADERS, "svix-signature": signature}).type == "vehicle.seen"


def test_signature_is_verified_by_standard_webhooks() -> None:
    headers = Webhook(SECRET).sign(BODY)
    renamed = {name.replace("svix-", "webhook-"): value for name, value in headers.items()}
    assert standardwebhooks.Webhook(SECRET).verify(BODY, renamed) == json.loads(BODY)


def test_signature_of_standard_webhooks_is_verified() -> None:
    signature = standardwebhooks.Webhook(SECRET).sign("msg_1", NOW, BODY.decode())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": HEADERS["svix-timestamp"],
        "webhook-signature": signature,
    }
    assert WEBHOOK.verify(BODY, headers).type == "vehicle.seen"


def test_delivery_has_its_id_time_event_and_body() -> None:
    delivery = WEBHOOK.receive(BODY, HEADERS)
    assert (delivery.id, delivery.sent_at, delivery.body) == ("msg_1", NOW, BODY)
    assert delivery.event == WEBHOOK.unwrap(BODY, HEADERS)


async def test_delivery_of_the_simulator_is_verified(serve: Any) -> None:
    requests: list[tuple[bytes, Mapping[str, str]]] = []

    async def receive(request: web.Request) -> web.Response:
        requests.append((await request.read(), request.headers))
        return web.Response()

    server = await serve(receive)
    async with Simulator(clock=Clock(speed=0)) as simulator:
        endpoint = simulator.webhooks.add(server.url)
        simulator.clock.advance(hours=30)
        await simulator.webhooks.settled()
        events = [Webhook(endpoint.secret).verify(*request) for request in requests]
        assert {event.type for event in events} == {
            "charging_sub_session.created",
            "charging_sub_session.ended",
        }
        assert any(isinstance(event, ChargingSubSessionCreated) for event in events)
        with pytest.raises(errors.SignatureError):
            Webhook(SECRET).verify(*requests[0])


@pytest.mark.parametrize(
    "headers",
    [
        {name.upper(): value for name, value in HEADERS.items()},
        {name.title(): value for name, value in HEADERS.items()},
        CIMultiDict(HEADERS),
        CIMultiDictProxy(CIMultiDict(HEADERS)),
        [(name.encode(), value.encode()) for name, value in HEADERS.items()],
        list(HEADERS.items()),
        {name: [value] for name, value in HEADERS.items()},
        {name.replace("svix", "webhook"): value for name, value in HEADERS.items()},
        {**HEADERS, "webhook-id": "another", "host": "example.com"},
        {"HTTP_" + name.upper().replace("-", "_"): value for name, value in HEADERS.items()},
    ],
    ids=[
        "upper",
        "title",
        "multidict",
        "proxy",
        "asgi",
        "pairs",
        "lists",
        "webhook",
        "both",
        "wsgi",
    ],
)
def test_headers_of_any_framework_are_accepted(headers: Any) -> None:
    assert WEBHOOK.receive(BODY, headers).id == "msg_1"


def test_headers_of_an_email_message_are_accepted() -> None:
    message = Message()  # the class of http.server and urllib
    for name, value in HEADERS.items():
        message[name] = value
    assert WEBHOOK.receive(BODY, message).id == "msg_1"


def test_each_of_several_secrets_is_accepted() -> None:
    both = Webhook(OTHER, SECRET, clock=lambda: NOW)
    assert both.receive(BODY, HEADERS).id == "msg_1"
    assert both.receive(BODY, Webhook(OTHER, clock=lambda: NOW).sign(BODY)).id == "msg_test"
    assert Webhook(KEY, clock=lambda: NOW).receive(BODY, HEADERS).id == "msg_1"
    assert Webhook(SECRET[6:], clock=lambda: NOW).receive(BODY, HEADERS).id == "msg_1"


def test_one_of_several_signatures_is_enough() -> None:
    right = HEADERS["svix-signature"]
    others = "v1a,AAAA v2,BBBB v1, v1 , v1,%%% "
    for signatures in (f"{others}{right}", f"{right} {others}", f"{right} {right}"):
        assert WEBHOOK.receive(BODY, {**HEADERS, "svix-signature": signatures}).id == "msg_1"
    repeated = [*HEADERS.items(), ("svix-signature", "v1,AAAA")]
    assert WEBHOOK.receive(BODY, repeated).id == "msg_1"


@pytest.mark.parametrize("version", ["v1a", "v2", "V1", "", "v1v1", "1"])
def test_other_versions_of_signatures_are_ignored(version: str) -> None:
    signature = version + HEADERS["svix-signature"].removeprefix("v1")
    with pytest.raises(errors.SignatureError) as caught:
        WEBHOOK.verify(BODY, {**HEADERS, "svix-signature": signature})
    assert caught.value.step == "signature"


@pytest.mark.parametrize("name", HEADERS)
def test_missing_header_is_a_signature_error(name: str) -> None:
    headers = {one: value for one, value in HEADERS.items() if one != name}
    with pytest.raises(errors.SignatureError, match="svix-id, svix-timestamp and") as caught:
        WEBHOOK.verify(BODY, headers)
    assert caught.value.step == "headers"


@pytest.mark.parametrize("name", ["svix-id", "svix-timestamp"])
def test_repeated_header_with_another_value_is_a_signature_error(name: str) -> None:
    with pytest.raises(errors.SignatureError, match="is repeated"):
        WEBHOOK.verify(BODY, [*HEADERS.items(), (name, "7")])


@pytest.mark.parametrize(
    "timestamp", ["", "x", "1.5", "-1", "+1", "1e9", "0x10", "\u0661", " ", "9" * 12, "9" * 9000]
)
def test_malformed_timestamp_is_a_signature_error(timestamp: str) -> None:
    headers = {**HEADERS, "svix-timestamp": timestamp}
    headers["svix-signature"] = "v1,AAAA"
    with pytest.raises(errors.SignatureError):
        WEBHOOK.verify(BODY, headers)


@given(place=st.integers(0, len(BODY) * 8 - 1))
def test_any_flipped_bit_of_the_body_is_noticed(place: int) -> None:
    body = bytearray(BODY)
    body[place // 8] ^= 1 << place % 8
    with pytest.raises(errors.SignatureError) as caught:
        WEBHOOK.verify(bytes(body), HEADERS)
    assert caught.value.body == bytes(body)


@given(name=st.sampled_from(sorted(HEADERS)), data=st.data())
def test_any_changed_character_of_a_header_is_noticed(name: str, data: st.DataObject) -> None:
    value = HEADERS[name]
    place = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters())
    changed = value[:place] + other + value[place + 1 :]
    assume(changed.strip() != value)
    with pytest.raises(errors.WebhookError):
        WEBHOOK.verify(BODY, {**HEADERS, name: changed})


@given(
    body=st.binary(max_size=200),
    headers=st.dictionaries(
        st.sampled_from([*HEADERS, "webhook-id", "webhook-timestamp", "webhook-signature", "x"]),
        st.text(max_size=60) | st.sampled_from([*HEADERS.values()]),
    ),
    size=st.sampled_from([1, 1, 1, 5000]),
)
def test_arbitrary_requests_raise_webhook_errors_only(
    body: bytes, headers: dict[str, str], size: int
) -> None:
    large = {name: value * size for name, value in headers.items()}
    with pytest.raises(errors.WebhookError):
        WEBHOOK.verify(body, large)


@given(body=st.binary(max_size=300), delivery_id=st.text(min_size=1, max_size=80).map(str.strip))
def test_signed_bodies_are_events_or_unreadable(body: bytes, delivery_id: str) -> None:
    assume(delivery_id)
    headers = WEBHOOK.sign(body, delivery_id=delivery_id)
    with raises_only(errors.UnreadableEventError):
        assert WEBHOOK.receive(body, headers).id == delivery_id


@pytest.mark.parametrize("seconds", [301, 86_400, 10**9])
@pytest.mark.parametrize("direction", [1, -1])
def test_delivery_outside_the_tolerance_is_signed_but_refused(seconds: int, direction: int) -> None:
    now = NOW + timedelta(seconds=seconds * direction)
    with pytest.raises(errors.DeliveryTimestampError) as caught:
        WEBHOOK.verify(BODY, HEADERS, now=now)
    assert (caught.value.sent_at, caught.value.received_at) == (NOW, now)
    assert ("old" if direction > 0 else "in the future") in str(caught.value)
    assert WEBHOOK.receive(BODY, HEADERS, now=NOW + direction * timedelta(minutes=5)).id == "msg_1"


def test_tolerance_can_be_chosen() -> None:
    patient = Webhook(SECRET, tolerance=timedelta(days=2), clock=lambda: NOW + timedelta(days=1))
    assert patient.receive(BODY, HEADERS).id == "msg_1"


def test_forged_delivery_is_not_called_old() -> None:
    with pytest.raises(errors.SignatureError):
        Webhook(OTHER, clock=lambda: NOW + timedelta(days=1)).verify(BODY, HEADERS)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"\xff", b'{"type": 5'])
def test_signed_body_that_is_no_event_is_unreadable(body: bytes) -> None:
    with pytest.raises(errors.UnreadableEventError) as caught:
        WEBHOOK.verify(body, WEBHOOK.sign(body))
    assert caught.value.body == body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (BODY.decode(), "text may have been decoded and encoded differently"),
        (json.loads(BODY), "JSON that was parsed and written again has other bytes"),
        (WEBHOOK.verify(BODY, HEADERS), "JSON that was parsed and written again"),
        (None, "got NoneType"),
    ],
    ids=["text", "dict", "model", "none"],
)
def test_parsed_body_is_a_type_error(body: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        WEBHOOK.verify(body, HEADERS)


def test_body_may_be_any_bytes_like_object() -> None:
    for body in (bytearray(BODY), memoryview(BODY)):
        assert WEBHOOK.receive(body, HEADERS).body == BODY


def test_very_large_body_is_refused_before_it_is_hashed() -> None:
    body = b" " * (2**20 + 1)
    with pytest.raises(errors.SignatureError, match="must not be larger than 1048576") as caught:
        WEBHOOK.verify(body, WEBHOOK.sign(body))
    assert caught.value.step == "body"


@pytest.mark.parametrize("headers", [None, ["a: b"], 5, [("a",)], "svix-id"])
def test_anything_but_headers_is_a_type_error(headers: Any) -> None:
    with pytest.raises(TypeError, match="headers: expected a mapping or pairs"):
        WEBHOOK.verify(BODY, headers)


@pytest.mark.parametrize("secret", [SECRET.encode(), f" {SECRET}\n", f"{SECRET[6:]}\n"])
def test_secret_of_a_file_or_in_bytes_is_accepted(secret: Any) -> None:
    assert Webhook(secret, clock=lambda: NOW).receive(BODY, HEADERS).id == "msg_1"


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        ((), "pass the signing secret of the endpoint"),
        (("whsec_",), "must not be empty"),
        ((b"",), "must not be empty"),
        (("whsec_%%%",), "whsec_ and Base64"),
        (("not base64",), "whsec_ and Base64"),
        ((SECRET, "whsec_\u20ac"), "whsec_ and Base64"),
    ],
)
def test_invalid_secret_is_refused_without_showing_it(secrets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Webhook(*secrets)
    assert "%%%" not in str(caught.value)


def test_other_invalid_settings_are_refused() -> None:
    with pytest.raises(TypeError, match="expected a str or bytes, got NoneType"):
        Webhook(cast("Any", None))
    with pytest.raises(ValueError, match="tolerance must be positive"):
        Webhook(SECRET, tolerance=timedelta())
    with pytest.raises(TypeError, match="tolerance must be a timedelta"):
        Webhook(SECRET, tolerance=cast("Any", 300))
    with pytest.raises(TypeError, match="must be a datetime, not float"):
        Webhook(SECRET, clock=cast("Any", lambda: 1.0)).verify(BODY, HEADERS)
    with pytest.raises(ValueError, match="has no time zone"):
        WEBHOOK.verify(BODY, HEADERS, now=datetime(2026, 11, 29, 12))


def test_tracebacks_show_neither_secrets_nor_valid_signatures() -> None:
    def local_variables(error: BaseException) -> str:
        frames = traceback.StackSummary.extract(
            traceback.walk_tb(error.__traceback__), capture_locals=True
        )
        return " ".join(str(frame.locals) for frame in frames if "tests" not in frame.filename)

    broken = "whsec_broken!!broken"
    with pytest.raises(ValueError, match="whsec_ and Base64") as invalid:
        Webhook(broken)
    assert broken not in local_variables(invalid.value)
    with pytest.raises(errors.SignatureError) as forged:
        WEBHOOK.verify(BODY, {**HEADERS, "svix-signature": "v1,AAAA"})
    text = local_variables(forged.value)
    assert HEADERS["svix-signature"][3:] not in text
    assert repr(KEY) not in text


def test_repr_shows_no_secret() -> None:
    from rich.pretty import pretty_repr

    for text in (repr(WEBHOOK), str(WEBHOOK), pretty_repr(WEBHOOK)):
        assert SECRET[6:] not in text
        assert repr(KEY) not in text
        assert "Webhook" in text
    assert BODY.decode(errors="replace")[:20] not in repr(WEBHOOK.receive(BODY, HEADERS))


def test_strict_webhook_refuses_deviations() -> None:
    body = b'{"type":"charging_sub_session.ended","timestamp":"2026-11-29T12:00:00Z","data":{}}'
    found: list[Any] = []
    lenient = Webhook(SECRET, clock=lambda: NOW, on_drift=found.append)
    assert lenient.verify(body, lenient.sign(body)).type == "charging_sub_session.ended"
    assert found
    strict = Webhook(SECRET, clock=lambda: NOW, strict=True)
    with pytest.raises(errors.UnreadableEventError) as caught:
        strict.verify(body, strict.sign(body))
    assert caught.value.is_deviation
