"""Write the results of a run as Markdown, as JSON and as charts."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import svg
from harness import Chart, Row

Results = dict[str, list[Row | Chart]]
_DISTRIBUTIONS: Final = (
    *("aiohttp", "attrs", "msgspec", "orjson", "requests", "uvloop", "httpx", "httpx2"),
    *("pydantic", "openapi-python-client"),
)


def versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def write(results: Results, folder: Path, *, quick: bool) -> None:
    """Write ``results.json``, ``README.md`` and one SVG file per chart to *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "versions": versions(),
        "rows": [_row(name, r) for name, found in results.items() for r in _rows(found)],
        "charts": [c._asdict() for found in results.values() for c in _charts(found)],
    }
    (folder / "results.json").write_text(json.dumps(document, indent=2) + "\n")
    (folder / "README.md").write_text(_markdown(document, results))
    for found in results.values():
        for chart in _charts(found):
            (folder / f"{chart.name}.svg").write_text(svg.draw(chart))


def _rows(found: Iterable[Row | Chart]) -> list[Row]:
    return [one for one in found if isinstance(one, Row)]


def _charts(found: Iterable[Row | Chart]) -> list[Chart]:
    return [one for one in found if isinstance(one, Chart)]


def _row(benchmark: str, row: Row) -> dict[str, Any]:
    return {
        "benchmark": benchmark,
        "name": row.name,
        "ratio": row.median,
        "best": row.best,
        "target": str(row.target) if row.target else None,
        "met": row.target.met(row.median) if row.target and row.median is not None else None,
        "note": row.note,
    }


def _markdown(document: Mapping[str, Any], results: Results) -> str:
    lines = ["# Results", "", f"Measured at {document['measured_at']}."]
    if document["quick"]:
        lines += ["", "**One round of each (`--quick`): these figures mean nothing.**"]
    lines += ["", *(f"- {name} {version}" for name, version in document["versions"].items())]
    for name, found in results.items():
        lines += ["", f"## {name}"]
        if rows := _rows(found):
            lines += ["", "| row | ratio | best | target | | note |", "|---|---|---|---|---|---|"]
            lines += [_cells(row) for row in rows]
        for chart in _charts(found):
            lines += ["", f"![{chart.title}]({chart.name}.svg)", ""]
            header, *values = chart.table()
            lines += [_line(header), "|---" * len(header) + "|", *map(_line, values)]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> str:
    median, best = (f"{n:.2f}" if n is not None else "" for n in (row.median, row.best))
    return _line([row.name, median, best, str(row.target or ""), row.verdict, row.note])


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
