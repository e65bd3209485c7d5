"""The types and clocks of Python's `datetime` and `time`, bound when the package is imported.

Tests freeze time by replacing these types and clocks temporarily (freezegun does so in the
namespace of every module, and imports all names that a package exports while it does). A decoder
that is built during that time, or a client's clock that is looked up then, would keep the
replacement for the rest of the process. So everything that is built once and kept takes them from
here: they are stored in a tuple, where no replacement reaches them.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any, Final, NamedTuple


class Real(NamedTuple):
    """The types and clocks that frozen time does not replace."""

    datetime: type[dt.datetime]
    date: type[dt.date]
    time: type[dt.time]
    monotonic: Callable[[], float]
    now: Callable[[], float]
    """Seconds since 1970, UTC."""


def real_type(value: Any) -> Any:
    """Return the class of `datetime` that *value* replaces, or any other value unchanged."""
    if isinstance(value, type):
        return next((cls for cls in value.__mro__ if cls.__module__ == "datetime"), value)
    return value


def _clock(name: str) -> Callable[[], float]:
    clock: Callable[[], float] = getattr(time, name)
    if isinstance(clock, BuiltinFunctionType):
        return clock
    # Time is already frozen. A clock that is looked up for each call runs again afterwards.
    return lambda: float(getattr(time, name)())


REAL: Final = Real(
    datetime=real_type(dt.datetime),
    date=real_type(dt.date),
    time=real_type(dt.time),
    monotonic=_clock("monotonic"),
    now=_clock("time"),
)
