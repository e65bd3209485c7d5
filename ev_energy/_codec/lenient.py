"""The lenient pass, which loses nothing; and models back to JSON, by a cattrs converter.

Unknown members go into ``.extra``, unknown enum values are kept, a missing field reads None, and a
value of a wrong type stays as it is. Each such deviation is an `Issue` with its place in the JSON.
"""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final, NamedTuple, TypeVar, cast, get_args, get_origin

import attrs
import cattrs
import msgspec

from ev_energy._codec.drift import DriftKind
from ev_energy._codec.fields import fields_of, is_model, union_args
from ev_energy._codec.member_count import is_no_price
from ev_energy._codec.text import received_timestamp
from ev_energy._codec.unknown_fields import check_unknown_count
from ev_energy._runtime.build_lock import built_once
from ev_energy._runtime.clocks import REAL
from ev_energy.models._base import EXTRA, Model, SingleItem
from ev_energy.models._enums import OpenEnum
from ev_energy.models._json import ExactNumber, Steps, run_to_end
from ev_energy.models._refs import Ref

V = TypeVar("V")


class Issue(NamedTuple):
    """One deviation of the JSON from the models."""

    path: str
    model: type[Any]
    """A model, or the type of a map outside of any model."""
    member: str
    kind: DriftKind
    value: Any


#: Fields that are converted without a pause, which takes some milliseconds.
_FIELDS_PER_STEP: Final = 250


@attrs.define
class _Position:
    """The current place in the JSON, and the issues found so far."""

    path: list[str]
    owner: tuple[type[Any], str]
    """The innermost model, and the name of its field."""
    issues: list[Issue] = attrs.field(factory=list[Issue])
    field_count: int = 0
    """Fields that were converted."""

    def add_issue(self, kind: DriftKind, value: Any, member: str | None = None) -> None:
        path = "".join(self.path) + (f".{member}" if member else "")
        self.issues.append(Issue(path, self.owner[0], member or self.owner[1], kind, value))

    @contextmanager
    def inside(
        self, step: str, owner: tuple[type[Any], str] | None = None
    ) -> Generator[None, None, None]:
        previous = self.owner
        self.path.append(step)
        self.owner = owner or previous
        try:
            yield
        finally:
            self.path.pop()
            self.owner = previous


def convert(data: Any, type_: Any, path: str = "$") -> tuple[Any, list[Issue]]:
    """Convert JSON values to *type_*; return the result and the issues.

    Raises:
        TypeError: *data* is of another JSON type as a whole.
    """
    return run_to_end(convert_in_steps(data, type_, path))


def convert_in_steps(data: Any, type_: Any, path: str = "$") -> Steps[tuple[Any, list[Issue]]]:
    """Convert like `convert`, in steps that are short enough for an event loop.

    An `ExactNumber` in *data* becomes a float wherever no decimal number is declared.
    """
    position = _Position([path], (type_, ""))
    built = yield from _value(position, data, type_)
    return built, position.issues


def to_dict(value: Model) -> dict[str, Any]:
    """Return the JSON object of a model."""
    return cast("dict[str, Any]", converter().unstructure(value))


@built_once
def converter() -> cattrs.Converter:
    """Return the converter of models to JSON; cattrs picks the hook for each kind of value."""
    result = cattrs.Converter(detailed_validation=False)
    result.register_unstructure_hook(Model, _model_to_dict)
    result.register_unstructure_hook(Ref, _ref_to_json)
    result.register_unstructure_hook(REAL.datetime, received_timestamp)
    for cls in (REAL.date, REAL.time):
        result.register_unstructure_hook(cls, lambda value: value.isoformat())
    for scalar in (decimal.Decimal, uuid.UUID):
        result.register_unstructure_hook(scalar, str)
    # Not `Enum`: cattrs would convert an open enum as the str that it also is.
    result.register_unstructure_hook(OpenEnum, lambda value: value.value)
    return result


def _value(position: _Position, value: Any, type_: Any) -> Steps[Any]:
    """Convert *value* to *type_*; `TypeError` or `ValueError` where it is something else."""
    if get_origin(type_) is Annotated:
        type_ = get_args(type_)[0]
    if type_ is Any:
        return _plain_json(value)
    if len(union_args(type_)) > 1:
        return (yield from _union(position, value, type_))
    if is_model(type_):
        return (yield from _model(position, value, type_))
    origin = get_origin(type_)
    if origin in {tuple, list}:
        return (yield from _sequence(position, value, type_))
    if origin is dict:
        return (yield from _map(position, value, type_))
    return _scalar(position, value, type_)


def _scalar(position: _Position, value: Any, cls: Any) -> Any:
    if issubclass(cls, OpenEnum):
        member = cls(_exactly(str, value))
        if not member.known:
            position.add_issue(DriftKind.UNKNOWN_ENUM_TEXT, member.value)
        return member
    return SCALARS[cls](value)


def _model(position: _Position, data: Any, cls: type[Model]) -> Steps[Model]:
    if not isinstance(data, Mapping):
        raise TypeError(f"expected an object, got {_type_name(data)}")
    data = cast("Mapping[str, Any]", data)
    fields = fields_of(cls)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        key = field.alias if field.alias in data and data.get(name) is None else name
        if key in data:
            with position.inside(f".{key}", (cls, name)):
                values[name] = yield from _field(
                    position, data[key], field.type, nullable=field.nullable
                )
        elif field.required:
            values[name] = None
            with position.inside("", (cls, name)):
                position.add_issue(DriftKind.MISSING_MEMBER, None, name)
    aliases = {field.alias for field in fields.values() if data.get(field.name) is None}
    unknown = {
        name: _plain_json(value)
        for name, value in data.items()
        if name not in fields and name not in aliases
    }
    built = cls(**values)
    if unknown:
        check_unknown_count(unknown, position.path)
        object.__setattr__(built, EXTRA, unknown)
        with position.inside("", (cls, "")):
            for name, value in unknown.items():
                position.add_issue(DriftKind.UNKNOWN_MEMBER, value, name)
    return built


