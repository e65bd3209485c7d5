"""Modules that re-export the names of other modules."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from ev_energy_sync._generate.source_text import WIDTH, from_import, sort_key

#: The building blocks of models, exported beside the models, and the modules that define them.
_BASE_NAMES: Final = {
    "Model": "models._base",
    "model": "models._base",
    "OpenEnum": "models._enums",
    "Ref": "models._refs",
}


def models_exports(folder: Path) -> str:
    """Return ``ev_energy/models/__init__.py`` for the modules in *folder*."""
    names_by_module = _names_by_module(folder, _public_names)
    lines = [_import(f"ev_energy.{module}", name) for name, module in _BASE_NAMES.items()]
    for module, names in names_by_module.items():
        lines += [
            _import(f"ev_energy.models.{module}", name) for name in sorted(names, key=sort_key)
        ]
    table = "".join(_entry(module, names) for module, names in names_by_module.items())
    base = "".join(f'    "{n}": "ev_energy.{m}",\n' for n, m in sorted(_BASE_NAMES.items()))
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
{base}    **{{
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


def expand_exports(folder: Path) -> str:
    """Return ``ev_energy/expand.py`` for the resource modules in *folder*."""
    names_by_module = _names_by_module(folder, _expand_names)
    imports = [
        from_import(f"ev_energy.resources.{module}", names)
        for module, names in names_by_module.items()
    ]
    exported = sorted(name for names in names_by_module.values() for name in names)
    lines = "".join(f'    "{name}",\n' for name in exported)
    return f'''\
"""The values that ``expand=`` accepts, for each resource.

Use these types for lists that are made before the call: type checkers infer ``list[str]`` for a
bare ``fields = ["user"]``, and accept ``fields: list[EVSEExpand] = ["user"]`` as *expand*.
"""

{chr(10).join(imports)}

__all__ = [
{lines}]
'''


def _names_by_module(
    folder: Path, names_of: Callable[[Path], Iterator[str]]
) -> dict[str, list[str]]:
    """Return the sorted names of each public module in *folder* that has any."""
    return {
        path.stem: names
        for path in sorted(folder.glob("[!_]*.py"))
        if (names := sorted(names_of(path)))
    }


def _public_names(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    yield from (n.name for n in tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_")
    yield from (name for name in _type_aliases(path) if name[0] != "_")


def _expand_names(path: Path) -> Iterator[str]:
    return (name for name in _type_aliases(path) if name.endswith("Expand"))


def _type_aliases(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case ast.AnnAssign(target=ast.Name(name), annotation=ast.Name("TypeAlias")):
                yield name
            case _:
                pass


def _import(module: str, name: str) -> str:
    line = f"    from {module} import {name} as {name}"
    if len(line) <= WIDTH:
        return line
    return f"    from {module} import (\n        {name} as {name},\n    )"


def _entry(module: str, names: list[str]) -> str:
    line = f'    "{module}": "{" ".join(names)}",'
    if len(line) <= WIDTH:
        return line + "\n"
    parts = textwrap.wrap(" ".join(names), 88, break_long_words=False)
    quoted = "".join(f'        "{part} "\n' for part in parts[:-1]) + f'        "{parts[-1]}"\n'
    return f'    "{module}": (\n{quoted}    ),\n'
