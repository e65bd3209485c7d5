"""The energy of ended sub-sessions as a counter, in a file that survives restarts."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from ev_energy import Client
from ev_energy.changes import Gone, SQLiteStateStore
from ev_energy.models import ChargingSubSession

_TABLES = """
CREATE TABLE IF NOT EXISTS counted (id TEXT PRIMARY KEY, watt_hours INTEGER, ended TEXT);
CREATE TABLE IF NOT EXISTS totals (
    mode TEXT PRIMARY KEY, watt_hours INTEGER DEFAULT 0, highest INTEGER DEFAULT 0);
"""
#: The stream corrects the last 35 days, so older rows are not needed any more.
_KEPT = timedelta(days=40)


class EnergyLedger:
    """Counts each sub-session once, however often the stream of changes hands it over.

    The stream hands a change over at least once. The ledger remembers by id what it has counted and
    adds the difference, so a repetition adds nothing and a correction adds what it corrects.
    """

    def __init__(self, path: Path) -> None:
        self._store = SQLiteStateStore(path, "prometheus-exporter")
        self._database = sqlite3.connect(path)
        self._database.executescript(_TABLES)

    async def update(self, client: Client, since: datetime, freshness: timedelta) -> None:
        """Read what has changed, if *freshness* has passed since the last time.

        *since* counts only if the file is new: sub-sessions that ended before are not counted.
        """
        stream = client.charging_sub_sessions.changes(
            since=since, store=self._store, freshness=freshness
        )
        async for batch in stream.batches():
            with self._database:  # a transaction
                for change in batch:
                    if not isinstance(change, Gone) and change.session.end is not None:
                        self._count(change.session, change.session.end)
            await batch.commit()  # after the transaction: if this fails, the batch comes again
            if batch.caught_up:
                return

    def _count(self, session: ChargingSubSession, end: datetime) -> None:
        run = self._database.execute
        found = run("SELECT watt_hours FROM counted WHERE id = ?", [session.id]).fetchone()
        difference = session.energy_delivered_watt_hours - (found[0] if found else 0)
        run(
            "INSERT OR REPLACE INTO counted VALUES (?, ?, ?)",
            [session.id, session.energy_delivered_watt_hours, end.isoformat()],
        )
        run("DELETE FROM counted WHERE ended < ?", [(end - _KEPT).isoformat()])
        mode = session.mode or "unknown"  # the API may leave it out
        run("INSERT OR IGNORE INTO totals (mode) VALUES (?)", [mode])
        # A counter must not fall: after a correction downwards, it waits until the total is higher.
        run(
            "UPDATE totals SET watt_hours = watt_hours + ?1,"
            " highest = max(highest, watt_hours + ?1) WHERE mode = ?2",
            [difference, mode],
        )

    def totals(self) -> Mapping[str, int]:
        """Return the watt-hours by the mode of the sub-sessions. They never decrease."""
        return dict(self._database.execute("SELECT mode, highest FROM totals ORDER BY mode"))

    def close(self) -> None:
        """Close the file."""
        self._database.close()
