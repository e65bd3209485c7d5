"""Source text: signatures, calls and imports, in the layout of ruff."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Final

import attrs

WIDTH: Final = 100
#: The classes of results that are not awaited, with the modules of their blocking twins, and the
#: methods of `Blocking` that make these.
WRAPPED: Final = {
    "LogPager": ("ev_energy_sync._blocking", "_log_pager"),
    "Pager": ("ev_energy_sync._blocking", "_pager"),
    "SubSessionStream": ("ev_energy_sync.changes", "_sub_session_stream"),
}


class UnsupportedSourceError(Exception):
    """The source has a construct for which there is no blocking twin; the message names it."""


@attrs.frozen
class Method:
    """The parts of an async method that its blocking twin repeats."""

    name: str
    parameters: Sequence[str]
    call_arguments: Sequence[str]
    """The arguments with which the twin calls the async method."""
    returns: str
    docstring: str
    names: frozenset[str]
    """All names in the signature."""

    @property
    def wrapped(self) -> str | None:
        """The class of a result that is not awaited; None if the method is a coroutine."""
        name = self.returns.partition("[")[0]
        return name if name in WRAPPED else None

    @staticmethod
    def parse(node: ast.FunctionDef | ast.AsyncFunctionDef, source: str, docstring: str) -> Method:
        """Return the parts of *node*, with annotations and defaults as *source* spells them."""
        if node.returns is None:
            raise UnsupportedSourceError(f"{node.name} has no return annotation")
        arguments = node.args
        if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
            raise UnsupportedSourceError(
                f"{node.name} takes *args, **kwargs or positional-only arguments"
            )
        self_argument, *positional = arguments.args
        required = len(positional) - len(arguments.defaults)
        pairs = zip(positional, [*repeat(None, required), *arguments.defaults], strict=True)
        parameters = [self_argument.arg]
        parameters += [_parameter(arg, default, source) for arg, default in pairs]
        if arguments.kwonlyargs:
            parameters.append("*")
            keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            parameters += [_parameter(arg, default, source) for arg, default in keywords]
        call_arguments = [arg.arg for arg in positional]
        call_arguments += [f"{arg.arg}={arg.arg}" for arg in arguments.kwonlyargs]
        nodes = [*ast.walk(arguments), *ast.walk(node.returns)]
        names = frozenset(part.id for part in nodes if isinstance(part, ast.Name))
        returns = _segment(node.returns, source)
        return Method(node.name, parameters, call_arguments, returns, docstring, names)


def _parameter(arg: ast.arg, default: ast.expr | None, source: str) -> str:
    if arg.annotation is None:
        raise UnsupportedSourceError(f"the argument {arg.arg} has no annotation")
    text = f"{arg.arg}: {_segment(arg.annotation, source)}"
    return text if default is None else f"{text} = {_segment(default, source)}"


def _segment(node: ast.expr, source: str) -> str:
    """Return the source of *node* in one line. `ast.unparse` differs between Python versions."""
    text = " ".join((ast.get_source_segment(source, node) or "").split())
    return text.replace("[ ", "[").replace(", ]", "]").replace(" ]", "]")


def signature(method: Method) -> str:
    """Return the ``def`` line or lines of *method*."""
    head, tail = f"    def {method.name}(", f") -> {method.returns}:"
    return _bracketed(head, method.parameters, tail, " " * 4)


def nested_call(outer: str, inner: tuple[str, Sequence[str]]) -> str:
    """Return the statement ``outer(inner(arguments))`` for the body of a method."""
    name, arguments = inner
    indent = " " * 8
    line = f"{indent}{outer}({name}({', '.join(arguments)}))"
    if len(line) <= WIDTH:
        return line + "\n"
    inner_call = _bracketed(f"{indent}    {name}(", arguments, ")", indent + "    ")
    return f"{indent}{outer}(\n{inner_call}{indent})\n"


def _bracketed(head: str, items: Sequence[str], tail: str, indent: str) -> str:
    """Return *items* in brackets: on the line of *head*, on one of their own, or on one each."""
    joined = ", ".join(items)
    if len(head + joined + tail) <= WIDTH:
        return f"{head}{joined}{tail}\n"
    if len(f"{indent}    {joined}") <= WIDTH:
        return f"{head}\n{indent}    {joined}\n{indent}{tail}\n"
    lines = "".join(f"{indent}    {item},\n" for item in items)
    return f"{head}\n{lines}{indent}{tail}\n"


def from_import(module: str, names: Iterable[str], indent: str = "") -> str:
    """Return one ``from`` import, with the names in the order of ruff."""
    ordered = sorted(set(names), key=sort_key)
    line = f"{indent}from {module} import {', '.join(ordered)}"
    if len(line) <= WIDTH:
        return line
    lines = "".join(f"{indent}    {name},\n" for name in ordered)
    return f"{indent}from {module} import (\n{lines}{indent})"


def sort_key(name: str) -> tuple[int, str, str]:
    """Return ruff's sort key of an imported name: constants, then classes, then the rest."""
    rank = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return rank, name.lower(), name


class Imports:
    """The imports of a blocking module.

    Names come from the modules that the async source imports them from, or from the async source
    itself if it defines them.
    """

    def __init__(self, tree: ast.Module, module: str) -> None:
        self._origins = {name: (module, name) for name, (module, _) in WRAPPED.items()}
        self._used: dict[str, set[str]] = {}
        self._type_checking_modules: set[str] = set()
        """Modules that the async source imports for type checkers only."""
        for node in tree.body:
            match node:
                case ast.ImportFrom():
                    self._add_origins(node)
                case ast.If(test=ast.Name("TYPE_CHECKING")):
                    for inner in node.body:
                        if isinstance(inner, ast.ImportFrom):
                            self._type_checking_modules.add(self._add_origins(inner))
                case ast.AnnAssign(target=ast.Name(name)) | ast.Assign(targets=[ast.Name(name)]):
                    self._origins[name] = (module, name)
                case ast.ClassDef(name=name):
                    self._origins[name] = (module, name)
                case _:
                    pass

    def _add_origins(self, node: ast.ImportFrom) -> str:
        module = str(node.module)
        for alias in node.names:
            name = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
            self._origins.setdefault(alias.asname or alias.name, (module, name))
        return module

    def use(self, names: Iterable[str], user: str) -> None:
        """Import *names* as the async source does; *user* is named in the error message."""
        for name in names:
            if name in self._origins:
                self.add(*self._origins[name])
            elif not hasattr(builtins, name):
                raise UnsupportedSourceError(
                    f"{user} uses the name {name}, which is neither imported at the top nor defined"
                )

    def add(self, module: str, name: str) -> None:
        """Add ``from module import name``."""
        self._used.setdefault(module, set()).add(name)
        if module in self._type_checking_modules:
            self._used.setdefault("typing", set()).add("TYPE_CHECKING")

    def text(self) -> str:
        """Return the import lines: standard library, third party, this project, type checking."""
        sections: list[list[str]] = [[], [], []]
        type_checking: list[str] = []
        for module in sorted(self._used):
            if module in self._type_checking_modules:
                type_checking.append(from_import(module, self._used[module], "    "))
                continue
            package = module.partition(".")[0]
            section = 2 if package in {"ev_energy", "ev_energy_sync"} else 1
            section = 0 if package in sys.stdlib_module_names else section
            sections[section].append(from_import(module, self._used[module]))
        if type_checking:
            sections.append(["if TYPE_CHECKING:", *type_checking])
        return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"
