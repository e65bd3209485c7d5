"""Type checks of arguments that raise before anything is sent, with the argument's name.

A `str` is a sequence of characters and `bytes` are a sequence of numbers: without these checks, one
would be sent as a list of letters and the other as a list of numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

SequenceT = TypeVar("SequenceT", bound=Sequence[object])

#: The types that hold bytes. All of them are sequences of numbers.
BYTES: Final = (bytes, bytearray, memoryview)
#: Characters of a `str` that a message suggests to wrap in a list.
_MAX_SUGGESTED_CHARS: Final = 40


def describe_type(value: object) -> str:
    """Return the type of *value* for a message: ``a list``, ``bytes``, ``None``."""
    if value is None or isinstance(value, bytes):
        return "None" if value is None else "bytes"
    name = type(value).__name__
    return f"{'an' if name.startswith(tuple('aeioAEIO')) else 'a'} {name}"


def require_text(name: str, value: object) -> str:
    """Return *value*, or raise `TypeError` if it is not a `str`."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {describe_type(value)}")
    return value


def is_list(value: object) -> bool:
    """Return whether *value* is a list, or another sequence except `str` and bytes."""
    return isinstance(value, Sequence) and not isinstance(value, (str, *BYTES))


def require_list(name: str, values: SequenceT) -> SequenceT:
    """Return *values*, or raise `TypeError` if they are not a list.

    Sets, generators and mappings are refused too. A set has no defined order, and a generator can
    be read only once, while checks and retries read the values again.
    """
    if is_list(values):
        return values
    if isinstance(values, str) and len(values) <= _MAX_SUGGESTED_CHARS:
        raise TypeError(f"{name} must be a list: {name}=[{values!r}]")
    raise TypeError(f"{name} must be a list, not {describe_type(values)}")
