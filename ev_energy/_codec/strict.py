"""The strict pass: JSON bytes straight to models, by msgspec, and the key guard.

msgspec builds attrs classes natively and validates on the way, but ignores members that a class
does not have. A guard therefore reads the bytes too: a graph of msgspec structs with the names of
the models' fields that refuses any other name. Both run in C, and together cost less than looking
through the JSON in Python.

The guard also bounds the depth: where a model contains itself, it expects a link that is not
expanded. A request cannot ask for more, and the nesting of a reply that holds more is checked in
Python.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeAlias, Union, get_args, get_origin

import msgspec

from ev_energy._codec.fields import fields_of, is_decimal, is_model, union_args
from ev_energy._codec.msgspec_types import msgspec_type
from ev_energy._codec.raw_json import JSON_ERRORS, failure_of
from ev_energy._runtime.build_lock import built_once
from ev_energy.models._base import Model
from ev_energy.models._enums import OpenEnum, unknown_values

#: The models from the outermost one inwards, each with whether its links may be expanded.
_Path: TypeAlias = tuple[tuple[type[Model], bool], ...]

# One struct for each model and all else that it depends on: see `_struct`. Only `decoders` gets
# here, which is `built_once`, so no two threads do at the same time.
_structs: dict[tuple[object, type[Model]], type[msgspec.Struct]] = {}


class Decoders(msgspec.Struct, frozen=True):
    """The strict decoder of a model or a list of it, and its key guard."""

    decode: Callable[[bytes], Any]
    check_keys: Callable[[bytes], object]
    """Raises one of `JSON_ERRORS` where an object has a key that its model does not know."""


@built_once
def decoders(model: Any, as_list: bool, expanded: bool) -> Decoders:
    """Return the decoders of *model*. Unless *expanded*, they refuse expanded links."""
    target, guard = msgspec_type(model, expanded=expanded), _key_guard(model, expanded, ())
    if as_list:
        target, guard = types.GenericAlias(list, (target,)), types.GenericAlias(list, (guard,))
    return Decoders(
        msgspec.json.Decoder[Any](target).decode,
        msgspec.json.Decoder[Any](guard, strict=False).decode,
    )


def decode_strictly(decode: Callable[[bytes], Any], body: bytes) -> tuple[Any, list[OpenEnum]]:
    """Return the result of *decode*, and the unknown enum values in it.

    The result is None where *body* deviates from the models. `DecodeFailure` where it is not JSON.
    """
    unknown: list[OpenEnum] = []
    token = unknown_values.set(unknown)
    try:
        return decode(body), unknown
    except msgspec.ValidationError:
        return None, unknown
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise failure_of(error) from None
    finally:
        unknown_values.reset(token)


def has_known_keys(check_keys: Callable[[bytes], object], body: bytes) -> bool:
    """Return whether the key guard accepts *body*.

    It refuses an unknown key, a key that is not valid text, and what is not JSON.
    """
    try:
        check_keys(body)
    except JSON_ERRORS:
        return False
    return True


def convert_strictly(data: dict[str, Any], model: type[Any]) -> tuple[Any, list[OpenEnum]]:
    """Convert like `decode_strictly`, from an object that is already parsed."""
    unknown: list[OpenEnum] = []
    token = unknown_values.set(unknown)
    try:
        return msgspec.convert(data, msgspec_type(model)), unknown
    except msgspec.ValidationError:
        return None, unknown
    finally:
        unknown_values.reset(token)


#: A decimal number as a string or a number, of a size that can be calculated with. The guard reads
#: it as a float only to check that: msgspec makes a `Decimal` of ``"sNaN"`` too, and a pattern for
#: its text would take five times as long.
_DECIMAL: Final = Union[  # noqa: UP007  (a union made at run time)
    Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)], None
]


def _key_guard(type_: Any, expanded: bool, path: _Path) -> Any:
    """Return the type that accepts the same JSON as *type_*, checking only keys and decimals."""
    if is_decimal(type_):
        return _DECIMAL
    if is_model(type_):
        return _struct(type_, expanded and (type_, expanded) not in path, path)
    origin = get_origin(type_)
    if origin in {types.UnionType, Union}:
        guards = [_key_guard(arg, expanded, path) for arg in union_args(type_)]
        if not any(map(_checks_keys, guards)):
            return Any
        # Beside an object or an array, only the text of a link or null may stand.
        return Union[tuple(g if _checks_keys(g) else a for g, a in zip(guards, union_args(type_)))]  # noqa: B905, UP007  # pyright: ignore[reportGeneralTypeIssues, reportInvalidTypeForm]  (a union made at run time)
    if origin in {tuple, list}:
        item: Any = _key_guard(get_args(type_)[0], expanded, path)
        return types.GenericAlias(list, (item,)) if _checks_keys(item) else Any
    return Any


def _checks_keys(guard: Any) -> bool:
    return guard is not Any and guard is not str and guard is not type(None)


def _struct(model: type[Model], expanded: bool, path: _Path) -> Any:
    # The outermost model decides which models contain themselves. Inside of those, links are not
    # expanded any more and the struct refuses it; elsewhere, the strict decoder does.
    outermost, is_inner = path[0] if path else (model, expanded)
    key = outermost if expanded else is_inner
    struct = _structs.get((key, model))
    if struct is None:
        fields, inner_path = (
            fields_of(model, expanded=expanded).values(),
            (*path, (model, expanded)),
        )
        struct = _structs[key, model] = msgspec.defstruct(
            f"_Keys{model.__name__}",
            [
                (
                    field.name,
                    _scalar_guard(field.type)
                    if is_inner and not expanded and not field.models
                    else _key_guard(field.type, expanded, inner_path),
                    None,
                )
                for field in fields
            ],
            forbid_unknown_fields=True,
            module=__name__,
            gc=False,
        )
    return struct


def _scalar_guard(type_: Any) -> Any:
    """Return the type that refuses an object and an array where the URL of a link may stand."""
    if is_decimal(type_):
        return _DECIMAL
    if get_origin(type_) in {tuple, list}:
        item: Any = _scalar_guard(get_args(type_)[0])
        return Any if item is Any else types.GenericAlias(list, (item,))
    return type_ if set(union_args(type_)) <= {str, types.NoneType} else Any
