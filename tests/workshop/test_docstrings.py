"""Every public name of both packages is documented, attributes and type aliases included.

`test_architecture` checks modules, classes and functions. A docstring below an attribute, a comment
that begins with ``#:`` above it, and an entry below ``Args:`` in the docstring of the class count.
Fields of models may go without: many say all in their name, and `help` shows type and unit.
"""

from __future__ import annotations

import ast
import enum
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache

from ev_energy.models import Model
from tests.helpers.names import assert_no_problems
from tests.workshop.frozen import public_names

#: Classes whose attributes are documented elsewhere, with the place.
ELSEWHERE = {
    "Client": "the docstrings of the families",
    "ClientSettings": "the arguments of `Client`",
    "NotificationGroupsWrite": "`UserNotificationPreferencesGroups`",
}
#: Classes that another module defines than the one that they say.
HOME = dict.fromkeys(("EvEnergyError", "NotExpandedError"), "ev_energy._error_base")
#: Modules whose aliases are documented as a whole, by `ev_energy.expand`.
EXPANDS = "ev_energy.resources."


@cache
def public() -> list[tuple[str, str, object]]:
    """Return the module, the name and the value of each public name."""
    return [
        (module.__name__, name, getattr(module, name))
        for module in public_names._modules()
        for name in public_names._names(module)
    ]


@cache
def source_of(module: str) -> str:
    return inspect.getsource(sys.modules[module])


@cache
def body_of(module: str) -> list[ast.stmt]:
    return ast.parse(source_of(module)).body


@cache
def classes_in(module: str) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in body_of(module) if isinstance(node, ast.ClassDef)}


def annotated(body: list[ast.stmt], module: str) -> Iterator[tuple[str, str, bool]]:
    """Yield each annotated name in *body*, its annotation, and whether it is documented."""
    lines = source_of(module).splitlines()
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            below = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            known = below or has_comment(lines, node.lineno)
            yield node.target.id, ast.unparse(node.annotation), known


def has_comment(lines: list[str], number: int) -> bool:
    """Return whether a ``#:`` comment ends above the line with this number."""
    for above in reversed(lines[max(0, number - 12) : number - 1]):
        if above.strip().startswith("#:"):
            return True
        if not above.strip().startswith("#"):
            return False
    return False


def classes() -> set[type]:
    return {
        value
        for _, _, value in public()
        if isinstance(value, type)
        and value.__module__.partition(".")[0] in {"ev_energy", "ev_energy_sync"}
    }


def documented(cls: type) -> set[str]:
    """Return the attributes that *cls* and its bases document."""
    found: set[str] = set()
    for base in cls.__mro__:
        module = HOME.get(base.__name__, base.__module__)
        if module.startswith("ev_energy") and (node := classes_in(module).get(base.__name__)):
            found |= {name for name, _, known in annotated(node.body, module) if known}
            sections = re.split(r"(?:Args|Attributes):\n", ast.get_docstring(node) or "")[1:]
            for entry in re.findall(r"(?m)^    ([\w, ]+): ", "\n".join(sections)):
                found |= {*re.split(r", ?", entry)}
    return found


def test_attributes_of_public_classes_are_documented() -> None:
    checked = 0
    missing = []
    for cls in classes():
        module = HOME.get(cls.__name__, cls.__module__)
        node = classes_in(module).get(cls.__name__)
        if issubclass(cls, Model | enum.Enum) or cls.__name__ in ELSEWHERE or node is None:
            continue
        known = documented(cls)
        own = [name for name, _, _ in annotated(node.body, module) if not name.startswith("_")]
        checked += len(own)
        missing += [f"{module}.{cls.__name__}.{name}" for name in own if name not in known]
    assert checked > 150
    assert_no_problems(missing, "Add a docstring below each of these attributes.")


def test_public_classes_have_docstrings_of_their_own() -> None:
    # Of the source: what `help` adds does not count.
    missing = [
        f"{cls.__module__}.{cls.__name__}" for cls in classes() if not vars(cls).get("__doc__")
    ]
    assert_no_problems(missing, "Add a docstring to each of these.")


def test_public_type_aliases_are_documented() -> None:
    exported = {(module, name) for module, name, _ in public()}
    names = {name for _, name in exported}
    public_modules = {module for module, _ in exported}
    checked = 0
    missing = []
    for module in sys.modules:
        if not re.match(r"ev_energy(_sync)?\b", module) or module.startswith(EXPANDS):
            continue
        if "TypeAlias = " not in source_of(module):
            continue
        for name, annotation, known in annotated(body_of(module), module):
            is_public = name in names or module in public_modules
            if annotation == "TypeAlias" and is_public and not name.startswith("_"):
                checked += 1
                missing += [] if known else [f"{module}.{name}"]
    assert checked > 20
    assert_no_problems(missing, "Say above each of these what it is, in a comment with `#:`.")
