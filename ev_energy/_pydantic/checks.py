"""The functions by which pydantic reads and writes models and links."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic_core import PydanticCustomError, PydanticSerializationUnexpectedValue
from pydantic_core.core_schema import SerializationInfo

from ev_energy._codec.to_builtins import Form, plain_value, to_builtins, write
from ev_energy._pydantic.filters import filtered
from ev_energy.models._base import Model, PlainValue
from ev_energy.models._refs import Ref

_TEXT = Form(text=True)


def read_model(model: type[Model]) -> Callable[[Any], Model]:
    """Return the function that makes a *model* of a JSON object; instances stay as they are."""

    def read(value: Any) -> Model:
        if isinstance(value, model):
            return value
        if not isinstance(value, Mapping):
            raise PydanticCustomError(
                "model_type",
                "Input should be a JSON object or an instance of {class_name}",
                {"class_name": model.__name__},
            )
        try:
            # Of Python values, as pydantic has them where a dictionary does not come from JSON.
            return model.from_dict(to_builtins(value, _TEXT))
        except TypeError as error:
            raise PydanticCustomError("model_type", "{error}", {"error": str(error)}) from None
        except RecursionError:
            raise PydanticCustomError("model_type", "Input is nested too deeply") from None

    return read


def write_model(model: type[Model]) -> Callable[[Any, Any], Any]:
    """Return the function that writes the members of a *model* as pydantic's options want them."""

    def write_members(value: Any, info: SerializationInfo) -> Any:
        if not isinstance(value, model):
            raise _unexpected(model, value)
        members = write(value, model if model is not Model else type(value), _form_of(info))
        return filtered(members, info.include, info.exclude)

    return write_members


def write_plain_value(cls: type[PlainValue]) -> Callable[[Any, Any], Any]:
    """Return the function that writes the members of *cls* that are set."""

    def write_members(value: Any, info: SerializationInfo) -> Any:
        if not isinstance(value, cls):
            raise _unexpected(cls, value)
        return filtered(plain_value(value, _form_of(info)), info.include, info.exclude)

    return write_members


def read_link(into: type[Model]) -> Callable[[Any], Ref[Any]]:
    """Return the function that makes a link of a URL, of an id or of the expanded resource."""
    read_resource = read_model(into)

    def read(value: Any) -> Ref[Any]:
        if isinstance(value, Ref):
            link: Ref[Any] = cast("Any", value)
            if issubclass(link.into, into):
                return link
            raise PydanticCustomError(
                "link_type",
                "Input should be a link to {wanted}, not to {found}",
                {"wanted": into.__name__, "found": link.into.__name__},
            )
        if isinstance(value, str):
            return Ref(value, into)
        if isinstance(value, Mapping | Model):
            return Ref(read_resource(value), into)
        raise PydanticCustomError(
            "link_type",
            "Input should be a URL, a JSON object or an instance of {class_name}",
            {"class_name": into.__name__},
        )

    return read


def write_link(value: Any, info: SerializationInfo) -> Any:
    """Return the URL of a link, or the members of the resource that it contains."""
    if not isinstance(value, Ref):
        raise _unexpected(Ref, value)
    return filtered(to_builtins(value, _form_of(info)), info.include, info.exclude)


def read_collection_link(value: Any) -> Any:
    """Return what names a resource in a request: an id, a URL, a link or a model."""
    if isinstance(value, Ref | Model):
        return cast("Any", value)
    if isinstance(value, str) and value:
        return value
    raise PydanticCustomError("link_type", "Input should be the id or the URL of a resource")


def _form_of(info: SerializationInfo) -> Form:
    leaves_out = info.exclude_unset or info.exclude_defaults
    return Form(
        text=info.mode_is_json(),
        unset=not leaves_out,
        nulls=not info.exclude_none,
        defaults=not info.exclude_defaults,
    )


def _unexpected(cls: type[Any], value: object) -> Exception:
    # Of a union, pydantic goes on with the next type.
    return PydanticSerializationUnexpectedValue(
        f"expected an instance of {cls.__name__}, not {type(value).__name__}"
    )
