"""What a user would take instead: which of it is here, and a client generated on the spot."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from harness import Skip

GENERATOR: Final = "openapi-python-client"
PACKAGE: Final = "generated_peer"


def installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def need(*modules: str) -> None:
    """`Skip` where one of *modules* is missing."""
    for module in modules:
        if not installed(module):
            raise Skip(f"{module} is not installed")


@functools.cache
def why_not() -> str | None:
    """Why there is no generated client; None if there is."""
    given = os.environ.get("EV_ENERGY_SPEC")
    if not given:
        return "EV_ENERGY_SPEC does not name the API description"
    if not Path(given).is_file():
        return f"EV_ENERGY_SPEC: there is no file {given}"
    if not installed("openapi_python_client"):
        return f"{GENERATOR} is not installed"
    return None


@functools.cache
def generated() -> Path | None:
    """The folder of the generated package, which can then be imported; None: see `why_not`."""
    if why_not():
        return None
    folder = Path(tempfile.mkdtemp(prefix="peers-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    description = _titles_dropped(_load(Path(os.environ["EV_ENERGY_SPEC"])))
    (folder / "description.json").write_text(json.dumps(description))
    # Its own formatting of the result needs ruff and changes nothing.
    (folder / "config.yaml").write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    command += ["--path", str(folder / "description.json"), "--config", str(folder / "config.yaml")]
    command += ["--output-path", str(folder / PACKAGE)]
    subprocess.run(command, check=True, capture_output=True)
    sys.path.append(str(folder))
    return folder


def _load(path: Path) -> Any:
    if path.suffix == ".json":
        return json.loads(path.read_text())
    import yaml

    # Dates stay the text they are.
    loader = type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {}})
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return yaml.load(path.read_text(), loader)


def _titles_dropped(description: Any) -> Any:
    """Without titles of schemas: two schemas share one, and the generator then drops operations."""
    return {**_drop(description), "info": description["info"]}


def _drop(value: Any, *, names: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            key: _drop(one, names=key == "properties")
            for key, one in value.items()
            if names or key != "title"
        }
    return [_drop(one) for one in value] if isinstance(value, list) else value
