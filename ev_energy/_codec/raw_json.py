"""JSON that is cut into pieces, or read without a model; every failure is a `DecodeFailure`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ev_energy._runtime.lazy_pattern import lazy_pattern
from ev_energy.models._json import MAX_DEPTH, exceeds_depth, loads

TOO_DEEP: Final = "nested too deeply"
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_RAW_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAW_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_TYPE_BY_FIRST_BYTE: Final = {
    b"{": "an object",
    b"[": "an array",
    b'"': "a string",
    b"n": "null",
}
_TYPE_BY_CLASS: Final = {
    "NoneType": "null",
    "dict": "an object",
    "list": "an array",
    "str": "a string",
}
_SCALAR: Final = "a number or a boolean"
_SPACE, _LF, _TAB, _CR, _BACKSLASH = b" \n\t\r\\"
#: With more spaces, *body* is formatted, or mostly text, and deleting them takes longer.
_BYTES_PER_SPACE: Final = 128
_SPACED_KEY_END: Final = lazy_pattern(rb'"[ \n\r\t]++:')


class DecodeFailure(Exception):  # noqa: N818  (the caller turns it into the public DecodeError)
    """The bytes cannot be decoded as expected; *path* is the place in the reply."""

    def __init__(self, message: str, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class NotJsonFailure(DecodeFailure):
    """The bytes are not JSON, but may become JSON once they are repaired."""


#: The errors of msgspec for bytes that are not JSON or nest too deeply.
JSON_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def failure_of(error: Exception) -> DecodeFailure:
    """Return the failure that one of `JSON_ERRORS` stands for."""
    if isinstance(error, RecursionError):
        return DecodeFailure(TOO_DEEP)
    return NotJsonFailure(f"not JSON: {str(error).removeprefix('JSON is malformed: ')}")


def count_keys(body: bytes) -> int:
    """Return how many keys the objects of *body*, which is JSON, have; repeated ones count too.

    The number is never too low. It is too high where a string begins with a colon, perhaps behind
    spaces, or where a backslash stands before the backslash of an escaped quote, or at the end of a
    key.
    """
    # Python looks for one byte ten times as fast as for two. Without the spaces, a key ends in the
    # same bytes everywhere, and few spaces are deleted in a quarter of the time of a search for
    # those before a colon (4 % of a page).
    if _SPACE in body:
        compact = body.replace(b" ", b"", len(body) // _BYTES_PER_SPACE)
        if _SPACE not in compact:
            body = compact
        elif b" :" in body:
            body = _SPACED_KEY_END.sub(b'":', body)
    if (
        (_LF in body and b"\n:" in body)
        or (_TAB in body and b"\t:" in body)
        or (_CR in body and b"\r:" in body)
    ):
        body = _SPACED_KEY_END.sub(b'":', body)
    keys = body.count(b'":')
    if _BACKSLASH in body and b'\\\\":' not in body:
        keys -= body.count(b'\\":')  # an escaped quote inside a string
    return keys


def raw_items(body: bytes, path: str) -> list[Any]:
    """Return the items of a JSON array, not decoded."""
    try:
        return _RAW_ITEMS.decode(body)
    except msgspec.ValidationError:
        found = json_type_of_text(body) or _SCALAR
        raise DecodeFailure(f"expected an array, got {found}", path) from None
    except JSON_ERRORS as error:
        raise failure_of(error) from None


def raw_fields(body: bytes) -> dict[str, Any]:
    """Return the members of a JSON object by name, their values not decoded."""
    try:
        return _RAW_FIELDS.decode(body)
    except JSON_ERRORS as error:
        raise failure_of(error) from None


def free_form(body: bytes, max_depth: int = MAX_DEPTH, *, exact: bool = False) -> Any:
    """Return the values of JSON of any shape. With *exact*, see `ExactNumber`."""
    try:
        found = loads(body, exact=exact)
    except (ValueError, RecursionError) as error:
        raise failure_of(error) from None
    if exceeds_depth(found, max_depth=max_depth):
        raise DecodeFailure(TOO_DEEP)
    return found


def check_nesting(body: bytes) -> None:
    """Raise `DecodeFailure` where *body* is not JSON or nests too deeply."""
    try:
        _RAW.decode(body)
    except JSON_ERRORS as error:
        raise failure_of(error) from None


def unwrap(body: bytes, key: str) -> tuple[bytes | None, dict[str, Any]]:
    """Return the JSON under *key* of an object, and the other members of the object.

    The first is None where the object has no such key. Where *body* is not an object, and so was
    not wrapped, it is returned as it is.
    """
    try:
        members = _RAW_FIELDS.decode(body)
    except (msgspec.ValidationError, RecursionError):
        return body, {}  # decoding it raises the error, if there is one
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise failure_of(error) from None
    wrapped = bytes(members.get(key, msgspec.Raw()))
    if wrapped in {b"", b"null"}:
        return None, {name: free_form(bytes(value)) for name, value in members.items()}
    del members[key]
    return wrapped, {name: free_form(bytes(value)) for name, value in members.items()}


def json_type_of_text(body: bytes) -> str | None:
    """Return the JSON type of *body* by its first byte; None for a number or a boolean."""
    return _TYPE_BY_FIRST_BYTE.get(body.lstrip()[:1])


def json_type(value: object) -> str:
    """Return the JSON type of a decoded value, for a message."""
    return _TYPE_BY_CLASS.get(type(value).__name__, _SCALAR)
