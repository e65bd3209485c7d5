"""Whatever its formatting, no member of a reply is lost.

The decoder compares the number of keys in the bytes with the number of members in the models.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from typing import Any, Generic, TypeVar

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_energy import Client, Ref, errors
from ev_energy._codec import lenient
from ev_energy._codec.decode import decode
from ev_energy._codec.drift import Reporter
from ev_energy._codec.raw_json import DecodeFailure
from ev_energy.models import EVSE, EnergyDeliveredByPrice, Model, model
from tests.helpers.raw_replies import reply
from tests.helpers.support import TOKEN

ROOT = "https://api.ev.energy/v2"
LOCATION = {"latitude": 51.5, "longitude": -0.1}
REPLY: dict[str, Any] = {
    "id": "evse01",
    "url": f"{ROOT}/evses/evse01",
    "cpid": "SHIR1",
    "model": {"id": "emod01", "url": "u", "name": 'A "1": 2', "make": f"{ROOT}/evse_makes/emak01"},
    "user": f"{ROOT}/users/user01",
    "location": LOCATION,
    "lock_mode": None,
}


def evse(text: str) -> EVSE:
    return decode(text.encode(), EVSE, Reporter())


FORMATS = {
    "compact": lambda data: json.dumps(data, separators=(",", ":")),
    "spaces after": json.dumps,
    "a space before": lambda data: json.dumps(data, separators=(", ", " : ")),
    "many before": lambda data: json.dumps(data, separators=(" ,\t", "\r\n \t:")),
    "a tab before": lambda data: json.dumps(data, separators=(",", "\t:")),
    "a line before": lambda data: json.dumps(data, separators=(",", "\n:")),
    "lines": lambda data: json.dumps(data, indent=2),
    "escapes": lambda data: json.dumps(data).replace('"cpid"', '"\\u0063pid"'),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "unknown", [{"new": 1}, {"a\\": 1}, {'a":b': 1}, {"new": {"id": 1}}, {"é\u2028": ": :"}]
)
def test_unknown_member_is_kept_in_every_format(form: str, unknown: dict[str, Any]) -> None:
    write = FORMATS[form]
    assert evse(write(REPLY)).extra == {}
    assert evse(write({**REPLY, **unknown})).extra == unknown
    assert evse(write({**unknown, **REPLY})).extra == unknown
    inner = evse(write({**REPLY, "location": {**LOCATION, **unknown}}))
    assert inner.location is not None
    assert inner.location.extra == unknown


@pytest.mark.parametrize("missing", ["cpid", "lock_mode", "user", "location"])
def test_unknown_member_does_not_make_up_for_a_missing_one(missing: str) -> None:
    """As where the API renames a field: the reply has as many members as before."""
    data = {name: value for name, value in REPLY.items() if name != missing}
    assert evse(json.dumps({**data, "renamed": 1})).extra == {"renamed": 1}


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\r", " \t ", "\n  ", "\r\n"])
@pytest.mark.parametrize("text", ["no space", "a " * 200, " " * 400, "word " + "x" * 3000])
def test_unknown_member_does_not_hide_behind_space_before_a_colon(space: str, text: str) -> None:
    """A key that is followed by white space must not make up for a key too many."""
    compact = json.dumps({**REPLY, "cpid": text, "new": 1}, separators=(",", ":"))
    assert evse(compact.replace('"cpid":', f'"cpid"{space}:')).extra == {"new": 1}
    assert evse(compact.replace('"new":', f'"new"{space}:')).extra == {"new": 1}


@pytest.mark.parametrize("key", ["a\\", "a\\\\", '\\"', '":', '\\":', '"a":"'])
def test_unknown_member_does_not_hide_behind_escapes(key: str) -> None:
    for data in ({**REPLY, key: 1}, {**REPLY, key: 1, "cpid": '\\":'}, {**REPLY, "cpid": key}):
        compact = json.dumps(data, separators=(",", ":"))
        assert evse(compact).extra == {name: 1 for name in data if name not in REPLY}


def test_repeated_member_is_the_last_and_no_deviation() -> None:
    text = json.dumps(REPLY)[:-1] + ', "cpid": "last"}'
    found = decode(text.encode(), EVSE, Reporter(strict=True))
    assert (found.cpid, found.extra) == ("last", {})


async def test_unknown_member_beside_text_that_looks_like_keys(raw_server) -> None:
    body = json.dumps({**REPLY, "cpid": '{"a": 1, "b" : 2}', "new": '\\":'}).encode()
    server = await raw_server(reply(body, "Content-Type: application/json"))
    async with server.client() as client:
        found = await client.evses.get("evse01")
    assert found.cpid == '{"a": 1, "b" : 2}'
    assert found.extra == {"new": '\\":'}


NAMES = st.sampled_from([*REPLY, "new", "a\\", 'a"', '"', ":", '":', " ", "\u2028", "é"])
VALUES = st.sampled_from(
    [None, 1, "", '":', '\\":', " : ", "\\", '{"a" : 1}', [], {"a": 1}, LOCATION]
)
SPACES = st.text(" \t\r\n", max_size=2)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """JSON of an EVSE with members that are missing, unknown, repeated or null."""
    names = draw(st.lists(NAMES, max_size=10))
    members: list[str] = []
    for name in names:
        is_known = name in REPLY
        value = REPLY[name] if is_known else draw(VALUES)
        if name == "location" and draw(st.booleans()):
            value = {**LOCATION, draw(NAMES): draw(VALUES)}
        written = json.dumps(value, separators=(",", draw(SPACES) + ":" + draw(SPACES)))
        key = json.dumps(name, ensure_ascii=draw(st.booleans()))
        members.append(f"{draw(SPACES)}{key}{draw(SPACES)}:{draw(SPACES)}{written}{draw(SPACES)}")
    return "{" + ",".join(members) + "}"


@settings(max_examples=400, deadline=None)
@given(texts())
def test_every_member_of_a_reply_is_in_its_model(text: str) -> None:
    data = json.loads(text)
    found = decode(f"[{text},{text}]".encode(), EVSE, Reporter(), as_list=True)
    expected, _ = lenient.convert(data, EVSE)
    assert found == [expected, expected]
    assert found[0].extra == expected.extra
    location = data.get("location")
    if location is not None:
        assert found[1].location.extra == {
            name: value for name, value in location.items() if name not in LOCATION
        }


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-Infinity", "sNaN", "1e999", "-1e309"])
def test_number_that_is_no_price_is_kept_as_sent(price: str) -> None:
    items = [{"price": one} for one in ("1.5", price)]
    found = decode(json.dumps(items).encode(), EnergyDeliveredByPrice, Reporter(), as_list=True)
    assert [one.price for one in found] == [Decimal("1.5"), price]


def test_zero_is_a_price_whatever_its_exponent() -> None:
    found = decode(b'{"price": "0e999"}', EnergyDeliveredByPrice, Reporter(strict=True))
    assert found.price == Decimal("0e999")


@model
class Small(Model):
    """A model with one field."""

    id: str


inner_readings: list[Any] = []


@model
class Reading(Model):
    """A model that a user defines, with a step of its own that decodes another one."""

    id: str
    raw: str | None = None
    parts: tuple[Small, ...] = ()
    evse: Ref[EVSE] | None = None

    def __attrs_post_init__(self) -> None:
        if self.raw is not None:
            inner_readings.append(decode(self.raw.encode(), Reading, Reporter()))


@model
class Stepwise(Model):
    """A model with a step in Python, during which other threads run."""

    id: str
    parts: tuple[Small, ...] = ()

    def __attrs_post_init__(self) -> None:
        for _ in range(20):
            pass


@model
class Composed(Model):
    """The same without a step."""

    id: str
    parts: tuple[Small, ...] = ()


@model
class Defaults(Model):
    """A model with default values of every kind."""

    id: str = "none"
    level: int | None = 7
    name: str | None = None
    parts: tuple[Small, ...] = attrs.field(factory=tuple)


@model
class Readings(Model):
    """Models in lists and maps."""

    listed: list[Reading] | None = None
    named: dict[str, Reading] | None = None
    nested: dict[str, list[Reading]] | None = None
    first: Reading | None = None


@model
class Tree(Model):
    """A model that contains itself."""

    name: str
    branches: tuple[Tree, ...] | None = None


@pytest.mark.parametrize("unknown", range(6))
@pytest.mark.parametrize(
    "known",
    [{}, {"id": "a"}, {"level": None}, {"name": None, "parts": []}, {"parts": [{"id": "b"}]}],
)
def test_default_values_do_not_count_as_members(known: dict[str, Any], unknown: int) -> None:
    extra = {f"new{number}": number for number in range(unknown)}
    found = decode(json.dumps({**known, **extra}).encode(), Defaults, Reporter())
    parts = tuple(Small(**part) for part in known.get("parts", ()))
    assert found == Defaults(**{**known, "parts": parts}, extra=extra)


@pytest.mark.parametrize("unknown", range(8))
def test_step_of_an_own_model_may_decode_another(unknown: int) -> None:
    """Neither the members of the inner one nor those of the outer one count for the other."""
    inner_readings.clear()
    extra = {f"new{number}": number for number in range(unknown)}
    parts = [{"id": "part"}] * 2
    inner = {"id": "inner", "parts": parts, **extra}
    outer = {"id": "outer", "parts": parts, "raw": json.dumps(inner)}
    items = [outer, {**outer, **extra}, {"id": "plain"}]
    found = decode(json.dumps(items).encode(), Reading, Reporter(), as_list=True)
    assert [type(one) for one in found] == [Reading] * 3
    assert [one.extra for one in found] == [{}, extra, {}]
    assert {one.id for one in inner_readings} == {"inner"}
    assert [one.extra for one in inner_readings] == [extra] * len(inner_readings)
    for one in (*found[:2], *inner_readings):
        assert one.parts == (Small(id="part"),) * 2


def _is_odd(instance: Any, _: object, value: int) -> None:
    assert type(instance) is Stepping
    assert repr(instance).startswith("Stepping(")
    if value % 2 == 0:
        raise ValueError("number must be odd")


@model
class Stepping(Model):
    """A model whose code looks at what was decoded, changes it, and decodes elsewhere."""

    id: str
    number: int = attrs.field(default=1, validator=_is_odd)
    parts: tuple[Small, ...] = ()
    tags: dict[str, str] = attrs.field(factory=lambda: {"a": "b"})
    by_id: dict[str, Small] = attrs.field(factory=dict)
    anything: Any = attrs.field(factory=lambda: [{"a": {"b": 1}}])
    price: Decimal = Decimal("NaN")
    evse: Ref[EVSE] | None = None

    def __attrs_post_init__(self) -> None:
        assert all(isinstance(part, Small) and part.extra is not None for part in self.parts)
        assert len(set(self.parts)) <= len(self.parts)
        self.tags.setdefault("source", "api")
        self.by_id.update({part.id: part for part in self.parts})
        object.__setattr__(self, "parts", (*self.parts, Small(id="added")))
        with ThreadPoolExecutor(1) as pool:
            body = b'[{"id":"a"},{"id":"b","new":1}]'
            found = pool.submit(decode, body, Small, Reporter(), as_list=True).result(20)
        assert [one.extra for one in found] == [{}, {"new": 1}]


PARTS = [{"id": "p"}, {"id": "q"}]


@pytest.mark.parametrize("unknown", range(6))
@pytest.mark.parametrize(
    "known",
    [{}, {"parts": PARTS}, {"tags": {}, "by_id": {}}, {"parts": PARTS, "anything": {"a": {}}}],
)
def test_code_of_an_own_model_may_look_and_change(known: dict[str, Any], unknown: int) -> None:
    extra = {f"new{number}": number for number in range(unknown)}
    body = json.dumps([{"id": ":x", **known, **extra}, {"id": "y", **extra}]).encode()
    found, other = decode(body, Stepping, Reporter(), as_list=True)
    assert (type(found), found.extra, other.extra) == (Stepping, extra, extra)
    assert [part.id for part in found.parts] == [
        *(p["id"] for p in known.get("parts", ())),
        "added",
    ]
    assert found.by_id.keys() == {part["id"] for part in known.get("parts", ())}
    assert found.tags["source"] == "api"
    assert type(found.price) is Decimal


T = TypeVar("T")
subclasses: list[str] = []
prepared: list[Any] = []
shared: dict[str, int] = {}


@model
class Box(Model, Generic[T]):
    """A model with a type variable."""

    id: str
    item: T


@model
class SmallBox(Box[Small]):
    """The same with a model in its place."""

    count: int | None = None


@model
class Watched(Model):
    """A model that notices its subclasses and new objects."""

    id: str
    count: int | None = None

    def __init_subclass__(cls) -> None:
        subclasses.append(cls.__name__)

    def __attrs_pre_init__(self) -> None:
        prepared.append(self)


@model
class Child(Watched):
    """A subclass of it."""


def _count_up() -> int:
    shared[f"key{len(shared)}"] = 1
    return 1


@model
class Sharing(Model):
    """A model whose default is a map that changes."""

    id: str
    numbers: dict[str, int] = attrs.field(factory=lambda: shared)
    count: int = attrs.field(factory=_count_up)


@model
class Filling(Model):
    """A model that replaces what the JSON does not have."""

    id: str
    padding: str = ""
    one: Small | None = None
    many: tuple[Small, ...] | None = None
    named: dict[str, Small] | None = None

    def __attrs_post_init__(self) -> None:
        part = Small(id="made")
        for name, value in {"one": part, "many": (part,), "named": {"a": part}}.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)


def test_type_variable_of_a_base_is_decoded_to_its_model() -> None:
    found = decode(b'{"id":"a","item":{"id":"b"},"new":1}', SmallBox, Reporter())
    assert type(found.item) is Small
    assert found.extra == {"new": 1}


@pytest.mark.parametrize(
    "body", ['{"id":"a"}', '{"id":"a","count":"1"}', '{"id":"a","new":1}', "{"]
)
def test_own_model_does_not_meet_the_classes_of_the_decoder(body: str) -> None:
    prepared.clear()
    with suppress(DecodeFailure):
        decode(body.encode(), Child, Reporter())
    assert {type(one) for one in prepared} == {Child}
    assert set(subclasses) == {"Child"}
    assert {cls.__name__ for cls in Watched.__subclasses__()} == {"Child"}


@pytest.mark.parametrize("unknown", range(4))
def test_default_that_changes_does_not_hide_members(unknown: int) -> None:
    extra = {f"new{number}": number for number in range(unknown)}
    for _ in range(3):
        assert decode(json.dumps({"id": "a", **extra}).encode(), Sharing, Reporter()).extra == extra


@pytest.mark.parametrize("size", [1, 40_000, 600_000])
@pytest.mark.parametrize("identifier", ["a", ":a"])
@pytest.mark.parametrize("known", [{}, {"one": None, "many": None, "named": None}])
@pytest.mark.parametrize("extra", [{}, {"new": {"id": 1}}])
def test_step_may_replace_what_a_large_reply_does_not_have(
    size: int, identifier: str, known: dict[str, Any], extra: dict[str, Any]
) -> None:
    data = {"id": identifier, "padding": "x" * size, **known, **extra}
    found = decode(json.dumps(data).encode(), Filling, Reporter())
    assert found.extra == extra
    assert found.one == Small(id="made")
    assert decode(json.dumps([data] * 2).encode(), Filling, Reporter(), as_list=True) == [found] * 2


@pytest.mark.parametrize("deviating", [{"number": 2}, {"number": 2, "new": 1}])
def test_validator_of_an_own_model_is_called(deviating: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="number must be odd"):
        decode(json.dumps({"id": "a", **deviating}).encode(), Stepping, Reporter())


@pytest.mark.parametrize("padding", ["", "x" * 40_000])
def test_unknown_members_of_models_in_lists_and_maps_are_kept(padding: str) -> None:
    one = {"id": "a", "parts": [], "new": 1}
    data = {"listed": [one], "named": {"b": one}, "nested": {"c": [one]}, "first": one}
    body = json.dumps({**data, "padding": padding}).encode()
    found = decode(body, Readings, Reporter())
    assert found.listed is not None
    assert found.named is not None
    assert found.nested is not None
    assert found.first is not None
    inner = [found.listed[0], found.named["b"], found.nested["c"][0], found.first]
    assert [reading.extra for reading in inner] == [{"new": 1}] * 4
    assert found.to_dict() == {**data, "padding": padding}


def test_own_model_that_contains_itself_is_refused() -> None:
    with pytest.raises(TypeError) as caught:
        Client(TOKEN).request("GET", "/trees", model=Tree)
    assert str(caught.value) == (
        "model: Tree cannot be decoded: Tree contains itself, which only a link may"
    )


@pytest.mark.parametrize("failing", ['[{"id":"a"},{"id":1}]', '[{"id":"a"},{"id":"b"},'])
@pytest.mark.parametrize("unknown", range(1, 8))
def test_nothing_of_a_failed_reply_is_counted_in_the_next(failing: str, unknown: int) -> None:
    with suppress(DecodeFailure):
        decode(failing.encode(), Small, Reporter(), as_list=True)
    extra = {f"new{number}": number for number in range(unknown)}
    body = json.dumps([{"id": "a", **extra}]).encode()
    assert decode(body, Small, Reporter(), as_list=True)[0].extra == extra


@pytest.fixture
def switches_threads_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("switches_threads_often")
@pytest.mark.parametrize("cls", [Stepwise, Composed])
def test_threads_decode_at_the_same_time(cls: Any) -> None:
    failures: list[object] = []
    start = threading.Barrier(8)

    def decode_pages(number: int) -> None:
        rng = random.Random(number)
        start.wait()
        for _ in range(100):
            extras = [dict.fromkeys("abcd"[: rng.choice((0, 0, 0, 1, 2, 3))], number)] * 5
            items = [{"id": "a", "parts": [{"id": "b"}] * 3, **extra} for extra in extras]
            found = decode(json.dumps(items).encode(), cls, Reporter(), as_list=True)
            expected = [cls(id="a", parts=(Small(id="b"),) * 3, extra=extra) for extra in extras]
            if found != expected:
                failures.append((found, extras))

    threads = [threading.Thread(target=decode_pages, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("bad", [0, 19, 20, 57, 59])
async def test_one_deviating_item_of_a_page_is_reported_with_its_place(raw_server, bad) -> None:
    items: list[dict[str, Any]] = [{**REPLY, "id": f"evse{index:02}"} for index in range(60)]
    items[bad]["cpid"] = 1
    items[(bad + 30) % 60]["new"] = 2
    server = await raw_server(reply(json.dumps(items).encode(), "Content-Type: application/json"))
    drifts: list[Any] = []
    async with server.client(on_drift=drifts.append) as client:
        found = await client.evses.list().collect()
    assert [one.id for one in found] == [item["id"] for item in items]
    assert found[bad].cpid == 1
    assert found[(bad + 30) % 60].extra == {"new": 2}
    assert {one.path for one in drifts} == {f"$[{bad}].cpid", f"$[{(bad + 30) % 60}].new"}


async def test_strict_client_refuses_unknown_members_in_every_format(raw_server) -> None:
    body = json.dumps({**REPLY, "new": 1}, separators=(",", " :")).encode()
    server = await raw_server(reply(body, "Content-Type: application/json"))
    async with server.client(strict=True) as client:
        with pytest.raises(errors.DecodeError, match="new"):
            await client.evses.get("evse01")
