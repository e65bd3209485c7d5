"""Prepare a virtual environment with the SDK and the other clients, outside of the user's own."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from harness import HERE

_ROOT: Final = HERE.parent
_PINNED: Final = HERE / "peers.txt"
#: Extras of the SDK that rows need.
_EXTRAS: Final = "bench,fastapi,redis,speed"
#: A file that is written last: without it, the environment is incomplete.
_READY: Final = "ready"


class Unavailable(Exception):  # noqa: N818  (the benchmarks continue without peers)
    """The environment cannot be prepared here; the message says why."""


def default_cache() -> Path:
    """Return the user's folder for such environments."""
    return (
        Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ev-energy-benchmarks"
    )


def folder_in(cache: Path) -> Path:
    """Return the folder of the environment; it is another one when anything in it would change."""
    parts = (_PINNED.read_bytes(), (_ROOT / "pyproject.toml").read_bytes())
    key = hashlib.sha256(b"\0".join((*parts, str(_ROOT).encode(), sys.version.encode())))
    return cache.resolve() / key.hexdigest()[:16]


def is_active(cache: Path) -> bool:
    """Return whether this process runs in the environment already."""
    return Path(sys.prefix).resolve() == folder_in(cache)


def prepare(cache: Path) -> str:
    """Return the path of the environment's Python, after installing everything if necessary."""
    folder = folder_in(cache)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (folder / _READY).exists():
        print(f"Installing the other clients in {folder} ...", flush=True)
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        pip = (str(python), "-m", "pip", "--disable-pip-version-check", "--retries", "1")
        sdk = f"{_ROOT}[{_EXTRAS}]"
        _run(*pip, "install", "--quiet", "--requirement", str(_PINNED), "--editable", sdk)
        (folder / _READY).touch()
    return str(python)


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except OSError as error:
        raise Unavailable(str(error)) from None
    except subprocess.CalledProcessError as failed:
        # Of pip's many lines, the last that begins like this has the reason.
        found = re.findall(r"^ *((?:ERROR|Error): .*)", failed.stdout + failed.stderr, re.MULTILINE)
        raise Unavailable(found[-1] if found else str(failed)) from None
