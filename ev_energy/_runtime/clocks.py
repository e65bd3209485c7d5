"""The types and clocks of Python's `datetime` and `time`, bound when the package is imported.

Tests freeze time by replacing them for a while (freezegun does so in every module's namespace, and
imports every name that a package exports meanwhile). A decoder that is built then, or a client's
clock that is looked up then, would keep the replacement for the rest of the process. So what is
built once and kept takes them from here: they stand in a tuple, where no replacing reaches them.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any, Final, NamedTuple


class Real(NamedTuple):
    """What nothing replaces."""

    datetime: type[dt.datetime]
    date: type[dt.date]
    time: type[dt.time]
    monotonic: Callable[[], float]
    now: Callable[[], float]
    """Seconds since 1970."""


def real_type(value: Any) -> Any:
    """Return the class of `datetime` that *value* stands in for; any other value as it is."""
    if isinstance(value, type):
        return next((cls for cls in value.__mro__ if cls.__module__ == "datetime"), value)
    return value


def _clock(name: str) -> Callable[[], float]:
    found: Callable[[], float] = getattr(time, name)
    if isinstance(found, BuiltinFunctionType):
        return found
    # Time is frozen already. Looked up anew each time, it runs again once it is not.
    return lambda: float(getattr(time, name)())


REAL: Final = Real(
    datetime=real_type(dt.datetime),
    date=real_type(dt.date),
    time=real_type(dt.time),
    monotonic=_clock("monotonic"),
    now=_clock("time"),
)
