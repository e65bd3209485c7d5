"""Checks of arguments that raise before anything is sent, with the argument's name.

A `str` is a sequence of characters and `bytes` are a sequence of numbers: without these checks, one
would be sent as a list of letters and the other as a list of numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final, TypeVar

SequenceT = TypeVar("SequenceT", bound=Sequence[object])

#: The types that hold bytes. All of them are sequences of numbers.
BYTES: Final = (bytes, bytearray, memoryview)
#: Characters of a `str` that a message suggests to wrap in a list.
_MAX_SUGGESTED_CHARS: Final = 40
#: Characters of a value that a message repeats.
_MAX_SHOWN_CHARS: Final = 40
#: How much like a wrong name a suggestion must be, from 0 to 1.
_MIN_LIKENESS: Final = 0.7


def describe_type(value: object) -> str:
    """Return the type of *value* for a message: ``a list``, ``None``, ``the class EVSE``."""
    if value is None or isinstance(value, bytes):
        return "None" if value is None else "bytes"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return with_article(type(value).__name__)


def with_article(name: str) -> str:
    """Return the name of a type with its article: ``a list``, ``an EVSE``."""
    return f"{'an' if name.startswith(tuple('aeioAEIO')) else 'a'} {name}"


def describe_value(value: object) -> str:
    """Return a number, a boolean or a short text itself for a message; of others, the type.

    Not for arguments that may be secrets.
    """
    shown = repr(value) if isinstance(value, bool | int | float | str) else ""
    return shown if 0 < len(shown) <= _MAX_SHOWN_CHARS else describe_type(value)


def require_text(name: str, value: object) -> str:
    """Return *value*, or raise `TypeError` if it is not a `str`."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {describe_type(value)}")
    return value


def require_encodable(name: str, text: str) -> str:
    """Return *text*, or raise `ValueError` if UTF-8 cannot hold it."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = text[error.start]
            raise ValueError(
                f"{name} contains {half!a}, half of a surrogate pair, which cannot be sent"
            ) from None
    return text


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


def require_whole_number(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return *value* if it is an `int` from *low* to *high* inclusive.

    `TypeError` or `ValueError` if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {describe_value(value)}")
    if value < low or (high is not None and value > high):
        allowed = f"{low} or more" if high is None else f"{low} to {high}"
        raise ValueError(f"{name} must be {allowed}, not {value}")
    return value


def require_seconds(name: str, value: object) -> float:
    """Return *value*, or raise an error if it is not a positive number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {describe_type(value)}")
    if not value > 0:
        raise ValueError(f"{name} must be more than 0 seconds, not {value}")
    return value


def require_duration(name: str, value: object) -> timedelta:
    """Return *value*, or raise an error if it is not a positive `timedelta`."""
    if not isinstance(value, timedelta):
        advice = f": timedelta(seconds={value})" if type(value) in {int, float} else ""
        raise TypeError(f"{name} must be a timedelta, not {describe_type(value)}{advice}")
    if value <= timedelta():
        raise ValueError(f"{name} must be positive, not {value}")
    return value


def suggest(value: str, known: Iterable[str]) -> str:
    """Return the end of a message: the name in *known* that is most like *value*, if any is."""
    import difflib  # rarely needed

    names = difflib.get_close_matches(value, list(known), n=1, cutoff=_MIN_LIKENESS)
    return f"; did you mean {names[0]!r}?" if names else ""
