"""The ev.energy SDK on the command line: a demo, a list of operations, and a simulator."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final, TextIO, cast

from ev_energy.cli import demo, operations, simulator

#: The exit status of a Unix tool that writes to a closed pipe: 128 + SIGPIPE.
_BROKEN_PIPE: Final = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    try:
        try:
            return _run(arguments)
        finally:
            if sys.stdout is not None:  # as in a process that is started without one
                sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe. The interpreter flushes stdout again at
        # exit, which must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), cast("TextIO", sys.stdout).fileno())
        return _BROKEN_PIPE


def _run(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ev_energy", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module, summary in (
        ("demo", demo, "show what the SDK does, with the embedded simulator or the live API"),
        ("operations", operations, "list every operation of the API with its method and scope"),
        ("simulator", simulator, "run the embedded simulator until Ctrl-C"),
    ):
        command = commands.add_parser(name, help=summary, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    status: int = options.run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
