from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ev_energy.simulator

FOLDER = Path(ev_energy.simulator.__file__).parent


def test_package_import_does_not_load_the_simulator() -> None:
    code = "import sys, ev_energy; sys.exit('ev_energy.simulator' in sys.modules)"
    environment = {"PYTHONPATH": str(FOLDER.parent.parent)}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )
