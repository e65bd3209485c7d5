"""Copy an EVSE's status log to a file, page by page, resuming where the last run stopped.

Run it as ``python follow_log.py evse01... log.jsonl``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ev_energy_sync import Client


def main(evse_id: str, target: Path) -> None:
    """Append every entry that was not copied yet. A file beside *target* holds the cursor."""
    cursor_file = target.with_suffix(".cursor")
    with Client.from_env() as client, target.open("a") as out:
        listing = client.evses.status_logs(evse_id)
        if cursor_file.exists():
            listing = listing.resume(cursor_file.read_text())
        for page in listing.pages():
            out.writelines(json.dumps(log.to_dict()) + "\n" for log in page.items)
            out.flush()
            if page.next_cursor is not None:
                cursor_file.write_text(page.next_cursor)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
