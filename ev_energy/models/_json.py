"""JSON from a server: how much of it is read, how it is repaired, and documents of no known shape.

Bytes are bounded by the transport. What is made of them is bounded here: three bytes of JSON can
become an object of several hundred bytes, and a megabyte of them would hold the event loop.
"""

from __future__ import annotations

import codecs
import json
import random
import re
from collections.abc import Callable, Generator, Iterable
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, cast

import msgspec

T = TypeVar("T")
#: Work that pauses where the event loop may run something else, and ends in a result.
Steps: TypeAlias = Generator[None, None, T]

#: How deep JSON may nest. The API's does not get to a dozen, and Python follows a few hundred.
DEEPEST: Final = 100
#: How many bytes a problem document, a reply of the token endpoint or an event may have.
LARGEST_DOCUMENT: Final = 2**20
#: How many values such a document may hold.
_MOST_IN_DOCUMENT: Final = 50_000
#: How many objects one resource may hold: a page of a hundred expanded resources has 5,200.
MOST_OBJECTS: Final = 20_000
#: How many values of one resource may be of no known shape: such values take longest.
MOST_ODD_VALUES: Final = 100_000
#: Values in one resource that deviates from its model: a year of half-hour prices, or the border
#: of a region with 90,000 positions, and one member of another type beside it.
MOST_TOLERANT_VALUES: Final = 300_000
#: How many members of one object may be unknown.
MOST_UNKNOWN: Final = 1_000
#: What an object counts as among values: a model takes about ten times as long as a number.
_OBJECT: Final = 10
#: No body of this size holds so many objects that decoding it takes 50 ms.
SMALL: Final = 32_768
#: Bytes of each sample, and how many bytes of a body one of them stands for.
_SAMPLE: Final = 256
_STRIDE_BITS: Final = 14
#: Objects and values of an ordinary page, which is decoded in one go.
_FEW_OBJECTS: Final = 15_000
_FEW_VALUES: Final = 100_000
#: With a limit of more values than this, an ordinary page need not be counted.
LEAST_COUNTED: Final = 2 * (_FEW_VALUES + 10 * _FEW_OBJECTS)
_SLICE: Final = 2**20
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


class Limits(NamedTuple):
    """How much a reply may hold."""

    max_items: int = 10_000
    max_values: int = 1_000_000


DEFAULT_LIMITS: Final = Limits()


