"""The modules of the benchmarks, whose names are too general to keep."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


class Modules:
    """Imports modules of the benchmarks by name, as attributes."""

    def __getattr__(self, name: str) -> Any:
        return importlib.import_module(name)


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[Modules]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield Modules()
        for name in {path.stem for path in BENCHMARKS.glob("*.py")} & sys.modules.keys():
            if getattr(sys.modules[name], "__file__", "").startswith(str(BENCHMARKS)):
                del sys.modules[name]
