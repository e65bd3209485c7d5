"""The options of the commands that parse their words with cyclopts, as plain values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import attrs

from ev_energy._operations import Operation
from ev_energy.cli._calls import body_parameters
from ev_energy.cli._parameters import Parameter
from ev_energy.cli._time_filters import TimeFilters

#: The groups of options in the help, in this order.
ARGUMENTS: Final = "Arguments"
OUTPUT: Final = "Output"
CONNECTION: Final = "Connection"
#: Items of a listing that ``call`` prints unless it is told otherwise.
DEFAULT_LIMIT: Final = 100


@attrs.frozen
class Option:
    """An option or, without dashes in its name, a positional argument of a command."""

    key: str
    """The key of its value among the parsed values."""
    name: str
    help: str
    type: Any = str
    """``bool`` for a flag; ``list[str]`` if the option may be repeated."""
    group: str = ARGUMENTS
    metavar: str | None = None
    required: bool = False
    choices: tuple[str, ...] = ()
    """The values to complete."""


CONNECTION_OPTIONS: Final = (
    Option(
        "base_url",
        "--base-url",
        "live, mock, staging or a URL. Default: EV_ENERGY_BASE_URL, else live.",
        group=CONNECTION,
        metavar="URL",
        choices=("live", "mock", "staging"),
    ),
    Option(
        "acting_for",
        "--acting-for",
        "Make the calls as this user. For client credentials.",
        group=CONNECTION,
        metavar="USER_ID",
    ),
    Option(
        "simulator",
        "--simulator",
        "Use an embedded simulator, which is new in each run. Needs no credentials.",
        bool,
        CONNECTION,
    ),
)
_FORMATS: Final = (
    Option(
        "json",
        "--json",
        "Print JSON: one object a line for listings. The default in a pipe.",
        bool,
        OUTPUT,
    ),
    Option("csv", "--csv", "Print CSV, with the links of --expand as columns.", bool, OUTPUT),
    Option("table", "--table", "Print a table. The default on a terminal.", bool, OUTPUT),
)
_PAGED: Final = (
    Option(
        "limit",
        "--limit",
        f"Print at most this many items (default: {DEFAULT_LIMIT}).",
        int,
        OUTPUT,
        "N",
    ),
    Option("all", "--all", "Print all items.", bool, OUTPUT),
    Option("cursor", "--cursor", "Start at the page of this cursor.", str, OUTPUT, "CURSOR"),
)
_BODY: Final = Option(
    "json_body",
    "--json-body",
    "The body: a JSON object, @FILE, or - for stdin. Its members are the arguments above.",
    metavar="JSON",
)
_YES: Final = Option("yes", "--yes", "Do not ask before a change.", bool, OUTPUT)
_FILE: Final = (
    Option(
        "to",
        "--to",
        "The file, whose name ends in .csv, .jsonl or .parquet.",
        str,
        OUTPUT,
        "FILE",
        required=True,
    ),
    Option(
        "overwrite",
        "--overwrite",
        "Replace FILE, and discard an unfinished export with other arguments.",
        bool,
        OUTPUT,
    ),
)
BUDGET_OPTIONS: Final = (
    Option("json", "--json", "Print a JSON object.", bool, OUTPUT),
    *CONNECTION_OPTIONS,
)
#: What the placeholder of a value says already.
_PLAIN_FORMS: Final = frozenset({"text", "a whole number", "a number"})


def call_options(operation: Operation, parameters: Sequence[Parameter]) -> list[Option]:
    """Return the options of ``call`` for one operation."""
    options = [argument_option(one) for one in parameters]
    if body_parameters(operation, list(parameters)):
        options.append(_BODY)
    if operation.kind == "list":
        options += _PAGED
    options += _FORMATS
    if operation.method != "GET":
        options.append(_YES)
    return [*options, *CONNECTION_OPTIONS]


def export_options(parameters: Sequence[Parameter], times: TimeFilters | None) -> list[Option]:
    """Return the options of ``export`` for one listing."""
    options = [argument_option(one) for one in parameters]
    if times is not None:
        options += [
            Option("since", "--since", f"The earliest {times.key}, included.", metavar="TIME"),
            Option("until", "--until", "The end of these times, excluded.", metavar="TIME"),
        ]
    return [*options, *_FILE, *CONNECTION_OPTIONS]


def argument_option(parameter: Parameter) -> Option:
    """Return the option for a parameter of a method."""
    form = "" if parameter.form in _PLAIN_FORMS else parameter.form
    if parameter.repeated:
        form = f"{form}; may be repeated" if form else "may be repeated"
    doc = parameter.doc.replace("`", "").replace("*", "")
    if parameter.nullable:
        doc = re.sub(r"\bNone\b", "null", doc)
    sentences = [doc, form[:1].upper() + form[1:]]
    return Option(
        parameter.name,
        parameter.name if parameter.positional else parameter.option,
        " ".join(f"{one.rstrip('.')}." for one in sentences if one),
        type=list[str] if parameter.repeated else str,
        metavar=None if parameter.positional else parameter.metavar,
        required=parameter.positional,
        choices=parameter.choices,
    )
