"""The candidates for the last word of an unfinished command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from ev_energy.cli._exit import UsageError

if TYPE_CHECKING:
    from ev_energy._operations import Operation
    from ev_energy.cli._commands import Command
    from ev_energy.cli._options import Option

#: A candidate and its description.
Candidate = tuple[str, str]
#: Tells the script to complete the name of a file.
FILES: Final = (":files", "")


def complete(commands: Sequence[Command], words: Sequence[str]) -> list[str]:
    """Return a line for each candidate: the word, and its description after a tab.

    *words* are those after the name of the program; the last one, which may be empty, is completed.
    """
    typed, current = _split(words)
    try:
        candidates = list(_candidates(commands, typed, current))
    except UsageError:  # a word before is wrong
        return []
    return [
        f"{word}\t{' '.join(text.split())}".rstrip()
        for word, text in candidates
        if word.startswith(current) or (word, text) == FILES
    ]


def _split(words: Sequence[str]) -> tuple[list[str], str]:
    """Return the words before the last one, and the last. bash takes ``=`` for a word."""
    whole = list(words) or [""]
    if whole[-1] == "=":
        return [*whole[:-1]], ""
    if len(whole) > 1 and whole[-2] == "=":
        return [*whole[:-2]], whole[-1]
    return whole[:-1], whole[-1]


def _candidates(commands: Sequence[Command], typed: list[str], current: str) -> Iterable[Candidate]:
    if not typed:
        yield from ((command.name, command.summary) for command in commands)
        yield from (("--help", "show the help"), ("--version", "show the version"))
        return
    name, *rest = typed
    command = next((one for one in commands if one.name == name), None)
    if command is None:
        return
    if name in {"call", "export"}:
        yield from _of_operation(rest, current, listing=name == "export")
    elif name == "budget":
        from ev_energy.cli._options import BUDGET_OPTIONS

        yield from _of_options(BUDGET_OPTIONS, rest, current)
    elif name == "contract" and not current.startswith("-"):
        yield FILES
    elif name == "completion":
        yield from ((shell, "") for shell in command.load().SCRIPTS if not rest)
    else:
        yield from _of_parser(command.load(), rest)


def _of_operation(typed: list[str], current: str, *, listing: bool) -> Iterable[Candidate]:
    from ev_energy.cli._calls import find_operation, operation_parameters, operations_of
    from ev_energy.cli._options import call_options, export_options
    from ev_energy.cli._time_filters import TimeFilters

    if not typed:
        table = operations_of(listing=listing)
        yield from _listings(table) if listing else _operations(table, current)
        return
    operation = find_operation(typed[0], listing=listing)
    parameters = operation_parameters(operation)
    if listing:
        options = export_options(parameters, TimeFilters.of(parameters))
    else:
        options = call_options(operation, parameters)
    yield from _of_options(options, typed[1:], current)


def _operations(table: Iterable[Operation], current: str) -> Iterable[Candidate]:
    """Yield families until only one of them is left, then its operations."""
    matching = [one for one in table if one.call.startswith(current)]
    families = dict.fromkeys(one.family for one in matching)
    if "." in current or len(families) == 1:
        yield from ((one.call, _summary(one)) for one in matching)
    else:
        yield from ((f"{family}.", "") for family in families)


def _listings(table: Iterable[Operation]) -> Iterable[Candidate]:
    """Yield all listings; the name of a family stands for its ``list``."""
    for one in table:
        yield one.family if one.name == "list" else one.call, _summary(one)


def _summary(operation: Operation) -> str:
    return operation.doc.partition("\n")[0].replace("`", "")


def _of_options(options: Sequence[Option], typed: list[str], current: str) -> Iterable[Candidate]:
    by_name = {option.name: option for option in options}
    last = by_name.get(re.sub("_+", "-", typed[-1])) if typed else None
    if last is not None and last.type is not bool:
        if last.choices:
            yield from ((choice, "") for choice in last.choices)
        elif last.metavar in {"FILE", "JSON"}:
            yield FILES
        return
    name, equals, _ = current.partition("=")
    if equals and name in by_name:
        yield from ((f"{name}={choice}", "") for choice in by_name[name].choices)
        return
    for option in options:
        is_used = option.name in typed and option.type != list[str]
        if option.name.startswith("--") and not is_used:
            yield option.name, option.help
    yield "--help", "show the help"


def _of_parser(module: Any, typed: list[str]) -> Iterable[Candidate]:
    """Yield the options of a command that parses its words with argparse."""
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    if typed[-1:] == ["--family"]:
        from ev_energy.cli._calls import operations_of

        yield from ((one, "") for one in dict.fromkeys(o.family for o in operations_of()))
        return
    text = parser.format_usage()
    yield from ((option, "") for option in dict.fromkeys(re.findall(r"--[\w-]+", text)))
