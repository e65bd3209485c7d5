"""Parquet files of records. The types of the columns follow from the model, not from the data."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ev_energy.cli._exit import UsageError

#: Rows of a row group: few enough for the memory, many enough to compress well.
_ROW_GROUP: Final = 20_000
#: Digits of amounts of money, and how many of them are decimals: BigQuery's NUMERIC.
_DIGITS: Final = (38, 9)


def require_pyarrow() -> None:
    """Raise `UsageError` unless pyarrow is installed."""
    try:
        import_module("pyarrow")
    except ModuleNotFoundError:
        raise UsageError(
            "a .parquet file needs the package pyarrow", "pip install 'ev-energy[parquet]'"
        ) from None


def write_parquet(
    path: Path, types: Mapping[str, type], records: Iterable[Mapping[str, Any]]
) -> int:
    """Write *records* to *path*, and return how many values did not fit their column: now null."""
    arrow: Any = import_module("pyarrow")  # it has no types
    parquet: Any = import_module("pyarrow.parquet")
    by_type = {
        bool: arrow.bool_(),
        int: arrow.int64(),
        float: arrow.float64(),
        Decimal: arrow.decimal128(*_DIGITS),
        datetime: arrow.timestamp("us", tz="UTC"),
        date: arrow.date32(),
        time: arrow.time64("us"),
        str: arrow.string(),
    }
    schema = arrow.schema([(name, by_type[kind]) for name, kind in types.items()])
    misfits = 0
    rows: list[dict[str, Any]] = []
    with parquet.ParquetWriter(path, schema) as writer:
        for record in records:
            row = {name: _fit(record[name], kind) for name, kind in types.items()}
            misfits += sum(row[name] is None is not record[name] for name in row)
            rows.append(row)
            if len(rows) == _ROW_GROUP:
                writer.write_table(arrow.Table.from_pylist(rows, schema))
                rows.clear()
        if rows:
            writer.write_table(arrow.Table.from_pylist(rows, schema))
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return misfits


def _fit(value: Any, kind: type) -> Any:
    """Return *value* if its column can hold it, else None. The API may send other types."""
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if kind is Decimal and is_number:
        return round(Decimal(value), _DIGITS[1])
    if value is None or isinstance(value, kind):
        return value
    if kind is str:
        return str(value)
    if kind is float and is_number:
        return float(value)
    return None
