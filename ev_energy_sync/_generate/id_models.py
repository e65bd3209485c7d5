"""The module ``ev_energy/_codec/id_models.py``, written from the operation table."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ev_energy._operations import Operation


def id_models_module(operations: Sequence[Operation]) -> str:
    """Return the text of ``ev_energy/_codec/id_models.py``."""
    lines = "\n".join(" ".join(row) for row in _rows(operations))
    return f'''\
"""For each id in a path: the models that may be passed for it, the resource itself first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TABLE: Final = """
{lines}
"""

#: By the path up to the id, in which ``{{}}`` stands for each id.
ID_MODELS: Final[Mapping[str, tuple[str, ...]]] = {{
    path: tuple(models) for path, *models in map(str.split, _TABLE.strip().splitlines())
}}
'''


def _rows(operations: Sequence[Operation]) -> list[list[str]]:
    """Return rows of a path and the models of its last id."""
    rows: dict[str, list[str]] = {}
    for operation in operations:
        path = re.sub(r"{\w+}", "{}", operation.path)
        ends = [found.end() for found in re.finditer("{}", path)]
        for end, models in zip(ends, operation.id_models, strict=True):
            known = rows.setdefault(path[:end], [])
            known += [model for model in models if model not in known]
    # Most operations take the resource alone, so the first one has it.
    return sorted([path, *models] for path, models in rows.items() if models)
