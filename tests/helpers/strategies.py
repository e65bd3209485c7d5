"""Hypothesis strategies for the replies of hostile, broken or changed servers.

``EV_ENERGY_FUZZ`` sets the number of examples for each test; the default is small.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import os
import pickle
import re
import types
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Annotated, Any, Union, get_args, get_origin

import attrs
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

import ev_energy.models
from ev_energy import errors
from ev_energy._codec.fields import fields_of, is_model, union_args
from ev_energy.models._base import Model

EXAMPLES = int(os.environ.get("EV_ENERGY_FUZZ", "60"))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="EV_ENERGY_FUZZ" not in os.environ,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)

_exports: list[Any] = [getattr(ev_energy.models, name) for name in dir(ev_energy.models)]
MODELS: list[type[Model]] = [value for value in _exports if is_model(value) and value is not Model]

_PARTS = frozenset({"Ref", "tuple", "Instant"})


def shape_of(model: type[Model]) -> frozenset[str]:
    """Return which of links, lists and times *model* has; each has its own path in the decoders."""
    annotations = " ".join(str(attribute.type) for attribute in attrs.fields(model))
    return _PARTS.intersection(re.findall(r"\w+", annotations))


NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.sampled_from([2**63, -(2**63) - 1, 2**64, 10**30]),
    st.floats(allow_nan=False, allow_infinity=False),
)
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "",
            "about:blank",
            "http://127.0.0.1:9/v2/evses/e",
            "2026-01-01T00:00:00Z",
            "1.5",
            "x" * 300,
        ]
    ),
)
ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def _scalars(type_: Any) -> st.SearchStrategy[Any]:
    if isinstance(type_, type) and issubclass(type_, Enum):
        return st.sampled_from([one.value for one in type_])
    return {
        str: TEXTS,
        int: st.integers(-(2**40), 2**40),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        dt.datetime: st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
        dt.date: st.dates().map(dt.date.isoformat),
        dt.time: st.times().map(dt.time.isoformat),
        decimal.Decimal: st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str),
        uuid.UUID: st.uuids().map(str),
    }.get(type_, ANY)


def values_of(type_: Any, depth: int = 2) -> st.SearchStrategy[Any]:
    """Return a strategy of JSON values that *type_* accepts."""
    if is_model(type_):
        return replies(type_, depth - 1) if depth else st.just({})
    origin = get_origin(type_)
    if origin in {types.UnionType, Union}:
        return st.one_of([values_of(arm, depth) for arm in union_args(type_)])
    if origin is Annotated:
        return values_of(get_args(type_)[0], depth)
    if origin in {tuple, list}:
        return st.lists(values_of(get_args(type_)[0], depth), max_size=2)
    if origin is dict:
        return st.dictionaries(
            st.text(max_size=4), values_of(get_args(type_)[1], depth), max_size=2
        )
    return st.none() if type_ is type(None) else _scalars(type_)


def replies(model: type[Model], depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy of replies for *model*, with missing, wrong and unknown fields."""

    @st.composite
    def objects(draw: st.DrawFn) -> dict[str, Any]:
        reply: dict[str, Any] = {}
        mode = draw(st.sampled_from(["valid", "valid", "mixed", "invalid"]))
        for name, member in fields_of(model).items():
            if mode != "valid" and draw(st.integers(0, 3)) == 0:
                continue
            invalid = mode == "invalid" or (mode == "mixed" and draw(st.integers(0, 5)) == 0)
            reply[name] = draw(ANY if invalid else values_of(member.type, depth))
        if mode != "valid":
            reply |= draw(st.dictionaries(st.text(max_size=5), ANY, max_size=2))
        return reply

    return objects()


def legal(model: type[Model], depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy of replies without deviations; links below *depth* are not expanded."""

    @st.composite
    def objects(draw: st.DrawFn) -> dict[str, Any]:
        return {
            name: draw(_legal_value(member.type, depth))
            for name, member in fields_of(model).items()
            if member.required or draw(st.booleans())
        }

    return objects()


def _legal_value(type_: Any, depth: int) -> st.SearchStrategy[Any]:
    if is_model(type_):
        return legal(type_, depth - 1)
    origin = get_origin(type_)
    if origin in {types.UnionType, Union}:
        shallow = [arm for arm in union_args(type_) if not _contains_model(arm)]
        usable: Any = shallow if shallow and depth <= 0 else union_args(type_)
        if {decimal.Decimal, dt.time} & set(usable):  # malformed text needs the lenient decoder
            usable = [arm for arm in usable if arm is not str]
        return st.one_of([_legal_value(arm, depth) for arm in usable])
    if origin in {tuple, list}:
        items = [_legal_value(item, depth) for item in get_args(type_) if item is not Ellipsis]
        fixed = origin is tuple and Ellipsis not in get_args(type_)
        return st.tuples(*items).map(list) if fixed else st.lists(items[0], max_size=2)
    if origin is Annotated:
        return _legal_value(get_args(type_)[0], depth)
    return values_of(type_, depth)


def _contains_model(type_: Any) -> bool:
    return is_model(type_) or any(map(_contains_model, get_args(type_)))


@st.composite
def corrupted(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Draw bytes of *whole* with some of them removed, doubled, changed or added."""
    found = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(found)))
        end = min(len(found), start + draw(st.integers(0, 12)))
        found[start:end] = draw(
            st.one_of(
                st.just(b""),
                st.binary(max_size=6),
                st.just(bytes(found[start:end]) * 2),
                st.sampled_from(
                    [b"[" * 200, b'"', b"\\", b"\xff", b"\xed\xa0\x80", b"\0", b"1" * 5000]
                ),
                st.sampled_from(
                    [b"\r\n", b"null", b"NaN", b"1e999", b'{"a":', b"\\ud800", b",", b":"]
                ),
            )
        )
    return bytes(found)


def as_json(values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Return a strategy of JSON texts for *values*, compact or indented, escaped or not."""
    ways: list[Callable[[Any], bytes]] = [
        lambda value: json.dumps(value).encode(),
        lambda value: json.dumps(value, ensure_ascii=False, indent=1).encode(
            "utf-8", "surrogatepass"
        ),
    ]
    return st.tuples(values, st.sampled_from(ways)).map(lambda pair: pair[1](pair[0]))


def assert_printable(error: BaseException) -> None:
    """Check that *error* can be printed and pickled and does not show the token."""
    str(error).encode()
    assert "a-token" not in repr(error)
    assert type(pickle.loads(pickle.dumps(error))) is type(error)


@contextmanager
def raises_only(kind: type[errors.EvEnergyError]) -> Iterator[None]:
    """Allow the block to raise errors of this *kind*, which must be printable, and no others."""
    try:
        yield
    except kind as error:
        assert_printable(error)
