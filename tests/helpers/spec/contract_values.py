"""Values around what schemas allow: most are as they should be, some miss it by a little."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from tests.helpers.spec.description import Description, Schema

#: No control characters: formats of jsonschema let a last line break pass.
TEXTS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(-1e18, 1e18)
JUNK = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
#: Lists up to this length are made longer than they may be, or shorter.
_SHORT = 30

_FORMATS = {
    "date-time": st.sampled_from(
        [
            "2024-04-17T09:39:45.984584Z",
            "2024-02-29t23:59:59.5z",
            "2024-04-17T09:39:45+05:30",
            "2024-04-17T09:39:45-23:59",
            "2023-02-29T00:00:00Z",
            "2024-04-17T24:00:00Z",
            "2024-04-17T23:59:60Z",
            "2024-04-17T09:39:45+24:00",
            "2024-04-17T09:39:45+0530",
            "2024-04-17T09:39:45",
            "2024-04-17T09:39Z",
            "2024-04-17 09:39:45Z",
            "2024-04-17T09:39:45,5Z",
            "20240417T093945Z",
            "0000-01-01T00:00:00Z",
            "2024-04-17",
            "٢024-04-17T09:39:45Z",
        ]
    )
    | st.from_regex(
        re.compile(
            r"20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-6]\d:[0-6]\d(\.\d{0,8})?([Zz]|[+-][0-2]\d:[0-6]\d)?",
            re.ASCII,
        ),
        fullmatch=True,
    ),
    "uri": st.sampled_from(
        [
            "https://api.ev.energy/v2/tariffs/tari01HN2NJ9NMRZBXT1H6FT9N7735",
            "http://[::1]:8080/v2",
            "http://[::1]x/v2",
            "http://[1]/v2",
            "http://a:b@c:1/d?e#f",
            "urn:x",
            "http:///x",
            "http://",
            "http:",
            "//x/y",
            "/v2/tariffs",
            "tariffs",
            "http://x/ y",
            "http://x/%zz",
            "http://x/%41",
            "http://x/ä",
            "http://x:y/z",
            "http://x/a[b]",
            "1http://x",
            "",
        ]
    )
    | st.from_regex(r"[ha1][tp+]{0,3}:?/{0,3}[a@:\[\]%4F1.]{0,6}[/?#a%41: ]{0,6}", fullmatch=True),
    "uuid": st.uuids().map(str)
    | st.sampled_from(
        [
            "123E4567-e89b-12d3-a456-426614174000",
            "123e4567e89b12d3a456426614174000",
            "123e4567-e89b-12d3-a456-42661417400g",
            "123e4567-e89b12d3-a456-426614174000",
            "{123e4567-e89b-12d3-a456-426614174000}",
            "123e4567-e89b-12d3-a456-4266141740001",
        ]
    ),
    "email": st.from_regex(r"[a+]{0,2}@{0,2}[a.]{0,5} ?", fullmatch=True) | st.just("a@b.example"),
}


class Around:
    """Makes values around the schemas of one description."""

    def __init__(self, spec: Description) -> None:
        self._spec = spec

    def of(self, schema: Schema) -> st.SearchStrategy[Any]:
        """Values of a schema, some of any kind."""
        near = self._near(schema)
        return st.one_of(near, near, near, near, JUNK)

    def _near(self, schema: Schema) -> st.SearchStrategy[Any]:
        schema = self._spec.resolve(schema)
        arms = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
        if arms:
            return st.one_of([self._near(arm) for arm in arms])
        types = schema["type"]
        kinds = [types] if isinstance(types, str) else types
        return st.one_of([self._of_kind(kind, schema) for kind in kinds])

    def _of_kind(self, kind: str, schema: Schema) -> st.SearchStrategy[Any]:
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        return {
            "null": lambda _: st.none(),
            "boolean": lambda _: st.booleans(),
            "integer": _integers,
            "number": lambda schema: _integers(schema) | _floats(schema),
            "string": _texts,
            "array": self._arrays,
            "object": self._objects,
        }[kind](schema)

    def _arrays(self, schema: Schema) -> st.SearchStrategy[Any]:
        low, high = schema.get("minItems", 0), schema.get("maxItems", 3)
        items, most = self._near(schema["items"]), max(low, min(high, 3))
        usual = st.lists(items, min_size=low, max_size=most)
        mixed = st.lists(items | JUNK, min_size=low, max_size=most)
        unusual = [max(low - 1, 0), high, high + 1] if high <= _SHORT else [max(low - 1, 0)]
        same = st.tuples(items, st.sampled_from(unusual))
        return usual | usual | mixed | same.map(lambda pair: [pair[0]] * pair[1])

    def _objects(self, schema: Schema) -> st.SearchStrategy[Any]:
        members: Mapping[str, Any] = schema.get("properties", {})
        # An address is all or nothing: mostly all there, or left out one by one.
        needed = {*schema.get("required", ()), *schema.get("dependentSchemas", ())} & set(members)
        made = {name: self.of(member) for name, member in members.items()}
        whole = st.fixed_dictionaries(
            {name: made[name] for name in needed},
            optional={name: one for name, one in made.items() if name not in needed},
        )
        parts: st.SearchStrategy[Any] = st.fixed_dictionaries({}, optional=made)
        more = st.tuples(parts, st.dictionaries(TEXTS, JUNK, max_size=2))
        return whole | whole | parts | more.map(lambda pair: {**pair[1], **pair[0]})


def _integers(schema: Schema) -> st.SearchStrategy[Any]:
    low, high = schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1)
    inside = st.integers(low, high)
    edges = st.sampled_from([n for n in (low - 1, low, high, high + 1) if abs(n) < 2**62] or [0])
    as_float = st.integers(max(low, 0), max(low, 0) + 9).map(float)
    return inside | inside | edges | as_float | as_float.map(lambda number: number + 0.5)


def _floats(schema: Schema) -> st.SearchStrategy[Any]:
    return st.floats(schema.get("minimum", -1e18), schema.get("maximum", 1e18))


def _texts(schema: Schema) -> st.SearchStrategy[Any]:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if pattern := schema.get("pattern"):
        exact = st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)
        letters = string.ascii_letters + string.digits + " ,.-"
        more = st.text(letters, max_size=3)
        return exact | exact | st.tuples(more, exact, more).map("".join) | TEXTS
    low, high = schema.get("minLength", 0), schema.get("maxLength", 12)
    edges = st.sampled_from(["x" * n for n in (max(low - 1, 0), low, high, high + 1)])
    return edges | TEXTS if schema.keys() & {"minLength", "maxLength"} else TEXTS
