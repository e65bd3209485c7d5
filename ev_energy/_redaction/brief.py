"""Values as a screen shows them: one line each, whatever their size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from ev_energy._redaction.scrub import MASK, printable

#: Characters of a text that are shown.
MAX_TEXT: Final = 200
#: Characters of a key that are shown.
_MAX_KEY: Final = 40
#: Items of a list, and keys of a map, that are shown.
MAX_ITEMS: Final = 10


class Verbatim:
    """A text that `repr` and rich show without quotes."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


_SCALARS: Final = (str, int, float, type(None), Verbatim)
#: Shown in place of a secret.
MASKED: Final = Verbatim(MASK)


def counted(items: Sequence[Any]) -> str:
    """Return the number of *items* and their class: ``100 EVSE``."""
    names = {type(item).__name__ for item in items}
    return f"{len(items)} {names.pop()}" if len(names) == 1 else f"{len(items)} items"


def brief(value: Any) -> Any:
    """Return *value*, or an object whose repr is shorter if *value* is long or nests."""
    if isinstance(value, str):
        if len(value) <= MAX_TEXT:
            return value
        return Verbatim(f"{value[:MAX_TEXT]!r}… ({len(value)} characters)")
    if isinstance(value, list | tuple):
        items = cast("Sequence[Any]", value)
        return items if _is_flat(items) else Verbatim(f"<{counted(items)}>")
    if isinstance(value, Mapping):
        members = dict(cast("Any", value))
        if _is_flat([*members.values()]):
            return members
        keys = [printable(key, _MAX_KEY) for key in [*members][:MAX_ITEMS]]
        keys += [f"and {len(members) - MAX_ITEMS} more"] * (len(members) > MAX_ITEMS)
        return Verbatim(f"<map of {', '.join(keys)}>")
    return value


def _is_flat(values: Sequence[Any]) -> bool:
    """Return whether *values* are few and short."""
    return len(values) <= MAX_ITEMS and all(
        isinstance(one, _SCALARS) and brief(one) is one for one in values
    )
