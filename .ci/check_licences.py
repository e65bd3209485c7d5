"""Fail if a component of an SBOM has no licence, or one that a user of the SDK must ask about."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

#: Permissive licences, and the Mozilla one, whose conditions stop at its own files.
ACCEPTED = re.compile(r"MIT|Apache|BSD|PSF|Python Software Foundation|MPL|ISC", re.IGNORECASE)


def main(path: str) -> int:
    """Print each component of the SBOM at *path* with its licences, and return the exit status."""
    refused = 0
    for component in json.loads(Path(path).read_text())["components"]:
        texts = [
            one.get("expression") or one["license"].get("id") or one["license"].get("name", "")
            for one in component.get("licenses", [])
        ]
        accepted = any(ACCEPTED.search(text) for text in texts)
        refused += not accepted
        known = ", ".join(text.splitlines()[0] for text in texts if text) or "no licence"
        mark = "" if accepted else "  <- not accepted"
        print(f"{component['name']} {component['version']}: {known}{mark}")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
