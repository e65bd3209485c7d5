"""`.ci/release` and the workflow Release refuse to build what is not ready to be released."""

from __future__ import annotations

import functools
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ev_energy import __version__

ROOT = Path(__file__).parents[2]
TAG = f"v{__version__}"
HEADING = f"## {__version__} - "
pytestmark = [
    pytest.mark.slow,
    pytest.mark.shows_secrets("files", reason="the clone has the tests, with their secrets"),
]


@functools.cache
def checks() -> dict[str, Any]:
    """Return what the script defines. The sdist, in which this module is imported, lacks it."""
    return runpy.run_path(str(ROOT / ".ci" / "check_release.py"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone of the repository with its last commit."""
    folder = tmp_path / "checkout"
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    # What CI tries may not be committed yet.
    for name in ("release", "check_release.py"):
        (folder / ".ci" / name).write_text((ROOT / ".ci" / name).read_text())
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t.example", "-c", "commit.gpgsign=false"]
    words = ["git", *identity, "commit", "--quiet", "--all", "--allow-empty", "--message=change"]
    subprocess.run(words, cwd=folder, check=True)


def date_the_changelog(folder: Path, date: str) -> None:
    changelog = folder / "CHANGELOG.md"
    before, _, after = changelog.read_text().partition(HEADING)
    changelog.write_text(f"{before}{HEADING}{date}\n{after.partition(chr(10))[2]}")


def refusals(folder: Path, *words: str) -> list[str]:
    """Return what a script says, which must refuse."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert all(line.startswith("release: ") for line in done.stderr.splitlines()), done.stderr
    return [line.removeprefix("release: ") for line in done.stderr.splitlines()]


def release(folder: Path, version: str = __version__) -> list[str]:
    return refusals(folder, "bash", ".ci/release", version)


def check(folder: Path, tag: str = TAG) -> list[str]:
    return refusals(folder, sys.executable, ".ci/check_release.py", tag)


def test_tag_and_version_must_be_those_of_the_package(checkout: Path) -> None:
    expected = f"the tag is v9.9.9, but ev_energy/_version.py has the version {__version__}"
    assert release(checkout, "9.9.9")[0] == expected
    assert check(checkout, "v9.9.9")[0] == expected
    assert check(checkout, __version__)[0].startswith(f"the tag is {__version__}, but ")


@pytest.mark.parametrize("version", ["1.0.0.dev0", "1.0", "1.0.0rc1.dev2"])
def test_version_must_be_that_of_a_release(version: str) -> None:
    expected = f"{version} is not the version of a release: it must be X.Y.Z, or X.Y.ZrcN"
    assert list(checks()["faults_of_version"](f"v{version}", version)) == [expected]


@pytest.mark.parametrize("version", ["1.0.0", "1.2.30", "1.0.0rc1"])
def test_releases_have_versions_without_dev(version: str) -> None:
    assert not list(checks()["faults_of_version"](f"v{version}", version))


def test_workflow_checks_the_tag_before_it_builds() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    runs = [step["run"] for step in workflow["jobs"]["build"]["steps"] if "run" in step]
    expected = ['python .ci/check_release.py "$GITHUB_REF_NAME"', "bash .ci/package dist"]
    assert runs == expected
    assert workflow["jobs"]["publish"]["needs"] == "build"


def test_tree_must_be_clean(checkout: Path) -> None:
    (checkout / "notes.txt").write_text("")
    assert release(checkout) == ["the tree has uncommitted changes"]


def test_version_is_never_released_twice(checkout: Path) -> None:
    subprocess.run(["git", "tag", TAG], cwd=checkout, check=True)
    assert release(checkout) == [f"the tag {TAG} exists: a version is never released twice"]


@pytest.mark.parametrize("date", ["unreleased", "2026-99-99", "2026-02-29", "20261201"])
def test_changelog_must_have_the_date_of_a_day(date: str) -> None:
    expected = f"CHANGELOG.md has '## 1.0.0 - {date}': write a date such as 2026-12-01"
    text = f"# Changelog\n\n## 1.0.0 - {date}\n\n## 0.9.0 - 2026-01-01\n"
    assert list(checks()["faults_of_changelog"]("1.0.0", text)) == [expected]
    assert not list(checks()["faults_of_changelog"]("0.9.0", text))


def test_changelog_must_have_the_version() -> None:
    expected = "CHANGELOG.md has no section '## 1.0.0 - DATE'"
    assert list(checks()["faults_of_changelog"]("1.0.0", "## 1.0.01 - 2026-01-01\n")) == [expected]


def test_what_is_published_has_real_addresses_and_says_so(checkout: Path) -> None:
    with (checkout / "README.md").open("a") as readme:
        readme.write("\nIt is not yet on PyPI.\n")
    found = check(checkout)
    files = {refusal.partition(":")[0] for refusal in found}
    skill = "ev_energy/.agents/skills/ev-energy/SKILL.md"
    assert {"README.md", "docs/start.md", "mkdocs.yml", "pyproject.toml", skill} <= files
    last = len((checkout / "README.md").read_text().splitlines())
    assert f"README.md:{last}: 'not yet on PyPI' is wrong after the release" in found


def test_names_that_the_next_release_is_compared_with_are_of_this_one(tmp_path: Path) -> None:
    for which in ("public", "released"):
        (tmp_path / f"{which}_names.txt").write_text(f"{which}\n")
    (refusal,) = checks()["faults_of_names"](tmp_path)
    command = "python -m tests.workshop.frozen.write --released"
    assert refusal == f"released_names.txt is of another release: {command}"
    (tmp_path / "released_names.txt").write_text("public\n")
    assert not list(checks()["faults_of_names"](tmp_path))


@pytest.mark.parametrize(
    "pattern",
    [
        "https://g.example/o/ev-energy{ref}/{path}",
        "https://g.example/o/ev-energy/{path}",
        "https://h.example/o/ev-energy/blob/{ref}/{path}",
    ],
)
def test_addresses_of_files_must_name_tag_and_path(pattern: str) -> None:
    source = "https://g.example/o/ev-energy"
    project = {
        "project": {"urls": {"Source": source}},
        "tool": {"ev-energy": {"file-url": pattern}},
    }
    expected = (
        f"pyproject.toml: file-url is '{pattern}': it must begin with {source}/, "
        "and contain {ref} and {path}"
    )
    assert list(checks()["faults_of_addresses"](project)) == [expected]
    project["tool"]["ev-energy"]["file-url"] = source + "/blob/{ref}/{path}"
    assert not list(checks()["faults_of_addresses"](project))


def test_first_release_is_prepared_as_the_page_says(checkout: Path) -> None:
    """What the commands leave is the dates and the sentences, and then only Python's version."""
    page = (ROOT / "RELEASING.md").read_text().partition("## Before the first release")[2]
    (commands,) = re.findall("```bash\n(.*?)```", page, re.DOTALL)
    subprocess.run(["bash", "-c", commands], cwd=checkout, check=True)
    date_the_changelog(checkout, "2026-12-01")
    frozen = checkout / "tests/workshop/frozen"
    shutil.copy(frozen / "public_names.txt", frozen / "released_names.txt")
    for name in ("README.md", "docs/start.md", "docs/index.md"):
        text = (checkout / name).read_text()
        text = text.replace(", and not yet on PyPI", "").replace("Until it is on PyPI", "Or")
        (checkout / name).write_text(text)
    commit(checkout)

    (checkout / ".github/workflows/release.yml").write_text('  python-version: "9.9"\n')
    commit(checkout)
    actual = "{}.{}".format(*sys.version_info)
    expected = f"this is Python {actual}, but release.yml builds with 9.9: name one with PYTHON=..."
    assert release(checkout) == [expected]

    generate = [sys.executable, "-m", "ev_energy_sync._generate", "--check"]
    subprocess.run(generate, cwd=checkout, check=True)
    project = tomllib.loads((checkout / "pyproject.toml").read_text())
    base = "https://github.com/OWNER/ev-energy"
    assert project["tool"]["ev-energy"]["file-url"] == base + "/blob/{ref}/{path}"
    assert project["project"]["urls"] == {
        "Documentation": "https://OWNER.github.io/ev-energy/",
        "Changelog": f"{base}/blob/main/CHANGELOG.md",
        "Issues": f"{base}/issues",
        "Source": base,
        "API reference": "https://developers.ev.energy",
    }
    assert f"[MIT licence]({base}/blob/main/LICENSE)" in (checkout / "docs/index.md").read_text()


def test_links_of_the_readme_lead_to_the_tag(tmp_path: Path) -> None:
    project = (ROOT / "pyproject.toml").read_text()
    pattern = 'file-url = "https://github.com/acme/ev-energy/blob/{ref}/{path}"'
    (tmp_path / "pyproject.toml").write_text(re.sub("(?m)^file-url = .*$", pattern, project))
    text = "[a](docs/start.md#b) [c](https://e.example/docs) [d](#e) [f](LICENSE)\n"
    (tmp_path / "README.md").write_text(text)
    runpy.run_path(str(ROOT / ".ci" / "complete_tree.py"))["main"](tmp_path, "1.2.3")
    base = "https://github.com/acme/ev-energy/blob/v1.2.3"
    assert (tmp_path / "README.md").read_text() == (
        f"[a]({base}/docs/start.md#b) [c](https://e.example/docs) [d](#e) [f]({base}/LICENSE)\n"
    )
    targets = tomllib.loads((tmp_path / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
        "targets"
    ]
    assert targets["wheel"]["sbom-files"] == ["sbom.cdx.json"]
    assert "sbom.cdx.json" in targets["sdist"]["include"]


def test_builds_have_the_time_of_the_commit_wherever_they_run() -> None:
    """`.ci/package` compares two builds, and the times in the wheel; the release only runs it."""
    assert "SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)\n" in (ROOT / ".ci/package").read_text()
    assert "SOURCE_DATE_EPOCH" not in (ROOT / ".ci/release").read_text()


def test_sdist_has_what_the_site_is_built_with() -> None:
    config = (ROOT / "mkdocs.yml").read_text()
    scripts = set(re.findall(r"\.ci/\w+\.py", config))
    assert ".ci/site_families.py" in scripts
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert scripts <= set(project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
