"""The values of an enum, as `help` shows them."""

from __future__ import annotations

import enum
from typing import Final

from ev_energy._field_docs import field_docs
from ev_energy._help import Member, Members

_OPEN: Final = "The API may add values: a value that is not listed here is kept as its text."


def values_of(cls: type[enum.Enum]) -> Members:
    """Return the values of *cls* with their meanings."""
    docs = field_docs(cls)
    return Members(
        "Values",
        (
            Member(f"{name} = {value.value!r}", docs.get(name, ""))
            for name, value in cls.__members__.items()
        ),
        _OPEN,
    )
