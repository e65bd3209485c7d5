from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ev_energy.simulator

FOLDER = Path(ev_energy.simulator.__file__).parent
#: Modules of facts and names. Other modules of the client must not be shared with the simulator,
#: or a mistake in them would cancel out in tests against it.
SHARED = (["_contract"], ["models"], ["simulator"], ["_operations"], ["_version"])
MODULES = sorted(FOLDER.rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_simulator_imports_only_models_and_names_of_the_client(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
    own = [name for name in names if name.split(".")[0] == "ev_energy"]
    assert not [n for n in own if n.split(".")[1:2] not in SHARED]


def test_package_import_does_not_load_the_simulator() -> None:
    code = "import sys, ev_energy; sys.exit('ev_energy.simulator' in sys.modules)"
    environment = {"PYTHONPATH": str(FOLDER.parent.parent)}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )
