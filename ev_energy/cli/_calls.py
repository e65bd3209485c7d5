"""The operations of the API as the command line names them: ``evses.list``."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from ev_energy._operations import AS_GIVEN, Operation, operation_table
from ev_energy.cli._exit import UsageError, near_miss
from ev_energy.cli._parameters import Parameter, parameters_of
from ev_energy.cli._values import read_json

if TYPE_CHECKING:
    from ev_energy import Client
    from ev_energy.models._base import Model


@functools.cache
def operations_of(*, listing: bool = False) -> tuple[Operation, ...]:
    """Return all operations, or all listings."""
    return tuple(one for one in operation_table() if not listing or one.kind == "list")


def named_by(words: Sequence[str]) -> Operation | None:
    """Return the operation of words such as ``evses list`` or ``GET /evses``."""
    first, second, *_ = *words, "", ""
    for operation in operation_table():
        path = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(operation.path))
        is_path = operation.method == first.upper() and re.fullmatch(f"(?:/v2)?{path}/?", second)
        if is_path or (operation.family, operation.name) == (first, second):
            return operation
    return None


def find_operation(call: str, *, listing: bool = False) -> Operation:
    """Return the operation called *call*; for a listing, the name of its family is enough."""
    table = operations_of(listing=listing)
    for name in (call, f"{call}.list") if listing else (call,):
        for operation in table:
            if operation.call == name:
                return operation
    raise UsageError(
        f"there is no {'listing' if listing else 'operation'} {call!r}", _suggestion(call, table)
    )


def _suggestion(call: str, table: tuple[Operation, ...]) -> str:
    """Return what may be meant by *call*: a similar operation, or all of the family."""
    family, _, name = call.partition(".")
    of_family = {one.name: one.call for one in table if one.family == family}
    if not of_family:
        similar = near_miss(call, [one.call for one in table])
        return similar or "ev-energy operations lists all operations"
    similar = near_miss(name, list(of_family))
    listed = f"{family} has {', '.join(of_family.values())}"
    return similar.replace("did you mean ", f"did you mean {family}.") or listed


def method_of(client: Client, operation: Operation) -> Callable[..., Any]:
    """Return the method of *operation*, which imports its family."""
    method: Callable[..., Any] = getattr(getattr(client, operation.family), operation.name)
    return method


def model_of(operation: Operation) -> type[Model]:
    """Return the model of the items of a listing, or of the reply."""
    from ev_energy import models

    model: type[Model] = getattr(models, operation.model or "")
    return model


def operation_parameters(operation: Operation) -> list[Parameter]:
    """Return the parameters of *operation*, whose family is imported for it."""
    from ev_energy import Client

    return parameters_of(getattr(getattr(Client, operation.family), operation.name))


def description(operation: Operation) -> str:
    """Return the docstring of *operation* without its arguments, which the options describe."""
    paragraphs = operation.doc.split("\n\n")
    kept = [one for one in paragraphs if not one.startswith("Args:")]
    return "\n\n".join(" ".join(one.split()) for one in kept).replace("`", "").replace("*", "")


def arguments_from(
    operation: Operation, parameters: list[Parameter], values: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the keyword arguments of the method for parsed *values*."""
    ids = [one.from_texts([values[one.name]]) for one in parameters if one.positional]
    named: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.positional or parameter.name not in values:
            continue
        value = values[parameter.name]
        if parameter.repeated and len(value) == 1 and value[0].startswith(("[", "@")):
            named[parameter.name] = parameter.from_json(read_json(parameter.label, value[0]))
        else:
            texts = value if parameter.repeated else [value]
            named[parameter.name] = parameter.from_texts(texts)
    if "json_body" in values:
        _add_members(operation, parameters, named, read_json("--json-body", values["json_body"]))
    for parameter in parameters:
        if parameter.required and not parameter.positional and parameter.name not in named:
            raise UsageError(
                f"{parameter.label} is missing",
                f"ev-energy call {operation.call} --help lists the options",
            )
    return ids, named


def _add_members(
    operation: Operation, parameters: list[Parameter], named: dict[str, Any], body: Any
) -> None:
    members = body_parameters(operation, parameters)
    if not members:
        raise UsageError(f"{operation.call} has no body, so it takes no --json-body")
    if operation.json == AS_GIVEN:
        named[members[0].name] = members[0].from_json(body)
        return
    if not isinstance(body, dict):
        raise UsageError("--json-body must be a JSON object")
    known = {one.name: one for one in members}
    for name, value in cast("dict[str, Any]", body).items():
        if name not in known:
            raise UsageError(
                f"--json-body has the member {name!r}, but {operation.call} takes "
                f"{', '.join(known)}",
                near_miss(name, list(known)),
            )
        if name in named:
            raise UsageError(f"--json-body and {known[name].label} both set {name}")
        named[name] = known[name].from_json(value)


def body_parameters(operation: Operation, parameters: list[Parameter]) -> list[Parameter]:
    """Return the parameters that are sent in the body."""
    if operation.json is None:
        return []
    if operation.json == AS_GIVEN:
        outside = {*operation.ids, *operation.query}
        return [one for one in parameters if one.name not in outside]
    return [one for one in parameters if one.name in operation.json]
