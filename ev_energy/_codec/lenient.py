"""The tolerant way in, which loses nothing; and the way out, a cattrs converter.

Unknown members go to ``.extra``, unknown enum texts are kept, a missing member reads None, a value
of a wrong type stays as it came. Each such deviation is noted with its place in the JSON.
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

from ev_energy._codec.drift import Kind
from ev_energy._codec.strict import check_unknown, is_price
from ev_energy._runtime.build_lock import built_once
from ev_energy._runtime.clocks import REAL
from ev_energy.models._base import Model, Single
from ev_energy.models._enums import OpenEnum
from ev_energy.models._fields import arms, is_model, members
from ev_energy.models._json import ExactNumber, Steps, finish
from ev_energy.models._refs import Ref

V = TypeVar("V")


class Note(NamedTuple):
    """One deviation from what the models say."""

    path: str
    model: type[Any]
    """A model, or the type of a map that is no part of one."""
    member: str
    kind: Kind
    value: Any


#: How many members are read without a pause; some milliseconds' worth.
_STEP: Final = 250


@attrs.define
class _Reading:
    """Where in the JSON the pass is, and what it found odd there."""

    path: list[str]
    owner: tuple[type[Any], str]
    notes: list[Note] = attrs.field(factory=list[Note])
    members: int = 0
    """How many were read."""

    def note(self, kind: Kind, value: Any, member: str | None = None) -> None:
        path = "".join(self.path) + (f".{member}" if member else "")
        self.notes.append(Note(path, self.owner[0], member or self.owner[1], kind, value))

    @contextmanager
    def at(
        self, step: str, owner: tuple[type[Any], str] | None = None
    ) -> Generator[None, None, None]:
        before = self.owner
        self.path.append(step)
        self.owner = owner or before
        try:
            yield
        finally:
            self.path.pop()
            self.owner = before


def read(data: Any, into: Any, path: str = "$") -> tuple[Any, list[Note]]:
    """*data* as *into*, and what was odd about it. `TypeError` where it is something else."""
    return finish(reading(data, into, path))


def reading(data: Any, into: Any, path: str = "$") -> Steps[tuple[Any, list[Note]]]:
    """Read *data* as `read` does, in steps that are short enough for an event loop.

    An `ExactNumber` in *data* becomes a float wherever no decimal number is declared.
    """
    state = _Reading([path], (into, ""))
    built = yield from _value(state, data, into)
    return built, state.notes


def write(value: Model) -> dict[str, Any]:
    """The JSON object of a model."""
    return cast("dict[str, Any]", converter().unstructure(value))


@built_once
def converter() -> cattrs.Converter:
    """The converter of the way out; cattrs picks the hook for each kind of value."""
    made = cattrs.Converter(detailed_validation=False)
    made.register_unstructure_hook(Model, _unmodel)
    made.register_unstructure_hook(Ref, _unref)
    made.register_unstructure_hook(REAL.datetime, _instant_text)
    for cls in (REAL.date, REAL.time):
        made.register_unstructure_hook(cls, lambda value: value.isoformat())
    for scalar in (decimal.Decimal, uuid.UUID):
        made.register_unstructure_hook(scalar, str)
    # Not `Enum`: cattrs would take an open enum for the str that it also is.
    made.register_unstructure_hook(OpenEnum, lambda value: value.value)
    return made


def _value(state: _Reading, value: Any, type_: Any) -> Steps[Any]:
    """Read *value* as *type_*. `TypeError` or `ValueError` where it is something else."""
    if get_origin(type_) is Annotated:
        type_ = get_args(type_)[0]
    if type_ is Any:
        return _plain(value)
    if len(arms(type_)) > 1:
        return (yield from _union(state, value, type_))
    if is_model(type_):
        return (yield from _model(state, value, type_))
    origin = get_origin(type_)
    if origin in {tuple, list}:
        return (yield from _items(state, value, type_))
    if origin is dict:
        return (yield from _object(state, value, type_))
    return _scalar(state, value, type_)


def _scalar(state: _Reading, value: Any, cls: Any) -> Any:
    if issubclass(cls, OpenEnum):
        member = cls(_only(str, value))
        if not member.known:
            state.note(Kind.UNKNOWN_ENUM_TEXT, member.value)
        return member
    return _SCALARS[cls](value)


def _model(state: _Reading, data: Any, cls: type[Model]) -> Steps[Model]:
    if not isinstance(data, Mapping):
        raise TypeError(f"expected an object, got {_kind(data)}")
    data = cast("Mapping[str, Any]", data)
    known = members(cls)
    values: dict[str, Any] = {}
    for name, member in known.items():
        sent = member.also if member.also in data and data.get(name) is None else name
        if sent in data:
            with state.at(f".{sent}", (cls, name)):
                values[name] = yield from _member(
                    state, data[sent], member.type, nullable=member.nullable
                )
        else:
            values[name] = member.default
            if member.required:
                with state.at("", (cls, name)):
                    state.note(Kind.MISSING_MEMBER, None, name)
    read = {*known, *(m.also for m in known.values() if m.also and data.get(m.name) is None)}
    unknown = {name: _plain(value) for name, value in data.items() if name not in read}
    built = cls(**values)
    if unknown:
        check_unknown(unknown, state.path)
        object.__setattr__(built, "_extra", unknown)
        with state.at("", (cls, "")):
            for name, value in unknown.items():
                state.note(Kind.UNKNOWN_MEMBER, value, name)
    return built


def _member(state: _Reading, value: Any, type_: Any, *, nullable: bool) -> Steps[Any]:
    state.members += 1
    if state.members % _STEP == 0:
        yield
    if value is None and nullable:
        return None
    try:
        return (yield from _value(state, value, type_))
    except (TypeError, ValueError, ArithmeticError):
        kept = _plain(value)
        state.note(Kind.WRONG_TYPE, kept)
        return kept


def _union(state: _Reading, value: Any, type_: Any) -> Steps[Any]:
    if value is None and type(None) in arms(type_):
        return None
    choices = [arm for arm in arms(type_) if arm is not type(None)]
    if set(choices) in _TEXTS_OF_A_FORM and isinstance(value, str):
        return _of_a_form(state, value, choices[0])
    for arm in choices:
        if is_model(arm) == isinstance(value, Mapping) and (
            (get_origin(arm) in {tuple, list}) == isinstance(value, list)
        ):
            return (yield from _value(state, value, arm))
    return (yield from _value(state, value, choices[0]))


#: What the API declares as text of any form, and sends as a number or a time of day.
_TEXTS_OF_A_FORM: Final = ({decimal.Decimal, str}, {dt.time, str})


def _of_a_form(state: _Reading, text: str, type_: Any) -> Any:
    try:
        return _scalar(state, text, type_)
    except (ValueError, ArithmeticError):
        return text


def _items(state: _Reading, value: Any, type_: Any) -> Steps[Any]:
    if not isinstance(value, list):
        raise TypeError(f"expected an array, got {_kind(value)}")
    item, *more = get_args(type_)
    items = cast("Sequence[Any]", value)
    if more and Ellipsis not in more and len(items) != 1 + len(more):
        raise TypeError(f"expected {1 + len(more)} items, got {len(items)}")
    found: list[Any] = []
    for index, one in enumerate(items):
        with state.at(f"[{index}]"):
            found.append((yield from _member(state, one, item, nullable=False)))
    return tuple(found) if get_origin(type_) is tuple else found


def _object(state: _Reading, value: Any, type_: Any) -> Steps[Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object, got {_kind(value)}")
    of = get_args(type_)[1]
    found: dict[str, Any] = {}
    for name, one in cast("Mapping[str, Any]", value).items():
        # A map that is a reply by itself has no member that it stands in.
        owner = None if state.owner[1] else (type_, str(name))
        with state.at(f".{name}", owner):
            found[name] = yield from _member(state, one, of, nullable=False)
    return found


def _plain(value: Any) -> Any:
    """*value* as JSON holds it, with floats in place of the decimal numbers they were read as."""
    if value.__class__ is ExactNumber:
        return float(value)
    if value.__class__ is dict:
        return {name: _plain(one) for name, one in cast("dict[str, Any]", value).items()}
    if value.__class__ is list:
        return [_plain(one) for one in value]
    return value


def _int(value: Any) -> int:
    # To JSON Schema, 1.0 is an integer.
    if isinstance(value, float | ExactNumber) and float(value).is_integer():
        return int(value)
    return _only(int, value)


def _float(value: Any) -> float:
    return float(value if isinstance(value, float | ExactNumber) else _only(int, value))


def _instant(value: Any) -> dt.datetime:
    text = _only(str, value)
    try:  # as the fast pass does, which rounds what lies beyond microseconds
        found = msgspec.convert(text, REAL.datetime)
    except msgspec.ValidationError:
        found = REAL.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _decimal(value: Any) -> decimal.Decimal:
    if type(value) in {float, int}:
        value = str(value)
    found = decimal.Decimal(value if isinstance(value, decimal.Decimal) else _only(str, value))
    if not is_price(found):
        raise ValueError("expected a decimal number")
    return found


_SCALARS: dict[type[Any], Callable[[Any], Any]] = {
    str: lambda value: _only(str, value),
    bool: lambda value: _only(bool, value),
    int: _int,
    float: _float,
    REAL.datetime: _instant,
    REAL.date: lambda value: REAL.date.fromisoformat(_only(str, value)),
    REAL.time: lambda value: REAL.time.fromisoformat(_only(str, value)),
    decimal.Decimal: _decimal,
    uuid.UUID: lambda value: uuid.UUID(_only(str, value)),
}


def _only(cls: type[V], value: Any) -> V:
    if type(value) is not cls:  # True is no number here
        raise TypeError(f"expected {cls.__name__}, got {_kind(value)}")
    return value


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _unmodel(value: Model) -> dict[str, Any]:
    unstructure = converter().unstructure
    written: dict[str, Any] = {}
    for name, member in members(type(value)).items():
        found = getattr(value, name)
        # A required member that is null is written, since a reply without it is no such model.
        if found is not None or (member.required and member.nullable):
            written[name] = _unvalue(unstructure, found)
    return {**written, **value.extra}


def _unvalue(unstructure: Callable[[Any], Any], value: Any) -> Any:
    if value.__class__ is Single:
        return unstructure(value[0])
    if isinstance(value, list | tuple):
        return [_unvalue(unstructure, one) for one in cast("Sequence[Any]", value)]
    return unstructure(value)


def _unref(value: Ref[Any]) -> Any:
    return value.url if value.resource is None else _unmodel(value.resource)


def _instant_text(value: dt.datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")
