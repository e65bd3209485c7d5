"""Write ``ev_energy/_contract/api.json``, the facts of the API's description.

DESCRIPTION is the vendor's OpenAPI file, in YAML or JSON; EV_ENERGY_SPEC names it by default.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from ev_energy._contract.compare import differences
from ev_energy._contract.extract import extract
from ev_energy._contract.facts import FILE, facts, to_text

_WHAT_TO_DO: Final = """\
The description has changed since the facts were written, or the facts were changed by hand.
Run `python {script} {description}`, read `git diff`, and follow the failures of
`python -m pytest` from there: CONTRIBUTING.md tells how to add an operation or a correction."""


def description(path: str) -> Any:
    """Read a description."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(Path(path).read_text(encoding="utf-8"), Loader=loader)


def main() -> int:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("description", nargs="?", default=os.environ.get("EV_ENERGY_SPEC"))
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="write nothing; list the differences")
    mode.add_argument("--format", action="store_true", help="tidy a file that was edited by hand")
    chosen = parser.parse_args()
    if chosen.format:
        FILE.write_text(to_text(facts()), encoding="utf-8")
        return 0
    if not chosen.description:
        parser.error("name the description, as an argument or in EV_ENERGY_SPEC")
    found = extract(description(chosen.description))
    if not chosen.check:
        FILE.write_text(to_text(found), encoding="utf-8")
        return 0
    changes = sorted(differences(facts(), found))
    if changes:
        print(
            f"{FILE.name} and the description differ in {len(changes)} places:",
            *changes,
            sep="\n- ",
        )
        print(_WHAT_TO_DO.format(script=sys.argv[0], description=chosen.description))
    return int(bool(changes))


if __name__ == "__main__":
    sys.exit(main())
