"""The example ``drift_watch``: its script runs against a ``gh`` that keeps issues in a file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ev_energy._contract.facts import facts
from tests.helpers.spec.openapi import described

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "drift_watch"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

#: A ``gh`` with the commands that the script uses; it refuses others, and options that it lacks.
GH = """
import argparse, json, os, sys
from pathlib import Path

path = Path(os.environ["ISSUES"])
state = json.loads(path.read_text())
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("group")
parser.add_argument("action")
parser.add_argument("number", nargs="?")
for name in ("title", "label", "body", "body-file", "state", "limit", "json", "jq", "comment"):
    parser.add_argument(f"--{name}")
parser.add_argument("--reason")
parser.add_argument("--description")
parser.add_argument("--force", action="store_true")
given = parser.parse_args()
command = f"{given.group} {given.action}"
state["calls"].append(command)
issues = state["issues"]
body = Path(given.body_file).read_text() if given.body_file else None
if command == "issue list":
    if state.get("down"):
        sys.exit("HTTP 502")
    assert (given.state, given.json) == ("open", "number")
    for number, issue in sorted(issues.items()):
        if issue["open"] and issue["label"] == given.label:
            print(number)
elif command == "label create":
    state["labels"].append(given.number)
elif command == "issue create":
    assert given.label in state["labels"], "gh refuses a label that does not exist"
    number = str(len(issues) + 1)
    issues[number] = {"open": True, "label": given.label, "title": given.title, "body": body}
elif command == "issue view":
    print(issues[given.number]["body"].rstrip("\\n"))
elif command == "issue edit":
    issues[given.number] |= {"title": given.title, "body": body}
elif command == "issue comment":
    issues[given.number].setdefault("comments", []).append(given.body)
elif command == "issue close":
    issues[given.number] |= {"open": False, "reason": given.reason}
    issues[given.number].setdefault("comments", []).append(given.comment)
else:
    sys.exit(f"unknown command: {command}")
