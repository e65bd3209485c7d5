"""The ev.energy SDK on the command line."""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO, cast

from ev_energy.cli._commands import COMMANDS, Command
from ev_energy.cli._exit import ExitCode, UsageError, near_miss, notice, report_error

#: The packages that the extra ``cli`` installs.
_EXTRA: Final = ("cyclopts", "rich")
#: The errors of a write to a disk that is full, or on which the user may write no more.
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: The command that the scripts of `completion` call at each tab.
_COMPLETE: Final = "__complete"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    chosen = next((one for one in COMMANDS if words and one.name == words[0]), None)
    usage_status = ExitCode.USAGE if chosen is None else chosen.usage_status
    try:
        try:
            return _run(words, chosen)
        finally:
            if sys.stdout is not None:  # as in a process that is started without one
                sys.stdout.flush()
    except UsageError as error:
        report_error(str(error), error.hint)
        return usage_status
    except SystemExit as ended:  # argparse has printed the error, or the help
        if ended.code == ExitCode.USAGE:
            raise SystemExit(int(usage_status)) from None
        raise
    except KeyboardInterrupt:
        notice("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        _discard_output()
        return ExitCode.BROKEN_PIPE
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _discard_output()
        report_error(f"the output cannot be written: {error.strerror}")
        return ExitCode.FAILED


def _discard_output() -> None:
    """Let the interpreter flush stdout at exit without another error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), cast("TextIO", sys.stdout).fileno())


def _run(words: Sequence[str], chosen: Command | None) -> int:
    if words[:1] == [_COMPLETE]:
        from ev_energy.cli._complete import complete

        sys.stdout.writelines(f"{line}\n" for line in complete(COMMANDS, words[1:]))
        return ExitCode.OK
    prog = "python -m ev_energy" if Path(sys.argv[0]).name == "__main__.py" else "ev-energy"
    if chosen is not None and chosen.needs_extra:
        return _run_with_extra(chosen, prog, words[1:])
    options, unknown = _parser(prog, words, chosen).parse_known_args(words)
    if unknown:
        known = re.findall(r"--[\w-]+", options.parser.format_help())
        raise UsageError(
            f"there is no option or place for {unknown[0]!r}", near_miss(unknown[0], known)
        )
    status: int = options.run(options)
    return status


def _run_with_extra(command: Command, prog: str, words: Sequence[str]) -> int:
    try:
        module = command.load()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise UsageError(
            f"the command {command.name} needs the package {error.name}",
            "pip install 'ev-energy[cli]'",
        ) from None
    status: int = module.run(prog, words)
    return status


def _parser(prog: str, words: Sequence[str], chosen: Command | None) -> argparse.ArgumentParser:
    from ev_energy import __version__

    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("--version", action="version", version=f"ev-energy {__version__}")
    names = [command.name for command in COMMANDS]
    if words and chosen is None and not words[0].startswith("-"):
        hint = near_miss(words[0], names)
        parser.error(f"there is no command {words[0]!r}{f': {hint}' if hint else ''}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        module = command.load() if command is chosen else None
        description = module.__doc__.replace("`", "") if module else None
        subparser = commands.add_parser(command.name, help=command.summary, description=description)
        if module is not None:
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run, parser=subparser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
