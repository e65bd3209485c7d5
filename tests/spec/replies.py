"""Replies made up from the schemas, for hypothesis: as described, with news, and with faults."""

from __future__ import annotations

import datetime as dt
import string
from typing import Any, NamedTuple

import corrections
from description import Description, Schema, nullable, ref_name
from hypothesis import strategies as st

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

    def of(self, name: str, depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
        """Objects of the component schema *name*, with links expanded *depth* levels deep."""
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
            optional["brand_new"] = JSON.filter(lambda value: value is not None)
        return st.fixed_dictionaries(needed, optional=optional)

    def _value(self, owner: str, name: str, schema: Schema, depth: int) -> st.SearchStrategy[Any]:
        made = self._right(owner, name, schema, depth)
        if nullable(schema):
            made = {"some": made | st.none(), "all": st.none(), "no": made}[self.style.nulls]
        return made | JSON if self.style.faults else made

    def _right(  # noqa: PLR0911  (one return a form)
        self, owner: str, name: str, schema: Schema, depth: int
    ) -> st.SearchStrategy[Any]:
        fixed = corrections.MEMBER_TYPES.get((owner, name), ("",))[0]
        if fixed == "Money":
            return st.decimals(-1000, 1000, places=3).map("{:f}".format)
        if fixed == "ClockTime":
            return st.times().map(lambda time: time.strftime("%H:%M:%S"))
        if fixed == "LatLong":
            return self.of("LatLong", 0)
        if fixed.startswith("link "):
            return URLS | (self.of(fixed.removeprefix("link "), depth - 1) if depth else URLS)
        if target := ref_name(schema):
            return self._target(target, depth)
        arms = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
        arms = [arm for arm in arms if arm.get("type") != "null"]
        if arms:
            plain = [arm for arm in arms if "$ref" not in arm]
            usable = arms if depth or not plain else plain
            return st.one_of([self._right(owner, name, arm, depth) for arm in usable])
        return self._plain(owner, name, schema, depth)

    def _target(self, target: str, depth: int) -> st.SearchStrategy[Any]:
        schema = self.spec.schemas[target]
        if "enum" in schema:
            return self._texts(schema)
        return self.of(target, max(depth - 1, 0))

    def _texts(self, schema: Schema) -> st.SearchStrategy[Any]:
        known = st.sampled_from([text for text in schema["enum"] if text is not None])
        return known | st.just("BRAND_NEW") if self.style.news else known

    def _plain(  # noqa: PLR0911  (one return a type)
        self, owner: str, name: str, schema: Schema, depth: int
    ) -> st.SearchStrategy[Any]:
        if "enum" in schema:
            return self._texts(schema)
        types = schema["type"]
        (kind,) = {types} if isinstance(types, str) else set(types) - {"null"}
        if kind == "array":
            return st.lists(self._value(owner, name, schema["items"], depth), max_size=2)
        if kind == "object":
            return st.dictionaries(TEXTS, JSON, max_size=2)
        if kind == "integer":
            whole = st.integers(-(2**40), 2**40)
            return whole | whole.map(float) if self.style.loose else whole
        if kind == "number":
            return NUMBERS | st.integers(-1000, 1000) if self.style.loose else NUMBERS
        if kind == "boolean":
            return st.booleans()
        formats = {
            "date-time": instants(loose=self.style.loose),
            "date": st.dates().map(str),
            "uuid": st.uuids().map(str),
            "uri": URLS,
        }
        return formats.get(schema.get("format", ""), TEXTS)
