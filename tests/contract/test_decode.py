from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import ev_energy.models
from ev_energy._codec import lenient, strict
from ev_energy._codec.decode import decode
from ev_energy._codec.drift import Drift, DriftKind, Reporter
from ev_energy._codec.fields import fields_of
from ev_energy._codec.raw_json import DecodeFailure
from ev_energy.models._base import Model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from tests.helpers.spec import corrections, description
from tests.helpers.spec.compare import same, tree
from tests.helpers.spec.replies import JSON, TEXTS, Replies, Style
from tests.helpers.strategies import shape_of

FOUND = description.from_facts()
NAMES = sorted(
    name
    for name in FOUND.schemas.keys() - corrections.NO_MODEL.keys() - {"Counts"}
    # A schema without a model is reported by test_models.
    if issubclass(getattr(ev_energy.models, name, object), Model)
)

EXACT = [
    Style(members="some"),
    Style(members="required"),
    Style(members="all", nulls="no"),
    Style(members="all", nulls="all"),
]
# Generated replies are large, and are printed after a failure only.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")
some = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
many = settings(some, max_examples=300)
models = pytest.mark.parametrize("name", NAMES)
#: The fast tier tests the first model of each shape.
one_of_each_shape = pytest.mark.matrix("name", of=lambda name: sorted(shape_of(cls_of(name))))


@cache
def of_style(style: Style) -> Replies:
    return Replies(FOUND, style)


def replies(name: str, style: Style) -> st.SearchStrategy[dict[str, Any]]:
    return of_style(style).of(name, depth=1 if style.faults else 2)


def cls_of(name: str) -> type[Model]:
    found: type[Model] = getattr(ev_energy.models, name)
    return found


def tolerantly(data: Mapping[str, Any], name: str) -> tuple[Any, list[lenient.Issue]]:
    return lenient.convert(json.loads(json.dumps(data)), cls_of(name))


def strictly(data: Any, name: str) -> Any:
    return decode(json.dumps(data).encode(), cls_of(name), Reporter(strict=True))


def expands_itself(value: Any, around: frozenset[type[Model]] = frozenset()) -> bool:
    """Return whether a model inside of a model of its class has an expanded link."""
    if isinstance(value, Ref):
        value = value.resource
    if isinstance(value, list | tuple):
        return any(expands_itself(one, around) for one in value)
    if not isinstance(value, Model):
        return False
    values = [getattr(value, name) for name in fields_of(type(value))]
    links = [one for value in values for one in (value if isinstance(value, tuple) else [value])]
    if type(value) in around and any(isinstance(one, Ref) and one.resource for one in links):
        return True
    return any(expands_itself(one, around | {type(value)}) for one in values)


@one_of_each_shape
@models
@pytest.mark.parametrize("style", EXACT, ids=["some", "required", "all", "nulls"])
def test_strict_and_lenient_decoders_give_equal_objects(name: str, style: Style) -> None:
    @some
    @given(replies(name, style))
    def check(data: dict[str, Any]) -> None:
        read = strict.strict_decoder(cls_of(name), False, True).decode
        slow, notes = tolerantly(data, name)
        assert notes == []
        assert strictly(data, name) == slow
        fast, _, is_complete = read(json.dumps(data).encode())
        if fast is None:
            # The strict decoder expects no expanded links in a model inside of itself.
            assert expands_itself(slow)
            return
        # So nothing has to be looked for in Python, unless a text begins with a colon.
        assert is_complete or '":' in json.dumps(data, separators=(",", "="))
        assert tree(fast) == tree(slow)
        assert fast == slow
        assert fast.to_dict() == slow.to_dict()

    check()


@one_of_each_shape
@models
def test_valid_spellings_of_times_and_numbers_are_no_deviation(name: str) -> None:
    @some
    @given(replies(name, Style(loose=True)))
    def check(data: dict[str, Any]) -> None:
        found = strictly(data, name)
        slow, notes = tolerantly(data, name)
        assert notes == []
        assert tree(found) == tree(slow)
        assert found.to_dict() == slow.to_dict()

    check()


@pytest.mark.parametrize("zone", ["Z", "", "+00:00", "+05:30", "-08:00"])
@pytest.mark.parametrize("digits", range(10))
@pytest.mark.parametrize("digit", "0459")
def test_time_of_any_precision_is_read_alike_by_both_decoders(
    zone: str, digits: int, digit: str
) -> None:
    text = f"2024-12-31T23:59:59{'.' * bool(digits)}{(digit * 9)[:digits]}{zone}"
    found = strictly({"sampled_at": text}, "EVSEStatusLog")
    slow, notes = tolerantly({"sampled_at": text}, "EVSEStatusLog")
    assert notes == []
    assert tree(found) == tree(slow)
    assert found.sampled_at.utcoffset() is not None
    expected = dt.datetime.fromisoformat("2024-12-31T23:59:59" + (zone or "Z"))
    assert abs(found.sampled_at - expected) <= dt.timedelta(seconds=1)


@one_of_each_shape
@models
def test_unknown_fields_and_enum_values_are_read_alike_and_reported(name: str) -> None:
    @some
    @given(replies(name, Style(news=True)))
    def check(data: dict[str, Any]) -> None:
        drifts: list[Drift] = []
        found = decode(json.dumps(data).encode(), cls_of(name), Reporter(drifts.append))
        slow, notes = tolerantly(data, name)
        assert tree(found) == tree(slow)
        reported = {(drift.model, drift.member, drift.kind) for drift in drifts}
        assert reported == {(note.model.__name__, note.member, note.kind) for note in notes}
        assert {kind for _, _, kind in reported} <= {
            DriftKind.UNKNOWN_MEMBER,
            DriftKind.UNKNOWN_ENUM_TEXT,
        }
        assert lost(data, found) == []

    check()


