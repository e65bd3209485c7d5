"""Write the charging sub-sessions that ended on a day (in UTC) to a CSV file.

Run it with EV_ENERGY_CLIENT_ID and EV_ENERGY_CLIENT_SECRET set, each night for the day before::

    python export.py 2026-10-04 sessions.csv

If it is stopped, whatever stops it, run it again: it continues at the page that it had not written.
The file appears when it is complete.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ev_energy import record_columns, to_records
from ev_energy.expand import ChargingSubSessionExpand
from ev_energy.models import ChargingSubSession
from ev_energy_sync import Client

EXPAND: list[ChargingSubSessionExpand] = ["vehicle"]
COLUMNS = record_columns(ChargingSubSession, expand=EXPAND)


class Part:
    """An unfinished file: its rows, and a state with their size and the cursor of the next page.

    A page counts once the state says so. Rows that were written without it are cut off, so no row
    is lost and none is there twice.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._rows = target.with_suffix(".part")
        self._state = target.with_suffix(".state")
        state: dict[str, Any] = {}
        if self._state.exists():
            state = json.loads(self._state.read_text())
        self.cursor: str | None = state.get("cursor")
        """Where to continue; None at the beginning."""
        self._file = self._rows.open("a+", newline="")
        self._file.truncate(state.get("size", 0))
        self._writer = csv.DictWriter(self._file, COLUMNS)
        if self.cursor is None:
            self._writer.writeheader()

    def write(self, rows: Sequence[Mapping[str, Any]], next_cursor: str | None) -> None:
        """Append the rows of a page."""
        self._writer.writerows(rows)
        self._file.flush()
        os.fsync(self._file.fileno())  # the rows are on the disk before the state says so
        if next_cursor is not None:
            new_state = self._state.with_suffix(".new")
            new_state.write_text(json.dumps({"cursor": next_cursor, "size": self._file.tell()}))
            new_state.replace(self._state)

    def finish(self) -> None:
        """Give the file its name."""
        self._file.close()
        self._state.unlink(missing_ok=True)  # first: without its rows, it would be wrong
        self._rows.replace(self._target)


def export(client: Client, day: datetime, target: Path) -> None:
    """Write the sub-sessions that ended within 24 hours from *day*."""
    part = Part(target)
    # Other programs come first, and this one waits for hours if they need all requests.
    patient = client.with_options(priority="batch", deadline=6 * 3600)
    listing = patient.charging_sub_sessions.list(
        end__gt=day - timedelta(microseconds=1), end__lt=day + timedelta(days=1), expand=EXPAND
    )
    if part.cursor is not None:
        listing = listing.resume(part.cursor)
    for page in listing.pages():
        part.write(to_records(page, expand=EXPAND), page.next_cursor)
    part.finish()


def main(day: str, target: str) -> None:
    """Export a day, such as ``2026-10-04``."""
    with Client.from_env() as client:
        export(client, datetime.fromisoformat(day).replace(tzinfo=UTC), Path(target))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("day", help="the day to export, such as 2026-10-04")
    parser.add_argument("target", help="the CSV file to write")
    arguments = parser.parse_args()
    main(arguments.day, arguments.target)
