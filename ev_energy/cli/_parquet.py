"""Parquet files of records. The types of the columns follow from the model, not from the data."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import attrs

from ev_energy.cli._exit import UsageError
from ev_energy.cli._types import arms
from ev_energy.models._base import Model
from ev_energy.models._refs import Ref

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


def column_types(model: type[Model], columns: Sequence[str]) -> dict[str, type]:
    """Return the type of each column: bool, int, float, Decimal, datetime, date, time or str."""
    return {column: _leaf(model, column.split(".")) for column in columns}


def _leaf(model: Any, path: Sequence[str]) -> type:
    hints = get_type_hints(model)
    # A column has the name of its field, or that name and a unit.
    names = [name for name in hints if path[0] == name or path[0].startswith(f"{name}_")]
    kind = _inner(hints[max(names, key=len)])
    if len(path) > 1:
        target = get_args(kind)[0] if get_origin(kind) is Ref else kind
        return _leaf(target, path[1:]) if attrs.has(target) else str
    known = (bool, int, float, Decimal, datetime, date, time)
    return kind if kind in known else str


def _inner(kind: Any) -> Any:
    found = arms(kind)
    inner = found[0] if len(found) == 1 else str
    return get_args(inner)[0] if get_origin(inner) is Annotated else inner


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
