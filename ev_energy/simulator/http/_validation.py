"""Validation of queries and bodies against the contract, with messages that say what is valid."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from datetime import date
from difflib import get_close_matches
from ipaddress import AddressValueError, IPv6Address
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from ev_energy.simulator.clock._instants import read_instant
from ev_energy.simulator.http._contract import CONTRACT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ev_energy.simulator.http._contract import OperationFacts, Shape
    from ev_energy.simulator.http._problems import FieldErrors

    #: The errors of a value itself, or of its members or items.
    Errors = list[str] | FieldErrors

#: Integers beyond 64 bits fit neither databases nor every JSON implementation.
_MIN_INTEGER: Final = -(2**63)
_MAX_INTEGER: Final = 2**63 - 1
_MAX_NUMBER_LENGTH: Final = 400
#: Items with errors, or valid values, that one message lists.
_MAX_LISTED: Final = 25
_CURSORS: Final = frozenset({"page_after", "page_before"})
#: The description declares this parameter as a number, so 1.0 and 1e0 are valid as well.
_PAGE: Final = "page"

#: NUL and unpaired surrogates, which databases do not store.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_INTEGER: Final = re.compile(r"-?\d+", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:[Ee][+-]?\d+)?", re.ASCII)


def parse_query(
    facts: OperationFacts, pairs: Iterable[tuple[str, str]]
) -> tuple[dict[str, Any], FieldErrors]:
    """Return the values of a query's parameters, and the errors of the invalid ones.

    Missing and invalid parameters have their default, if there is one. Instants are in UTC; the
    cursors of pages stay texts, whatever their format.
    """
    sent: defaultdict[str, list[str]] = defaultdict(list)
    for name, text in pairs:
        sent[name].append(text)
    values = {n: shape.default for n, shape in facts.query.items() if shape.default is not None}
    errors: FieldErrors = {}
    for name, texts in sent.items():
        if name not in facts.query:
            errors[name] = [_unknown_parameter(name, facts.query)]
            continue
        normalized = [*map(_normalize_integer, texts)] if name == _PAGE else texts
        value, messages = _parse_parameter(facts.query[name], normalized)
        if messages:
            errors[name] = messages
        else:
            values[name] = texts[0] if name in _CURSORS else value
    if "page_after" in values:  # then page_before does not apply, valid or not
        values.pop("page_before", None)
        errors.pop("page_before", None)
    return values, errors | {n: ["This is required."] for n in facts.required if n not in sent}


def validate_body(facts: OperationFacts, value: object) -> FieldErrors:
    """Return the errors in the JSON of a body, nested as the body is.

    Errors of the body as a whole are those of ``body``.
    """
    if facts.body is None:
        return {}
    errors = _errors(CONTRACT.shape(facts.body.shape), value)
    if isinstance(errors, list):
        return {"body": errors} if errors else {}
    return errors


def clean_body(facts: OperationFacts, value: object) -> Any:
    """Return a valid body without unknown members, with integers such as 1.0 as `int`."""
    return value if facts.body is None else _clean(CONTRACT.shape(facts.body.shape), value)


def _unknown_parameter(name: str, known: Iterable[str]) -> str:
    similar = get_close_matches(name[:50], known, n=1)
    hint = f" Did you mean {similar[0]}?" if similar else ""
    return f"This operation has no such parameter.{hint}"


def _parse_parameter(shape: Shape, texts: list[str]) -> tuple[Any, list[str]]:
    """Return the value of a parameter, and its errors."""
    if shape.type != "array" or shape.items is None:
        if len(texts) > 1:
            return None, ["This can be sent only once."]
        return _parse_text(shape, texts[0])
    item_shape = CONTRACT.shape(shape.items)
    values: list[Any] = []
    for text in texts:
        value, messages = _parse_text(item_shape, text)
        if messages and "," in text:
            messages = [f"{messages[0]} Repeat the parameter to send several values."]
        if messages:
            return None, messages
        values.append(value)
    return values, []


def _parse_text(shape: Shape, text: str) -> tuple[Any, list[str]]:
    """Return the value that a text stands for, and its errors."""
    value = _json_value(shape, text)
    if not _errors(shape, value):
        return read_instant(text) if shape.format == "date-time" else value, []
    if " " in text and not _errors(shape, text.replace(" ", "+")):
        return None, [f"{_must_be(shape)} Write a plus sign in a query as %2B."]
    return None, [_must_be(shape)]


def _normalize_integer(text: str) -> str:
    """Return a text such as 1.0 or 1e0 as the integer it stands for; any other unchanged."""
    if len(text) >= _MAX_NUMBER_LENGTH or not _NUMBER.fullmatch(text) or _INTEGER.fullmatch(text):
        return text
    number = float(text)
    return f"{number:.0f}" if number.is_integer() else text


def _json_value(shape: Shape, text: str) -> Any:
    """Return the JSON value of a text; the text itself if it is not of the type of the shape."""
    match shape.type:
        case "boolean":
            return {"true": True, "false": False}.get(text, text)
        case "integer" if len(text) < _MAX_NUMBER_LENGTH and _INTEGER.fullmatch(text):
            return int(text)
        case "number" if len(text) < _MAX_NUMBER_LENGTH and _NUMBER.fullmatch(text):
            return float(text)
        case _:
            return text


def _errors(shape: Shape, value: Any) -> Errors:
    """Return the errors of a value."""
    if value is None:
        is_valid = shape.nullable
    elif shape.any_of:
        return _errors_of_union(shape, value)
    elif not _has_type(shape, value) or (shape.enum and value not in shape.enum):
        is_valid = False
    elif isinstance(value, dict):
        return _errors_of_members(shape, cast("dict[str, Any]", value))
    elif isinstance(value, list):
        return _errors_of_items(shape, cast("list[object]", value))
    elif isinstance(value, str) and _UNSTORABLE.search(value):
        return ["Must not contain NUL or unpaired surrogates."]
    else:
        is_valid = _is_text(shape, value) if isinstance(value, str) else _in_range(shape, value)
    return [] if is_valid else [_must_be(shape)]


def _errors_of_union(shape: Shape, value: Any) -> Errors:
    alternative = _select_alternative(shape, value)
    errors = _errors(alternative, value) if alternative else [_must_be(shape)]
    # An error of the value itself lists all alternatives; errors of members stay as they are.
    return [_must_be(shape)] if errors and isinstance(errors, list) else errors


def _select_alternative(shape: Shape, value: Any) -> Shape | None:
    """Return the alternative of a union that fits the type of a value and its member ``type``."""
    for alternative in map(CONTRACT.shape, shape.any_of):
        type_names = _type_names(alternative)
        if _has_type(alternative, value) and (not type_names or value.get("type") in type_names):
            return alternative
    return None


def _type_names(shape: Shape) -> tuple[str, ...]:
    """Return the declared values of the member ``type`` of an object; empty without any."""
    member = (shape.properties or {}).get("type")
    return () if member is None else CONTRACT.shape(member).enum


def _has_type(shape: Shape, value: Any) -> bool:
    match shape.type:
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer" if isinstance(value, float):
            return value.is_integer()
        case _:
            allowed = int if shape.type == "integer" else int | float
            return isinstance(value, allowed) and not isinstance(value, bool)


def _in_range(shape: Shape, value: Any) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    is_integer = shape.type == "integer" or isinstance(value, int)
    low = _MIN_INTEGER if is_integer and shape.minimum is None else shape.minimum
    high = _MAX_INTEGER if is_integer and shape.maximum is None else shape.maximum
    return (low is None or value >= low) and (high is None or value <= high)


def _is_text(shape: Shape, text: str) -> bool:
    if len(text) < shape.min_length:
        return False
    if shape.max_length is not None and len(text) > shape.max_length:
        return False
    if shape.pattern is not None and not re.search(shape.pattern, text):
        return False
    return shape.format is None or FORMATS[shape.format].matches(text)


def _errors_of_members(shape: Shape, members: dict[str, Any]) -> FieldErrors:
    known = shape.properties or {}
    errors: FieldErrors = {}
    for name, value in members.items():
        if name in known:
            if member_errors := _errors(CONTRACT.shape(known[name]), value):
                errors[name] = member_errors
        elif shape.closed:
            errors[name] = ["Unknown member."]
    errors |= {name: ["This is required."] for name in shape.required if name not in members}
    for name, others in shape.needs.items():
        if members.get(name) is not None:
            missing = [other for other in others if members.get(other) is None]
            errors |= {other: [f"This is required together with {name}."] for other in missing}
    return errors


def _errors_of_items(shape: Shape, items: list[object]) -> Errors:
    too_short = len(items) < shape.min_items
    if too_short or (shape.max_items is not None and len(items) > shape.max_items):
        return [_must_be(shape)]
    if shape.items is None:
        return []
    item_shape = CONTRACT.shape(shape.items)
    found = ((str(index), _errors(item_shape, item)) for index, item in enumerate(items))
    return dict(islice(((index, errors) for index, errors in found if errors), _MAX_LISTED))


def _clean(shape: Shape, value: object) -> object:
    shape = _select_alternative(shape, value) or shape
    if shape.properties is not None and isinstance(value, dict):
        members, known = cast("dict[str, Any]", value), shape.properties
        return {n: _clean(CONTRACT.shape(known[n]), members[n]) for n in known if n in members}
    if shape.items is not None and isinstance(value, list):
        item_shape = CONTRACT.shape(shape.items)
        return [_clean(item_shape, item) for item in cast("list[object]", value)]
    if shape.type == "integer" and isinstance(value, float):
        return int(value)
    return value


def _must_be(shape: Shape) -> str:
    """Return a sentence that describes the valid values."""
    return f"Must be {' or '.join(_descriptions(shape))}."


def _descriptions(shape: Shape) -> Iterator[str]:
    for alternative in shape.any_of:
        yield from _descriptions(CONTRACT.shape(alternative))
    if shape.enum:
        values = ", ".join(map(str, shape.enum[:_MAX_LISTED]))
        more = f" … ({len(shape.enum)} in all)" if len(shape.enum) > _MAX_LISTED else ""
        yield f"one of {values}{more}" if len(shape.enum) > 1 else values
    elif shape.type is not None:
        yield _describe_type(shape)
    if shape.nullable:
        yield "null"


def _describe_type(shape: Shape) -> str:
    if shape.format is not None:
        return FORMATS[shape.format].description
    match shape.type:
        case "boolean":
            return "true or false"
        case "integer" | "number":
            noun = "an integer" if shape.type == "integer" else "a number"
            return noun + _describe_range(shape.minimum, shape.maximum)
        case "array":
            return "a list" + _describe_range(shape.min_items or None, shape.max_items, " items")
        case "object":
            return " or ".join(f"a {name}" for name in _type_names(shape)) or "an object"
        case _:
            low, high = shape.min_length or None, shape.max_length
            length = _describe_range(low, high, " characters")
            return "a string" + (length if shape.pattern is None else _describe(shape.pattern))


def _describe(pattern: str) -> str:
    if "," in pattern:  # only the pattern of coordinates has a comma; it is too long to show
        return " of the form latitude,longitude"
    return " of the form " + pattern.removeprefix("^").removesuffix(r"\Z")


def _describe_range(low: int | None, high: int | None, unit: str = "") -> str:
    of = " of" if unit else ""
    if low is not None and low == high:
        return f"{of} {low}{unit}"
    if low is not None and high is not None:
        return f"{of or ' from'} {low} to {high}{unit}"
    if low is not None:
        return f"{of} at least {low}{unit}"
    return "" if high is None else f"{of} at most {high}{unit}"


_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_DECIMAL: Final = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_UUID: Final = re.compile(r"[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}", re.ASCII | re.IGNORECASE)

# The characters of each part of a URL (RFC 3986, appendix A).
_NAME: Final = r"(?:[\w.~!$&'()*+,;=-]|%[\da-fA-F]{2})*"
_USER: Final = r"(?:[\w.~!$&'()*+,;=:-]|%[\da-fA-F]{2})*"
_PATH: Final = r"(?:[\w.~!$&'()*+,;=:@/-]|%[\da-fA-F]{2})*"
_QUERY: Final = r"(?:[\w.~!$&'()*+,;=:@/?-]|%[\da-fA-F]{2})*"
_AUTHORITY: Final = rf"//(?:{_USER}@)?(?:\[([^\]]*)\]|{_NAME})(?::\d*)?(?=[/?#]|\Z)"
_URL: Final = re.compile(
    rf"[A-Za-z][A-Za-z\d+.-]*:(?:{_AUTHORITY}|(?!//)){_PATH}(?:\?{_QUERY})?(?:#{_QUERY})?",
    re.ASCII,
)


@attrs.frozen
class Format:
    """A format of strings."""

    description: str
    """What is valid, as the end of a sentence."""
    matches: Callable[[str], bool]


def _is_date(text: str) -> bool:
    try:
        return bool(_DATE.fullmatch(text) and date.fromisoformat(text))
    except ValueError:
        return False


def _is_instant(text: str) -> bool:
    if not _INSTANT.fullmatch(text):
        return False
    try:
        read_instant(text)
    except ValueError:
        return False
    return True


def _is_email(text: str) -> bool:
    name, at, domain = text.partition("@")
    return bool(name and at) and "@" not in domain and "." in domain[1:-1] and _is_one_word(text)


def _is_one_word(text: str) -> bool:
    return text.split() == [text]


def _is_url(text: str) -> bool:
    match = _URL.fullmatch(text)
    if match is None or match[1] is None:
        return match is not None
    try:
        IPv6Address(match[1])
    except AddressValueError:
        return False
    return True


FORMATS: Final[Mapping[str, Format]] = {
    "date": Format("a date such as 2026-10-05", _is_date),
    "date-time": Format("a date and time with its zone, such as 2026-10-05T12:00:00Z", _is_instant),
    "decimal": Format("a decimal number, as a string", lambda text: bool(_DECIMAL.fullmatch(text))),
    "email": Format("an e-mail address", _is_email),
    "uri": Format("an absolute URL", _is_url),
    "uuid": Format("a UUID", lambda text: bool(_UUID.fullmatch(text))),
}
