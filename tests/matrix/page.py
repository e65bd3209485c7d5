"""Write the table of docs/faults.md: ``python tests/matrix/page.py``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "faults.md"
_BEGIN, _END = "<!-- the table -->\n", "<!-- its end -->\n"
_SAID: Final = {"token": "token fetch", "walk": "page walk"}


def table() -> str:
    """The table, as the data of the tests have it."""
    from ev_energy.simulator._faults import kinds
    from matrix.expected import ROWS, USES

    notes: list[str] = []
    lines = [
        f"| Fault | Carried out | {' | '.join(_SAID.get(use, use) for use in USES)} |",
        "| --- " * (2 + len(USES)) + "|",
    ]
    for kind, row in ROWS.items():
        cells = [_cell(getattr(row, use), notes) for use in USES]
        carried_out = "yes" if kinds()[kind]["handled"] else "no"
        lines.append(f"| `{kind}` | {carried_out} | {' | '.join(cells)} |")
    numbered = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return "\n".join(
        [*lines, "", "There is no such case where a number stands:", "", *numbered, ""]
    )


def _cell(expected: str, notes: list[str]) -> str:
    if expected.startswith("("):
        note = expected.strip("()")
        note = note[0].upper() + note[1:] + "."
        if note not in notes:
            notes.append(note)
        return f"({notes.index(note) + 1})"
    return "; always: ".join(_words(one) for one in expected.split(" | "))


def _words(expected: str) -> str:
    outcome, *status, attempts = expected.split()
    said = outcome if outcome == "ok" else f"`{outcome}`" + "".join(f" {one}" for one in status)
    return said if attempts == "1" else f"{said}, {attempts} sent"


def written(text: str) -> str:
    """The page with the table of now."""
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    return f"{before}{_BEGIN}\n{table()}\n{_END}{after}"


if __name__ == "__main__":
    sys.path.insert(0, str(PAGE.parents[1] / "tests"))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
