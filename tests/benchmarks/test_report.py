"""What a run of the benchmarks writes: Markdown, JSON and charts."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def chart(benchmarks: Any) -> Any:
    series = {
        "ev-energy": [(1.0, 500.0), (64.0, 900.0), (1024.0, 910.0)],
        "raw <aiohttp>": [(1.0, 800.0), (1024.0, 1000.0)],
    }
    return benchmarks.harness.Chart("tasks", "One & many tasks", "tasks", "requests/s", series)


def test_a_report_has_every_row_and_chart(benchmarks: Any, chart: Any, tmp_path: Path) -> None:
    harness = benchmarks.harness
    rows = [
        harness.Row("one GET", 1.5, 1.4, harness.Target(1.1), "wall 1.50"),
        harness.Row("peer", None, note="skipped: it is not installed | at all"),
    ]
    benchmarks.report.write({"http": [*rows, chart]}, tmp_path / "new", quick=True)

    written = json.loads((tmp_path / "new" / "results.json").read_text())
    assert written["rows"] == [
        {
            "benchmark": "http",
            "name": "one GET",
            "ratio": 1.5,
            "best": 1.4,
            "target": "<= 1.1",
            "met": False,
            "note": "wall 1.50",
        },
        {
            "benchmark": "http",
            "name": "peer",
            "ratio": None,
            "best": None,
            "target": None,
            "met": None,
            "note": "skipped: it is not installed | at all",
        },
    ]
    assert written["charts"][0]["series"]["raw <aiohttp>"] == [[1.0, 800.0], [1024.0, 1000.0]]
    assert written["quick"] is True
    assert written["versions"]["Python"] == sys.version.split()[0]

    text = (tmp_path / "new" / "README.md").read_text()
    assert "| one GET | 1.50 | 1.40 | <= 1.1 | MISSED | wall 1.50 |" in text
    assert "| peer |  |  |  |  | skipped: it is not installed \\| at all |" in text
    assert "![One & many tasks](tasks.svg)" in text
    assert "| 64 | 900 |  |" in text
    assert "these figures mean nothing" in text
    assert (tmp_path / "new" / "tasks.svg").is_file()


def test_a_chart_draws_each_series_inside_its_frame(benchmarks: Any, chart: Any) -> None:
    root = ET.fromstring(benchmarks.svg.draw(chart))

    lines = [one.attrib["points"].split() for one in root.iter(f"{SVG}polyline")]
    assert [len(points) for points in lines] == [3, 2]
    first, last = (tuple(map(float, lines[1][end].split(","))) for end in (0, -1))
    assert first[0] < last[0]
    assert first[1] > last[1], "more is higher"
    *_, width, height = map(float, root.attrib["viewBox"].split())
    assert all(0 <= float(dot.attrib["cx"]) <= width for dot in root.iter(f"{SVG}circle"))
    assert all(0 <= float(dot.attrib["cy"]) <= height for dot in root.iter(f"{SVG}circle"))
    labels = {one.text: one.attrib for one in root.iter(f"{SVG}text")}
    assert "text-anchor" not in labels["requests/s"], "a long label would be cut off on the left"
    texts = [one.text for one in root.iter(f"{SVG}text")]
    assert {"One & many tasks", "raw <aiohttp>", "tasks", "requests/s", "1,000"} <= set(texts)


def test_a_chart_is_readable_on_dark_pages(benchmarks: Any, chart: Any) -> None:
    assert "prefers-color-scheme: dark" in benchmarks.svg.draw(chart)


@pytest.mark.parametrize("points", [[(1.0, 0.0)], [(5.0, 3.0)]], ids=["zero", "one position"])
def test_a_chart_of_one_point_can_be_drawn(benchmarks: Any, points: list[Any]) -> None:
    chart = benchmarks.harness.Chart("one", "One", "x", "y", {"only": points})
    assert len(list(ET.fromstring(benchmarks.svg.draw(chart)).iter(f"{SVG}circle"))) == 1


def test_a_linear_axis_begins_at_zero(benchmarks: Any) -> None:
    series = {"only": [(0.0, 1.0), (50.0, 1.0), (200.0, 1.0)]}
    chart = benchmarks.harness.Chart("delay", "Delay", "ms", "calls/s", series, linear=True)
    (line,) = ET.fromstring(benchmarks.svg.draw(chart)).iter(f"{SVG}polyline")
    left, quarter, right = (float(one.split(",")[0]) for one in line.attrib["points"].split())
    assert quarter - left == pytest.approx((right - left) / 4, abs=0.2)
