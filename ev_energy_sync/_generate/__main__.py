"""The command line of the generator."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ev_energy._operations import EndpointFormError
from ev_energy_sync._generate.files import COMMAND, ROOT, generate, stale_files
from ev_energy_sync._generate.source_text import UnsupportedSourceError


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write the generated files under *root*, or report with ``--check`` which ones differ.

    Return the exit status: 1 if ``--check`` found differences, 2 if the source cannot be converted.
    """
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write the generated files.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if files differ")
    check: bool = parser.parse_args(arguments).check
    try:
        texts = generate(root)
    except (UnsupportedSourceError, EndpointFormError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    stale = stale_files(texts, root)
    differing = [
        name
        for name, text in texts.items()
        if not (root / name).exists() or (root / name).read_text("utf-8") != text
    ]
    for name in differing:
        sys.stdout.write(f"{'differs' if check else 'written'}: {name}\n")
        if not check:
            (root / name).write_text(texts[name], "utf-8")
    for name in stale:
        sys.stdout.write(f"{'stale' if check else 'deleted'}: {name}\n")
        if not check:
            (root / name).unlink()
    if check and (differing or stale):
        sys.stdout.write(f"run `{COMMAND}`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
