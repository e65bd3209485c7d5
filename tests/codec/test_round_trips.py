"""Models written as JSON and read again are equal, without loss and without reports."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import sys
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ev_energy import Client, Ref
from ev_energy._codec import lenient
from ev_energy._codec.decode import decode
from ev_energy._codec.drift import Reporter
from ev_energy.models import (
    EVSE,
    CarbonIntensity,
    EVSEModel,
    GeoJsonPolygon,
    Supplier,
    TariffDetail,
    UsageInterval,
    User,
    VehicleReconnectionUrl,
)
from ev_energy.models._base import Model
from tests.helpers.spec.compare import tree
from tests.helpers.strategies import MODELS, legal, replies, shape_of

some = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
#: The fast tier tests the first model of each shape.
one_of_each_shape = pytest.mark.matrix("model", of=lambda model: sorted(shape_of(model)))

ROOT = "https://api.ev.energy/v2"
DATA: dict[str, Any] = {
    "id": "evse01",
    "url": f"{ROOT}/evses/evse01",
    "cpid": "SHIR1",
    "model": {"id": "emod01", "url": f"{ROOT}/evse_models/emod01", "name": "EVWC", "make": "m"},
    "user": f"{ROOT}/users/user01",
    "lock_mode": "SMART",
    "new": {"a": [1]},
}

COPIES: dict[str, Callable[[Any], Any]] = {
    "attrs.evolve": attrs.evolve,
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda one, protocol=protocol: pickle.loads(
            pickle.dumps(one, protocol)
        )
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}
if sys.version_info >= (3, 13):
    COPIES["copy.replace"] = copy.replace
every_copy = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


def refuse(*_: object) -> None:
    raise AssertionError("the lenient decoder was used")


@one_of_each_shape
@every_model
def test_valid_reply_survives_a_round_trip_through_the_strict_decoder(
    model: type[Model], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lenient, "convert_in_steps", refuse)
    strict = Reporter(strict=True)

    @some
    @given(legal(model))
    def check(sent: dict[str, Any]) -> None:
        read = decode(json.dumps(sent).encode(), model, strict)
        text = json.dumps(read.to_dict())
        assert tree(model.from_dict(read.to_dict())) == tree(read)
        assert tree(decode(text.encode(), model, strict)) == tree(read)
        assert json.dumps(model.from_dict(json.loads(text)).to_dict()) == text

    with caplog.at_level(logging.WARNING, logger="ev_energy.drift"):
        check()
    assert caplog.records == []


@one_of_each_shape
@every_model
def test_arbitrary_reply_survives_a_round_trip(model: type[Model]) -> None:
    @some
    @given(replies(model))
    def check(sent: dict[str, Any]) -> None:
        read = model.from_dict(sent)
        assert tree(model.from_dict(json.loads(json.dumps(read.to_dict())))) == tree(read)

    check()


@one_of_each_shape
@every_model
def test_copy_of_a_model_is_equal_and_writes_the_same_json(model: type[Model]) -> None:
    @settings(some, max_examples=2)
    @given(replies(model), st.sampled_from(list(COPIES)))
    def check(sent: dict[str, Any], name: str) -> None:
        read = model.from_dict(sent)
        copied = COPIES[name](read)
        assert tree(copied) == tree(read)
        assert copied.to_dict() == read.to_dict()

    check()


@every_copy
def test_copy_keeps_unknown_fields_and_links(copied: Callable[[Any], Any]) -> None:
    evse = copied(EVSE.from_dict(DATA))
    assert evse.extra == {"new": {"a": [1]}}
    assert evse.user.url == f"{ROOT}/users/user01"
    assert evse.model.value.name == "EVWC"
    assert evse.to_dict() == DATA
    without = copied(EVSE.from_dict({**DATA, "new": None}))
    assert without.extra == {"new": None}
    plain = copied(EVSE.from_dict({n: v for n, v in DATA.items() if n != "new"}))
    assert plain.extra == {}
    assert "extra" not in repr(plain)


@every_copy
def test_copy_of_a_subclass_has_the_same_class(copied: Callable[[Any], Any]) -> None:
    detail = copied(TariffDetail.from_dict({"id": "t", "prices": f"{ROOT}/x", "new": 1}))
    assert type(detail) is TariffDetail
    assert detail.extra == {"new": 1}
    assert detail.prices == f"{ROOT}/x"


class Noted(EVSE):
    """A subclass of a user with an attribute that is no field."""

    note: str


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_keeps_the_attributes_of_a_subclass(protocol: int) -> None:
    evse = Noted(id="e", url="u", cpid="c", extra={"new": 1})  # type: ignore[call-arg]  # as attrs
    object.__setattr__(evse, "note", "mine")
    for copied in (pickle.loads(pickle.dumps(evse, protocol)), copy.copy(evse)):
        assert copied == evse
        assert copied.note == "mine"
        assert copied.extra == {"new": 1}


@attrs.frozen(kw_only=True)
class Extended(EVSE):
    """A subclass of a user with a field of its own."""

    more: int = 0


def test_evolve_of_an_attrs_subclass_keeps_unknown_fields() -> None:
    one = Extended(id="e", url="u", cpid="c", more=3, extra={"new": 1})  # type: ignore[call-arg]
    other = attrs.evolve(one, cpid="d")
    assert (other.cpid, other.more, other.extra) == ("d", 3, {"new": 1})


def test_evolve_changes_links_and_unknown_fields() -> None:
    evse = EVSE.from_dict(DATA)
    moved: EVSE = attrs.evolve(evse, user=Ref(f"{ROOT}/users/u2", User))
    assert moved.user is not None
    assert moved.user.id == "u2"
    assert moved.model == evse.model
    assert moved.to_dict() == {**DATA, "user": f"{ROOT}/users/u2"}
    changed: EVSE = attrs.evolve(evse, extra={"newer": 2})  # type: ignore[call-arg, misc]  # alias
    assert changed.extra == {"newer": 2}
    assert changed != evse
    assert attrs.evolve(evse, extra={}).extra == {}  # type: ignore[call-arg, misc]  # as above
    assert evse.to_dict() == DATA


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cpidd": "x"}, "unexpected keyword argument 'cpidd'"),
        ({"extra": {"cpid": "x"}}, r"EVSE\(\) has cpid, which extra must not contain"),
        ({"extra": [1]}, r"EVSE\(\) expects a mapping as extra, not list"),
        ({"extra": None}, r"EVSE\(\) expects a mapping as extra, not NoneType"),
        ({"_extra": {"new": 1}}, "unexpected keyword argument '_extra'"),
    ],
)
def test_evolve_refuses_names_that_are_no_fields(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        attrs.evolve(EVSE.from_dict(DATA), **changes)


def test_fields_named_extra_are_unknown_fields() -> None:
    for odd in ({"_extra": {"a": 1}}, {"_extra": "a"}, {"extra": {"a": 1}}, {"_extra": None}):
        evse = decode(json.dumps({**DATA, **odd}).encode(), EVSE, Reporter())
        assert evse.extra == {"new": {"a": [1]}, **odd}
        assert evse.to_dict() == {**DATA, **odd}
        assert EVSE.from_dict(evse.to_dict()) == evse
        assert attrs.evolve(evse).extra == evse.extra


def test_empty_extra_cannot_be_changed() -> None:
    evse = EVSE.from_dict({"id": "e", "url": "u", "cpid": "c"})
    writable: Any = evse.extra
    for write in (
        lambda: writable.update(a=1),
        lambda: writable.setdefault("a", 1),
        lambda: writable.__setitem__("a", 1),
    ):
        with pytest.raises(TypeError, match="fields of a reply cannot be changed"):
            write()
    assert EVSEModel.from_dict({"id": "m"}).extra == {}


def test_link_can_be_pickled_by_every_protocol() -> None:
    link = Ref(f"{ROOT}/users/u", User)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(link, protocol))
        assert (again, again.url, again.into) == (link, link.url, User)


def test_asdict_has_known_and_unknown_fields() -> None:
    made = attrs.asdict(GeoJsonPolygon(coordinates=()))
    assert made == {"type": "Polygon", "coordinates": (), "_extra": {}}
    assert json.loads(json.dumps(made))["_extra"] == {}
    assert attrs.asdict(EVSE.from_dict(DATA))["_extra"] == {"new": {"a": [1]}}


def test_required_field_with_none_is_written_as_null() -> None:
    supplier = Supplier(id="s", url="u", name="Acme", icon=None)
    assert supplier.to_dict() == {"id": "s", "url": "u", "name": "Acme", "icon": None}
    assert Supplier.from_dict(supplier.to_dict()) == supplier


def test_missing_required_field_stays_missing() -> None:
    one = CarbonIntensity.from_dict({"interval_seconds": 1800})
    assert one.to_dict() == {"interval_seconds": 1800}


@pytest.mark.parametrize(
    "sent",
    [
        None,
        {"price": "21.3", "energy_delivered_watt_hours": 1800},
        [{"price": "21.3", "energy_delivered_watt_hours": 1800}],
        [{"price": "21.3"}, {"price": "0.10", "new": 1}],
        {"price": "21.3", "new": 1},
        [],
        [{}],
        {},
    ],
)
@every_copy
def test_energy_by_price_is_written_in_the_received_shape(
    copied: Callable[[Any], Any], sent: Any
) -> None:
    written = {} if sent is None else {"energy_delivered_by_price": sent}
    for links in (True, False):
        body = json.dumps({"energy_delivered_by_price": sent}).encode()
        interval = decode(body, UsageInterval, Reporter(), expanded=links)
        assert copied(interval).to_dict() == written
        assert UsageInterval.from_dict(interval.to_dict()) == interval
        if sent is not None:
            assert isinstance(interval.energy_delivered_by_price, tuple)
    odd = UsageInterval.from_dict({"energy_delivered_by_price": sent, "interval_seconds": "odd"})
    assert copied(odd).to_dict() == {**written, "interval_seconds": "odd"}


def test_field_with_an_alias_survives_a_round_trip() -> None:
    for sent in (
        {"url": "u", "expiry": "2026-01-01T00:00:00Z"},
        {"url": "u", "expires_at": "2026-01-01T00:00:00Z"},
        {"url": "u", "expires_at": "2026-01-01T00:00:00Z", "expiry": "2027-01-01T00:00:00Z"},
        {"url": "u", "expires_at": None, "expiry": "2027-01-01T00:00:00Z"},
        {"url": "u", "expires_at": None, "expiry": "soon"},
        {"url": "u", "expiry": None},
    ):
        link = VehicleReconnectionUrl.from_dict(sent)
        again = VehicleReconnectionUrl.from_dict(link.to_dict())
        assert tree(again) == tree(link)
        assert again.to_dict() == link.to_dict()
        assert attrs.evolve(link) == link


def test_unknown_enum_value_is_reported_once_and_then_read_strictly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent = {"id": "evse01", "url": "u", "cpid": "c", "lock_mode": "HALF_OPEN"}
    with caplog.at_level(logging.WARNING, logger="ev_energy.drift"):
        first = EVSE.from_dict(sent)
        monkeypatch.setattr(lenient, "convert_in_steps", refuse)
        again = EVSE.from_dict(first.to_dict())
    assert tree(again) == tree(first)
    assert len(caplog.records) <= 1  # another test may have caused the report


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (None, TypeError, r"EVSE.from_dict\(\) expects a JSON object, not NoneType"),
        (5, TypeError, "not int"),
        ("{}", TypeError, "not str"),
        (b"{}", TypeError, "not bytes"),
        ([("id", "e")], TypeError, "not list"),
        ({1: "x"}, TypeError, "expects strings as keys, not 1"),
        ({"new": {None: 1}}, TypeError, "expects strings as keys, not None"),
        ({"new": [{"a": ({b"b": 1},)}]}, TypeError, "expects strings as keys, not b'b'"),
    ],
)
def test_from_dict_refuses_other_types_than_json_objects(
    data: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        EVSE.from_dict(data)


def test_from_dict_refuses_deep_nesting() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    cyclic: dict[str, Any] = {}
    cyclic |= {"a": cyclic, "b": [cyclic]}
    mapped: Any = {}
    for _ in range(200):
        mapped = MappingProxyType({"a": mapped})
    for data in (deep, cyclic, {"new": mapped}):
        with pytest.raises(ValueError, match="nested too deeply"):
            EVSE.from_dict(data)
    while deep:  # otherwise, the interpreter would free it recursively
        deep = deep.pop("a")


async def test_json_written_by_a_model_is_read_by_a_strict_client(
    serve: Callable[..., Any],
) -> None:
    replies_of: list[Any] = [
        {
            "id": "sply01",
            "url": f"{ROOT}/suppliers/sply01",
            "name": "Acme",
            "icon": None,
        }
    ]

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(replies_of[-1])

    server = await serve(answer)
    async with server.client(strict=True) as client:
        supplier = await client.suppliers.get("sply01")
        replies_of.append(supplier.to_dict())
        assert await client.suppliers.get("sply01") == supplier
    assert replies_of[0] == replies_of[1]
    assert isinstance(client, Client)
