"""Compare a description of the API with the one that this version of the SDK was made for.

DESCRIPTION is an OpenAPI 3 file in JSON or YAML. The exit status is 0 if nothing differs, 2 if
programs still work, and 3 if a difference may break them.
"""

from __future__ import annotations

import argparse
import enum
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from ev_energy import __version__
from ev_energy._contract.change import Change
from ev_energy._contract.changes import changes
from ev_energy._contract.extract import InvalidDescriptionError, extract
from ev_energy._contract.facts import facts
from ev_energy._contract.usage import Usage
from ev_energy._operations import operation_table
from ev_energy._redaction.scrub import printable
from ev_energy.cli._description import read_description
from ev_energy.cli._exit import ExitCode, UsageError, count_of, notice, report_error
from ev_energy.cli._output import require_utf8

#: The same change of more subjects than this is printed once.
_ALIKE: Final = 3
#: Characters of a line of the report.
_MAX_LINE: Final = 2_000
_SECTIONS: Final = {
    "schema": "schemas",
    "parameter": "parameters",
    "response": "responses",
    "header": "headers",
}


class Verdict(enum.IntEnum):
    """The exit statuses of the command if it compared the descriptions."""

    SAME = 0
    COMPATIBLE = 2
    BREAKING = 3


class _Report(NamedTuple):
    """The differences that are left, and those that are ignored."""

    changes: list[Change]
    ignored: list[Change]
    unused: list[str]
    """The entries of the list of changes to ignore that match no change."""

    @property
    def verdict(self) -> Verdict:
        """The exit status."""
        if any(change.is_breaking for change in self.changes):
            return Verdict.BREAKING
        return Verdict.COMPATIBLE if self.changes else Verdict.SAME


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "description", metavar="DESCRIPTION", help="an OpenAPI file in JSON or YAML, or - for stdin"
    )
    parser.add_argument(
        "--ignore",
        metavar="FILE",
        help="leave out the changes whose ids are in this file; * stands for any text",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a JSON object")
    form.add_argument(
        "--ids", action="store_true", help="print the id of each change, for a file to ignore them"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the differences and return the exit status."""
    patterns = _patterns(arguments.ignore) if arguments.ignore else []
    before = facts()
    try:
        after = extract(read_description(arguments.description), keep_unknown=True)
        report = _without_ignored(changes(before, after), patterns)
    except InvalidDescriptionError as error:
        report_error(str(error))
        return ExitCode.FAILED
    require_utf8()
    if arguments.json:
        print(json.dumps(_as_json(report), indent=2, default=str))
    elif arguments.ids:
        for change in report.changes:
            print(_id(change))
    else:
        for line in _as_text(report, Usage(before, after)):
            print(_line(line))
    for pattern in report.unused:
        notice(f"--ignore: no change has the id {pattern}")
    return report.verdict


def _patterns(path: str) -> list[str]:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--ignore: {path} cannot be read: {reason}") from None
    lines = (line.partition(" #")[0].strip() for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def _without_ignored(found: Iterable[Change], patterns: Sequence[str]) -> _Report:
    expressions = {one: _expression(one) for one in patterns}
    used = set[str]()
    report = _Report([], [], [])
    for change in found:
        name = _id(change)
        matching = {one for one, expression in expressions.items() if expression.fullmatch(name)}
        used |= matching
        (report.ignored if matching else report.changes).append(change)
    report.unused.extend(one for one in patterns if one not in used)
    return report


def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))))


def _as_json(report: _Report) -> dict[str, Any]:
    return {
        "version": __version__,
        "breaking": sum(change.is_breaking for change in report.changes),
        "compatible": sum(not change.is_breaking for change in report.changes),
        "changes": [
            {
                "id": _id(change),
                "subject": change.subject,
                "place": list(change.place),
                "kind": change.kind,
                "breaking": change.is_breaking,
                "effect": change.effect,
                "before": change.before,
                "after": change.after,
            }
            for change in report.changes
        ],
        "ignored": [_id(change) for change in report.ignored],
        "unused_ignores": report.unused,
    }


def _as_text(report: _Report, usage: Usage) -> Iterator[str]:
    count = count_of(len(report.ignored), "change")
    if not report.changes and report.ignored:
        yield f"All differences are ignored ({count})."
        return
    if not report.changes:
        yield f"No difference: version {__version__} fits this description."
    for is_breaking, title in (
        (True, "Breaking: programs that use this may fail"),
        (False, "Not breaking: programs still work"),
    ):
        selected = [one for one in report.changes if one.is_breaking is is_breaking]
        if selected:
            yield f"{title} ({count_of(len(selected), 'change')})"
            yield ""
            yield from _grouped(selected, usage)
    if report.ignored:
        yield f"{count} ignored."


def _grouped(selected: list[Change], usage: Usage) -> Iterator[str]:
    """Yield the changes of each subject, and what many subjects have in common only once."""
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for change in selected:
        alike[change.within, change.effect].append(change.subject)
    groups: dict[str, list[Change]] = {}
    for change in selected:
        subjects = alike[change.within, change.effect]
        is_common = change.place and len(subjects) > _ALIKE
        title = f"{len(subjects)} places: {', '.join(subjects)}" if is_common else change.subject
        group = groups.setdefault(title, [])
        if not is_common or change.subject == subjects[0]:
            group.append(change)
    calls = {f"{one.method} {one.path}": one.call for one in operation_table()}
    for title, group in groups.items():
        yield f"{title}{_remark(title, usage, calls)}"
        for change in group:
            yield f"  - {change.within}. {change.effect[:1].upper()}{change.effect[1:]}."
        yield ""


def _remark(subject: str, usage: Usage, calls: dict[str, str]) -> str:
    """Return what the subject is in the SDK, or where it is used."""
    if subject in calls:
        return f" (client.{calls[subject]})"
    kind, _, name = subject.partition(" ")
    if kind not in _SECTIONS:
        return ""
    use, users = usage.of(_SECTIONS[kind], name), usage.users(_SECTIONS[kind], name)
    verbs = " and ".join([*["sent"] * use.sent, *["received"] * use.received])
    return f" ({verbs} by {count_of(users, 'operation')})" if verbs else " (not used)"


def _id(change: Change) -> str:
    """Return the id as a line of a file, where no comment starts within it."""
    return printable(change.id, sys.maxsize).replace(" #", r" \x23")


def _line(text: str) -> str:
    """Return a text of the description that cannot control a terminal."""
    return printable(text, _MAX_LINE)
