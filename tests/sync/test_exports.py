"""The names that ``import ev_energy_sync`` exports, and the modules that it does not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ev_energy
import ev_energy_sync
from tests.helpers.names import assert_same_names

HEAVY = ["aiohttp", "cattrs", "uvloop", "ev_energy.models.evses", "ev_energy.models.users"]


def checked_names(package: object) -> dict[str, str]:
    """Return the names that type checkers see, with the modules that they are imported from."""
    tree = ast.parse(Path(str(package.__file__)).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))  # of `TYPE_CHECKING`
    names = {"__version__": ""}
    for node in block.body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: str(node.module) for alias in node.names}
    return names


def test_blocking_package_exports_the_names_of_the_async_one():
    assert_same_names(
        dir(ev_energy_sync),
        dir(ev_energy),
        missing="export it from ev_energy_sync/__init__.py",
        unexpected="export it from ev_energy/__init__.py too",
    )
    own = {"Client", "LogPager", "Pager", "webhooks"}
    for name in dir(ev_energy):
        same = getattr(ev_energy_sync, name) is getattr(ev_energy, name)
        assert same is (name not in own), name
    for name in ("auth", "errors", "models"):
        assert getattr(ev_energy_sync, name) is getattr(ev_energy, name)


def test_type_checkers_see_the_same_names_in_both_packages():
    assert_same_names(
        checked_names(ev_energy_sync),
        checked_names(ev_energy),
        missing="add it to `if TYPE_CHECKING` of ev_energy_sync/__init__.py",
        unexpected="add it to `if TYPE_CHECKING` of ev_energy/__init__.py",
    )


def test_unknown_name_raises_attribute_error():
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
def test_aiohttp_and_models_are_not_loaded_before_use(statement):
    script = f"import sys; {statement}; print(sorted(set({HEAVY}) & set(sys.modules)))"
    command = [sys.executable, "-X", "dev", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_family_loads_only_its_own_models():
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
