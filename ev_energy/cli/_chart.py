"""Bar charts made of characters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final

import attrs

from ev_energy.cli._terminal import Painter

#: The parts of a character, from nearly empty to full.
BLOCKS: Final = "▁▂▃▄▅▆▇█"
ASCII: Final = ".:#"

_BAR_WIDTH: Final = 2
_LABEL_WIDTH: Final = 9


@attrs.frozen
class Bars:
    """A bar for each value. That of *low* is the shortest; None leaves a gap."""

    values: Sequence[float | None]
    low: float
    high: float
    height: int
    """The number of lines; a value of *high* fills them."""
    digits: int = 1
    """Digits behind the decimal point of the numbers at the axis."""

    def lines(self, parts: str, colour_of: Callable[[float], str], paint: Painter) -> Iterator[str]:
        """Yield the lines, the upper one first, with *low* and *high* at the axis."""
        high, low = (f"{value:.{self.digits}f}" for value in (self.high, self.low))
        labels = [high, *[""] * (self.height - 2), low]
        colours = ["" if value is None else colour_of(value) for value in self.values]
        for label, line in zip(labels, self._rows(parts), strict=True):
            yield f"{label:>{_LABEL_WIDTH}} |{_painted(line, colours, paint)}".rstrip()

    def _rows(self, parts: str) -> Iterator[str]:
        """Yield the rows with one character for each value."""
        step = (self.high - self.low) / (self.height * len(parts)) or 1.0
        levels = [
            0 if value is None else max(1, round((value - self.low) / step))
            for value in self.values
        ]
        for row in reversed(range(self.height)):
            filled = (min(max(level - row * len(parts), 0), len(parts)) for level in levels)
            yield "".join(f" {parts}"[number] for number in filled)


def axis(labels: Sequence[str]) -> str:
    """Return the line below a chart, with a label for each bar; most of them are empty."""
    shown = "".join(label.ljust(_BAR_WIDTH) for label in labels)
    return f"{'':{_LABEL_WIDTH}}  {shown}".rstrip()


def _painted(line: str, colours: Sequence[str], paint: Painter) -> str:
    """Return a row with bars of their full width, in their colours."""
    runs = groupby(zip(colours, line, strict=True), key=lambda pair: pair[0])
    texts = ((colour, "".join(part * _BAR_WIDTH for _, part in run)) for colour, run in runs)
    return "".join(paint(colour, text) if text.strip() else text for colour, text in texts)
