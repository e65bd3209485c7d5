"""Values of a reply are read exactly, also beside values that deviate from the models."""

from __future__ import annotations

import decimal
import json
import logging
from decimal import Decimal
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ev_energy.models as m
from ev_energy import errors, webhooks
from ev_energy._codec.decode import decode
from ev_energy._codec.drift import Drift, DriftDetected, DriftKind, Reporter
from ev_energy._codec.fields import fields_of, is_model, union_args
from ev_energy.models._base import Model
from tests.helpers.raw_replies import reply
from tests.helpers.strategies import shape_of

LONG = "0.1234567890123456789"
MODULES = [import_module(f"{m.__name__}.{found.name}") for found in iter_modules(m.__path__)]
MODELS = sorted(
    {
        cls
        for module in MODULES
        for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, Model) and cls is not Model
    },
    key=lambda cls: cls.__name__,
)


def prices(cls: type[Model]) -> list[str]:
    return [n for n, member in fields_of(cls).items() if decimal.Decimal in union_args(member.type)]


WITH_PRICES = [cls for cls in MODELS if prices(cls)]
#: Additions to an object that make the lenient decoder read it.
DEVIATIONS = {
    "none": "",
    "an unknown member": ',"unknown":1.5',
    "a wrong type": ',"%s":[[]]',
}
ORDINARY = st.from_regex(
    r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
).filter(lambda text: text != "-0")  # JSON reads -0 as an integer, which has no negative zero