def _field(position: _Position, value: Any, type_: Any, *, nullable: bool) -> Steps[Any]:
    position.field_count += 1
    if position.field_count % _FIELDS_PER_STEP == 0:
        yield
    if value is None and nullable:
        return None
    try:
        return (yield from _value(position, value, type_))
    except (TypeError, ValueError, ArithmeticError):
        unchanged = _plain_json(value)
        position.add_issue(DriftKind.WRONG_TYPE, unchanged)
        return unchanged


def _union(position: _Position, value: Any, type_: Any) -> Steps[Any]:
    if value is None and type(None) in union_args(type_):
        return None
    choices = [arg for arg in union_args(type_) if arg is not type(None)]
    if set(choices) in _FORMATTED_STRINGS and isinstance(value, str):
        return _formatted_string(position, value, choices[0])
    for choice in choices:
        if is_model(choice) == isinstance(value, Mapping) and (
            (get_origin(choice) in {tuple, list}) == isinstance(value, list)
        ):
            return (yield from _value(position, value, choice))
    return (yield from _value(position, value, choices[0]))


#: Unions for strings that the API formats as a number or a time of day.
_FORMATTED_STRINGS: Final = ({decimal.Decimal, str}, {dt.time, str})


def _formatted_string(position: _Position, text: str, type_: Any) -> Any:
    try:
        return _scalar(position, text, type_)
    except (ValueError, ArithmeticError):
        return text


def _sequence(position: _Position, value: Any, type_: Any) -> Steps[Any]:
    if not isinstance(value, list):
        raise TypeError(f"expected an array, got {_type_name(value)}")
    item, *others = get_args(type_)
    items = cast("Sequence[Any]", value)
    if others and Ellipsis not in others and len(items) != 1 + len(others):
        raise TypeError(f"expected {1 + len(others)} items, got {len(items)}")
    found: list[Any] = []
    for index, one in enumerate(items):
        with position.inside(f"[{index}]"):
            found.append((yield from _field(position, one, item, nullable=False)))
    return tuple(found) if get_origin(type_) is tuple else found


def _map(position: _Position, value: Any, type_: Any) -> Steps[Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object, got {_type_name(value)}")
    value_type = get_args(type_)[1]
    found: dict[str, Any] = {}
    for name, one in cast("Mapping[str, Any]", value).items():
        # A map that is a reply by itself is not the value of a field.
        owner = None if position.owner[1] else (type_, str(name))
        with position.inside(f".{name}", owner):
            found[name] = yield from _field(position, one, value_type, nullable=False)
    return found


def _plain_json(value: Any) -> Any:
    """Return JSON values with floats in place of the decimal numbers that they were read as."""
    if value.__class__ is ExactNumber:
        return float(value)
    if value.__class__ is dict:
        return {name: _plain_json(one) for name, one in cast("dict[str, Any]", value).items()}
    if value.__class__ is list:
        return [_plain_json(one) for one in value]
    return value


def _int(value: Any) -> int:
    # To JSON Schema, 1.0 is an integer.
    if isinstance(value, float | ExactNumber) and float(value).is_integer():
        return int(value)
    return _exactly(int, value)


def _float(value: Any) -> float:
    return float(value if isinstance(value, float | ExactNumber) else _exactly(int, value))


def _datetime(value: Any) -> dt.datetime:
    text = _exactly(str, value)
    try:  # as the strict pass does, which rounds digits beyond microseconds
        found = msgspec.convert(text, REAL.datetime)
    except msgspec.ValidationError:
        found = REAL.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _decimal(value: Any) -> decimal.Decimal:
    if type(value) in {float, int}:
        value = str(value)
    found = decimal.Decimal(value if isinstance(value, decimal.Decimal) else _exactly(str, value))
    if is_no_price(found):
        raise ValueError("expected a decimal number")
    return found


#: The scalars that fields may have, and what converts a JSON value to each.
SCALARS: Final[Mapping[type[Any], Callable[[Any], Any]]] = {
    str: lambda value: _exactly(str, value),
    bool: lambda value: _exactly(bool, value),
    int: _int,
    float: _float,
    REAL.datetime: _datetime,
    REAL.date: lambda value: REAL.date.fromisoformat(_exactly(str, value)),
    REAL.time: lambda value: REAL.time.fromisoformat(_exactly(str, value)),
    decimal.Decimal: _decimal,
    uuid.UUID: lambda value: uuid.UUID(_exactly(str, value)),
}


def _exactly(cls: type[V], value: Any) -> V:
    if type(value) is not cls:  # True is an int to Python, not to JSON
        raise TypeError(f"expected {cls.__name__}, got {_type_name(value)}")
    return value


def _type_name(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _model_to_dict(value: Model) -> dict[str, Any]:
    unstructure = converter().unstructure
    result: dict[str, Any] = {}
    for name, field in fields_of(type(value)).items():
        found = getattr(value, name)
        # Without a required field that is null, `from_dict` would report it as missing.
        if found is not None or (field.required and field.nullable):
            result[name] = _to_json(unstructure, found)
    return {**result, **value.extra}


def _to_json(unstructure: Callable[[Any], Any], value: Any) -> Any:
    if value.__class__ is SingleItem:
        return unstructure(value[0])
    if isinstance(value, list | tuple):
        return [_to_json(unstructure, one) for one in cast("Sequence[Any]", value)]
    return unstructure(value)


def _ref_to_json(value: Ref[Any]) -> Any:
    return value.url if value.resource is None else _model_to_dict(value.resource)
