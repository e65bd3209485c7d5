"""Tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ev_energy._redaction.scrub import printable

#: Characters of a cell: what a server sends may be of any length.
_WIDEST: Final = 100


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return *rows* in columns as wide as their widest text; each cell is one visible line."""
    shown = [[printable(text, _WIDEST) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *shown, strict=True)]
    lines = [head, ["-" * width for width in widths], *shown]
    return "\n".join(
        "  " + "  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