path.write_text(json.dumps(state))
"""


class Repository:
    """A repository with issues, and the script that watches it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state = folder / "issues.json"
        self._state.write_text(json.dumps({"issues": {}, "labels": [], "calls": []}))
        self.known = folder / "known.txt"
        self.known.write_text((EXAMPLE / "known.txt").read_text())
        programs = folder / "bin"
        programs.mkdir()
        (programs / "gh").write_text(f"#!{sys.executable}\n{GH}")
        (programs / "gh").chmod(0o755)
        (programs / "python").symlink_to(sys.executable)
        self._environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
            "ISSUES": str(self._state),
        }

    def watch(
        self, edit: Callable[[Any], Any] | None, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the script for a description with a change, or for a text."""
        document = described(facts())
        if edit is not None:
            edit(document)
        path = self._folder / "openapi"
        path.write_text(json.dumps(document) if text is None else text)
        return subprocess.run(
            ["bash", str(EXAMPLE / "watch.sh"), str(path), str(self.known)],
            capture_output=True,
            text=True,
            timeout=60,
            env=self._environment,
            check=False,
        )

    @property
    def state(self) -> Any:
        return json.loads(self._state.read_text())

    @property
    def issues(self) -> dict[str, Any]:
        found: dict[str, Any] = self.state["issues"]
        return found

    def calls(self) -> list[str]:
        """Return the commands of gh since the last time."""
        state = self.state
        calls: list[str] = state["calls"]
        self._state.write_text(json.dumps({**state, "calls": []}))
        return calls


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def page_size(maximum: int) -> Callable[[Any], Any]:
    def edit(document: Any) -> None:
        document["components"]["parameters"]["page_size"]["schema"]["maximum"] = maximum

    return edit


@pytest.mark.slow
def test_one_issue_is_opened_updated_and_closed(repository: Repository) -> None:
    done = repository.watch(None)
    assert (done.returncode, done.stderr) == (0, "")
    assert repository.issues == {}

    assert repository.watch(page_size(1000)).returncode == 0
    assert repository.calls() == ["issue list", "issue list", "label create", "issue create"]
    assert repository.issues["1"]["title"] == "The ev.energy API has changed"
    assert "  - maximum: changed from 100 to 1000. " in repository.issues["1"]["body"]

    assert repository.watch(page_size(1000)).returncode == 0
    assert repository.calls() == ["issue list", "issue view"]

    assert repository.watch(page_size(50)).returncode == 0
    assert repository.calls() == ["issue list", "issue view", "issue edit", "issue comment"]
    assert repository.issues["1"]["title"] == "The ev.energy API has changed: programs may break"
    assert "  - maximum: changed from 100 to 50. " in repository.issues["1"]["body"]
    assert repository.issues["1"]["comments"] == ["The report has changed."]

    repository.known.write_text("breaking: parameter page_size > maximum: changed from 100 to 50\n")
    assert repository.watch(page_size(50)).returncode == 0
    assert repository.calls() == ["issue list", "issue close"]
    assert not repository.issues["1"]["open"]
    assert repository.issues["1"]["comments"][-1] == "All differences are ignored (1 change)."

    assert repository.watch(page_size(40)).returncode == 0
    assert [number for number, issue in repository.issues.items() if issue["open"]] == ["2"]
    assert repository.watch(None).returncode == 0
    assert repository.issues["2"]["comments"][-1].startswith("No difference: version ")


@pytest.mark.slow
@pytest.mark.parametrize("first", ["x", "xx"])  # one of them cuts a character of two bytes
def test_long_report_ends_with_a_whole_line_and_a_note(repository: Repository, first: str) -> None:
    def edit(document: Any) -> None:
        for schema in document["components"]["schemas"].values():
            for name in schema.get("properties", {}):
                schema["properties"][name] = {"pattern": first + "é" * 40}

    assert repository.watch(edit).returncode == 0
    body: str = repository.issues["1"]["body"]
    assert 55_000 < len(body) < 65_536
    report, _, note = body.rpartition("\n~~~~~~\n")
    assert report.endswith((".", "\n"))
    assert note == (
        "\nThe report is too long for an issue: this is its beginning. "
        "The log of the run has all of it.\n"
    )
    repository.calls()
    assert repository.watch(edit).returncode == 0
    assert repository.calls() == ["issue list", "issue view"]


@pytest.mark.slow
def test_short_report_is_whole(repository: Repository) -> None:
    repository.watch(page_size(50))
    assert repository.issues["1"]["body"].endswith(" refused.\n\n~~~~~~\n")


@pytest.mark.slow
def test_second_issue_is_closed_in_favour_of_the_first(repository: Repository) -> None:
    repository.watch(page_size(50))
    state = repository.state
    state["issues"]["2"] = state["issues"]["1"]
    repository._state.write_text(json.dumps(state))
    assert repository.watch(page_size(50)).returncode == 0
    assert repository.issues["1"]["open"]
    assert repository.issues["2"] == {
        **state["issues"]["2"],
        "open": False,
        "reason": "not planned",
        "comments": ["The report is in #1."],
    }


@pytest.mark.slow
def test_failed_comparison_leaves_the_issue_as_it_is(repository: Repository) -> None:
    done = repository.watch(None, text="{")
    assert done.returncode == 1
    assert done.stderr.endswith("the descriptions were not compared (status 1)\n")
    repository.known.unlink()
    done = repository.watch(page_size(50))
    assert done.returncode == 1
    assert done.stderr.endswith("the descriptions were not compared (status 64)\n")
    assert repository.calls() == []


@pytest.mark.slow
def test_failure_of_gh_opens_no_second_issue(repository: Repository) -> None:
    repository.watch(page_size(50))
    state = repository.state
    repository._state.write_text(json.dumps({**state, "down": True}))
    assert repository.watch(page_size(40)).returncode != 0
    assert repository.issues == state["issues"]


def test_workflow_runs_the_script_weekly_with_few_permissions() -> None:
    workflow = yaml.load((EXAMPLE / "drift-watch.yml").read_text(), Loader=yaml.BaseLoader)
    assert workflow["permissions"] == {}
    (schedule,) = workflow["on"]["schedule"]
    assert schedule["cron"].split()[2:] == ["*", "*", "1"]
    assert "workflow_dispatch" in workflow["on"]
    (job,) = workflow["jobs"].values()
    assert job["permissions"] == {"contents": "read", "issues": "write"}
    *_, watch = job["steps"]
    assert watch["run"] == "bash drift_watch/watch.sh openapi drift_watch/known.txt"
    assert set(watch["env"]) == {"GH_TOKEN"}
    for step in job["steps"]:
        assert "${{" not in step.get("run", ""), "a variable in a script could run commands"
        if "uses" in step:
            assert len(step["uses"].partition("@")[2]) == 40, "actions are pinned to a commit"


def test_script_is_valid() -> None:
    subprocess.run(["bash", "-n", str(EXAMPLE / "watch.sh")], check=True, timeout=20)
