"""Enums that the server may extend."""

from __future__ import annotations

import enum
from contextvars import ContextVar
from typing import Any, Final, Self

from ev_energy._lazy_exports import MembersDoc
from ev_energy._redaction.scrub import printable

#: Collects the unknown enum values while a reply is decoded; None otherwise.
unknown_values: Final[ContextVar[list[OpenEnum] | None]] = ContextVar(
    "unknown_values", default=None
)


class OpenEnum(enum.StrEnum):
    """An enum that the server may extend: an unknown value is kept, and its ``known`` is False.

    Values compare, hash, pickle and print as their text. Type checkers take the enum for complete,
    so end a ``match`` statement with ``case _``.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__doc__ = doc = MembersDoc(cls.__dict__["__doc__"] or "")
        doc.of = cls

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        # Not stored on the class: a server that invents values must not fill the memory.
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        collected = unknown_values.get()
        if collected is not None:
            collected.append(member)
        return member

    def __repr__(self) -> str:
        # The name of an unknown value is its text, which the server chose.
        return f"<{type(self).__name__}.{printable(self._name_)}: {printable(self._value_)!r}>"

    # An unknown value is not a member of the class. CPython 3.11.2 pickles and copies members by
    # name, which fails for it; so these three are defined here, the same on every Python.

    def __reduce_ex__(self, protocol: object) -> tuple[type[Self], tuple[str]]:
        """Pickle by text, in every protocol."""
        return type(self), (self._value_,)

    def __copy__(self) -> Self:
        """Return the value itself, which is immutable."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return the value itself, which is immutable."""
        return self

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Return the schema of the enum; pydantic asks for it."""
        from ev_energy._pydantic import open_enum_schema

        return open_enum_schema(cls)

    @property
    def known(self) -> bool:
        """Whether this version of the SDK knows the value."""
        return self._name_ in type(self).__members__
