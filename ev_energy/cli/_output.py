"""The results of calls on stdout: JSON, CSV or tables."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from ev_energy import record_columns, to_records
from ev_energy.cli._exit import UsageError
from ev_energy.cli._table import details, table
from ev_energy.models._base import Model, secrets_of

Format: TypeAlias = Literal["json", "csv", "table"]

#: Characters of a cell in a pipe, where no line is too long.
_WHOLE: Final = 100_000


def format_of(values: dict[str, Any]) -> Format:
    """Return the format that the options select, or the default one."""
    selected = [name for name in get_args(Format) if name in values]
    if len(selected) > 1:
        raise UsageError(f"--{selected[0]} and --{selected[1]} exclude each other")
    default = "table" if sys.stdout.isatty() else "json"
    return cast("Format", next(iter(selected), default))


def terminal_width() -> int | None:
    """Return the width of the terminal, or None if stdout is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


class Writer:
    """Writes models as they come, so that a pipe receives each page at once."""

    def __init__(self, form: Format, model: type[Model], expand: Sequence[str]) -> None:
        self._form, self._model, self._expand = form, model, expand
        self._rows: list[dict[str, Any]] = []
        self._has_head = False

    def add(self, models: Sequence[Any]) -> None:
        """Write *models*; those of a table are kept until `close`."""
        match self._form:
            case "json":
                for model in models:
                    print_json(model)
            case "csv":
                self._csv(models)
            case _:
                self._rows += _clear_records(models, self._expand)
        sys.stdout.flush()

    def close(self) -> None:
        """Write the end of the output."""
        if self._form == "csv":
            self._csv(())
        elif self._form == "table" and self._rows:
            print(record_table(self._rows))

    def _csv(self, models: Sequence[Any]) -> None:
        columns = record_columns(self._model, expand=self._expand)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        if not self._has_head:
            writer.writeheader()
            self._has_head = True
        writer.writerows(map(csv_values, to_records(models, expand=self._expand)))
        rows = text.getvalue()
        # A text of the server must not be able to control the terminal.
        sys.stdout.write(_escaped(rows) if sys.stdout.isatty() else rows)


def csv_values(record: dict[str, Any]) -> dict[str, Any]:
    """Return *record* with texts as programs read them: ISO 8601 times, lower-case booleans."""
    return {name: _csv_value(value) for name, value in record.items()}


def _csv_value(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if hasattr(value, "isoformat") else value


def print_json(value: Any) -> None:
    """Print a model or a JSON value: on several lines on a terminal, on one line in a pipe."""
    data = value.to_dict() if isinstance(value, Model) else value
    indent = 2 if sys.stdout.isatty() else None
    text = json.dumps(data, ensure_ascii=False, indent=indent, default=str)
    # Characters that control a terminal are escaped in JSON, except for a few of Unicode.
    print(text if text.isprintable() or indent is None else _escaped(text))


def _escaped(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in text)


def record_table(records: Sequence[dict[str, Any]]) -> str:
    """Return *records* as a table that fits the terminal, without columns that are all empty."""
    names = [name for name in records[0] if any(one[name] not in {None, ""} for one in records)]
    names.sort(key=_rank)
    rows = [[_text(record[name]) for name in names] for record in records]
    width = terminal_width()
    return table(names, rows, width) if width else table(names, rows, max_cell=_WHOLE)


def _clear_records(models: Sequence[Model], expand: Sequence[str]) -> list[dict[str, Any]]:
    """Return the records of *models* with what grants access to something, as in JSON.

    A table is read by the person that asked for it; a file, which may be passed on, is masked.
    """
    records = to_records(models, expand=expand)
    for model, record in zip(models, records, strict=True):
        record |= {name: getattr(model, name) for name in secrets_of(type(model))}
    return records


def _rank(name: str) -> int:
    """Return 0 for the column that names the resource, 2 for URLs, 1 for the others."""
    return 0 if name == "id" else 2 if name.rpartition(".")[2] == "url" else 1


def print_object(model: Any, expand: Sequence[str]) -> None:
    """Print one model as a table of its fields."""
    if not isinstance(model, Model):
        print_json(model)
        return
    (record,) = _clear_records([model], expand)
    rows = [(name, _text(value)) for name, value in record.items() if value is not None]
    print(details(rows, terminal_width()))


def _text(value: Any) -> str:
    return "" if value is None else str(_csv_value(value))


def require_utf8() -> None:
    """Write UTF-8 if the locale of a pipe could not express all texts of the API."""
    if not sys.stdout.isatty() and "PYTHONIOENCODING" not in os.environ:
        cast("Any", sys.stdout).reconfigure(encoding="utf-8")
