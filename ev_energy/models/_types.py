"""Types of the fields of models.

They are aliases, because a model may have a field called ``date`` or ``time``, and annotations are
looked up inside the class first.
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
    #: A point in time, always aware; a string without a zone is read as UTC.
    Instant: TypeAlias = Annotated[dt.datetime, msgspec.Meta(tz=True)]
    #: A calendar day.
    Day: TypeAlias = dt.date
    #: A time of day without a zone; the field's documentation says in which zone it is.
    ClockTime: TypeAlias = dt.time
else:  # the real types, also while tests freeze the clock
    Instant = Annotated[REAL.datetime, msgspec.Meta(tz=True)]
    Day = REAL.date
    ClockTime = REAL.time
#: An amount of money, which must not pass through binary floating point.
Money: TypeAlias = decimal.Decimal
#: A UUID.
Uuid: TypeAlias = uuid.UUID
#: A JSON object whose members are not specified.
JsonObject: TypeAlias = dict[str, Any]
#: Whole numbers by name; the names are not specified.
Counts: TypeAlias = dict[str, int]
#: A list for which the API may send a single item instead of a list of one.
OneOrMany: TypeAlias = tuple[T, ...]


def name_of(type_: Any) -> str:
    """Return the name of the type of a reply: that of a model, or ``Counts``."""
    return "Counts" if type_ == Counts else str(type_.__name__)
