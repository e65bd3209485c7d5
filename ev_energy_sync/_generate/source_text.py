"""Source text for `_generate`: signatures, calls and imports, laid out as ruff lays them out."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Final

import attrs

WIDTH: Final = 100


class Refused(Exception):  # noqa: N818  (what it says to the person who reads it)
    """The source holds something that has no blocking twin."""


@attrs.frozen
class Method:
    """What a twin has to repeat of its method."""

    name: str
    parameters: Sequence[str]
    passed: Sequence[str]
    """The arguments of the call that is handed on."""
    returns: str
    docstring: str
    names: frozenset[str]
    """Every name in the signature."""

    @property
    def is_pager(self) -> bool:
        """Whether it returns a listing; else it is a coroutine."""
        return self.returns.startswith("Pager[")

    @staticmethod
    def of(node: ast.FunctionDef | ast.AsyncFunctionDef, source: str, docstring: str) -> Method:
        """Read off *source*; a name is copied as it is written there."""
        if node.returns is None:
            raise Refused(f"{node.name} has no return annotation")
        given = node.args
        if given.vararg or given.kwarg or given.posonlyargs:
            raise Refused(f"{node.name} takes *args, **kwargs or positional-only arguments")
        own, *positional = given.args
        required = len(positional) - len(given.defaults)
        pairs = zip(positional, [*repeat(None, required), *given.defaults], strict=True)
        parameters = [own.arg, *(_parameter(arg, value, source) for arg, value in pairs)]
        if given.kwonlyargs:
            parameters.append("*")
            keywords = zip(given.kwonlyargs, given.kw_defaults, strict=True)
            parameters += [_parameter(arg, value, source) for arg, value in keywords]
        passed = [arg.arg for arg in positional]
        passed += [f"{arg.arg}={arg.arg}" for arg in given.kwonlyargs]
        nodes = [*ast.walk(given), *ast.walk(node.returns)]
        names = frozenset(part.id for part in nodes if isinstance(part, ast.Name))
        returns = _segment(node.returns, source)
        return Method(node.name, parameters, passed, returns, docstring, names)


def _parameter(arg: ast.arg, default: ast.expr | None, source: str) -> str:
    if arg.annotation is None:
        raise Refused(f"the argument {arg.arg} has no annotation")
    text = f"{arg.arg}: {_segment(arg.annotation, source)}"
    return text if default is None else f"{text} = {_segment(default, source)}"


def _segment(node: ast.expr, source: str) -> str:
    """The text of *node*, in one line. `ast.unparse` writes what the Python version makes of it."""
    text = " ".join((ast.get_source_segment(source, node) or "").split())
    return text.replace("[ ", "[").replace(", ]", "]").replace(" ]", "]")


def signature(method: Method) -> str:
    """The ``def`` line or lines."""
    head, tail = f"    def {method.name}(", f") -> {method.returns}:"
    return _bracketed(head, method.parameters, tail, " " * 4)


def wrap(outer: str, inner: tuple[str, Sequence[str]]) -> str:
    """The statement ``outer(inner(arguments))`` in the body of a method."""
    name, arguments = inner
    indent = " " * 8
    line = f"{indent}{outer}({name}({', '.join(arguments)}))"
    if len(line) <= WIDTH:
        return line + "\n"
    within = _bracketed(f"{indent}    {name}(", arguments, ")", indent + "    ")
    return f"{indent}{outer}(\n{within}{indent})\n"


def _bracketed(head: str, items: Sequence[str], tail: str, indent: str) -> str:
    """*items* between *head* and *tail*: in one line, in one of their own, or one a line."""
    joined = ", ".join(items)
    if len(head + joined + tail) <= WIDTH:
        return f"{head}{joined}{tail}\n"
    if len(f"{indent}    {joined}") <= WIDTH:
        return f"{head}\n{indent}    {joined}\n{indent}{tail}\n"
    lines = "".join(f"{indent}    {item},\n" for item in items)
    return f"{head}\n{lines}{indent}{tail}\n"


def from_import(module: str, names: Iterable[str], indent: str = "") -> str:
    """One ``from`` import, its names in ruff's order."""
    ordered = sorted(set(names), key=order)
    line = f"{indent}from {module} import {', '.join(ordered)}"
    if len(line) <= WIDTH:
        return line
    lines = "".join(f"{indent}    {name},\n" for name in ordered)
    return f"{indent}from {module} import (\n{lines}{indent})"


def order(name: str) -> tuple[int, str, str]:
    """Constants, then classes, then the rest."""
    rank = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return rank, name.lower(), name


class Imports:
    """The imports of a twin: those of its source that it uses, and what the source defines."""

    def __init__(self, tree: ast.Module, module: str) -> None:
        self._known: dict[str, tuple[str, str]] = {"Pager": ("ev_energy_sync._blocking", "Pager")}
        self._wanted: dict[str, set[str]] = {}
        self._for_checkers: set[str] = set()
        """Modules that the source imports for type checkers alone."""
        for node in tree.body:
            match node:
                case ast.ImportFrom():
                    self._learn(node)
                case ast.If(test=ast.Name("TYPE_CHECKING")):
                    for inner in node.body:
                        if isinstance(inner, ast.ImportFrom):
                            self._for_checkers.add(self._learn(inner))
                case ast.AnnAssign(target=ast.Name(own)) | ast.Assign(targets=[ast.Name(own)]):
                    self._known[own] = (module, own)
                case ast.ClassDef(name=own):
                    self._known[own] = (module, own)
                case _:
                    pass

    def _learn(self, node: ast.ImportFrom) -> str:
        home = str(node.module)
        for a in node.names:
            name = f"{a.name} as {a.asname}" if a.asname else a.name
            self._known.setdefault(a.asname or a.name, (home, name))
        return home

    def use(self, names: Iterable[str], where: str) -> None:
        """Import these, as the source does; *where* is for the complaint."""
        for name in names:
            if name in self._known:
                self.add(*self._known[name])
            elif not hasattr(builtins, name):
                raise Refused(f"{where} mentions {name}, which no plain import brings")

    def add(self, module: str, name: str) -> None:
        """``from module import name``."""
        self._wanted.setdefault(module, set()).add(name)
        if module in self._for_checkers:
            self._wanted.setdefault("typing", set()).add("TYPE_CHECKING")

    def text(self) -> str:
        """The lines: standard library, others, this distribution; then those for checkers."""
        sections: list[list[str]] = [[], [], []]
        checked: list[str] = []
        for module in sorted(self._wanted):
            if module in self._for_checkers:
                checked.append(from_import(module, self._wanted[module], "    "))
                continue
            root = module.partition(".")[0]
            section = 2 if root in {"ev_energy", "ev_energy_sync"} else 1
            section = 0 if root in sys.stdlib_module_names else section
            sections[section].append(from_import(module, self._wanted[module]))
        if checked:
            sections.append(["if TYPE_CHECKING:", *checked])
        return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"
