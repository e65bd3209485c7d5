"""Copy an EVSE's status log to a file, in the order of time; each run appends what is new.

Run it again and again as ``python follow_log.py evse01... log.jsonl 2026-10-01``, with the date of
the first entry.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from ev_energy.changes import FileStateStore
from ev_energy_sync import Client


def main(evse_id: str, target: Path, since: datetime) -> None:
    """Append every entry that was not copied yet. A file beside *target* holds the state.

    If a run dies after it wrote some entries and before it saved the state, the next one writes
    them again. With a database, store both in one transaction: pass ``batch.state`` to
    ``follow(state=...)`` instead of a store.
    """
    store = FileStateStore(target.with_suffix(".state"))
    with Client.from_env() as client, target.open("a") as out:
        log = client.evses.status_logs(evse_id).follow(since=since, store=store)
        for batch in log.batches():
            out.writelines(json.dumps(entry.item.to_dict()) + "\n" for entry in batch)
            out.flush()
            batch.commit()
            if batch.caught_up:  # without this, the loop waits for new entries
                break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("evse_id")
    parser.add_argument("target", type=Path, help="the file to append to")
    parser.add_argument("since", type=datetime.fromisoformat, help="a day, such as 2026-10-01")
    arguments = parser.parse_args()
    main(arguments.evse_id, arguments.target, arguments.since.replace(tzinfo=UTC))
