"""The wheel has both packages with their type information, and no other files."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files in the wheel, built from this checkout."""
    pytest.importorskip("hatchling", reason="needs hatchling: pip install -e '.[test]'")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.iterdir()
    with zipfile.ZipFile(path) as wheel:
        return set(wheel.namelist())


def test_wheel_has_all_modules_except_the_generator(contents: set[str]) -> None:
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in ("ev_energy", "ev_energy_sync")
        for path in (ROOT / package).rglob("*.py")
    }
    generator = {name for name in modules if name.startswith("ev_energy_sync/_generate/")}
    assert generator
    assert {name for name in contents if name.endswith(".py")} == modules - generator


def test_wheel_marks_both_packages_as_typed(contents: set[str]) -> None:
    assert {"ev_energy/py.typed", "ev_energy_sync/py.typed"} <= contents


def test_wheel_has_no_other_top_level_folder(contents: set[str]) -> None:
    top_level = {name.partition("/")[0] for name in contents}
    assert {name for name in top_level if not name.endswith(".dist-info")} == {
        "ev_energy",
        "ev_energy_sync",
    }


def test_wheel_has_the_files_that_the_simulator_reads(contents: set[str]) -> None:
    assert "ev_energy/_contract/api.json" in contents
    assert "ev_energy/simulator/pages/style.css" in contents


def test_wheel_has_the_skill_for_coding_agents(contents: set[str]) -> None:
    assert "ev_energy/.agents/skills/ev-energy/SKILL.md" in contents
