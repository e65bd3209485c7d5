"""Whether what was sent is what the contract declares, and what to say if it is not."""

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

    Wrong = list[str] | FieldErrors

#: Whole numbers beyond these fit no database, and not everything that writes JSON.
_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1
_LONGEST_NUMBER: Final = 400
#: How much is told of what is wrong in a list, or of what would do.
_FEW: Final = 25
_CURSORS: Final = frozenset({"page_after", "page_before"})
#: A number in the description, which says nowhere that it has to be written as an integer.
_PAGE: Final = "page"

#: What no text of Unicode has, and what no database takes.
_NO_TEXT: Final = re.compile("[\x00\ud800-\udfff]")
_INTEGER: Final = re.compile(r"-?\d+", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:[Ee][+-]?\d+)?", re.ASCII)


def read_query(
    facts: OperationFacts, pairs: Iterable[tuple[str, str]]
) -> tuple[dict[str, Any], FieldErrors]:
    """Return the parameters of a query as values, and what is wrong with the others.

    Those that are missing or wrong have their default, if there is one. Times are in UTC; the
    cursors of pages stay texts, whatever they are made of.
    """
    sent: defaultdict[str, list[str]] = defaultdict(list)
    for name, text in pairs:
        sent[name].append(text)
    values = {n: shape.default for n, shape in facts.query.items() if shape.default is not None}
    errors: FieldErrors = {}
    for name, texts in sent.items():
        if name not in facts.query:
            errors[name] = [_unknown(name, facts.query)]
            continue
        value, wrong = _parameter(
            facts.query[name], [*map(_whole_number, texts)] if name == _PAGE else texts
        )
        if wrong:
            errors[name] = wrong
        else:
            values[name] = texts[0] if name in _CURSORS else value
    if "page_after" in values:  # then the other cursor does not count, whatever it is
        values.pop("page_before", None)
        errors.pop("page_before", None)
    return values, errors | {n: ["This is needed."] for n in facts.required if n not in sent}


def read_body(facts: OperationFacts, value: object) -> FieldErrors:
    """Return what is wrong with the JSON of a body, nested as the body is.

    What is wrong with the body as a whole stands under ``body``.
    """
    if facts.body is None:
        return {}
    wrong = _wrong(CONTRACT.shape(facts.body.shape), value)
    if isinstance(wrong, list):
        return {"body": wrong} if wrong else {}
    return wrong


def written(facts: OperationFacts, value: object) -> Any:
    """Return what a body with nothing wrong sets: known members only, integers as such."""
    return value if facts.body is None else _written(CONTRACT.shape(facts.body.shape), value)


def _unknown(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name[:50], known, n=1)
    return "There is no such parameter here." + (f" Is {near[0]} meant?" if near else "")


def _parameter(shape: Shape, texts: list[str]) -> tuple[Any, list[str]]:
    """Return the value of a parameter, or what is wrong with it."""
    if shape.type != "array" or shape.items is None:
        if len(texts) > 1:
            return None, ["This can be given only once."]
        return _typed(shape, texts[0])
    inner = CONTRACT.shape(shape.items)
    values: list[Any] = []
    for text in texts:
        value, wrong = _typed(inner, text)
        if wrong and "," in text:
            wrong = [f"{wrong[0]} Of several, each has a parameter of its own."]
        if wrong:
            return None, wrong
        values.append(value)
    return values, []


def _typed(shape: Shape, text: str) -> tuple[Any, list[str]]:
    """Return the value that a text stands for, or what is wrong with it."""
    value = _value(shape, text)
    if not _wrong(shape, value):
        return read_instant(text) if shape.format == "date-time" else value, []
    if " " in text and not _wrong(shape, text.replace(" ", "+")):
        return None, [f"{_must_be(shape)} A plus sign in a query is written %2B."]
    return None, [_must_be(shape)]