@one_of_each_shape
@models
def test_decoded_reply_survives_a_round_trip(name: str) -> None:
    @some
    @given(replies(name, Style(news=True)))
    def check(data: dict[str, Any]) -> None:
        found = cls_of(name).from_dict(data)
        again = cls_of(name).from_dict(json.loads(json.dumps(found.to_dict())))
        assert tree(again) == tree(found)

    check()


@one_of_each_shape
@models
def test_faulty_reply_is_read_without_loss(name: str) -> None:
    @settings(some, max_examples=6)
    @given(replies(name, Style(faults=True, news=True, loose=True)))
    def check(data: dict[str, Any]) -> None:
        body = json.dumps(data).encode()
        drifts: list[Drift] = []
        found = decode(body, cls_of(name), Reporter(drifts.append))
        assert lost(data, found) == []
        json.dumps(found.to_dict())

    check()


@one_of_each_shape
@models
def test_json_object_is_read_without_loss(name: str) -> None:
    keys = st.sampled_from(sorted(fields_of(cls_of(name)))) | TEXTS

    @settings(some, max_examples=6)
    @given(st.dictionaries(keys, JSON, max_size=6))
    def check(data: dict[str, Any]) -> None:
        found = decode(json.dumps(data).encode(), cls_of(name), Reporter())
        assert lost(data, found) == []

    check()


@one_of_each_shape
@models
def test_bad_item_does_not_affect_other_items_of_the_page(name: str) -> None:
    good = replies(name, Style())
    bad = replies(name, Style(faults=True, news=True))

    @some
    @given(st.lists(good, max_size=2), bad, st.lists(good, max_size=2))
    def check(before: list[Any], odd: dict[str, Any], after: list[Any]) -> None:
        page = [*before, odd, *after]
        found = decode(json.dumps(page).encode(), cls_of(name), Reporter(), as_list=True)
        assert len(found) == len(page)
        for data, item in zip(
            [*before, *after], [*found[: len(before)], *found[len(before) + 1 :]], strict=True
        ):
            assert tree(item) == tree(strictly(data, name))
        assert lost(odd, found[len(before)]) == []

    check()


@pytest.mark.parametrize("odd", ["null", '"https://api.ev.energy/v2/evses/1"', "[]", "1", "true"])
def test_item_that_is_no_object_is_reported_with_its_path(odd: str) -> None:
    body = f'[{{"id": "1", "url": "u", "cpid": "c"}}, {odd}]'.encode()
    with pytest.raises(DecodeFailure, match="expected an object") as caught:
        decode(body, cls_of("EVSE"), Reporter(), as_list=True)
    assert caught.value.path == "$[1]"


@pytest.mark.parametrize("many_items", [False, True])
def test_decode_raises_only_decode_failures(many_items: bool) -> None:
    @many
    @given(JSON.map(json.dumps).map(str.encode) | st.binary(max_size=40))
    def check(body: bytes) -> None:
        try:
            decode(body, cls_of("EVSE"), Reporter(), as_list=many_items)  # type: ignore[call-overload]
        except DecodeFailure as error:
            places.add(error.path)

    places = {"$"}
    check()
    assert all(place.startswith("$") for place in places)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"id":1}' + b" x",
    ],
)
def test_value_that_is_no_object_is_a_decode_failure(body: bytes) -> None:
    with pytest.raises(DecodeFailure):
        decode(body, cls_of("EVSE"), Reporter())


@pytest.mark.parametrize(
    "member",
    ["charge_rate_watts", "sampled_at", "mode", "is_charging", "evse", "voltage_millivolts"],
)
@pytest.mark.parametrize(
    "value",
    [
        "1" * 400,
        "1e999",
        "-1e999",
        '"9999-12-31T23:59:59-23:59"',
        '"0001-01-01T00:00:00+23:59"',
        '"2024-01-01T24:00:00Z"',
        '"2024-01-01T00:00:60Z"',
        '"2024-01-01"',
        '""',
        "{}",
        "[[[]]]",
        "0.1",
        "-0.0",
        "1e2",
    ],
)
def test_extreme_value_is_kept_or_is_a_decode_failure(member: str, value: str) -> None:
    body = f'{{"{member}": {value}}}'.encode()
    try:
        found = decode(body, cls_of("EVSEStatusLog"), Reporter())
    except DecodeFailure:
        assert "e999" in value or len(value) == 400
    else:
        assert lost(json.loads(body), found) == []


def lost(data: Mapping[str, Any], found: Model) -> list[str]:
    """The members of *data* that are neither in *found* nor null."""
    written = found.to_dict()
    unknown = data.keys() - fields_of(type(found)).keys()
    assert set(found.extra) == unknown
    assert all(found.extra[name] == data[name] for name in unknown)
    return [
        name
        for name, value in data.items()
        if value is not None and not (name in written and same(value, written[name]))
    ]


def test_comparisons_detect_differences() -> None:
    evse = cls_of("EVSE").from_dict({"id": "1", "url": "u", "cpid": "c", "x": 1})
    assert lost({"id": "1", "x": 1}, evse) == []
    assert lost({"id": "2", "x": 1}, evse) == ["id"]
    assert not same("2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z")
    assert not same("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000002Z")
    assert same("2024-01-01T00:00:00.0000019", "2024-01-01T00:00:00.000002+00:00")
    assert not same([1, 2], [1])
    assert not same({"a": 1}, {})
    assert not same(1, True)
    assert tree(evse) != tree(cls_of("EVSE").from_dict({"id": "1", "url": "u", "cpid": "c"}))
    assert not OpenEnum.__members__
