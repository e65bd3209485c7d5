"""Enums that the server may extend."""

from __future__ import annotations

import enum
from contextvars import ContextVar
from typing import Final, Self

from ev_energy._redaction.scrub import printable

#: Where unknown texts are noted while a reply is decoded; None when nobody wants to know.
unknown_texts: Final[ContextVar[list[OpenEnum] | None]] = ContextVar("unknown_texts", default=None)


class OpenEnum(enum.StrEnum):
    """A set of texts the server may extend: an unlisted text is kept, and is not ``known``.

    Members compare, hash, pickle and print as their text. Checkers believe the set is closed, so
    end a ``match`` over one with ``case _``.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        # Not remembered on the class: a server that invents texts must not grow our memory.
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        notes = unknown_texts.get()
        if notes is not None:
            notes.append(member)
        return member

    def __repr__(self) -> str:
        # The name of a text that is not listed is that text, which the server chose.
        return f"<{type(self).__name__}.{printable(self._name_)}: {printable(self._value_)!r}>"

    # An unlisted text is not a member of the class. CPython 3.11.2 pickles and copies members by
    # their name, which fails for such a text; so all three are defined here, alike on all Pythons.

    def __reduce_ex__(self, protocol: object) -> tuple[type[Self], tuple[str]]:
        """Pickle by text, in every protocol."""
        return type(self), (self._value_,)

    def __copy__(self) -> Self:
        """Return the same text, which cannot change."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return the same text, which cannot change."""
        return self

    @property
    def known(self) -> bool:
        """Whether this text was listed when this version of the SDK was made."""
        return self._name_ in type(self).__members__
