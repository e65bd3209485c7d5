"""``python -m ev_energy``: what can be done from a command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final, TextIO, cast

from ev_energy.cli import demo, operations, simulator

#: The exit status of a Unix tool that writes to a pipe without a reader: 128 and SIGPIPE.
_BROKEN_PIPE: Final = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    try:
        try:
            return _run(arguments)
        finally:
            if sys.stdout is not None:  # a process may be started without
                sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`head`) has enough. The interpreter flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), cast("TextIO", sys.stdout).fileno())
        return _BROKEN_PIPE


def _run(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ev_energy", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module, said in (
        ("demo", demo, "a tour of the SDK, against the embedded simulator or the live API"),
        ("operations", operations, "list every operation of the API and its method"),
        ("simulator", simulator, "serve the embedded simulator until interrupted"),
    ):
        command = commands.add_parser(name, help=said, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    chosen = parser.parse_args(arguments)
    status: int = chosen.run(chosen)
    return status


if __name__ == "__main__":
    sys.exit(main())
