"""`.ci/release` refuses to build what is not ready to be released."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ev_energy import __version__

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.shows_secrets("files", reason="the clone has the tests, with their secrets"),
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone of the repository with its last commit."""
    folder = tmp_path / "checkout"
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    # What CI tries may not be committed yet.
    (folder / ".ci" / "release").write_text((ROOT / ".ci" / "release").read_text())
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t.example", "-c", "commit.gpgsign=false"]
    words = ["git", *identity, "commit", "--quiet", "--all", "--allow-empty", "--message=change"]
    subprocess.run(words, cwd=folder, check=True)


def refusal(folder: Path, version: str) -> str:
    """Return what the script says about *version*, which it must refuse."""
    done = subprocess.run(
        ["bash", ".ci/release", version],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.strip()


def test_version_must_be_that_of_the_package(checkout: Path) -> None:
    expected = "release: ev_energy/_version.py has another version than 9.9.9"
    assert refusal(checkout, "9.9.9") == expected


def test_tree_must_be_clean(checkout: Path) -> None:
    (checkout / "notes.txt").write_text("")
    assert refusal(checkout, __version__) == "release: the tree has uncommitted changes"


def test_changelog_must_have_a_date_and_the_addresses_must_be_real(checkout: Path) -> None:
    changelog = checkout / "CHANGELOG.md"
    heading = f"## {__version__} - "
    text = changelog.read_text()
    before, _, after = text.partition(heading)
    changelog.write_text(f"{before}{heading}unreleased\n{after.partition(chr(10))[2]}")
    commit(checkout)
    expected = f"release: CHANGELOG.md has no section '{heading}DATE'"
    assert refusal(checkout, __version__) == expected

    changelog.write_text(f"{before}{heading}2026-12-01\n{after.partition(chr(10))[2]}")
    commit(checkout)
    assert ".example: set the real ones" in refusal(checkout, __version__)


def test_version_is_never_released_twice(checkout: Path) -> None:
    changelog = checkout / "CHANGELOG.md"
    heading = f"## {__version__} - "
    before, _, after = changelog.read_text().partition(heading)
    changelog.write_text(f"{before}{heading}2026-12-01\n{after.partition(chr(10))[2]}")
    commit(checkout)
    subprocess.run(["git", "tag", f"v{__version__}"], cwd=checkout, check=True)
    expected = f"release: the tag v{__version__} exists: a version is never released twice"
    assert refusal(checkout, __version__) == expected
