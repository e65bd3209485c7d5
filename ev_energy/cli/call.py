"""Call any operation of the API: ``call evses.list --expand model --limit 5``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ev_energy._redaction.scrub import printable
from ev_energy.cli import _connection, _output
from ev_energy.cli._app import parse
from ev_energy.cli._calls import (
    arguments_from,
    description,
    find_operation,
    method_of,
    model_of,
    named_by,
    operation_parameters,
)
from ev_energy.cli._exit import ExitCode, UsageError, count_of, notice
from ev_energy.cli._options import DEFAULT_LIMIT, Option, call_options
from ev_energy.errors import CursorError, EvEnergyError
from ev_energy.models._base import Model

if TYPE_CHECKING:
    from ev_energy import Page, Pager
    from ev_energy._operations import Operation

#: The API's largest page.
_MAX_PAGE: Final = 100

#: Characters of a URL that is printed.
_MAX_URL: Final = 10_000

_ANY: Final = (
    Option(
        "operation",
        "OPERATION",
        "The operation, such as evses.list. After it, --help describes its arguments.",
        required=True,
    ),
)


def run(prog: str, words: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    if not words or words[0].startswith("-"):
        values = parse(f"{prog} call", __doc__ or "", _ANY, words)
        assert values is None, "an operation would be the first word"  # noqa: S101
        return ExitCode.OK
    if meant := named_by(words):
        raise UsageError(
            f"{words[0]} {words[1]} is called {meant.call}",
            f"{prog} call {meant.call} --help describes it",
        )
    operation = find_operation(words[0])
    parameters = operation_parameters(operation)
    options = call_options(operation, parameters)
    values = parse(f"{prog} call {operation.call}", description(operation), options, words[1:])
    if values is None:
        return ExitCode.OK
    _output.require_utf8()
    form = _output.format_of(values)
    if "all" in values and "limit" in values:
        raise UsageError("--all and --limit exclude each other")
    if values.get("limit", 1) < 1 and operation.kind == "list":
        raise UsageError(f"--limit: {values['limit']} is less than 1")
    if form == "csv" and (operation.kind == "redirect" or operation.model in {None, "Counts"}):
        raise UsageError(f"the reply of {operation.call} has no rows for --csv", "use --json")
    ids, named = arguments_from(operation, parameters, values)
    if operation.method != "GET":
        # Before the event loop runs, which would keep Ctrl-C from ending the question.
        _confirm(operation, values)
    return _connection.run(_call(operation, ids, named, values, form))


async def _call(
    operation: Operation,
    ids: list[Any],
    named: dict[str, Any],
    values: dict[str, Any],
    form: _output.Format,
) -> ExitCode:
    public = operation.scope is None
    patience = {"deadline": _connection.PATIENT} if "all" in values else {}
    async with _connection.open_client(values, public=public, **patience) as client:
        method = method_of(client, operation)
        if operation.kind == "list":
            if operation.paginated and "page_size" not in named and "all" not in values:
                named["page_size"] = min(values.get("limit", DEFAULT_LIMIT), _MAX_PAGE)
            await _print_listing(method(*ids, **named), operation, values, form)
            return ExitCode.OK
        result = await method(*ids, **named)
        if operation.kind == "redirect":
            print(printable(result, _MAX_URL))
        else:
            _print_result(result, form, named.get("expand", ()))
    return ExitCode.OK


async def _print_listing(
    pager: Pager[Any], operation: Operation, values: Mapping[str, Any], form: _output.Format
) -> None:
    if "cursor" in values:
        pager = _resumed(pager, values["cursor"])
    limit = None if "all" in values else values.get("limit", DEFAULT_LIMIT)
    writer = _output.Writer(form, model_of(operation), values.get("expand", ()))
    count = 0
    cursor: str | None = values.get("cursor")
    try:
        async for page in pager.pages():
            items = page.items if limit is None else page.items[: limit - count]
            writer.add(items)
            count += len(items)
            cursor = page.next_cursor
            if limit is not None and count >= limit:
                if cursor is not None or len(items) < len(page.items):
                    writer.close()
                    _say_more(operation, count, page, len(items))
                    return
                break
    except EvEnergyError as error:
        if count:
            writer.close()
            error.add_note(_how_to_continue(cursor, count))
        raise
    except asyncio.CancelledError:  # Ctrl-C
        if count:
            writer.close()
            notice(_how_to_continue(cursor, count))
        raise
    writer.close()
    if not count and form == "table":
        notice("no items")


def _resumed(pager: Pager[Any], cursor: str) -> Pager[Any]:
    try:
        return pager.resume(cursor)
    except CursorError as error:
        # The rest of the message names attributes of Python.
        reason = str(error).partition("; ")[0]
        raise UsageError(
            f"--cursor: {reason}", "a cursor continues the command that printed it"
        ) from None


def _how_to_continue(cursor: str | None, count: int) -> str:
    return f"--cursor {cursor} continues after {count_of(count, 'item')}"


def _say_more(operation: Operation, count: int, page: Page[Any], used: int) -> None:
    """Say that there are more items than *count*, and how to continue."""
    notice(f"stopped after {count_of(count, 'item')}, but there are more: --all prints all of them")
    if not operation.paginated:
        return
    if used == len(page.items):
        notice(f"--cursor {page.next_cursor} continues after them")
    else:
        notice(f"--cursor {page.cursor} continues with the last {used} of them")


def _print_result(result: Any, form: _output.Format, expand: Sequence[str]) -> None:
    if result is None:
        return
    if isinstance(result, Model) and form == "csv":
        writer = _output.Writer(form, type(result), expand)
        writer.add([result])
    elif form == "table":
        _output.print_object(result, expand)
    else:
        _output.print_json(result)


def _confirm(operation: Operation, values: Mapping[str, Any]) -> None:
    """Ask a person at a terminal before a change, unless it is one of an embedded simulator."""
    if "yes" in values or "simulator" in values or not sys.stdin.isatty():
        return
    server = _connection.make_client(values, public=operation.scope is None).base_url.origin()
    question = f"{operation.method} {operation.path} on {server}: continue? [y/N] "
    try:
        print(question, end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        print(file=sys.stderr)  # what follows is not part of the question
        raise
    if answer.strip().lower() not in {"y", "yes"}:
        raise UsageError("nothing was sent", "--yes does not ask")
