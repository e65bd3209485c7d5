"""Arguments of the wrong kind, refused by name before anything is sent.

Text is a sequence of characters and ``bytes`` are a sequence of numbers, so without these checks
one would be sent as letters and the other as numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

Items = TypeVar("Items", bound=Sequence[object])

#: What holds bytes, all of them sequences of numbers.
BYTES: Final = (bytes, bytearray, memoryview)
_LONGEST: Final = 40


def describe_type(value: object) -> str:
    """Return what *value* is, for a message: ``a list``, ``bytes``, ``None``."""
    if value is None or isinstance(value, bytes):
        return "None" if value is None else "bytes"
    return f"a {type(value).__name__}"


def require_text(name: str, value: object) -> str:
    """Return *value*, or raise `TypeError` if it is not text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {describe_type(value)}")
    return value


def is_list(value: object) -> bool:
    """Return whether *value* is a list, or another sequence that is neither text nor bytes."""
    return isinstance(value, Sequence) and not isinstance(value, (str, *BYTES))


def require_list(name: str, values: Items) -> Items:
    """Return *values*, or raise `TypeError` if they are not a list.

    Sets, generators and mappings are refused too: they have no order that can be relied on, or
    can be read only once, where checks and retries read them again.
    """
    if is_list(values):
        return values
    if isinstance(values, str) and len(values) <= _LONGEST:
        raise TypeError(f"{name} must be a list: {name}=[{values!r}]")
    raise TypeError(f"{name} must be a list, not {describe_type(values)}")
