"""The parameters of a method as options of the command line.

They are read from the signature of the method, so that a new operation needs nothing here. Each
value is one word: text for scalars, JSON for the classes of request bodies. Members of a JSON body
pass through the same conversions.
"""

from __future__ import annotations

import inspect
import re
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, get_args, get_origin

import attrs

from ev_energy import Unset
from ev_energy.cli._exit import UsageError
from ev_energy.cli._types import arms, choices, item_type, nullable, resolve
from ev_energy.cli._values import from_json, from_text


@attrs.frozen
class Parameter:
    """One parameter of a method."""

    name: str
    type: Any
    positional: bool
    required: bool
    doc: str = ""

    @property
    def option(self) -> str:
        """The option, such as ``--start-gt`` for ``start__gt``."""
        return f"--{re.sub('_+', '-', self.name.strip('_'))}"

    @property
    def label(self) -> str:
        """What messages call this parameter."""
        return self.name.upper() if self.positional else self.option

    @property
    def repeated(self) -> bool:
        """Whether the option may be given several times, once for each item of a list."""
        return item_type(self.type) is not None

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that the parameter takes, if they are known."""
        return choices(item_type(self.type) or self.type)

    @property
    def nullable(self) -> bool:
        """Whether None means something else than leaving the argument out, and is sent as null."""
        return nullable(self.type) and Unset in get_args(self.type)

    @property
    def form(self) -> str:
        """What a value looks like, for the help."""
        null = ", or null" if self.nullable else ""
        if self.choices:
            return f"one of {', '.join(self.choices)}{null}"
        kind = item_type(self.type) or self.type
        names = [_form(arm) for arm in arms(kind)]
        return f"{' or '.join(dict.fromkeys(filter(None, names)))}{null}"

    @property
    def metavar(self) -> str:
        """What stands for a value in the help."""
        if self.choices:
            return "VALUE"
        kind = arms(item_type(self.type) or self.type)[0]
        if get_origin(kind) is tuple:
            return "START,END"
        return {int: "N", float: "N", datetime: "TIME", str: "TEXT", uuid.UUID: "TEXT"}.get(
            kind, "JSON"
        )

    def from_texts(self, texts: Sequence[str]) -> Any:
        """Convert the words of the command line. `UsageError` names the option."""
        if self.nullable and list(texts) == ["null"]:
            return None
        item = item_type(self.type)
        if item is not None:
            for text in texts:
                self._require_one_value(text)
            return [from_text(self.label, text, item) for text in texts]
        return from_text(self.label, texts[-1], self.type)

    def _require_one_value(self, text: str) -> None:
        """Raise `UsageError` if *text* is a list of known values."""
        values = text.split(",")
        if len(values) > 1 and set(values) <= {*self.choices}:
            repeated = " ".join(f"{self.option} {value}" for value in values)
            raise UsageError(f"{self.option} takes one value at a time", f"repeat it: {repeated}")

    def from_json(self, value: Any) -> Any:
        """Convert a member of a JSON body. `UsageError` names the member."""
        return from_json(self.name, value, self.type)


def parameters_of(method: Callable[..., Any]) -> list[Parameter]:
    """Return the parameters of a bound method, without ``self``."""
    docs = _argument_docs(inspect.getdoc(method) or "")
    return [
        Parameter(
            name=name,
            type=resolve(parameter.annotation, method.__module__),
            positional=parameter.kind is parameter.POSITIONAL_OR_KEYWORD,
            required=parameter.default is parameter.empty,
            doc=docs.get(name, ""),
        )
        for name, parameter in inspect.signature(method).parameters.items()
        if name != "self"
    ]


def _argument_docs(doc: str) -> dict[str, str]:
    """Return the descriptions in the section ``Args:`` of a docstring."""
    section = doc.partition("\nArgs:\n")[2].partition("\n\n")[0]
    docs: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if found := re.fullmatch(r"    (\w+): (.*)", line):
            name, docs[found[1]] = found[1], found[2]
        elif name:
            docs[name] += f" {line.strip()}"
    return docs


def _form(kind: Any) -> str:
    """Return how a value of a type is written; nothing for enums, whose values are listed."""
    if get_origin(kind) is tuple:
        return "START,END"
    if attrs.has(kind) or get_origin(kind) is not None:
        return "JSON, @FILE or -"
    names = {int: "a whole number", float: "a number", datetime: "a time with its zone, or a date"}
    return names.get(kind, "text" if kind in {str, uuid.UUID} else "")
