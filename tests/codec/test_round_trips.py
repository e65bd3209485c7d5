"""Models as JSON and back: equal, silent, by the strict pass, and nothing lost on the way."""

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
from tests.helpers.strategies import MODELS, legal, replies

some = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)

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
    raise AssertionError("the lenient pass was used")


@every_model
def test_a_legal_reply_goes_to_json_and_back_silently_and_by_the_strict_pass(
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


@every_model
def test_any_reply_goes_to_json_and_back_without_a_loss(model: type[Model]) -> None:
    @some
    @given(replies(model))
    def check(sent: dict[str, Any]) -> None:
        read = model.from_dict(sent)
        assert tree(model.from_dict(json.loads(json.dumps(read.to_dict())))) == tree(read)

    check()


@every_model
def test_a_copy_of_any_model_is_equal_and_writes_the_same_json(model: type[Model]) -> None:
    @settings(some, max_examples=2)
    @given(replies(model), st.sampled_from(list(COPIES)))
    def check(sent: dict[str, Any], how: str) -> None:
        read = model.from_dict(sent)
        copied = COPIES[how](read)
        assert tree(copied) == tree(read)
        assert copied.to_dict() == read.to_dict()

    check()


@every_copy
def test_a_copy_keeps_unknown_members_and_links(copied: Callable[[Any], Any]) -> None:
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
def test_a_copy_of_a_subclass_is_one_of_the_subclass(copied: Callable[[Any], Any]) -> None:
    detail = copied(TariffDetail.from_dict({"id": "t", "prices": f"{ROOT}/x", "new": 1}))
    assert type(detail) is TariffDetail
    assert detail.extra == {"new": 1}
    assert detail.prices == f"{ROOT}/x"


class Noted(EVSE):
    """A subclass of a user's, with attributes besides the members."""

    note: str


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_keeps_the_attributes_of_a_subclass(protocol: int) -> None:
    evse = Noted(id="e", url="u", cpid="c", extra={"new": 1})  # type: ignore[call-arg]  # as attrs
    object.__setattr__(evse, "note", "mine")
    for twin in (pickle.loads(pickle.dumps(evse, protocol)), copy.copy(evse)):
        assert twin == evse
        assert twin.note == "mine"
        assert twin.extra == {"new": 1}


@attrs.frozen(kw_only=True)
class Extended(EVSE):
    """A subclass of a user's, with a member of its own."""

    more: int = 0


def test_evolve_of_an_attrs_subclass_keeps_unknown_members() -> None:
    one = Extended(id="e", url="u", cpid="c", more=3, extra={"new": 1})  # type: ignore[call-arg]
    other = attrs.evolve(one, cpid="d")
    assert (other.cpid, other.more, other.extra) == ("d", 3, {"new": 1})


def test_evolve_changes_links_and_unknown_members() -> None:
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
    ("changes", "said"),
    [
        ({"cpidd": "x"}, "unexpected keyword argument 'cpidd'"),
        ({"extra": {"cpid": "x"}}, r"EVSE\(\) has cpid, which extra must not contain"),
        ({"extra": [1]}, r"EVSE\(\) expects a mapping as extra, not list"),
        ({"extra": None}, r"EVSE\(\) expects a mapping as extra, not NoneType"),
        ({"_extra": {"new": 1}}, "unexpected keyword argument '_extra'"),
    ],
)
def test_evolve_refuses_members_that_a_model_does_not_have(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        attrs.evolve(EVSE.from_dict(DATA), **changes)


def test_members_called_like_the_slot_of_unknown_members_are_unknown_members() -> None:
    for odd in ({"_extra": {"a": 1}}, {"_extra": "a"}, {"extra": {"a": 1}}, {"_extra": None}):
        evse = decode(json.dumps({**DATA, **odd}).encode(), EVSE, Reporter())
        assert evse.extra == {"new": {"a": [1]}, **odd}
        assert evse.to_dict() == {**DATA, **odd}
        assert EVSE.from_dict(evse.to_dict()) == evse
        assert attrs.evolve(evse).extra == evse.extra


def test_no_unknown_members_are_none_that_can_be_added() -> None:
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


def test_a_link_can_be_pickled_by_every_protocol() -> None:
    link = Ref(f"{ROOT}/users/u", User)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(link, protocol))
        assert (again, again.url, again.into) == (link, link.url, User)


def test_asdict_has_the_members_and_the_unknown_ones() -> None:
    made = attrs.asdict(GeoJsonPolygon(coordinates=()))
    assert made == {"type": "Polygon", "coordinates": (), "_extra": {}}
    assert json.loads(json.dumps(made))["_extra"] == {}
    assert attrs.asdict(EVSE.from_dict(DATA))["_extra"] == {"new": {"a": [1]}}


def test_required_members_that_are_none_are_written_as_null() -> None:
    supplier = Supplier(id="s", url="u", name="Acme", icon=None)
    assert supplier.to_dict() == {"id": "s", "url": "u", "name": "Acme", "icon": None}
    assert Supplier.from_dict(supplier.to_dict()) == supplier


def test_a_required_member_that_was_missing_stays_missing() -> None:
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
def test_energy_by_price_keeps_the_shape_that_the_api_sent(
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


def test_a_member_under_either_of_its_names_goes_to_json_and_back() -> None:
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


def test_an_unknown_enum_text_is_told_once_and_read_fast_from_then_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent = {"id": "evse01", "url": "u", "cpid": "c", "lock_mode": "HALF_OPEN"}
    with caplog.at_level(logging.WARNING, logger="ev_energy.drift"):
        first = EVSE.from_dict(sent)
        monkeypatch.setattr(lenient, "convert_in_steps", refuse)
        again = EVSE.from_dict(first.to_dict())
    assert tree(again) == tree(first)
    assert len(caplog.records) <= 1  # another test may have met it


@pytest.mark.parametrize(
    ("data", "error", "said"),
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
def test_from_dict_refuses_what_is_no_json_object(
    data: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        EVSE.from_dict(data)


def test_from_dict_refuses_what_nests_too_deeply() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    round_: dict[str, Any] = {}
    round_ |= {"a": round_, "b": [round_]}
    mapped: Any = {}
    for _ in range(200):
        mapped = MappingProxyType({"a": mapped})
    for data in (deep, round_, {"new": mapped}):
        with pytest.raises(ValueError, match="nested too deeply"):
            EVSE.from_dict(data)
    while deep:  # or the interpreter would free it by recursion
        deep = deep.pop("a")


async def test_what_a_strict_client_read_goes_through_one_again(
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