def _whole_number(text: str) -> str:
    """Return a text such as 1.0 or 1e0 as the integer it means; any other as it is."""
    if len(text) >= _LONGEST_NUMBER or not _NUMBER.fullmatch(text) or _INTEGER.fullmatch(text):
        return text
    number = float(text)
    return f"{number:.0f}" if number.is_integer() else text


def _value(shape: Shape, text: str) -> Any:
    """Return what JSON would have for a text; the text as it is where it is not of the kind."""
    match shape.type:
        case "boolean":
            return {"true": True, "false": False}.get(text, text)
        case "integer" if len(text) < _LONGEST_NUMBER and _INTEGER.fullmatch(text):
            return int(text)
        case "number" if len(text) < _LONGEST_NUMBER and _NUMBER.fullmatch(text):
            return float(text)
        case _:
            return text


def _wrong(shape: Shape, value: Any) -> Wrong:
    """Return what is wrong with a value."""
    if value is None:
        fine = shape.nullable
    elif shape.any_of:
        return _wrong_with_any(shape, value)
    elif not _is_of_type(shape, value) or (shape.enum and value not in shape.enum):
        fine = False
    elif isinstance(value, dict):
        return _wrong_members(shape, cast("dict[str, Any]", value))
    elif isinstance(value, list):
        return _wrong_items(shape, cast("list[object]", value))
    elif isinstance(value, str) and _NO_TEXT.search(value):
        return ["Must be without NUL and without halves of surrogate pairs."]
    else:
        fine = _is_text(shape, value) if isinstance(value, str) else _is_in_range(shape, value)
    return [] if fine else [_must_be(shape)]


def _wrong_with_any(shape: Shape, value: Any) -> Wrong:
    meant = _meant(shape, value)
    wrong = _wrong(meant, value) if meant else [_must_be(shape)]
    # Of what may be several things, all are named.
    return [_must_be(shape)] if wrong and isinstance(wrong, list) else wrong


def _meant(shape: Shape, value: Any) -> Shape | None:
    """Return which of several shapes a value is meant to be of, going by what sets them apart."""
    for arm in map(CONTRACT.shape, shape.any_of):
        kinds = _kinds_of_object(arm)
        if _is_of_type(arm, value) and (not kinds or value.get("type") in kinds):
            return arm
    return None


def _kinds_of_object(shape: Shape) -> tuple[str, ...]:
    """Return what the member ``type`` of an object of this shape may be, if that is declared."""
    member = (shape.properties or {}).get("type")
    return () if member is None else CONTRACT.shape(member).enum


def _is_of_type(shape: Shape, value: Any) -> bool:
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


def _is_in_range(shape: Shape, value: Any) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    whole = shape.type == "integer" or isinstance(value, int)
    low = _LEAST if whole and shape.minimum is None else shape.minimum
    high = _MOST if whole and shape.maximum is None else shape.maximum
    return (low is None or value >= low) and (high is None or value <= high)


def _is_text(shape: Shape, text: str) -> bool:
    if len(text) < shape.min_length:
        return False
    if shape.max_length is not None and len(text) > shape.max_length:
        return False
    if shape.pattern is not None and not re.search(shape.pattern, text):
        return False
    return shape.format is None or FORMATS[shape.format].is_met(text)


def _wrong_members(shape: Shape, members: dict[str, Any]) -> FieldErrors:
    known = shape.properties or {}
    errors: FieldErrors = {}
    for name, value in members.items():
        if name in known:
            if wrong := _wrong(CONTRACT.shape(known[name]), value):
                errors[name] = wrong
        elif shape.closed:
            errors[name] = ["There is no such member."]
    errors |= {name: ["This is needed."] for name in shape.required if name not in members}
    for name, others in shape.needs.items():
        if members.get(name) is not None:
            missing = [other for other in others if members.get(other) is None]
            errors |= {other: [f"This is needed where there is {name}."] for other in missing}
    return errors


