"""Schemas for pydantic: thin ones of models, and what JSON schemas tell of their fields."""

from __future__ import annotations

import types
import typing
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias, cast, get_args, get_origin

import attrs
from pydantic_core import core_schema as cs

from ev_energy._codec.fields import fields_of, is_model, is_open_enum, union_args
from ev_energy._field_docs import field_docs, summary
from ev_energy._pydantic.checks import (
    read_collection_link,
    read_link,
    read_model,
    write_link,
    write_model,
    write_plain_value,
)
from ev_energy._runtime.clocks import REAL
from ev_energy._unset import Unset
from ev_energy.models._base import COLLECTION, Model, Names, PlainValue
from ev_energy.models._enums import OpenEnum

JsonSchema: TypeAlias = dict[str, Any]
_ModelSchema: TypeAlias = Callable[[type[Model]], cs.CoreSchema]
#: Members of enums that `examples` shows.
_EXAMPLES: Final = 3
#: The models whose JSON schema is being made, from the outermost one inwards.
_current: Final[ContextVar[frozenset[type[Any]]]] = ContextVar("_current", default=frozenset())


def model_schema(model: type[Model]) -> cs.CoreSchema:
    """Return the schema of *model*, which makes it of a JSON object as `Model.from_dict` does."""
    return cs.no_info_plain_validator_function(
        read_model(model),
        ref=_name(model),
        serialization=cs.plain_serializer_function_ser_schema(write_model(model), info_arg=True),
        metadata=_json_schema_by(lambda _, handler: _describe_model(model, handler)),
    )


def link_schema(source: Any) -> cs.CoreSchema:
    """Return the schema of `Ref` or of ``Ref[EVSE]``: a URL, or the resource."""
    into = next((one for one in get_args(source) if is_model(one)), Model)

    def describe(_: Any, handler: Any) -> JsonSchema:
        targets = [cs.str_schema(metadata=_json_schema_with(format="uri")), _reference(into)]
        return cast("JsonSchema", handler(cs.union_schema(cast("list[Any]", targets))))

    return cs.no_info_plain_validator_function(
        read_link(into),
        serialization=cs.plain_serializer_function_ser_schema(write_link, info_arg=True),
        metadata=_json_schema_by(describe),
    )


def open_enum_schema(cls: type[OpenEnum]) -> cs.CoreSchema:
    """Return the schema of an enum that the server may extend: a string."""
    values = [member.value for member in cls]
    members: JsonSchema = {
        "title": cls.__name__,
        "examples": values[:_EXAMPLES],
        "x-extensible-enum": values,
    }
    if text := summary(cls):
        members["description"] = text
    return cs.no_info_after_validator_function(
        cls,
        cs.str_schema(),
        ref=_name(cls),
        serialization=cs.to_string_ser_schema(),
        metadata=_json_schema_by(lambda _, __: {"type": "string", **members}),
    )


def plain_value_schema(cls: type[PlainValue]) -> cs.CoreSchema:
    """Return the schema of a value that requests contain. Its errors name the fields."""
    shape = _plain_value_shape(cls, _checked_model)

    def read(value: Any, check: cs.ValidatorFunctionWrapHandler) -> Any:
        return value if isinstance(value, cls) else cls(**check(value))

    def describe(_: Any, handler: Any) -> JsonSchema:
        return _documented(cls, handler(_plain_value_shape(cls, model_schema)))

    return cs.no_info_wrap_validator_function(
        read,
        shape,
        ref=_name(cls),
        serialization=cs.plain_serializer_function_ser_schema(
            write_plain_value(cls), info_arg=True
        ),
        metadata=_json_schema_by(describe),
    )


def _plain_value_shape(cls: type[PlainValue], of_model: _ModelSchema) -> cs.CoreSchema:
    """Return the schema of the fields of *cls*, of which those that are UNSET may be left out."""
    hints = typing.get_type_hints(cls, {}, Names(cls.__module__))
    fields: dict[str, cs.TypedDictField] = {}
    for field in attrs.fields(cast("Any", cls)):
        given = [one for one in union_args(hints[field.name]) if one is not Unset]
        if field.metadata.get(COLLECTION):
            schema: cs.CoreSchema = cs.no_info_plain_validator_function(
                read_collection_link, metadata=_json_schema_by(lambda _, __: {"type": "string"})
            )
            schema = cs.nullable_schema(schema) if types.NoneType in given else schema
        else:
            schema = _union(given, of_model)
        fields[field.name] = cs.typed_dict_field(schema, required=field.default is attrs.NOTHING)
    return cs.typed_dict_schema(fields, extra_behavior="forbid")


def _name(cls: type[Any]) -> str:
    # As pydantic names its own classes; it takes the title of a definition from this.
    return f"{cls.__module__}.{cls.__qualname__}:{id(cls)}"


def _json_schema_by(function: Callable[[Any, Any], JsonSchema]) -> dict[str, Any]:
    """Return the metadata of a schema whose JSON schema *function* makes.

    This is what pydantic makes of `__get_pydantic_json_schema__`, which needs a class.
    """
    return {"pydantic_js_functions": [function]}


