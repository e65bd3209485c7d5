"""Replies made up from the schemas, for hypothesis: as described, with news, and with faults."""

from __future__ import annotations

import datetime as dt
import functools
import string
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.helpers.spec import corrections
from tests.helpers.spec.description import Description, Schema, class_name, nullable, ref_name

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)
URLS = st.builds(
    "https://api.ev.energy/v2/{}/{}".format,
    st.sampled_from(["evses", "users", "evse_models"]),
    st.text(string.ascii_letters + string.digits, min_size=1, max_size=6),
)
MONEY = st.decimals(-1000, 1000, places=3).map("{:f}".format)
_MOMENTS = st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2199, 12, 30))


class Style(NamedTuple):
    """What replies are made up."""

    members: str = "some"
    """``required``, ``all`` or ``some`` of the members."""
    nulls: str = "some"
    """``some``, ``all`` or ``no`` nullable member is null."""
    loose: bool = False
    """Times in odd but legal spellings, whole numbers written as 1.0."""
    news: bool = False
    """Unknown members and unknown enum texts."""
    faults: bool = False
    """Any value may stand anywhere, and required members be missing."""


@st.composite
def instants(draw: Any, *, loose: bool) -> str:
    """Points in time; loosely: up to nine digits, with offsets, without zone."""
    text: str = draw(_MOMENTS).strftime("%Y-%m-%dT%H:%M:%S")
    digits = draw(st.integers(0, 9 if loose else 6))
    if digits:
        text += "." + draw(st.text(string.digits, min_size=digits, max_size=digits))
    zones = ["Z", "+00:00", "+05:30", "-08:00", ""] if loose else ["Z"]
    return text + draw(st.sampled_from(zones))


class Replies:
    """Strategies for JSON values of the description's schemas."""

    def __init__(self, spec: Description, style: Style) -> None:
        self.spec, self.style = spec, style
        self._made: dict[tuple[str, int], st.SearchStrategy[dict[str, Any]]] = {}

    def of(self, name: str, depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
        """Objects of the schema *name*, with links expanded *depth* levels deep."""
        if (name, depth) not in self._made:
            self._made[name, depth] = self._objects(name, depth)
        return self._made[name, depth]

    def _objects(self, name: str, depth: int) -> st.SearchStrategy[dict[str, Any]]:
        members, required = self.spec.object(self.spec.schemas[name])
        made = {n: self._value(name, n, schema, depth) for n, schema in members.items()}
        needed, optional = {}, {}
        for member, strategy in made.items():
            must = self.style.members == "all" or member in required
            if must and not self.style.faults:
                needed[member] = strategy
            elif self.style.members != "required":
                optional[member] = strategy
        if self.style.news:
            added = needed if self.style.members == "all" else optional
            added["brand_new"] = JSON.filter(lambda value: value is not None)
        return st.fixed_dictionaries(needed, optional=optional)

    def _value(
        self, owner: str, name: str, schema: Schema, depth: int, *, item: bool = False
    ) -> st.SearchStrategy[Any]:
        made = self._right(owner, name, schema, depth, item=item)
        if nullable(schema):
            made = {"some": made | st.none(), "all": st.none(), "no": made}[self.style.nulls]
        return made | JSON if self.style.faults else made

    def _right(
        self, owner: str, name: str, schema: Schema, depth: int, *, item: bool = False
    ) -> st.SearchStrategy[Any]:
        fixed = corrections.MEMBER_TYPES.get((self.spec.owner(owner, name), name), ("",))[0]
        corrected = self._corrected(fixed, depth)
        if corrected is not None:
            return corrected
        if target := ref_name(schema):
            return self._target(target, depth)
        arms = [*schema.get("oneOf", ()), *schema.get("anyOf", ()), *schema.get("allOf", ())]
        arms = [arm for arm in arms if arm.get("type") != "null"]
        if arms:
            plain = [arm for arm in arms if "$ref" not in arm]
            usable = arms if depth or not plain else plain
            return st.one_of([self._right(owner, name, arm, depth, item=item) for arm in usable])
        if schema.get("properties"):
            return self.of(class_name(self.spec.owner(owner, name), name, item=item), depth)
        return self._plain(owner, name, schema, depth)

    def _corrected(self, fixed: str, depth: int) -> st.SearchStrategy[Any] | None:  # noqa: PLR0911
        """Values of a member that `corrections.MEMBER_TYPES` gives another type."""
        if fixed == "Money or str":
            return MONEY
        if fixed == "ClockTime or str":
            return st.times().map(lambda time: time.strftime("%H:%M:%S"))
        if fixed == "LatLong":
            return self.of("LatLong", 0)
        if fixed.startswith("link "):
            linked = fixed.removeprefix("link ")
            return URLS | (self.of(linked, depth - 1) if depth else URLS)
        if fixed.startswith("dict of "):
            known = st.sampled_from(["RED", "AMBER", "GREEN", "NOT_APPLICABLE"])
            texts = known | st.just("BRAND_NEW") if self.style.news else known
            return st.dictionaries(TEXTS, texts, max_size=2)
        if fixed.endswith("Position"):
            made = st.tuples(NUMBERS, NUMBERS).map(list)
            for _ in range(fixed.count("tuple of ")):
                made = st.lists(made, max_size=2)
            return made
        return None

    def _target(self, target: str, depth: int) -> st.SearchStrategy[Any]:
        schema = self.spec.schemas[target]
        if "enum" in schema:
            return self._texts(schema)
        return self.of(target, max(depth - 1, 0))

    def _texts(self, schema: Schema) -> st.SearchStrategy[Any]:
        known = st.sampled_from([value for value in schema["enum"] if value is not None])
        of_texts = any(isinstance(value, str) for value in schema["enum"])
        return known | st.just("BRAND_NEW") if self.style.news and of_texts else known

    def _plain(self, owner: str, name: str, schema: Schema, depth: int) -> st.SearchStrategy[Any]:
        if "enum" in schema:
            return self._texts(schema)
        types = schema["type"]
        (kind,) = {types} if isinstance(types, str) else set(types) - {"null"}
        if kind == "array":
            return st.lists(self._value(owner, name, schema["items"], depth, item=True), max_size=2)
        if kind == "object":
            return st.dictionaries(TEXTS, JSON, max_size=2)
        if kind == "string":
            return self._formats.get(schema.get("format", ""), TEXTS)
        return self._scalars[kind]

    @functools.cached_property
    def _scalars(self) -> dict[str, st.SearchStrategy[Any]]:
        whole, loose = st.integers(-(2**40), 2**40), self.style.loose
        return {
            "boolean": st.booleans(),
            "integer": whole | whole.map(float) if loose else whole,
            "number": NUMBERS | st.integers(-1000, 1000) if loose else NUMBERS,
        }

    @functools.cached_property
    def _formats(self) -> dict[str, st.SearchStrategy[Any]]:
        return {
            "date-time": instants(loose=self.style.loose),
            "date": st.dates().map(str),
            "decimal": MONEY,
            "uuid": st.uuids().map(str),
            "uri": URLS,
        }
