"""The families of the client with one GET each, and replies to these that are made from the models.

The replies have every field. Links are URLs.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import functools
import importlib
import inspect
import json
import uuid
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin

_TEXTS: Final = {
    dt.datetime: "2026-03-01T12:30:00.250000Z",
    dt.date: "2026-03-01",
    dt.time: "12:30:00",
    decimal.Decimal: "12.75",
    uuid.UUID: "8f14e45f-ceea-467f-a1d1-9b2c6f3e5a70",
}
#: Arguments that a call needs although their parameters have defaults.
_REQUIRED: Final = {
    "evse_onboarding.get_json": ("make_id",),
    "vehicle_onboarding.get_json": ("make_id",),
}


class Family(NamedTuple):
    """One module of families, with the GET that has the longest reply."""

    module: str
    attributes: tuple[str, ...]
    """The attributes of the client that the module implements."""
    call: str = ""
    """Such as ``evses.get``; empty if no GET returns a single resource."""
    arguments: tuple[str, ...] = ()
    path: str = ""
    reply: bytes = b""


@functools.cache
def families() -> dict[str, Family]:
    """Return every module of families, by name."""
    from ev_energy import Client
    from ev_energy._lazy_exports import Lazy
    from ev_energy._operations import operation_table

    lazy = {name: value for name, value in vars(Client).items() if isinstance(value, Lazy)}
    modules = sorted({value.module for value in lazy.values()})
    found: dict[str, Family] = {}
    for module in modules:
        name = module.rpartition(".")[2]
        attributes = tuple(one for one, value in lazy.items() if value.module == module)
        found[name] = Family(name, attributes)
    for operation in operation_table():
        if operation.method == "GET" and operation.kind == "one" and not operation.envelope_key:
            family = _with_call(found[operation.module], operation)
            found[operation.module] = max(
                found[operation.module], family, key=lambda one: len(one.reply)
            )
    return found


def replies() -> dict[str, bytes]:
    """Return the replies of the server, by path."""
    return {family.path: family.reply for family in families().values() if family.call}


def _with_call(family: Family, operation: Any) -> Family:
    from ev_energy import models

    module = importlib.import_module(f"ev_energy.resources.{family.module}")
    method = getattr(getattr(module, operation.owner), operation.name)
    _, *parameters = inspect.signature(method).parameters.values()  # the first is self
    required = [parameter for parameter in parameters if parameter.default is parameter.empty]
    if not all(str(parameter.annotation).startswith(("Id[", "str")) for parameter in required):
        return family  # one of them is a timestamp, for example
    names = tuple(parameter.name for parameter in required) + _REQUIRED.get(operation.call, ())
    path = operation.path.format_map(dict.fromkeys(operation.ids, "x01"))
    reply = json.dumps(_example(getattr(models, operation.model)), separators=(",", ":")).encode()
    return Family(family.module, family.attributes, operation.call, names, path.rstrip("/"), reply)


def _example(type_: Any) -> Any:
    """Return JSON that can be decoded as *type_*."""
    from ev_energy._codec.fields import fields_of, is_model, union_args

    type_ = next(arg for arg in union_args(type_) if arg is not type(None))
    origin, arguments = get_origin(type_), get_args(type_)
    if origin in {Annotated, Literal}:
        return _example(arguments[0]) if origin is Annotated else arguments[0]
    if origin is dict:
        return {"one": _example(arguments[1])}
    if origin is tuple:
        return [_example(one) for one in arguments if one is not ...]
    if is_model(type_):
        fields = fields_of(type_, expanded=False).values()
        return {field.name: _example(field.type) for field in fields}
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return next(iter(type_)).value
    plain: dict[Any, Any] = {**_TEXTS, bool: True, int: 12, float: 1.5, Any: "some"}
    return plain.get(type_, "some text, made up")
