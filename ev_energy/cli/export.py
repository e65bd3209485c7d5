"""Export a listing to a file: ``export charging_sub_sessions --since 2026-11-01 --to FILE.csv``.

An export that was interrupted, or whose process was killed, is continued by the same command.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ev_energy import record_types, to_records
from ev_energy.cli import _connection, _parquet
from ev_energy.cli._app import parse
from ev_energy.cli._calls import (
    arguments_from,
    description,
    find_operation,
    method_of,
    model_of,
    operation_parameters,
)
from ev_energy.cli._exit import ExitCode, UsageError, count_of, notice
from ev_energy.cli._export_files import ExportFiles
from ev_energy.cli._options import Option, export_options
from ev_energy.cli._output import csv_values
from ev_energy.cli._progress import Reporter
from ev_energy.cli._time_filters import TimeFilters
from ev_energy.cli._values import parse_time
from ev_energy.errors import EvEnergyError
from ev_energy.models._base import Model

if TYPE_CHECKING:
    from ev_energy import Client, Pager
    from ev_energy._operations import Operation
    from ev_energy.cli._parameters import Parameter

_ANY: Final = (
    Option(
        "listing",
        "LISTING",
        "A family, such as vehicles, or a listing, such as vehicles.status_logs. After it, --help "
        "describes its arguments.",
        required=True,
    ),
)
_FORMATS: Final = (".csv", ".jsonl", ".parquet")


def run(prog: str, words: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    if not words or words[0].startswith("-"):
        parse(f"{prog} export", __doc__ or "", _ANY, words)
        return ExitCode.OK
    operation = find_operation(words[0], listing=True)
    parameters = operation_parameters(operation)
    times = TimeFilters.of(parameters)
    name = f"{prog} export {words[0]}"
    values = parse(name, description(operation), export_options(parameters, times), words[1:])
    if values is None:
        return ExitCode.OK
    if values["to"] == "-":
        raise UsageError(
            "--to: an export needs a file, as only a file can be continued",
            f"{prog} call {operation.call} --all --csv prints a listing to stdout",
        )
    target = Path(values["to"])
    if target.suffix not in _FORMATS:
        raise UsageError(f"--to: {target.name} must end in {', '.join(_FORMATS)}")
    if target.suffix == ".parquet":
        _parquet.require_pyarrow()
    command = shlex.join([*prog.split(), "export", *words])
    return _connection.run(_export(operation, parameters, times, values, command))


def _arguments(
    operation: Operation,
    parameters: list[Parameter],
    times: TimeFilters | None,
    values: dict[str, Any],
) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and keyword arguments of the method, with the bounds of time."""
    ids, named = arguments_from(operation, parameters, values)
    if times is not None:
        since, until = _bound(values, "since"), _bound(values, "until")
        if since is not None and until is not None and since >= until:
            raise UsageError(
                f"--until: {values['until']} is not after --since {values['since']}",
                "--since is the earlier time",
            )
        for name, value in times.arguments(since, until).items():
            if name in named:
                option = name.replace("__", "-").replace("_", "-")
                raise UsageError(f"--{option} is set by --since or --until")
            named[name] = value
    return ids, named


def _bound(values: dict[str, Any], name: str) -> datetime | None:
    return parse_time(f"--{name}", values[name]) if name in values else None


