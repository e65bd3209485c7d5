"""Copy an EVSE's status log to a file, a page at a time, and go on where the last run stopped.

Run it as ``python follow_log.py evse01... log.jsonl``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ev_energy_sync import Client


def main(evse_id: str, target: Path) -> None:
    """Append every entry not copied yet; the place is kept in a file beside the target."""
    place = target.with_suffix(".cursor")
    with Client.from_env() as client, target.open("a") as out:
        listing = client.evses.status_logs(evse_id)
        if place.exists():
            listing = listing.resume(place.read_text())
        for page in listing.pages():
            out.writelines(json.dumps(log.to_dict()) + "\n" for log in page.items)
            out.flush()
            if page.next_cursor is not None:
                place.write_text(page.next_cursor)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
