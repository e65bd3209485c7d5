"""Tables as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ev_energy._redaction.scrub import printable

#: Characters per cell. Texts of a server may have any length.
_MAX_WIDTH: Final = 100


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return *rows* as a table. Columns are as wide as their longest text; cells are one line."""
    shown = [[printable(text, _MAX_WIDTH) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *shown, strict=True)]
    lines = [head, ["-" * width for width in widths], *shown]
    return "\n".join(
        "  " + "  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
