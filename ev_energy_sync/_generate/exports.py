"""Doors: modules that name what stands in other modules, made from their source."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ev_energy_sync._generate.source_text import from_import, order

#: What models are made of, shown beside them.
_BASICS: Final = {"Model": "models._base", "OpenEnum": "models._enums", "Ref": "models._refs"}


def models_door(folder: Path) -> str:
    """``ev_energy/models/__init__.py`` over the modules in *folder*."""
    homes = {
        path.stem: names
        for path in sorted(folder.glob("[!_]*.py"))
        if (names := sorted(_public(path)))
    }
    lines = [_import(f"ev_energy.{module}", name) for name, module in _BASICS.items()]
    for module, names in homes.items():
        lines += [_import(f"ev_energy.models.{module}", name) for name in sorted(names, key=order)]
    table = "".join(_entry(module, names) for module, names in homes.items())
    basics = "".join(f'    "{n}": "ev_energy.{m}",\n' for n, m in sorted(_BASICS.items()))
    return f'''\
"""All models. The module of a family is imported when one of its names is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy._lazy_exports import lazy_exports

if TYPE_CHECKING:
{chr(10).join(lines)}

_NAMES = {{
{table}}}
_EXPORTS = {{
{basics}    **{{
        name: f"ev_energy.models.{{family}}"
        for family, names in _NAMES.items()
        for name in names.split()
    }},
}}

if not TYPE_CHECKING:  # type checkers would accept any name
    __getattr__ = lazy_exports(__name__, _EXPORTS)


def __dir__() -> list[str]:
    return sorted(_EXPORTS)
'''


def expand_door(folder: Path) -> str:
    """``ev_energy/expand.py`` over the resource modules in *folder*."""
    homes: Mapping[str, list[str]] = {
        path.stem: names
        for path in sorted(folder.glob("[!_]*.py"))
        if (names := sorted(name for name in _aliases(path) if name.endswith("Expand")))
    }
    imports = [from_import(f"ev_energy.resources.{m}", names) for m, names in homes.items()]
    names = sorted(name for found in homes.values() for name in found)
    listed = "".join(f'    "{name}",\n' for name in names)
    return f'''\
"""The values that ``expand=`` accepts, for each resource.

Use these types for lists that are made before the call: type checkers infer ``list[str]`` for a
bare ``fields = ["user"]``, and accept ``fields: list[EVSEExpand] = ["user"]`` as *expand*.
"""

{chr(10).join(imports)}

__all__ = [
{listed}]
'''


def _public(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    yield from (n.name for n in tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_")
    yield from (name for name in _aliases(path) if name[0] != "_")


def _aliases(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case ast.AnnAssign(target=ast.Name(name), annotation=ast.Name("TypeAlias")):
                yield name
            case _:
                pass


def _import(module: str, name: str) -> str:
    line = f"    from {module} import {name} as {name}"
    if len(line) <= 100:  # noqa: PLR2004  (the width of a line)
        return line
    return f"    from {module} import (\n        {name} as {name},\n    )"


def _entry(module: str, names: list[str]) -> str:
    line = f'    "{module}": "{" ".join(names)}",\n'
    if len(line) <= 101:  # noqa: PLR2004  (the width of a line, and its end)
        return line
    parts = textwrap.wrap(" ".join(names), 88, break_long_words=False)
    quoted = "".join(f'        "{part} "\n' for part in parts[:-1]) + f'        "{parts[-1]}"\n'
    return f'    "{module}": (\n{quoted}    ),\n'
