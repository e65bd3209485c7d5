"""The blocking twins of the async resource classes.

There is one rule per kind of method: the twin of a coroutine waits for it, the twin of a method
that returns a listing or a stream wraps that, and any other public member is an error. Signatures
and docstrings are copied from the source text and laid out as ruff would, so that every Python
version writes the same files and nothing but Python is needed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from ev_energy_sync._generate.source_text import (
    WRAPPED,
    Imports,
    Method,
    UnsupportedSourceError,
    from_import,
    nested_call,
    signature,
)

#: Types that a blocking caller could not use, since they have to be awaited.
_ASYNC: Final = frozenset(
    {"AsyncGenerator", "AsyncIterable", "AsyncIterator", "Awaitable", "Coroutine"}
)


def blocking_module(source: str, path: str) -> str:
    """Return the blocking twin of the resource module with text *source*, found at *path*."""
    tree = ast.parse(source)
    module = path.removesuffix(".py").replace("/", ".")
    imports = Imports(tree, module)
    package, _, name = module.rpartition(".")
    imports.add(package, f"{name} as aio")
    classes: list[str] = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        bases = [ast.unparse(base) for base in node.bases]
        if bases not in (["Resource"], ["Workflow"]):
            raise UnsupportedSourceError(
                f"{path}: {node.name} must inherit from Resource alone, not from {bases}"
            )
        imports.add("ev_energy_sync._blocking", "BlockingFamily")
        methods = [
            Method.parse(method, source, _docstring(method, source))
            for method in _public_methods(node, path)
        ]
        for method in methods:
            imports.use(method.names, f"{path}: {method.name}")
        head = f"class {node.name}(BlockingFamily[aio.{node.name}]):\n{_docstring(node, source)}"
        classes.append("\n".join([head, *map(_blocking_method, methods)]))
    parts = [_docstring(tree, source) + "\nfrom __future__ import annotations\n", imports.text()]
    return "\n".join(parts) + "\n\n" + "\n\n".join(classes)


def families_module(source: str) -> str:
    """Return ``_families.py``: the families that the class `Client` in *source* declares."""
    lines: list[str] = []
    modules: dict[str, list[str]] = {}
    client = next(
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == "Client"
    )
    for node in client.body:
        match node:
            case ast.AnnAssign(
                target=ast.Name(name),
                annotation=ast.Subscript(value=ast.Name("Lazy"), slice=ast.Name(family)),
                value=ast.Call(func=ast.Name("Lazy"), args=[ast.Constant(str(module))]),
            ):
                lines.append(f'    {name}: LazyResource[{family}] = LazyResource("{module}")')
                modules.setdefault(f"ev_energy_sync.resources.{module}", []).append(family)
            case _:
                pass
    imports = "\n".join(from_import(name, modules[name], "    ") for name in sorted(modules))
    return f'''\
"""The families of endpoints, as attributes of the blocking client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy_sync._blocking import LazyResource

if TYPE_CHECKING:
{imports}


class Families:
    """One attribute per family, as on the async client."""

{chr(10).join(lines)}
'''


def _public_methods(
    cls: ast.ClassDef, path: str
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the public methods of *cls*.

    Raises:
        UnsupportedSourceError: A public member is neither a coroutine nor returns a listing or
            stream.
    """
    for node in cls.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("_"):
                continue
            name = f"{path}: {cls.name}.{node.name}"
            if node.decorator_list:
                raise UnsupportedSourceError(f"{name} has a decorator")
            returns = node.returns
            if returns is None or ast.get_docstring(node) is None:
                raise UnsupportedSourceError(f"{name} has no return annotation, or no docstring")
            annotations = (*ast.walk(node.args), *ast.walk(returns))
            if _ASYNC & {part.id for part in annotations if isinstance(part, ast.Name)}:
                raise UnsupportedSourceError(f"{name} takes or returns an awaitable")
            is_wrapped = ast.unparse(returns).partition("[")[0] in WRAPPED
            if is_wrapped == isinstance(node, ast.AsyncFunctionDef):
                raise UnsupportedSourceError(f"{name} is neither a coroutine nor returns a Pager")
            yield node
        elif not isinstance(node, ast.Expr | ast.Pass):
            raise UnsupportedSourceError(
                f"{path}: {cls.name} has an attribute, `{ast.unparse(node)}`"
            )


def _docstring(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, source: str
) -> str:
    """Return the source lines of the docstring, with quotes and indentation."""
    body = node.body
    if not body or not isinstance(body[0], ast.Expr) or not isinstance(body[0].value, ast.Constant):
        raise UnsupportedSourceError(f"{getattr(node, 'name', 'the module')} has no docstring")
    lines = source.splitlines(keepends=True)[body[0].lineno - 1 : body[0].end_lineno]
    return "".join(lines).rstrip() + "\n"


def _blocking_method(method: Method) -> str:
    call = ("self._aio." + method.name, method.call_arguments)
    if method.wrapped is not None:
        body = nested_call(f"return self.{WRAPPED[method.wrapped][1]}", call)
    elif method.returns == "None":
        body = nested_call("self._portal.call", call)
    else:
        body = nested_call("return self._portal.call", call)
    return f"{signature(method)}{method.docstring}{body}"
