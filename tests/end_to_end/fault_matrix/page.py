"""Write the table of docs/faults.md: ``python -m tests.end_to_end.fault_matrix.page``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[3] / "docs" / "faults.md"
_BEGIN, _END = "<!-- the table -->\n", "<!-- end of the table -->\n"
_HEADINGS: Final = {"token": "token request", "walk": "listing"}


def table() -> str:
    """Return the table and its notes from the data of the tests."""
    from ev_energy.simulator.faults import kinds
    from tests.end_to_end.fault_matrix.expected import ROWS, USES

    notes: list[str] = []
    lines = [
        f"| Fault | Carried out | {' | '.join(_HEADINGS.get(use, use) for use in USES)} |",
        "| --- " * (2 + len(USES)) + "|",
    ]
    for kind, row in ROWS.items():
        cells = [_cell(getattr(row, use), notes) for use in USES]
        carried_out = "yes" if kinds()[kind]["handled"] else "no"
        lines.append(f"| `{kind}` | {carried_out} | {' | '.join(cells)} |")
    numbered = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return "\n".join(
        [*lines, "", "A number in brackets marks a case that does not exist:", "", *numbered, ""]
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
    result = outcome if outcome == "ok" else f"`{outcome}`" + "".join(f" {one}" for one in status)
    return result if attempts == "1" else f"{result}, {attempts} sent"


def with_table(text: str) -> str:
    """Return the page *text* with a current table."""
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    return f"{before}{_BEGIN}\n{table()}\n{_END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
