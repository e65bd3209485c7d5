from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ev_energy.simulator

FOLDER = Path(ev_energy.simulator.__file__).parent
#: Facts and names, no work.
SHARED = (["models"], ["simulator"], ["_operations"], ["_version"])
MODULES = sorted(FOLDER.rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_mistake_of_the_client_cannot_hide_in_the_simulator(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
    ours = [name for name in names if name.split(".")[0] == "ev_energy"]
    assert not [n for n in ours if n.split(".")[1:2] not in SHARED]


def test_importing_the_package_does_not_import_the_simulator() -> None:
    code = "import sys, ev_energy; sys.exit('ev_energy.simulator' in sys.modules)"
    environment = {"PYTHONPATH": str(FOLDER.parent.parent)}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )
