"""How a command ends: its exit status, and one line on stderr that says why."""

from __future__ import annotations

import enum
import sys

from ev_energy._redaction.scrub import printable

#: Characters of a message. Those of the SDK have at most as many.
_MAX_MESSAGE = 2000


class ExitCode(enum.IntEnum):
    """The exit statuses of all commands; docs/cli.md explains them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNKNOWN_OUTCOME = 3
    CONTRACT_USAGE = 64  # EX_USAGE of sysexits.h: 2 and 3 of this command say what differs
    INTERRUPTED = 130  # 128 + SIGINT
    BROKEN_PIPE = 141  # 128 + SIGPIPE


class UsageError(Exception):
    """The command cannot run as it was typed. *hint* says what to type instead."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def notice(text: str) -> None:
    """Print a line on stderr, which is not part of the output."""
    print(printable(text, _MAX_MESSAGE), file=sys.stderr)


def count_of(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 row``, ``1,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def report_error(message: str, *hints: str) -> None:
    """Print an error on stderr, and a line for each hint that is not empty."""
    notice(f"error: {message}")
    for hint in filter(None, hints):
        notice(f"hint: {hint}")


def near_miss(word: str, known: list[str]) -> str:
    """Return a question that suggests the known word that is most like *word*, or nothing."""
    import difflib

    lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), lower, n=1)
    return f"did you mean {lower[found[0]]}?" if found else ""
