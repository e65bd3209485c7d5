"""What ``import ev_energy_sync`` gives, and what it does not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ev_energy
import ev_energy_sync

HEAVY = ["aiohttp", "cattrs", "uvloop", "ev_energy.models.evses", "ev_energy.models.users"]


def checked_names(package: object) -> dict[str, str]:
    """What type checkers see: name to the module it is imported from."""
    tree = ast.parse(Path(str(package.__file__)).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))  # of `TYPE_CHECKING`
    found = {"__version__": ""}
    for node in block.body:
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: str(node.module) for alias in node.names}
    return found


def test_the_blocking_package_has_the_names_of_the_async_one():
    assert dir(ev_energy_sync) == dir(ev_energy)
    own = {"Client", "Pager"}
    for name in dir(ev_energy):
        same = getattr(ev_energy_sync, name) is getattr(ev_energy, name)
        assert same is (name not in own), name
    for name in ("auth", "errors", "models"):
        assert getattr(ev_energy_sync, name) is getattr(ev_energy, name)


def test_type_checkers_see_the_same_names():
    assert checked_names(ev_energy_sync).keys() == checked_names(ev_energy).keys()


def test_a_name_that_is_none_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ev_energy_sync' has no attribute 'Cleint'"):
        _ = ev_energy_sync.Cleint


@pytest.mark.parametrize(
    "statement",
    [
        "import ev_energy_sync",
        "from ev_energy_sync import Client, Pager",
        "from ev_energy_sync import Client; Client('a-token')",
        "from ev_energy_sync import Client; Client('a-token').close()",
    ],
)
def test_neither_aiohttp_nor_any_model_is_loaded_before_it_is_needed(statement):
    script = f"import sys; {statement}; print(sorted(set({HEAVY}) & set(sys.modules)))"
    command = [sys.executable, "-X", "dev", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_family_loads_its_own_models_only():
    script = """
import sys
from ev_energy_sync import Client
Client("a-token").ct_clamps
print([name for name in ("ev_energy.resources.users", "aiohttp") if name in sys.modules])
Client.preload("users")
print([name for name in ("ev_energy_sync.resources.users", "aiohttp") if name in sys.modules])
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['ev_energy_sync.resources.users', 'aiohttp']"]
