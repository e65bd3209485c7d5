"""JSON from a server: limits on its size, repair of broken JSON, and documents without a model.

The transport limits the bytes of a reply; this module limits the values that are made of them.
Three bytes of JSON can become an object of several hundred bytes, and decoding a megabyte of them
would block the event loop.
"""

from __future__ import annotations

import codecs
import json
import random
import re
from collections.abc import Callable, Generator, Iterable
from decimal import Decimal
from typing import Any, Final, TypeAlias, TypeVar, cast

import msgspec

from ev_energy._arguments import require_whole_number
from ev_energy._runtime.lazy_pattern import lazy_pattern

T = TypeVar("T")
#: Work in steps: it yields where the event loop may get a turn, and returns a result.
Steps: TypeAlias = Generator[None, None, T]

#: Levels that JSON may nest. Replies of the API have less than a dozen; Python's limit on recursion
#: is at a few hundred.
MAX_DEPTH: Final = 100
#: Bytes of a problem document, a reply of the token endpoint or an event.
MAX_DOCUMENT_BYTES: Final = 2**20
#: Values in such a document.
_MAX_DOCUMENT_VALUES: Final = 50_000
#: Objects in one resource. A page of a hundred expanded resources has 5,200.
MAX_OBJECTS: Final = 20_000
#: Values in one resource whose type no model declares. Such values take longest.
MAX_FREE_FORM_VALUES: Final = 100_000
#: Values in one resource that deviates from its model. It lets a year of half-hour prices, or a
#: region whose boundary has 90,000 positions, have a field of another type.
MAX_LENIENT_VALUES: Final = 300_000
#: Unknown members of one object.
MAX_UNKNOWN_FIELDS: Final = 1_000
#: An object counts as this many values: a model takes about ten times as long as a number.
_VALUES_PER_OBJECT: Final = 10
#: Bytes. A body of this size cannot contain so many objects that decoding it takes 50 ms.
SMALL_BODY: Final = 32_768
#: Bytes. A larger page is decoded in steps of `PAGE_STEP` bytes: a page of 1.2 MB would keep the
#: event loop from running for 12 ms, and a step takes 2 ms. Splitting such a page costs up to
#: 5 % of CPU; splitting one of 300 kB, which takes 1 ms, would cost 15 %.
LARGE_PAGE: Final = 2**19
PAGE_STEP: Final = 2**16
#: Bytes of each sample; there is one sample for each 2**14 bytes of a body.
_SAMPLE_BYTES: Final = 256
_SAMPLING_SHIFT: Final = 14
#: Objects and values that are decoded in one step.
_STEP_OBJECTS: Final = 15_000
_STEP_VALUES: Final = 100_000
#: With a higher limit on values, a body that fits in one step need not be counted.
MIN_COUNTED_LIMIT: Final = 2 * (_STEP_VALUES + 10 * _STEP_OBJECTS)
_CHUNK_BYTES: Final = 2**20
#: All bytes but those that begin an object or an array, or are between two values.
_NOT_COUNTED: Final = bytes(set(range(256)) - set(b"{[,"))
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


class Limits(msgspec.Struct, frozen=True):
    """Limits on the size of a reply."""

    max_items: int = 10_000
    max_values: int = 1_000_000


DEFAULT_LIMITS: Final = Limits()


def limits_of(max_items: int, max_values: int) -> Limits:
    """Return the limits of a client; `ValueError` if one is less than 1."""
    for name, value in (("max_items", max_items), ("max_values", max_values)):
        require_whole_number(name, value, 1)
    return Limits(max_items, max_values)


