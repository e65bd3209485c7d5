"""The commands, without the modules that run them."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, NamedTuple

from ev_energy.cli._exit import ExitCode


class Command(NamedTuple):
    """A command, which is a module of ``ev_energy.cli``."""

    name: str
    summary: str
    needs_extra: bool = False
    """Whether it needs the packages of the extra ``cli``, and parses its words itself."""
    usage_status: ExitCode = ExitCode.USAGE
    """The exit status if the command cannot run as it was typed."""

    def load(self) -> Any:
        """Import the module: the others are not needed, and take a while to import."""
        return import_module(f"ev_energy.cli.{self.name}")


COMMANDS: Final = (
    Command("demo", "show what the SDK does, with the embedded simulator or the live API"),
    Command("operations", "list the operations of the API with their methods and scopes"),
    Command("simulator", "run the embedded simulator until Ctrl-C"),
    Command("call", "call any operation, such as evses.list", needs_extra=True),
    Command("export", "export a listing to a CSV, JSON lines or Parquet file", needs_extra=True),
    Command("budget", "show how many requests the rate limit still allows", needs_extra=True),
    Command(
        "contract",
        "compare a description of the API with the one that this version was made for",
        usage_status=ExitCode.CONTRACT_USAGE,
    ),
    Command("completion", "print a script that makes bash, zsh or fish complete words"),
)
