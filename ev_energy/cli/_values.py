"""Values of parameters from the texts of the command line and from JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast, get_args, get_origin

import attrs

from ev_energy.cli._exit import UsageError, near_miss
from ev_energy.cli._types import arms, choices, is_class, nullable, resolve

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
#: Characters of a value that a message repeats.
_MAX_SHOWN: Final = 60


def read_json(label: str, text: str) -> Any:
    """Return the JSON value in *text*, in the file of ``@FILE``, or on stdin for ``-``."""
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{label}: cannot read {text[1:] or 'stdin'}: {reason}") from None
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise UsageError(
            f"{label} is not JSON: {error}", """quote it, as in '{"name": "value"}', or use @FILE"""
        ) from None


def parse_time(label: str, text: str) -> datetime:
    """Return the time in *text*, which must have a zone; a date is its midnight in UTC."""
    try:
        if _DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{label}: {text[:_MAX_SHOWN]!r} is not a time",
            "write 2026-11-01T06:30:00Z, or 2026-11-01 for midnight in UTC",
        ) from None
    if found.utcoffset() is None:
        raise UsageError(
            f"{label}: {text!r} has no time zone", f"write {text}Z for UTC, or {text}+01:00"
        )
    return found


def from_text(label: str, text: str, kind: Any) -> Any:
    """Convert one word of the command line to a value of a type."""
    allowed = arms(kind)
    plain = {arm: _SCALARS[arm] for arm in allowed if arm in _SCALARS}
    if known := choices(kind):
        return one_of(label, text, known, allowed)
    for arm in allowed:
        if get_origin(arm) is tuple:
            start, comma, end = text.partition(",")
            if not comma:
                raise UsageError(f"{label}: {text!r} must be two times", "write START,END")
            return (parse_time(label, start), parse_time(label, end))
    if any(is_class(arm, str) for arm in allowed) and not text.startswith("{"):
        return text
    if plain:
        return next(iter(plain.values()))(label, text)
    return from_json(label, read_json(label, text), kind)


def one_of(label: str, text: str, known: Sequence[str], allowed: Sequence[Any]) -> Any:
    """Return the value of one of the types *allowed* whose text is *text*."""
    if text not in known:
        raise UsageError(
            f"{label}: {text[:_MAX_SHOWN]!r} is not one of {', '.join(known)}",
            near_miss(text, list(known)),
        )
    if bool in allowed:
        return text == "true"
    literals = [value for arm in allowed if get_origin(arm) is Literal for value in get_args(arm)]
    return next((value for value in literals if str(value) == text), text)


def _whole_number(label: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{label}: {text[:_MAX_SHOWN]!r} is not a whole number") from None


def _number(label: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{label}: {text[:_MAX_SHOWN]!r} is not a number") from None


_SCALARS: Final[Mapping[Any, Callable[[str, str], Any]]] = {
    int: _whole_number,
    float: _number,
    datetime: parse_time,
}


def from_json(label: str, value: Any, kind: Any) -> Any:
    """Convert a JSON value to one of a type. `UsageError` gives the path of a wrong member."""
    if value is None:
        if not nullable(kind) and kind is not object:
            raise UsageError(f"{label} must not be null")
        return None
    if isinstance(value, list):
        return _list(label, cast("Any", value), kind)
    if isinstance(value, dict):
        return _object(label, cast("dict[str, Any]", value), kind)
    allowed = arms(kind)
    if isinstance(value, str):
        return _text(label, value, kind)
    if any(map(attrs.has, allowed)) and str not in allowed:
        raise UsageError(f"{label} must be a JSON object")
    return float(value) if isinstance(value, Decimal) and Decimal not in allowed else value


def _text(label: str, value: str, kind: Any) -> Any:
    allowed = arms(kind)
    if any(_without_metadata(arm) is datetime for arm in allowed):
        return parse_time(label, value)
    if str not in allowed and (known := choices(kind)):
        return one_of(label, value, known, allowed)
    if any(map(attrs.has, allowed)) and str not in allowed:
        raise UsageError(f"{label} must be a JSON object")
    return Decimal(value) if Decimal in allowed else value


def _without_metadata(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _list(label: str, values: list[Any], kind: Any) -> Any:
    for arm in arms(kind):
        if get_origin(arm) in {Sequence, list, tuple}:
            inner = [one for one in get_args(arm) if one is not Ellipsis]
            items = [
                from_json(f"{label}[{index}]", value, inner[min(index, len(inner) - 1)])
                for index, value in enumerate(values)
            ]
            return tuple(items) if get_origin(arm) is tuple else items
    return _free(values)


def _object(label: str, members: dict[str, Any], kind: Any) -> Any:
    classes = [arm for arm in arms(kind) if attrs.has(arm)]
    if not classes:
        return _free(members)
    # GeoJSON objects say by their type which class they are of.
    named = [cls for cls in classes if cls.__name__.endswith(str(members.get("type")))]
    return _model(label, members, (named or classes)[0])


def _free(value: Any) -> Any:
    """Return a JSON value without a declared type, with numbers that can be sent."""
    if isinstance(value, dict):
        return {name: _free(one) for name, one in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_free(one) for one in cast("Any", value)]
    return float(value) if isinstance(value, Decimal) else value


def _model(label: str, members: Mapping[str, Any], cls: Any) -> Any:
    fields = {
        field.name: field for field in attrs.fields(cls) if field.init and field.name[0] != "_"
    }
    for name in members:
        if name not in fields:
            raise UsageError(
                f"{label} has no member {name!r}; its members are {', '.join(fields)}",
                near_miss(name, list(fields)),
            )
    for name, field in fields.items():
        if field.default is attrs.NOTHING and name not in members:
            raise UsageError(f"{label} needs the member {name!r}")
    # The annotations of models are types already, those of the other classes are texts.
    types = {name: resolve(cls.__annotations__[name], cls.__module__) for name in members}
    return cls(
        **{name: from_json(f"{label}.{name}", one, types[name]) for name, one in members.items()}
    )