class LimitReached(Exception):  # noqa: N818  (the caller turns it into the public LimitError)
    """The JSON is larger than *limit* allows."""

    def __init__(self, message: str, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


def run_to_end(steps: Steps[T]) -> T:
    """Run *steps* without pauses and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return cast("T", done.value)


class Size(msgspec.Struct, frozen=True):
    """An upper bound of the size of JSON: commas and brackets inside strings count too."""

    objects: int
    values: int


def fits_in_one_step(body: bytes) -> bool:
    """Return whether *body* is so small that it can be decoded in one step.

    Counting exactly would take a quarter of the time that decoding a page takes, so samples are
    counted. Their positions are random: a server cannot hide from what it cannot predict.
    """
    size = len(body)
    if size <= SMALL_BODY:
        return True
    samples = 2 + (size >> _SAMPLING_SHIFT)
    last = size - _SAMPLE_BYTES
    begins = [int(random.random() * last) for _ in range(samples)]  # noqa: S311  (not a secret)
    sample = b"".join([body[begin : begin + _SAMPLE_BYTES] for begin in begins])
    objects, values = _count(sample)
    scale = size / len(sample)
    return objects * scale <= _STEP_OBJECTS and values * scale <= _STEP_VALUES


def measure(body: bytes, max_values: int) -> Steps[Size]:
    """Return the size of *body*; `LimitReached` if it has more than *max_values* values."""
    objects = values = 0
    for begin in range(0, len(body), _CHUNK_BYTES):
        more_objects, more_values = _count(body[begin : begin + _CHUNK_BYTES])
        objects, values = objects + more_objects, values + more_values
        if values + _VALUES_PER_OBJECT * objects > max_values:
            message = f"the reply holds more than {max_values} values (max_values)"
            raise LimitReached(message, "max_values")
        yield
    return Size(objects, values + _VALUES_PER_OBJECT * objects)


def count_values(body: bytes) -> Size:
    """Return the size of a *body* that is small enough to be counted in one step."""
    objects, values = _count(body)
    return Size(objects, _VALUES_PER_OBJECT * objects + values)


def _count(body: bytes) -> tuple[int, int]:
    """Return how many objects *body* has, and how many other values at most.

    Deleting all other bytes takes less than half of the time of counting each of the three.
    """
    marks = body.translate(None, _NOT_COUNTED)
    objects = marks.count(b"{")
    return objects, len(marks) - objects


def _children(value: Any) -> Iterable[Any]:
    if value.__class__ is dict:
        return cast("dict[str, Any]", value).values()
    return value if value.__class__ is list else ()


def exceeds_depth(
    value: Any,
    children: Callable[[Any], Iterable[Any]] = _children,
    *,
    max_depth: int = MAX_DEPTH,
) -> bool:
    """Return whether *value* nests deeper than *max_depth* levels.

    It is walked level by level, since a recursive function would itself nest too deeply.
    """
    level: list[Any] = [value]
    for _ in range(max_depth):
        level = [
            child
            for parent in level
            for child in children(parent)
            if child.__class__ not in _SCALARS
        ]
        if not level:
            return False
    return True


def loads(body: bytes, *, exact: bool = False) -> Any:
    """Return the values of any JSON; `ValueError` if it is not JSON, or `RecursionError`.

    With *exact*, numbers with a fraction or an exponent become an `ExactNumber`.
    """
    try:
        return _EXACT.decode(body) if exact else msgspec.json.decode(body)
    except (msgspec.ValidationError, ArithmeticError):
        # Valid JSON with a number that msgspec or Decimal cannot represent.
        return json.loads(body, parse_int=_integer, parse_float=_exact_number if exact else None)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None  # before msgspec 0.21, it is none


class ExactNumber(Decimal):
    """A JSON number with a fraction or an exponent, with the digits that it is written with."""

    __slots__ = ()


_EXACT: Final = msgspec.json.Decoder(float_hook=ExactNumber)


def _exact_number(text: str) -> ExactNumber | float:
    try:
        return ExactNumber(text)
    except ArithmeticError:  # the exponent has too many digits
        return float(text)


def _integer(text: str) -> int | float:
    # Python refuses integers of more than 4300 digits, and parses others in quadratic time.
    return int(text) if len(text) <= _MAX_DIGITS else float(text[: _MAX_DIGITS + 1])


#: More digits than any float has.
_MAX_DIGITS: Final = 320


class Repair(msgspec.Struct, frozen=True):
    """JSON that can be decoded, and what was wrong with the original."""

    body: bytes
    problem: str


#: The longer marks first: the mark of UTF-32 begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Matches every escape; the group is set only for half of a surrogate pair. The alternatives begin
# differently, so the time is linear in the length of the text.
_ESCAPE: Final = lazy_pattern(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_CONSTANT: Final = lazy_pattern(r'"(?:[^"\\]++|\\.)*+"|(-?Infinity|NaN)', re.DOTALL)
_MATCHES_PER_STEP: Final = 10_000
#: Characters of the text that is searched for halves and constants.
_MAX_SEARCHED: Final = 2**23
#: Quotes and backslashes in a document, which is repaired without a pause.
_MAX_REPAIR_TOKENS: Final = 20_000


def repair_json(body: bytes) -> Steps[Repair | None]:
    """Return *body* as JSON that a strict decoder accepts; None if nothing can be repaired.

    A byte order mark is removed (RFC 8259 §8.1 lets a parser ignore it), bytes and escapes that are
    not characters become U+FFFD, and the numbers that JSON does not have become strings.
    """
    text, problems = _decode_text(body)
    yield
    is_searched = len(text) <= _MAX_SEARCHED
    if is_searched and "\\u" in text:
        half_pairs = 0

        def replace_half(found: re.Match[str]) -> str:
            nonlocal half_pairs
            if found[1] is None:
                return found[0]
            half_pairs += 1
            return "\\ufffd"

        text = yield from _replace_all(_ESCAPE, replace_half, text)
        if half_pairs:
            problems.append("half of a surrogate pair")
    if is_searched and ("NaN" in text or "Infinity" in text):
        constants = 0

        def quote(found: re.Match[str]) -> str:
            nonlocal constants
            if found[1] is None:
                return found[0]
            constants += 1
            return f'"{found[1]}"'

        text = yield from _replace_all(_CONSTANT, quote, text)
        if constants:
            problems.append("a number that JSON does not have")
    return Repair(text.encode(), ", ".join(problems)) if problems else None


def encode_json_text(text: str) -> bytes:
    """Return JSON text as bytes; half of a surrogate pair is escaped."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _HALF.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


_HALF: Final = lazy_pattern("[\ud800-\udfff]")


def find_replacement_character(value: Any) -> tuple[str, str] | None:
    """Return the path of the first string in *value* with U+FFFD, and the member it is in."""
    stack: list[tuple[str, str, Any]] = [("$", "", value)]
    while stack:
        path, member, one = stack.pop()
        if one.__class__ is str and "\ufffd" in one:
            return path, member
        if one.__class__ is dict:
            stack += [(f"{path}.{name}", name, inner) for name, inner in reversed(one.items())]
        elif one.__class__ is list:
            numbered = [(f"{path}[{index}]", member, inner) for index, inner in enumerate(one)]
            stack += reversed(numbered)
    return None


def _decode_text(body: bytes) -> tuple[str, list[str]]:
    """Return the text of *body* without a byte order mark, and what was wrong with it."""
    problems: list[str] = []
    encoding = next((name for mark, name in _MARKS if body.startswith(mark)), None)
    if encoding is not None:
        problems.append("a byte order mark")
    try:
        return body.decode(encoding or "utf-8"), problems
    except UnicodeDecodeError:
        problems.append("bytes that are not text")
    return body.decode(encoding or "utf-8", "replace"), problems


def _replace_all(
    pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str], text: str
) -> Steps[str]:
    """Do what `re.sub` does, in steps."""
    parts: list[str] = []
    copied = 0
    for number, found in enumerate(pattern.finditer(text), 1):
        replacement = replace(found)
        if replacement is not found[0] and replacement != found[0]:
            parts += (text[copied : found.start()], replacement)
            copied = found.end()
        if number % _MATCHES_PER_STEP == 0:
            yield
    return "".join([*parts, text[copied:]])


