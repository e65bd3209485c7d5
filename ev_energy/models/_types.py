"""What the members of models are made of.

Aliases rather than the bare standard names, because a model may well have a member called ``date``
or ``time``, and annotations are looked up inside the class first.
"""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import msgspec

from ev_energy._runtime.clocks import REAL

T = TypeVar("T")

if TYPE_CHECKING:
    #: A point in time, always aware; a text without a zone is read as UTC.
    Instant: TypeAlias = Annotated[dt.datetime, msgspec.Meta(tz=True)]
    #: A calendar day.
    Day: TypeAlias = dt.date
    #: A time of day without a zone; the member's documentation says whose clock.
    ClockTime: TypeAlias = dt.time
else:  # the same, whatever is frozen
    Instant = Annotated[REAL.datetime, msgspec.Meta(tz=True)]
    Day = REAL.date
    ClockTime = REAL.time
#: A number that must not pass through binary floating point: money.
Money: TypeAlias = decimal.Decimal
#: A UUID.
Uuid: TypeAlias = uuid.UUID
#: A JSON object whose members nobody promises.
JsonObject: TypeAlias = dict[str, Any]
#: Whole numbers by name; nobody promises which.
Counts: TypeAlias = dict[str, int]
#: Some of them, where the API may send one by itself instead of a list of one.
Several: TypeAlias = tuple[T, ...]


def name_of(type_: Any) -> str:
    """Return the name of what a reply is read into: of a model, or ``Counts``."""
    return "Counts" if type_ == Counts else str(type_.__name__)
