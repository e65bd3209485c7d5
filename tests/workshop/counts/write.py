"""Write the counts that `test_counts` compares with. Run it on Python 3.11."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from tests.workshop.counts.compare import numbers
from tests.workshop.counts.run import ALL, measured, versions

FILE: Final = Path(__file__).parent / "counts.json"
#: Where the functions and lines are now, which changes with every edit.
_NOT_KEPT: Final = ("lines", "places")


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    if sys.version_info[:2] != (3, 11):
        sys.exit("the counts on record are those of Python 3.11: run this with it")
    before = json.loads(FILE.read_text(encoding="utf-8"))["work"] if FILE.exists() else {}
    work = {}
    for name in ALL:
        counts = measured(name)
        work[name] = {k: v for k, v in counts.items() if k not in _NOT_KEPT}
        old = numbers(before.get(name, {}))
        for key, number in numbers(counts).items():
            if number != old.get(key):
                print(f"{name}: {key}: {old.get(key)} -> {number}")
    text = json.dumps({"versions": versions(), "work": work}, indent=1, sort_keys=True)
    FILE.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