def _wrong_items(shape: Shape, items: list[object]) -> Wrong:
    few = len(items) < shape.min_items
    if few or (shape.max_items is not None and len(items) > shape.max_items):
        return [_must_be(shape)]
    if shape.items is None:
        return []
    inner = CONTRACT.shape(shape.items)
    found = ((str(at), _wrong(inner, item)) for at, item in enumerate(items))
    return dict(islice(((at, wrong) for at, wrong in found if wrong), _FEW))


def _written(shape: Shape, value: object) -> object:
    shape = _meant(shape, value) or shape
    if shape.properties is not None and isinstance(value, dict):
        members, known = cast("dict[str, Any]", value), shape.properties
        return {n: _written(CONTRACT.shape(known[n]), members[n]) for n in known if n in members}
    if shape.items is not None and isinstance(value, list):
        inner = CONTRACT.shape(shape.items)
        return [_written(inner, item) for item in cast("list[object]", value)]
    if shape.type == "integer" and isinstance(value, float):
        return int(value)
    return value


def _must_be(shape: Shape) -> str:
    """Return what would do, as a sentence."""
    return f"Must be {' or '.join(_wanted(shape))}."


def _wanted(shape: Shape) -> Iterator[str]:
    for arm in shape.any_of:
        yield from _wanted(CONTRACT.shape(arm))
    if shape.enum:
        named = ", ".join(map(str, shape.enum[:_FEW]))
        more = f" … ({len(shape.enum)} in all)" if len(shape.enum) > _FEW else ""
        yield f"one of {named}{more}" if len(shape.enum) > 1 else named
    elif shape.type is not None:
        yield _kind(shape)
    if shape.nullable:
        yield "null"


def _kind(shape: Shape) -> str:
    if shape.format is not None:
        return FORMATS[shape.format].wanted
    match shape.type:
        case "boolean":
            return "true or false"
        case "integer" | "number":
            noun = "a whole number" if shape.type == "integer" else "a number"
            return noun + _range(shape.minimum, shape.maximum)
        case "array":
            return "a list" + _range(shape.min_items or None, shape.max_items, " items")
        case "object":
            return " or ".join(f"a {kind}" for kind in _kinds_of_object(shape)) or "an object"
        case _:
            length = _range(shape.min_length or None, shape.max_length, " characters")
            return "a text" + (length if shape.pattern is None else _form(shape.pattern))


def _form(pattern: str) -> str:
    if "," in pattern:  # the one that has a comma is as long as two lines
        return " of the form latitude,longitude"
    return " of the form " + pattern.removeprefix("^").removesuffix(r"\Z")


def _range(low: int | None, high: int | None, of: str = "") -> str:
    many = " of" if of else ""
    if low is not None and low == high:
        return f"{many} {low}{of}"
    if low is not None and high is not None:
        return f"{many or ' from'} {low} to {high}{of}"
    if low is not None:
        return f"{many} at least {low}{of}"
    return "" if high is None else f"{many} at most {high}{of}"


_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_DECIMAL: Final = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_UUID: Final = re.compile(r"[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}", re.ASCII | re.IGNORECASE)

# RFC 3986, appendix A: what each part of a URL may hold.
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
    """A format of texts."""

    wanted: str
    """What to ask for, as the end of a sentence."""
    is_met: Callable[[str], bool]


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
    found = _URL.fullmatch(text)
    if found is None or found[1] is None:
        return found is not None
    try:
        IPv6Address(found[1])
    except AddressValueError:
        return False
    return True


FORMATS: Final[Mapping[str, Format]] = {
    "date": Format("a date such as 2026-10-05", _is_date),
    "date-time": Format("a date and time with its zone, such as 2026-10-05T12:00:00Z", _is_instant),
    "decimal": Format("a decimal number, as text", lambda text: bool(_DECIMAL.fullmatch(text))),
    "email": Format("an e-mail address", _is_email),
    "uri": Format("an absolute URL", _is_url),
    "uuid": Format("a UUID", lambda text: bool(_UUID.fullmatch(text))),
}