def read_all(cls: type[Model], number: str) -> list[Any]:
    """Return *number* as each price of *cls*, with each deviation, in an object and in a list."""
    names = prices(cls)
    other = next(name for name in fields_of(cls) if name not in names)
    found: list[Any] = []
    for deviation in DEVIATIONS.values():
        odd = deviation % other if "%" in deviation else deviation
        body = "{" + ",".join(f'"{name}":{number}' for name in names) + odd + "}"
        found.append(decode(body.encode(), cls, Reporter()))
        page = f"[{body},{{}}]".encode()
        found.append(decode(page, cls, Reporter(), as_list=True)[0])
    return [getattr(one, name) for one in found for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("cls", WITH_PRICES, ids=lambda cls: cls.__name__)
@settings(max_examples=30, deadline=None)
@given(ORDINARY)
def test_prices_are_exact_in_replies_with_deviations(cls: type[Model], number: str) -> None:
    for spelling in (number, json.dumps(number)):
        for value in read_all(cls, spelling):
            assert isinstance(value, Decimal)
            assert value.as_tuple() == Decimal(number).as_tuple()


@pytest.mark.parametrize(
    "deviation", ['"unknown": 1', '"start": 5', '"labels": 7', '"vehicle": 0.5']
)
@pytest.mark.parametrize("spelling", [LONG, f'"{LONG}"', "0.10", '"0.10"', "1.0", "12"])
async def test_prices_of_a_page_are_exact(raw_server, deviation: str, spelling: str) -> None:
    plain = f'{{"id":"a","url":"u","grid_energy_delivered":{spelling}}}'
    odd = f'{{"id":"a","url":"u","grid_energy_delivered":{spelling},{deviation}}}'
    server = await raw_server(reply(f"[{plain},{odd},{plain}]".encode()), reply(odd.encode()))
    async with server.client() as client:
        items = (await client.charging_sub_sessions.list().page()).items
        one = await client.charging_sub_sessions.get("a")
    values = [item.grid_energy_delivered for item in [*items, one]]
    assert {str(value) for value in values} == {spelling.strip('"')}
    assert {type(value) for value in values} == {Decimal}


def test_unknown_numbers_are_floats_in_both_passes() -> None:
    for odd in ("", ',"start":5'):
        body = f'{{"id":"a","url":"u","x":{LONG},"y":{{"z":[{LONG}]}}{odd}}}'.encode()
        found = decode(body, m.ChargingSubSession, Reporter())
        assert found.extra == {"x": float(LONG), "y": {"z": [float(LONG)]}}
        assert type(found.extra["x"]) is float
        json.dumps(found.to_dict())


def test_decimal_given_to_from_dict_is_unchanged() -> None:
    found = m.PriceSummary.from_dict({"price": Decimal("0.10"), "times": 5, "mine": Decimal(1)})
    assert str(found.price) == "0.10"
    assert found.extra["mine"] == Decimal(1)
    assert type(found.extra["mine"]) is Decimal


NOT_NUMBERS = [
    *("NaN", "sNaN", "-NaN", "nan123", "Infinity", "-inf", "1e999999999"),
]


@pytest.mark.matrix("text", "deviation")
@pytest.mark.parametrize("deviation", DEVIATIONS.values(), ids=DEVIATIONS)
@pytest.mark.parametrize("text", NOT_NUMBERS)
@pytest.mark.parametrize("cls", WITH_PRICES, ids=lambda cls: cls.__name__)
def test_non_numeric_price_is_kept_as_text(cls: type[Model], text: str, deviation: str) -> None:
    names = prices(cls)
    other = next(name for name in fields_of(cls) if name not in names)
    odd = deviation % other if "%" in deviation else deviation
    body = ("{" + ",".join(f'"{name}":"{text}"' for name in names) + odd + "}").encode()
    drifts: list[Drift] = []
    one, two = (decode(body, cls, Reporter(drifts.append)) for _ in range(2))
    reported = {(d.model, d.member, d.kind) for d in drifts}
    # The API declares some prices as arbitrary text.
    free = any(str in union_args(fields_of(cls)[name].type) for name in names)
    for name in names:
        assert getattr(one, name) == text
        assert free or (cls.__name__, name, DriftKind.WRONG_TYPE) in reported
    assert one == two
    assert hash(one) == hash(two)
    json.dumps(one.to_dict(), allow_nan=False)
    if odd or not free:
        with pytest.raises(DriftDetected, match="wrong type|unknown member|missing member"):
            decode(body, cls, Reporter(strict=True))


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("member", ["grid_energy_delivered", "cpid", "unknown", "labels"])
async def test_nan_and_infinity_become_text(raw_server, token: str, member: str) -> None:
    first = r'{"id":"a","url":"u","text":"NaN \\\" NaN"}'
    body = f'[{first},{{"id":"b","url":"u","{member}":{token}}}]'
    server = await raw_server(reply(body.encode()))
    async with server.client() as client:
        fine, second = (await client.charging_sub_sessions.list().page()).items
        assert fine.extra["text"] == 'NaN \\" NaN'
        assert {**second.to_dict(), **second.extra}[member] == token
        hash(second)
    async with server.client(strict=True) as client:
        with pytest.raises(errors.DecodeError):
            await client.charging_sub_sessions.list().page()


def test_huge_numbers_as_prices_are_kept_as_text() -> None:
    for text in ("1e999999999", "-1e400", "1e99999999999999999999999"):
        for odd in ("", ',"unknown":1', ',"times":5'):
            body = f'{{"price":{text}{odd}}}'.encode()
            found = decode(body, m.PriceSummary, Reporter())
            assert not isinstance(found.price, Decimal)
            assert found == decode(body, m.PriceSummary, Reporter())
            hash(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
) | st.sampled_from(["NaN", "sNaN", "Infinity"])


@pytest.mark.matrix("cls", of=lambda cls: sorted(shape_of(cls)))
@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
def test_decoded_models_can_be_compared_and_hashed(cls: type[Model]) -> None:
    names = sorted(fields_of(cls))

    @settings(max_examples=10, deadline=None)
    @given(st.dictionaries(st.sampled_from([*names, "unknown"]), JSON, max_size=5))
    def check(data: dict[str, Any]) -> None:
        body = json.dumps(data).encode()
        one, two = (decode(body, cls, Reporter()) for _ in range(2))
        assert one == two
        assert hash(one) == hash(two)
        assert len({one, two}) == 1

    logging.disable(logging.CRITICAL)
    try:
        check()
    finally:
        logging.disable(logging.NOTSET)


EVSE_JSON = '{"id":"e","url":"u","cpid":"A\u00e9"}'
ENCODED = {
    "UTF-8": b"\xef\xbb\xbf" + EVSE_JSON.encode(),
    "UTF-16": EVSE_JSON.encode("utf-16"),
    "UTF-16, the other way": b"\xfe\xff" + EVSE_JSON.encode("utf-16-be"),
    "UTF-32": EVSE_JSON.encode("utf-32"),
}
BROKEN_TEXT = {
    "a high surrogate": (b"broken \\ud83d", "broken \ufffd"),
    "a low surrogate": (b"\\uDE00 broken", "\ufffd broken"),
    "two high ones": (b"\\ud83d\\ud83d\\ude00", "\ufffd\U0001f600"),
    "after a backslash": (b"\\\\\\ud83d\\\\ud83d", "\\\ufffd\\ud83d"),
    "bytes": (b"broken \xf0\x9f", "broken \ufffd"),
    "a surrogate in bytes": (b"\xed\xa0\xbd", "\ufffd\ufffd\ufffd"),
}


@pytest.mark.parametrize("body", ENCODED.values(), ids=ENCODED)
async def test_byte_order_mark_is_left_out(raw_server, body: bytes) -> None:
    drifts: list[Drift] = []
    server = await raw_server(reply(body))
    async with server.client(on_drift=drifts.append) as client:
        evse = await client.evses.get("e")
    assert evse.cpid == "A\u00e9"
    assert [(drift.kind, drift.model) for drift in drifts] == [(DriftKind.INVALID_TEXT, "EVSE")]
    assert "byte order mark" in str(drifts[0].value)
    async with server.client(strict=True) as client:
        with pytest.raises(errors.DecodeError, match="invalid text EVSE"):
            await client.evses.get("e")


@pytest.mark.parametrize("member", ["cpid", "unknown", "time_zone", "user", "vendor"])
@pytest.mark.parametrize(("broken", "repaired"), BROKEN_TEXT.values(), ids=BROKEN_TEXT)
async def test_lone_surrogate_is_replaced(
    raw_server, member: str, broken: bytes, repaired: str
) -> None:
    fine = b'{"id":"a","url":"u","cpid":"fine"}'
    odd = b'{"id":"b","url":"u","cpid":"c","%b":"%b"}' % (member.encode(), broken)
    drifts: list[Drift] = []
    server = await raw_server(reply(b"[" + fine + b"," + odd + b"]"))
    async with server.client(on_drift=drifts.append) as client:
        first, second = await client.evses.list().collect()
    assert (first.id, first.cpid) == ("a", "fine")
    text = {**second.to_dict(), **second.extra}[member]
    assert text == repaired
    text.encode()
    [drift] = [drift for drift in drifts if drift.kind is DriftKind.INVALID_TEXT]
    assert (drift.path, drift.member) == (f"$[1].{member}", member)
    async with server.client(strict=True) as client:
        with pytest.raises(errors.DecodeError):
            await client.evses.list().page()


async def test_lone_surrogate_in_an_envelope_is_replaced(raw_server) -> None:
    body = b'{"url":"\\ud800","carbon_intensities":[{"x":"\\ud800"}]}'
    server = await raw_server(reply(body))
    async with server.client() as client:
        page = await client.carbon_feeds.carbon_intensities("feed").page()
    assert page.envelope == {"url": "\ufffd"}
    assert page.items[0].extra == {"x": "\ufffd"}


PROBLEM = b'{"title":"No","detail":"%b","field_errors":{"a":["%b"]}}' % (
    BROKEN_TEXT["bytes"][0],
    b"\\ud800",
)


@pytest.mark.parametrize(
    "body", [PROBLEM, b"\xef\xbb\xbf" + PROBLEM], ids=["broken", "with a byte order mark"]
)
@pytest.mark.parametrize("strict", [False, True])
async def test_problem_document_is_repaired(raw_server, body: bytes, strict: bool) -> None:
    drifts: list[Drift] = []
    server = await raw_server(reply(body, status="404 Not Found"))
    async with server.client(on_drift=drifts.append, strict=strict) as client:
        with pytest.raises(errors.NotFoundError) as caught:
            await client.evses.get("e")
    assert caught.value.detail == "broken \ufffd"
    assert caught.value.field_errors == {"a": ["\ufffd"]}
    str(caught.value).encode()
    assert [(drift.model, drift.kind) for drift in drifts] == [
        ("ProblemDetail", DriftKind.INVALID_TEXT)
    ]


async def test_token_reply_is_repaired(raw_server) -> None:
    from ev_energy import ClientCredentials

    token = (
        b'\xef\xbb\xbf{"access_token":"a-token-12345","token_type":"Bearer","expires_in":3600,'
        b'"note":"\\ud800"}'
    )
    drifts: list[Drift] = []
    server = await raw_server(reply(token), reply(EVSE_JSON.encode()))
    auth = ClientCredentials(client_id="a", client_secret="b-secret")
    from ev_energy import Client

    async with Client(auth, base_url=server.url, on_drift=drifts.append) as client:
        assert (await client.evses.get("e")).id == "e"
    assert [(drift.model, drift.kind) for drift in drifts] == [("Token", DriftKind.INVALID_TEXT)]


EVENT = (
    b'{"type":"%b","timestamp":"2026-01-01T00:00:00Z",'
    b'"data":{"id":"a","url":"u","zzz":"\\ud83d","grid_energy_delivered":0.10}}'
)


@pytest.mark.parametrize("type_", [b"charging_sub_session.ended", b"something.else"])
@pytest.mark.parametrize("spelling", ["bytes", "mark", "text", "text with a mark", "raw half"])
def test_delivery_is_repaired(type_: bytes, spelling: str) -> None:
    event = EVENT % type_
    body: bytes | str = {
        "bytes": event,
        "mark": b"\xef\xbb\xbf" + event,
        "text": event.decode(),
        "text with a mark": "\ufeff" + event.decode(),
        "raw half": event.decode().replace("\\ud83d", "\ud83d"),
    }[spelling]
    drifts: list[Drift] = []
    found = webhooks.read(body, on_drift=drifts.append)
    data: Any = found.data
    values = data if isinstance(data, dict) else {**data.to_dict(), **data.extra}
    assert values["zzz"] == "\ufffd"
    assert str(values["grid_energy_delivered"]) in {"0.10", "0.1"}
    assert DriftKind.INVALID_TEXT in {drift.kind for drift in drifts}
    with pytest.raises(errors.UnreadableEventError):
        webhooks.read(body, strict=True)


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=60) | st.text(st.sampled_from('\\ud83dE00"NaInfity-[]{}:,')).map(str.encode)
)
def test_repair_does_not_change_valid_json(body: bytes) -> None:
    from ev_energy.models._json import loads, repair_json, run_to_end

    found = run_to_end(repair_json(body))
    try:
        parsed = loads(body)
    except (ValueError, RecursionError):
        if found is not None:
            found.body.decode()
        return
    assert found is None or loads(found.body) == parsed


def test_models_with_free_form_fields_hash_by_their_contents() -> None:
    assert is_model(m.EVSE)
    one = m.EVSEOCPPLog.from_dict({"url": "u", "payload": {"a": [1, {"b": None}]}})
    two = m.EVSEOCPPLog.from_dict({"url": "u", "payload": {"a": [1, {"b": None}]}})
    assert one == two
    assert len({one, two}) == 1