def _json_schema_with(**members: Any) -> dict[str, Any]:
    return _json_schema_by(lambda schema, handler: {**handler(schema), **members})


def _describe_model(model: type[Model], handler: Any) -> JsonSchema:
    """Return the JSON schema of *model*: an object with its fields, and with unknown ones."""
    with _describing(model):
        fields = {
            name: cs.typed_dict_field(_type(field.type, _reference), required=field.required)
            for name, field in fields_of(model).items()
        }
        schema = handler(cs.typed_dict_schema(fields, extra_behavior="allow"))
    return _documented(model, schema)


@contextmanager
def _describing(model: type[Any]) -> Generator[None]:
    token = _current.set(_current.get() | {model})
    try:
        yield
    finally:
        _current.reset(token)


def _documented(cls: type[Any], schema: JsonSchema) -> JsonSchema:
    """Add the docstrings of *cls* and of its fields to *schema*, where the units are told."""
    schema["title"] = cls.__name__
    if text := summary(cls):
        schema["description"] = text
    properties = schema.get("properties", {})
    for name, text in field_docs(cls).items():
        if name in properties:
            # Beside a `$ref` too: OpenAPI 3.1 allows it, and the handler would change the target.
            properties[name] = {**properties[name], "description": text}
    return schema


def _reference(model: type[Model]) -> cs.CoreSchema:
    """Return the schema of a model inside of another one: links go in circles."""
    if model in _current.get():
        return cs.definition_reference_schema(_name(model))
    return model_schema(model)


def _checked_model(model: type[Model]) -> cs.CoreSchema:
    """Return the schema of a model inside of a request: pydantic checks its fields."""
    fields = {
        name: cs.typed_dict_field(_type(field.type, _checked_model), required=field.required)
        for name, field in fields_of(model).items()
    }

    def read(value: Any, check: cs.ValidatorFunctionWrapHandler) -> Any:
        return value if isinstance(value, model) else model.from_dict(check(value))

    return cs.no_info_wrap_validator_function(
        read, cs.typed_dict_schema(fields, extra_behavior="allow")
    )


_SCALARS: Final[Mapping[Any, Callable[[], cs.CoreSchema]]] = {
    str: cs.str_schema,
    int: cs.int_schema,
    float: lambda: cs.float_schema(allow_inf_nan=False),
    bool: cs.bool_schema,
    REAL.datetime: cs.datetime_schema,
    REAL.date: cs.date_schema,
    REAL.time: cs.time_schema,
    uuid.UUID: cs.uuid_schema,
    # The API writes prices as strings, which keep their digits.
    Decimal: lambda: cs.str_schema(metadata=_json_schema_with(format="decimal")),
}


def _type(type_: Any, of_model: _ModelSchema) -> cs.CoreSchema:  # noqa: PLR0911  (one return for each kind)
    """Return the schema of *type_*, the type of a field."""
    origin, arguments = get_origin(type_), get_args(type_)
    if origin is Annotated:
        return _type(arguments[0], of_model)
    if len(union_args(type_)) > 1:
        return _union(union_args(type_), of_model)
    if is_model(type_):
        return of_model(type_)
    if is_open_enum(type_):
        return open_enum_schema(type_)
    if origin is dict:
        return cs.dict_schema(cs.str_schema(), _type(arguments[1], of_model))
    if origin is tuple and Ellipsis not in arguments:
        return cs.tuple_schema([_type(one, of_model) for one in arguments])
    if origin is not None and issubclass(origin, Sequence):
        return cs.tuple_variable_schema(_type(arguments[0], of_model))
    make: Callable[[], cs.CoreSchema] = _SCALARS.get(type_, cs.any_schema)
    return make()


def _union(alternatives: Sequence[Any], of_model: _ModelSchema) -> cs.CoreSchema:
    kinds = [one for one in alternatives if one is not types.NoneType]
    models = [one for one in kinds if is_model(one)]
    if str in kinds and (Decimal in kinds or any(map(is_open_enum, kinds))):
        kinds.remove(str)  # a string in either case
    if len(models) > 1 and models == kinds:
        schema = _tagged(models, of_model)
    elif len(kinds) == 1:
        schema = _type(kinds[0], of_model)
    else:
        schemas = [_type(one, of_model) for one in kinds if one is not str]
        if str in kinds:  # with a model, the URL of a link
            members = {"format": "uri"} if models else {}
            schemas.insert(0, cs.str_schema(metadata=_json_schema_with(**members)))
        schema = cs.union_schema(cast("list[Any]", schemas))
    return cs.nullable_schema(schema) if types.NoneType in alternatives else schema


def _tagged(models: Sequence[type[Model]], of_model: _ModelSchema) -> cs.CoreSchema:
    """Return the schema of several models that differ in the default of their field ``type``."""
    tags = {fields_of(model)["type"].default: model for model in models}

    def type_of(value: Any) -> Any:  # pydantic shows the name
        if isinstance(value, Mapping):
            members = cast("Mapping[str, Any]", value)
            return members.get("type", next(iter(tags)))
        return next((name for name, model in tags.items() if isinstance(value, model)), None)

    return cs.tagged_union_schema({name: of_model(model) for name, model in tags.items()}, type_of)
