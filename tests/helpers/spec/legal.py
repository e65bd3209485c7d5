"""The least and the most that a schema of the description allows, corrections aside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from tests.helpers.spec.description import Description, Schema, nullable

Size = Literal["least", "most"]

_FORMATS: Final = {
    "date-time": ("2026-01-01T00:00:00Z", "2026-12-31T23:59:59.999999+05:30"),
    "date": ("2026-01-01", "2026-12-31"),
    "decimal": ("0", "-12345.678"),
    "email": ("a@example.com", "a@example.com"),
    "uri": ("https://api.ev.energy/v2/things/1", "https://api.ev.energy/v2/things/1"),
    "uuid": ("00000000-0000-0000-0000-000000000000", "12345678-1234-1234-1234-123456789abc"),
}
_PATTERNS: Final = {r"\d\d:\d\d:\d\d": ("00:00:00", "24:00:00")}
_DEEPEST: Final = 4


def replies(spec: Description, schema: Schema) -> Iterator[Any]:
    """Yield legal values of *schema*: with and without nulls, and with each of its alternatives."""
    for nulls in (True, False):
        yield _value(spec, schema, "least", nulls, 0, 0)
        for turn in range(3):
            yield _value(spec, schema, "most", nulls, turn, 0)


def _value(
    spec: Description, schema: Schema, size: Size, nulls: bool, turn: int, depth: int
) -> Any:
    whole = {**spec.resolve(schema), **{n: v for n, v in schema.items() if n == "nullable"}}
    if nulls and nullable(whole):
        return None
    arms = [*whole.get("oneOf", ()), *whole.get("anyOf", ())]
    arms = [arm for arm in arms if arm.get("type") != "null"]
    if arms:
        plain = [arm for arm in arms if "$ref" not in arm and "properties" not in arm]
        usable = plain if plain and (depth >= _DEEPEST or size == "least") else arms
        return _value(spec, usable[turn % len(usable)], size, nulls, turn, depth)
    if "enum" in whole:
        listed = [one for one in whole["enum"] if one is not None]
        return listed[-1 if size == "most" else 0]
    parts = whole.get("allOf", ())
    if len(parts) == 1 and not whole.get("properties"):
        return _value(spec, parts[0], size, nulls, turn, depth)
    members, required = spec.object(whole)
    if members:
        names = required if size == "least" or depth >= _DEEPEST else members.keys()
        return {
            name: _value(spec, schema, size, nulls, turn, depth + 1)
            for name, schema in members.items()
            if name in names
        }
    return _plain(spec, whole, size, nulls, turn, depth)


def _plain(  # noqa: PLR0911  (one return a kind)
    spec: Description, schema: Schema, size: Size, nulls: bool, turn: int, depth: int
) -> Any:
    types = schema.get("type", "object")
    (kind,) = {types} if isinstance(types, str) else set(types) - {"null"}
    if kind == "array":
        if size == "least":
            return []
        one = _value(spec, schema["items"], size, nulls, turn, depth + 1)
        return [one] * max(2, schema.get("minItems", 0))
    if kind == "object":
        more = schema.get("additionalProperties")
        if size == "least" or not isinstance(more, dict):
            return {}
        return {"any_name": _value(spec, more, size, nulls, turn, depth + 1)}
    if kind == "string":
        texts = _PATTERNS.get(schema.get("pattern", ""), ("", "any text: 0.10 £/kWh"))
        return _FORMATS.get(schema.get("format", ""), texts)[size == "most"]
    if kind == "boolean":
        return size == "most"
    least = schema.get("minimum", 0)
    if kind == "integer":
        return least if size == "least" else schema.get("maximum", 2**31)
    return least if size == "least" else schema.get("maximum", 0.125)
