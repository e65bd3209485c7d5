"""List what stands in the way of a release: .ci/check_release.py TAG. See RELEASING.md.

`.ci/release` runs it before a tag exists, and the workflow Release when one was pushed.
"""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: The host of the addresses that no one can open; other hosts under .example are examples.
PLACEHOLDER = "ev-energy.example"
#: These files name the placeholder in order to find it.
EXEMPT = {".ci/check_release.py", "RELEASING.md", "tests/workshop/test_release.py"}
RELEASE = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")
UNPUBLISHED = re.compile(r"\b(not yet|until it is) on PyPI", re.IGNORECASE)


def faults_of_version(tag: str, version: str) -> Iterator[str]:
    """Yield what is wrong with the *version* of the package, and with the *tag*."""
    if tag != f"v{version}":
        yield f"the tag is {tag}, but ev_energy/_version.py has the version {version}"
    if not RELEASE.fullmatch(version):
        yield f"{version} is not the version of a release: it must be X.Y.Z, or X.Y.ZrcN"


def faults_of_changelog(version: str, changelog: str) -> Iterator[str]:
    """Yield what is wrong with the heading of *version*."""
    heading = f"## {version} - "
    found = re.search(f"^{re.escape(heading)}(.*)$", changelog, re.MULTILINE)
    written = found[1] if found else ""
    try:
        valid = date.fromisoformat(written).isoformat() == written
    except ValueError:
        valid = False
    if not found:
        yield f"CHANGELOG.md has no section '{heading}DATE'"
    elif not valid:
        yield f"CHANGELOG.md has '{heading}{written}': write a date such as 2026-12-01"


def faults_of_names(frozen: Path) -> Iterator[str]:
    """Yield what is wrong with the names that the next release is compared with."""
    names, released = (
        (frozen / f"{which}_names.txt").read_bytes() for which in ("public", "released")
    )
    if names != released:
        command = "python -m tests.workshop.frozen.write --released"
        yield f"released_names.txt is of another release: {command}"


def faults_of_addresses(project: dict[str, dict[str, dict[str, str]]]) -> Iterator[str]:
    """Yield what is wrong with the pattern of the addresses of files."""
    source = project["project"]["urls"]["Source"].rstrip("/") + "/"
    pattern = project["tool"]["ev-energy"]["file-url"]
    if not (
        pattern.startswith(source) and {"{ref}", "{path}"} <= set(re.findall("{.*?}", pattern))
    ):
        yield (
            f"pyproject.toml: file-url is {pattern!r}: it must begin with {source}, "
            "and contain {ref} and {path}"
        )


def faults_of_texts(root: Path) -> Iterator[str]:
    """Yield the lines with a placeholder, and those that say that the package is not on PyPI."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)  # noqa: S603  (constant)
    for name in sorted(set(listed.stdout.split("\0")) - EXEMPT - {""}):
        is_page = name == "README.md" or (name.startswith("docs/") and name.endswith(".md"))
        lines = (root / name).read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, 1):
            if PLACEHOLDER in line:
                yield f"{name}:{number}: an address under {PLACEHOLDER}: set the real one"
            if is_page and (found := UNPUBLISHED.search(line)):
                yield f"{name}:{number}: '{found[0]}' is wrong after the release"


def main(tag: str, root: Path = ROOT) -> int:
    """Print each fault, and return the exit status."""
    version = runpy.run_path(str(root / "ev_energy" / "_version.py"))["__version__"]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    faults = [
        *faults_of_version(tag, version),
        *faults_of_changelog(version, changelog),
        *faults_of_names(root / "tests" / "workshop" / "frozen"),
        *faults_of_addresses(project),
        *faults_of_texts(root),
    ]
    for fault in faults:
        print(f"release: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