def json_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in *body*; None for anything else, such as a proxy's HTML page.

    None also if it nests too deeply, is larger than a megabyte or has too many values.
    """
    found = read_document(body)
    return None if found is None else found[0]


def read_document(body: bytes) -> tuple[dict[str, Any], Repair | None] | None:
    """Return the object that `json_object` returns, and how its JSON was repaired, if it was."""
    if len(body) > MAX_DOCUMENT_BYTES:
        return None
    repair: Repair | None = None
    try:
        run_to_end(measure(body, _MAX_DOCUMENT_VALUES))
        try:
            found: Any = loads(body)
        except ValueError:
            if body.count(b'"') + body.count(b"\\") > _MAX_REPAIR_TOKENS:
                return None
            repair = run_to_end(repair_json(body))
            if repair is None:
                return None
            run_to_end(measure(repair.body, _MAX_DOCUMENT_VALUES))
            found = loads(repair.body)
    except (ValueError, RecursionError, LimitReached):
        return None
    if not isinstance(found, dict) or exceeds_depth(found):
        return None
    return cast("dict[str, Any]", found), repair


def find_repair(body: bytes) -> Repair | None:
    """Return how the JSON object in *body* was repaired; None if it did not need to be."""
    found = read_document(body)
    return None if found is None else found[1]


def is_confirmation(body: bytes) -> bool:
    """Return whether *body*, in a reply of which only the status counts, is empty or JSON.

    A captive portal or a proxy answers any request with its own page and a success status.
    """
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        return True
    if len(text) > MAX_DOCUMENT_BYTES:
        return False
    try:
        run_to_end(measure(text, _MAX_DOCUMENT_VALUES))
        json.loads(text)
    except (ValueError, LimitReached):  # UnicodeDecodeError is a ValueError
        return False
    except RecursionError:  # only JSON nests that deeply
        return True
    return True