def limits_of(max_items: int, max_values: int) -> Limits:
    """Return the limits of a client; `ValueError` where one allows for nothing."""
    for name, value in (("max_items", max_items), ("max_values", max_values)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, not {value}")
    return Limits(max_items, max_values)


class Exceeded(Exception):  # noqa: N818  (the session turns it into a LimitError)
    """The JSON holds more than *limit* allows."""

    def __init__(self, message: str, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


def finish(steps: Steps[T]) -> T:
    """Run *steps* to the end without a pause, and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return cast("T", done.value)


class Size(NamedTuple):
    """How much JSON holds; commas and brackets in texts count too."""

    objects: int
    values: int


def is_ordinary(body: bytes) -> bool:
    """Return whether *body* holds so little that it can be decoded in one go.

    Counting exactly would take a quarter of the time of decoding a page. So samples are counted,
    in random places: a server cannot hide from them what it cannot predict.
    """
    size = len(body)
    if size <= SMALL:
        return True
    samples = 2 + (size >> _STRIDE_BITS)
    objects = values = 0
    last = size - _SAMPLE
    for _ in range(samples):
        begin = int(random.random() * last)  # noqa: S311  (sampling, no secret)
        end = begin + _SAMPLE
        objects += body.count(b"{", begin, end)
        values += body.count(b",", begin, end) + body.count(b"[", begin, end)
    bytes_per_byte = size / (samples * _SAMPLE)
    return objects * bytes_per_byte <= _FEW_OBJECTS and values * bytes_per_byte <= _FEW_VALUES


def measure(body: bytes, most: int) -> Steps[Size]:
    """Return how much *body* holds; `Exceeded` if it is more than *most* values."""
    objects = values = 0
    for begin in range(0, len(body), _SLICE):
        end = begin + _SLICE
        objects += body.count(b"{", begin, end)
        values += body.count(b",", begin, end) + body.count(b"[", begin, end)
        if values + _OBJECT * objects > most:
            raise Exceeded(f"the reply holds more than {most} values (max_values)", "max_values")
        yield
    return Size(objects, values + _OBJECT * objects)


def count(body: bytes) -> Size:
    """Return how much a *body* of moderate size holds."""
    objects = body.count(b"{")
    return Size(objects, _OBJECT * objects + body.count(b",") + body.count(b"["))


def _inside(value: Any) -> Iterable[Any]:
    if value.__class__ is dict:
        return cast("dict[str, Any]", value).values()
    return value if value.__class__ is list else ()


def is_deep(
    value: Any, inside: Callable[[Any], Iterable[Any]] = _inside, *, most: int = DEEPEST
) -> bool:
    """Return whether *value* nests deeper than *most* levels; *inside* says what is in it.

    Level by level, since a recursive function would itself nest too deeply.
    """
    level: list[Any] = [value]
    for _ in range(most):
        level = [one for each in level for one in inside(each) if one.__class__ not in _PLAIN]
        if not level:
            return False
    return True


def loads(body: bytes, *, exact: bool = False) -> Any:
    """Return the values of any JSON; `ValueError` where it is none, or `RecursionError`.

    With *exact*, numbers with a fraction or an exponent are an `ExactNumber`.
    """
    try:
        return _EXACT.decode(body) if exact else msgspec.json.decode(body)
    except (msgspec.ValidationError, ArithmeticError):
        # JSON, with a number that msgspec or Decimal has no value for.
        return json.loads(body, parse_int=_integer, parse_float=_fraction if exact else None)


class ExactNumber(Decimal):
    """A JSON number with a fraction or an exponent, as it is written there."""

    __slots__ = ()


_EXACT: Final = msgspec.json.Decoder(float_hook=ExactNumber)


def _fraction(text: str) -> ExactNumber | float:
    try:
        return ExactNumber(text)
    except ArithmeticError:  # the exponent has too many digits
        return float(text)


def _integer(text: str) -> int | float:
    # Python refuses integers of more than 4300 digits, and takes quadratic time for the others.
    return int(text) if len(text) <= _MOST_DIGITS else float(text[: _MOST_DIGITS + 1])


#: More digits than any float has.
_MOST_DIGITS: Final = 320


class Repaired(NamedTuple):
    """JSON that can be read, and what was wrong with the original."""

    body: bytes
    flaw: str


#: The longer marks first: that of UTF-32 begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# An escape that is half of a surrogate pair, after any others, which are left as they are. Each
# alternative begins in its own way, so that no text takes more than one pass.
_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_CONSTANT: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"|(-?Infinity|NaN)', re.DOTALL)
_STEP: Final = 10_000
#: Characters of text that is searched for halves and constants: one text of JSON is one match.
_MOST_SEARCHED: Final = 2**23
#: Texts and escapes that are searched in a document, which is repaired without a pause.
_MOST_IN_REPAIR: Final = 20_000


def repaired(body: bytes) -> Steps[Repaired | None]:
    """Return *body* as JSON that a strict decoder reads; None if nothing can be repaired.

    A byte order mark is left out (RFC 8259 §8.1 lets a parser ignore it), bytes and escapes that
    are no characters become U+FFFD, and the numbers that JSON does not have become texts.
    """
    text, flaws = _decoded(body)
    yield
    is_searched = len(text) <= _MOST_SEARCHED
    if is_searched and "\\u" in text:
        halves = 0

        def whole(found: re.Match[str]) -> str:
            nonlocal halves
            if found[1] is None:
                return found[0]
            halves += 1
            return "\\ufffd"

        text = yield from _replaced(_ESCAPE, whole, text)
        if halves:
            flaws.append("half of a surrogate pair")
    if is_searched and ("NaN" in text or "Infinity" in text):
        constants = 0

        def quoted(found: re.Match[str]) -> str:
            nonlocal constants
            if found[1] is None:
                return found[0]
            constants += 1
            return f'"{found[1]}"'

        text = yield from _replaced(_CONSTANT, quoted, text)
        if constants:
            flaws.append("a number that JSON does not have")
    return Repaired(text.encode(), ", ".join(flaws)) if flaws else None


def repaired_text(text: str) -> bytes:
    """Return JSON text as bytes; a half of a surrogate pair becomes an escape of the half."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _HALF.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


_HALF: Final = re.compile("[\ud800-\udfff]")


def find_replacement(value: Any) -> tuple[str, str] | None:
    """Return the path of the first text in *value* with U+FFFD in it, and the member it is in."""
    ahead: list[tuple[str, str, Any]] = [("$", "", value)]
    while ahead:
        path, member, one = ahead.pop()
        if one.__class__ is str and "\ufffd" in one:
            return path, member
        if one.__class__ is dict:
            ahead += [(f"{path}.{name}", name, inner) for name, inner in reversed(one.items())]
        elif one.__class__ is list:
            numbered = [(f"{path}[{index}]", member, inner) for index, inner in enumerate(one)]
            ahead += reversed(numbered)
    return None


def _decoded(body: bytes) -> tuple[str, list[str]]:
    """The text of *body*, without a byte order mark, and what was wrong with it."""
    flaws: list[str] = []
    encoding = next((name for mark, name in _MARKS if body.startswith(mark)), None)
    if encoding is not None:
        flaws.append("a byte order mark")
    try:
        return body.decode(encoding or "utf-8"), flaws
    except UnicodeDecodeError:
        flaws.append("bytes that are no text")
    return body.decode(encoding or "utf-8", "replace"), flaws


def _replaced(
    pattern: re.Pattern[str], new: Callable[[re.Match[str]], str], text: str
) -> Steps[str]:
    pieces: list[str] = []
    copied = 0
    for number, found in enumerate(pattern.finditer(text), 1):
        replacement = new(found)
        if replacement is not found[0] and replacement != found[0]:
            pieces += (text[copied : found.start()], replacement)
            copied = found.end()
        if number % _STEP == 0:
            yield
    return "".join([*pieces, text[copied:]])


def json_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in *body*; None if it holds anything else (a proxy's HTML page, say).

    An object that nests too deeply, is larger than a megabyte or holds too many values is none.
    """
    found = document(body)
    return None if found is None else found[0]


def document(body: bytes) -> tuple[dict[str, Any], Repaired | None] | None:
    """Return the object that `json_object` finds, and the JSON it is from if that was repaired."""
    if len(body) > LARGEST_DOCUMENT:
        return None
    repair: Repaired | None = None
    try:
        finish(measure(body, _MOST_IN_DOCUMENT))
        try:
            found: Any = loads(body)
        except ValueError:  # msgspec's DecodeError and UnicodeDecodeError are ValueErrors
            if body.count(b'"') + body.count(b"\\") > _MOST_IN_REPAIR:
                return None
            repair = finish(repaired(body))
            if repair is None:
                return None
            finish(measure(repair.body, _MOST_IN_DOCUMENT))
            found = loads(repair.body)
    except (ValueError, RecursionError, Exceeded):
        return None
    if not isinstance(found, dict) or is_deep(found):
        return None
    return cast("dict[str, Any]", found), repair


def repair_of(body: bytes) -> Repaired | None:
    """Return how the JSON object in *body* had to be repaired; None if it had not to be."""
    found = document(body)
    return None if found is None else found[1]


def is_confirmation(body: bytes) -> bool:
    """Return whether *body* can stand in a reply that tells no more than its status: none, or JSON.

    A captive portal or a proxy answers any request with a page of its own, and calls it a success.
    """
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        return True
    if len(text) > LARGEST_DOCUMENT:
        return False
    try:
        finish(measure(text, _MOST_IN_DOCUMENT))
        json.loads(text)
    except (ValueError, Exceeded):  # UnicodeDecodeError is a ValueError
        return False
    except RecursionError:  # which takes JSON to bring about
        return True
    return True