async def _export(
    operation: Operation,
    parameters: list[Parameter],
    times: TimeFilters | None,
    values: dict[str, Any],
    command: str,
) -> ExitCode:
    target = Path(values["to"])
    ids, named = _arguments(operation, parameters, times, values)
    rows = _Rows(model_of(operation), named.get("expand", ()), target.suffix)
    reporter = Reporter(times, _bound(values, "since"))
    async with _connection.open_client(
        values, public=operation.scope is None, deadline=_connection.PATIENT, on_wait=reporter.waits
    ) as client:
        # What decides about the rows: an export is continued with the same only.
        arguments = {
            "listing": operation.call,
            **dict(zip(operation.ids, ids, strict=True)),
            **{name: _as_json(value) for name, value in named.items()},
            "base_url": str(client.base_url),
            "acting_for": values.get("acting_for"),
            "format": target.suffix,
            "columns": rows.digest,
        }
        with ExportFiles(target, arguments, command) as files:
            if files.open(overwrite="overwrite" in values, header=rows.header):
                notice(f"continuing after {count_of(files.progress.rows, 'row')}")
            if not files.progress.complete:
                await _read(
                    client, method_of(client, operation)(*ids, **named), files, rows, reporter
                )
            _finish(files, rows)
    return ExitCode.OK


async def _read(
    client: Client, pager: Pager[Any], files: ExportFiles, rows: _Rows, reporter: Reporter
) -> None:
    """Add the remaining pages of *pager* to *files*."""
    if files.progress.cursor is not None:
        pager = pager.resume(files.progress.cursor)
    try:
        with reporter:
            async for page in pager.prefetch().pages():
                encoded = rows.encode(page.items)
                newest = reporter.time_of_first(page.items)
                files.append(encoded, len(page.items), page.next_cursor, newest)
                reporter.page(page.items, files.progress, client.estimate)
    except (EvEnergyError, OSError) as error:
        if not files.discard_if_empty():
            error.add_note(_how_to_continue(files))
        raise
    except asyncio.CancelledError:  # Ctrl-C
        if not files.discard_if_empty():
            notice(_how_to_continue(files))
        raise


def _how_to_continue(files: ExportFiles) -> str:
    count = files.progress.rows
    verb = "is" if count == 1 else "are"
    return f"{count_of(count, 'row')} {verb} in {files.rows_path}; the same command continues"


def _finish(files: ExportFiles, rows: _Rows) -> None:
    """Make the target of the rows file."""
    result, progress = files.rows_path, files.progress
    if files.target.suffix == ".parquet" and not files.moved:
        result = files.target.with_name(f"{files.target.name}.new")
        misfits = _parquet.write_parquet(result, rows.types, rows.decode(files.rows_path))
        if misfits:
            notice(f"{misfits} values did not fit their column and are null")
    files.finish(result)
    rows_read = count_of(progress.rows, "row")
    notice(f"{rows_read} in {count_of(progress.pages, 'request')}: {files.target}")


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


class _Rows:
    """Models as lines of the rows file. A Parquet file is made of JSON lines at the end."""

    def __init__(self, model: type[Model], expand: Sequence[str], suffix: str) -> None:
        self.model, self._expand = model, expand
        self.types = record_types(model, expand=expand)
        self.columns = [*self.types]
        self._is_csv = suffix == ".csv"
        #: Another version of the SDK may know other columns.
        self.digest = hashlib.sha256(repr(self.columns).encode()).hexdigest()[:16]
        self.header = self._csv(lambda writer: writer.writeheader()) if self._is_csv else b""

    def encode(self, models: Sequence[Model]) -> bytes:
        """Return *models* as lines."""
        if self._is_csv:
            records = map(csv_values, to_records(models, expand=self._expand))
            return self._csv(lambda writer: writer.writerows(records))
        lines = [json.dumps(model.to_dict(), ensure_ascii=False) for model in models]
        return "".join(f"{line}\n" for line in lines).encode(errors="surrogatepass")

    def decode(self, path: Path) -> Iterator[dict[str, Any]]:
        """Yield the record of each model in a file of JSON lines."""
        with path.open(encoding="utf-8", errors="surrogatepass") as lines:
            for line in lines:
                model = self.model.from_dict(json.loads(line))
                yield from to_records([model], expand=self._expand)

    def _csv(self, write: Callable[[csv.DictWriter[str]], object]) -> bytes:
        text = io.StringIO(newline="")
        write(csv.DictWriter(text, self.columns, lineterminator="\n"))
        return text.getvalue().encode(errors="replace")
