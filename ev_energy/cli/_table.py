"""Tables as plain text."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from ev_energy._redaction.scrub import printable

#: Characters per cell. Texts of a server may have any length.
_MAX_WIDTH: Final = 100
#: Characters of a value that is shown whole.
_MAX_VALUE: Final = 100_000
#: A column that has less space than this is left out, unless its texts are shorter.
_MIN_WIDTH: Final = 8
#: The share of the width that the first column may take.
_FIRST: Final = 0.6
_GAP: Final = 2


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    *,
    max_cell: int = _MAX_WIDTH,
) -> str:
    """Return *rows* as a table. Cells are one line, and columns as wide as their longest text.

    With *width*, no line is wider: texts are shortened, and the last columns left out. A text has
    *max_cell* characters at most.
    """
    shown = [[printable(text, max_cell) for text in row] for row in rows]
    columns = list(zip(head, *shown, strict=True))
    widths = [max(map(display_width, column)) for column in columns]
    if width is not None:
        widths = _fitted(widths, width)
    lines = [list(head), ["-" * width for width in widths], *shown]
    return "\n".join(
        "".join(
            " " * _GAP + _cell(text, width) for text, width in zip(line, widths, strict=False)
        ).rstrip()
        for line in lines
    )


def details(rows: Sequence[tuple[str, str]], width: int | None = None) -> str:
    """Return names and values as a table. A long value is whole, on one line.

    A terminal of *width* columns wraps it, but copies it as one line.
    """
    shown = [("field", "value"), *((name, printable(text, _MAX_VALUE)) for name, text in rows)]
    names, values = (max(map(display_width, column)) for column in zip(*shown, strict=True))
    rule = min(values, max((width or _MAX_WIDTH) - names - 2 * _GAP, 1))
    shown.insert(1, ("-" * names, "-" * rule))
    gap = " " * _GAP
    return "\n".join(f"{gap}{_cell(name, names)}{gap}{value}".rstrip() for name, value in shown)


def _fitted(widths: Sequence[int], available: int) -> list[int]:
    """Return the widths of the columns that fit, from the left."""
    fitted: list[int] = []
    for wanted in widths:
        remaining = available - _GAP
        if remaining < min(wanted, _MIN_WIDTH):
            break
        limit = remaining if fitted else int(remaining * _FIRST)
        fitted.append(min(wanted, max(limit, 1)))
        available = remaining - fitted[-1]
    return fitted


def _cell(text: str, width: int) -> str:
    """Return *text* in *width* columns of a terminal."""
    if display_width(text) > width:
        while text and display_width(text) >= width:
            text = text[:-1]
        text += "…"
    return text + " " * (width - display_width(text))


def display_width(text: str) -> int:
    """Return how many columns of a terminal *text* takes: wide characters take two."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF")
        for one in text
    )
