"""What ``help`` and notebooks show of a class: its docstring and its members.

`with_members` writes it when the docstring of a class is read, and `with_usage` that of a method.
The docstrings of fields are read from the source; without the source, the members have their types
only.
"""

from __future__ import annotations

import enum
import inspect
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Any, Final, NamedTuple

_WIDTH: Final = 92


class Member(NamedTuple):
    """A field, a value or a method."""

    head: str
    """Its name and its type."""
    text: str
    """Its meaning; may be empty."""


class Members(NamedTuple):
    """All members of a class."""

    title: str
    entries: Iterator[Member]
    note: str = ""
    """What is true of all of them."""


def with_members(cls: type[Any], docstring: str) -> str:
    """Return *docstring*, that of *cls* in the source, with the members of *cls*."""
    members = _members(cls)
    lines = [head + (f"\n{_indented(text)}" if text else "") for head, text in members.entries]
    parts = [inspect.cleandoc(docstring), members.note]
    if lines:
        parts.append(f"{members.title}:\n{_indented(chr(10).join(lines))}")
    return "\n\n".join(filter(None, parts))


def with_usage(method: FunctionType, docstring: str) -> str:
    """Return *docstring*, that of *method* in the source, with how to use its result.

    This is how to read a listing, and the values of ``expand``.
    """
    from ev_energy._help.families import expand_of, listing_of

    parts = inspect.cleandoc(docstring), listing_of(method), expand_of(method)
    return "\n\n".join(filter(None, parts))


def _members(cls: type[Any]) -> Members:
    if issubclass(cls, enum.Enum):
        from ev_energy._help.enums import values_of

        return values_of(cls)
    if hasattr(cls, "__attrs_attrs__"):
        from ev_energy._help.fields import fields_of

        return fields_of(cls)
    from ev_energy._help.families import methods_of

    return methods_of(cls)


def filled(text: str, indent: str = "") -> str:
    """Return *text* in lines that can be read, with *indent* before all but the first."""
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ")
