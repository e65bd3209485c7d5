"""``python -m ev_energy``: what can be done from a command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ev_energy.cli import demo, operations, simulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
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
