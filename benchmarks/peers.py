"""Find the alternatives to the SDK that are installed, and generate a client for comparison."""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from harness import HERE, Row, Settings, Skip

GENERATOR: Final = "openapi-python-client"
PACKAGE: Final = "generated_peer"


def installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def need(*modules: str) -> None:
    """Raise `Skip` if one of *modules* is not installed."""
    for module in modules:
        if not installed(module):
            raise Skip(f"{module} is not installed")


@functools.cache
def skip_reason() -> str | None:
    """Return why there is no generated client, or None if there is one."""
    path = os.environ.get("EV_ENERGY_SPEC")
    if not path:
        return "EV_ENERGY_SPEC is not set to the path of the API description"
    if not Path(path).is_file():
        return f"EV_ENERGY_SPEC: {path} does not exist"
    if not installed("openapi_python_client"):
        return f"{GENERATOR} is not installed"
    return None


def load() -> None:
    """Import the other clients, and exempt them from garbage collection.

    Their thousands of modules would make collections of everything rarer, which flatters the SDK:
    it makes more objects that Python tracks than a decoder to dictionaries does.
    """
    modules = ["httpx", "httpx2", "pydantic", "requests"]
    if generated():
        modules += [f"{PACKAGE}.{name}" for name in ("client", "models", "api.evs_es.get_evses")]
    for name in modules:
        if installed(name.partition(".")[0]):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def skipped(settings: Settings) -> Iterator[Row]:
    """Yield a row with the reason if the generated client is missing."""
    if settings.peers and (reason := skip_reason()):
        yield Row(GENERATOR, None, note=f"skipped: {reason}")


def search_path(settings: Settings) -> list[Path]:
    """Return the folders in which new interpreters find these modules and the generated client."""
    folder = generated() if settings.peers else None
    return [HERE, folder] if folder else [HERE]


@functools.cache
def generated() -> Path | None:
    """Generate the package, make it importable and return its folder; None: see `skip_reason`."""
    if skip_reason():
        return None
    folder = Path(tempfile.mkdtemp(prefix="peers-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    description = _without_titles(_load(Path(os.environ["EV_ENERGY_SPEC"])))
    (folder / "description.json").write_text(json.dumps(description))
    # By default, the generator formats its result with ruff, which does not matter here.
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

    # Dates stay strings.
    loader = type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {}})
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return yaml.load(path.read_text(), loader)


def _without_titles(description: Any) -> Any:
    """Return *description* without titles of schemas.

    Schemas share titles, and the generator would then drop operations.
    """
    return {**_drop_titles(description), "info": description["info"]}


def _drop_titles(value: Any, *, names: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            key: _drop_titles(one, names=key == "properties")
            for key, one in value.items()
            if names or key != "title"
        }
    return [_drop_titles(one) for one in value] if isinstance(value, list) else value
