"""The docstrings of classes, and those of fields and values, which Python does not keep."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from typing import Any


def summary(cls: type[Any]) -> str | None:
    """Return the first paragraph of the docstring of *cls*."""
    text = inspect.cleandoc(str(vars(cls).get("__doc__") or ""))
    return text.partition("\n\n")[0] or None


def field_docs(cls: type[Any]) -> dict[str, str]:
    """Return the docstrings of the fields of *cls*, by name; those that it inherits too.

    Those of the values, if *cls* is an enum.
    """
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        found |= _docs_of_module(base.__module__).get(base.__qualname__, {})
    return found


@functools.cache
def _docs_of_module(module: str) -> dict[str, dict[str, str]]:
    """Return the docstrings of the fields of all classes that *module* defines at its top level."""
    try:
        source = inspect.getsource(sys.modules[module])
    except (OSError, TypeError, KeyError):  # only byte code, a builtin, or a notebook
        return {}
    return {
        node.name: _docs_of_class(node)
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef)
    }


def _docs_of_class(node: ast.ClassDef) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in zip(node.body, node.body[1:], strict=False):
        match pair:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str() as text)),
            ):
                found[name] = inspect.cleandoc(text)
            case _:
                pass
    return found
