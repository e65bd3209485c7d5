"""Draw a line chart as SVG that is readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import Final

from harness import Chart

_WIDTH: Final = 720
_HEIGHT: Final = 380
_LEFT: Final = 70
_RIGHT: Final = 180
_TOP: Final = 56
_BOTTOM: Final = 50
_COLORS: Final = ("#d9480f", "#1c7ed6", "#2b8a3e", "#9c36b5", "#b08800", "#868e96", "#0b9d9d")
_STYLE: Final = """
text { font: 12px sans-serif; fill: #24292f } .title { font-size: 14px; font-weight: bold }
.grid { stroke: #8c959f; stroke-opacity: .35 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
"""


def draw(chart: Chart) -> str:
    """Return *chart* as an SVG document. The y axis starts at zero."""
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
            f"<title>{escape(chart.title)}</title>",
            f"<style>{_STYLE}</style>",
            f'<text class="title" x="{_LEFT}" y="22">{escape(chart.title)}</text>',
            *_axes(chart),
            *_series(chart),
            "</svg>\n",
        )
    )


def _axes(chart: Chart) -> Iterator[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for tick in _ticks(chart):
        y = _y(chart, tick)
        yield f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:,g}</text>'
    for tick in chart.positions():
        x = _x(chart, tick)
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{_short(tick)}</text>'
    middle = (_LEFT + right) / 2
    yield f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(chart.x)}</text>'
    yield f'<text x="{_LEFT}" y="{_TOP - 6}">{escape(chart.y)}</text>'


def _series(chart: Chart) -> Iterator[str]:
    for number, (name, points) in enumerate(chart.series.items()):
        color = _COLORS[number % len(_COLORS)]
        drawn = [(_x(chart, x), _y(chart, y)) for x, y in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        yield f'<polyline fill="none" stroke="{color}" stroke-width="2" points="{line}"/>'
        for x, y in drawn:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>'
        y = _TOP + 10 + 20 * number
        x = _WIDTH - _RIGHT + 16
        yield f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{color}"/>'
        yield f'<text x="{x + 16}" y="{y}">{escape(name)}</text>'


def _x(chart: Chart, value: float) -> float:
    """Return where *value* is on the x axis."""
    first, last = (chart.positions()[end] for end in (0, -1))
    if chart.linear:
        first = 0
    else:
        value, first, last = map(math.log, (value, first, last))
    part = (value - first) / (last - first) if last > first else 0.5
    return _LEFT + part * (_WIDTH - _LEFT - _RIGHT)


def _y(chart: Chart, value: float) -> float:
    return _HEIGHT - _BOTTOM - value / _ticks(chart)[-1] * (_HEIGHT - _TOP - _BOTTOM)


def _ticks(chart: Chart) -> list[float]:
    """Return round values from zero to at least the highest one."""
    highest = max(y for points in chart.series.values() for _, y in points) or 1
    power = 10 ** math.floor(math.log10(highest / 4))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if 5 * s * power >= highest)
    return [step * number for number in range(math.ceil(highest / step) + 1)]


def _short(value: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= 10 * limit or (value >= limit and value % limit == 0):
            return f"{value / limit:g}{unit}"
    return f"{value:g}"
