"""Load the charging sub-sessions that have ended into DuckDB with dlt, run after run.

Run it with EV_ENERGY_CLIENT_ID and EV_ENERGY_CLIENT_SECRET set, as often as you like::

    python load.py fleet.duckdb 2026-10-01

The first run loads all that ended since that day (in UTC), and each later run what has changed.
"""

# dlt does not annotate all parameters, and pyarrow none:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import dlt

from ev_energy import record_types, to_records
from ev_energy.changes import Gone
from ev_energy.models import ChargingSubSession
from ev_energy_sync import Client
from ev_energy_sync.changes import Batch

_arrow: Any = import_module("pyarrow")
_TYPES: Final[dict[type, Any]] = {
    bool: _arrow.bool_(),
    int: _arrow.int64(),
    float: _arrow.float64(),
    Decimal: _arrow.decimal128(38, 9),
    date: _arrow.date32(),
    datetime: _arrow.timestamp("us", tz="UTC"),
    str: _arrow.string(),
}
#: Columns of a table: those of the records, one for their order, and one for deleted rows.
_SCHEMA: Final[Any] = _arrow.schema(
    [
        *(
            (name.replace(".", "__"), _TYPES[kind])
            for name, kind in record_types(ChargingSubSession).items()
        ),
        ("sequence", _arrow.int64()),
        ("deleted", _arrow.bool_()),
    ]
)


def _table(batch: Batch, sequence: int) -> Any:
    """Return the last state of each sub-session of *batch* that has ended, or was deleted."""
    rows: dict[str, dict[str, Any]] = {}
    for change in batch:
        row: dict[str, Any] = {"id": change.id, "deleted": True}
        if not isinstance(change, Gone) and change.session.end is not None:
            (record,) = to_records([change.session])
            row = {name.replace(".", "__"): _fit(value) for name, value in record.items()}
        rows[change.id] = {**row, "sequence": sequence}
    return _arrow.Table.from_pylist(list(rows.values()), schema=_SCHEMA)


def _fit(value: Any) -> Any:
    """Round a decimal to the digits of its column."""
    return round(value, 9) if isinstance(value, Decimal) else value


@dlt.resource(
    name="charging_sub_sessions",
    write_disposition="merge",
    primary_key="id",
    columns={"sequence": {"dedup_sort": "desc"}, "deleted": {"hard_delete": True}},
)
def charging_sub_sessions(client: Client, since: datetime) -> Iterator[Any]:
    """Yield Arrow tables of what has changed since the last run, which dlt merges by the id.

    dlt saves the state of the stream together with the rows of a run. So a run that fails changes
    neither, and the next one begins where the last successful one ended.
    """
    state: dict[str, Any] = dlt.current.resource_state()
    stream = client.charging_sub_sessions.changes(since=since, state=state.get("stream"))
    for batch in stream.batches():
        state["sequence"] = state.get("sequence", 0) + 1
        table = _table(batch, state["sequence"])
        if table.num_rows:
            yield table
        state["stream"] = batch.state
        batch.commit()
        if batch.caught_up:
            return


def load(client: Client, target: Path, since: datetime) -> str:
    """Load what has changed, and return dlt's report."""
    pipeline = dlt.pipeline(
        "ev_energy",
        destination=dlt.destinations.duckdb(str(target)),
        dataset_name="ev_energy",
    )
    return str(pipeline.run(charging_sub_sessions(client, since)))


def main() -> None:
    """Run the pipeline once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", type=Path, help="the DuckDB file")
    parser.add_argument("since", type=date.fromisoformat, help="the first day, such as 2026-10-01")
    options = parser.parse_args()
    since = datetime.combine(options.since, datetime.min.time(), UTC)
    # Other programs come first, and this one waits for hours if they need all requests.
    with Client.from_env(priority="batch", deadline=6 * 3600) as client:
        print(load(client, options.target, since))


if __name__ == "__main__":
    main()
