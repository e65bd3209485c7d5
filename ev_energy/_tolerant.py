"""The tolerant way in, and the way out: a cattrs converter that loses nothing.

Unknown members go to ``.extra``, unknown enum texts are kept, a missing member reads None, a value
of a wrong type stays as it came. Each such deviation is noted with its place in the JSON.
"""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any, Final, NamedTuple, TypeVar, cast, get_args, get_origin

import attrs
import cattrs
import msgspec

from ev_energy._clocks import REAL
from ev_energy._drift import Kind
from ev_energy._enums import OpenEnum
from ev_energy._members import arms, is_model, members
from ev_energy._model import Model, Single
from ev_energy._once import built_once
from ev_energy._refs import Ref

V = TypeVar("V")


class Note(NamedTuple):
    """One deviation from what the models say."""

    path: str
    model: type[Any]
    """A model, or the type of a map that is no part of one."""
    member: str
    kind: Kind
    value: Any


@attrs.define
class _Reading:
    """Where in the JSON the converter is, and what it found odd there."""

    path: list[str] = attrs.field(factory=lambda: ["$"])
    owner: tuple[type[Any], str] = (Model, "")
    notes: list[Note] = attrs.field(factory=list[Note])

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


_reading: ContextVar[_Reading] = ContextVar("reading")


def read(data: Any, into: Any, path: str = "$") -> tuple[Any, list[Note]]:
    """*data* as *into*, and what was odd about it. `TypeError` where it is something else."""
    reading = _Reading([path], (into, ""))
    token = _reading.set(reading)
    try:
        return converter().structure(data, into), reading.notes
    finally:
        _reading.reset(token)


def write(value: Model) -> dict[str, Any]:
    """The JSON object of a model."""
    return cast("dict[str, Any]", converter().unstructure(value))


@built_once
def converter() -> cattrs.Converter:
    """The converter; cattrs picks the hook, each hook below does one kind of value."""
    made = cattrs.Converter(detailed_validation=False)
    for cls, hook in _SCALARS.items():
        made.register_structure_hook(cls, hook)
    made.register_structure_hook_func(lambda t: t is Any, lambda value, _: value)
    made.register_structure_hook_func(lambda t: len(arms(t)) > 1, _union)
    made.register_structure_hook_func(_is_of(tuple, list), _items)
    made.register_structure_hook_func(_is_of(dict), _object)
    made.register_structure_hook_func(
        _is_of(Annotated), lambda value, t: made.structure(value, get_args(t)[0])
    )
    made.register_structure_hook_func(is_model, _model)
    made.register_unstructure_hook(Model, _unmodel)
    made.register_unstructure_hook(Ref, _unref)
    made.register_unstructure_hook(REAL.datetime, _instant_text)
    for cls in (REAL.date, REAL.time):
        made.register_unstructure_hook(cls, lambda value: value.isoformat())
    for cls in (decimal.Decimal, uuid.UUID):
        made.register_unstructure_hook(cls, str)
    # Not `Enum`: cattrs would take an open enum for the str that it also is.
    made.register_unstructure_hook(OpenEnum, lambda value: value.value)
    return made


def _is_of(*origins: Any) -> Callable[[Any], bool]:
    return lambda type_: get_origin(type_) in origins


def _model(data: Any, cls: type[Model]) -> Model:
    if not isinstance(data, Mapping):
        raise TypeError(f"expected an object, got {_kind(data)}")
    data = cast("Mapping[str, Any]", data)
    reading, known = _reading.get(), members(cls)
    values: dict[str, Any] = {}
    for name, member in known.items():
        sent = member.also if member.also in data and data.get(name) is None else name
        if sent in data:
            with reading.at(f".{sent}", (cls, name)):
                values[name] = _member(data[sent], member.type, nullable=member.nullable)
        else:
            values[name] = member.default
            if member.required:
                with reading.at("", (cls, name)):
                    reading.note(Kind.MISSING_MEMBER, None, name)
    read = {*known, *(m.also for m in known.values() if m.also and data.get(m.name) is None)}
    unknown = {name: value for name, value in data.items() if name not in read}
    built = cls(**values)
    if unknown:
        object.__setattr__(built, "_extra", unknown)
        with reading.at("", (cls, "")):
            for name, value in unknown.items():
                reading.note(Kind.UNKNOWN_MEMBER, value, name)
    return built


def _member(value: Any, type_: Any, *, nullable: bool) -> Any:
    if value is None and nullable:
        return None
    try:
        return converter().structure(value, type_)
    except (TypeError, ValueError, ArithmeticError):
        _reading.get().note(Kind.WRONG_TYPE, value)
        return value


def _union(value: Any, type_: Any) -> Any:
    if value is None and type(None) in arms(type_):
        return None
    choices = [arm for arm in arms(type_) if arm is not type(None)]
    if set(choices) in _TEXTS_OF_A_FORM and isinstance(value, str):
        return _of_a_form(value, choices[0])
    for arm in choices:
        if is_model(arm) == isinstance(value, Mapping) and (
            (get_origin(arm) in {tuple, list}) == isinstance(value, list)
        ):
            return converter().structure(value, arm)
    return converter().structure(value, choices[0])


#: What the API declares as text of any form, and sends as a number or a time of day.
_TEXTS_OF_A_FORM: Final = ({decimal.Decimal, str}, {dt.time, str})


def _of_a_form(text: str, type_: Any) -> Any:
    try:
        return converter().structure(text, type_)
    except (ValueError, ArithmeticError):
        return text


def _items(value: Any, type_: Any) -> Any:
    if not isinstance(value, list):
        raise TypeError(f"expected an array, got {_kind(value)}")
    reading, (item, *more) = _reading.get(), get_args(type_)
    items = cast("Sequence[Any]", value)
    if more and Ellipsis not in more and len(items) != 1 + len(more):
        raise TypeError(f"expected {1 + len(more)} items, got {len(items)}")
    found: list[Any] = []
    for index, one in enumerate(items):
        with reading.at(f"[{index}]"):
            found.append(_member(one, item, nullable=False))
    return tuple(found) if get_origin(type_) is tuple else found


def _object(value: Any, type_: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object, got {_kind(value)}")
    reading, of = _reading.get(), get_args(type_)[1]
    found: dict[str, Any] = {}
    for name, one in cast("Mapping[str, Any]", value).items():
        # A map that is a reply by itself has no member that it stands in.
        owner = None if reading.owner[1] else (type_, str(name))
        with reading.at(f".{name}", owner):
            found[name] = _member(one, of, nullable=False)
    return found


def _text(value: Any, cls: type[str]) -> str:
    text = _only(str, value)
    if not issubclass(cls, OpenEnum):  # which cattrs takes for the str that it is
        return text
    member = cls(text)
    if not member.known:
        _reading.get().note(Kind.UNKNOWN_ENUM_TEXT, text)
    return member


def _bool(value: Any, _: Any) -> bool:
    return _only(bool, value)


def _int(value: Any, _: Any) -> int:
    # To JSON Schema, 1.0 is an integer.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return _only(int, value)


def _float(value: Any, _: Any) -> float:
    return value if isinstance(value, float) else float(_only(int, value))


def _instant(value: Any, _: Any) -> dt.datetime:
    text = _only(str, value)
    try:  # as the fast pass does, which rounds what lies beyond microseconds
        found = msgspec.convert(text, REAL.datetime)
    except msgspec.ValidationError:
        found = REAL.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _decimal(value: Any, _: Any) -> decimal.Decimal:
    return decimal.Decimal(str(value) if isinstance(value, float | int) else _only(str, value))


_SCALARS: dict[type[Any], Callable[[Any, Any], Any]] = {
    str: _text,
    bool: _bool,
    int: _int,
    float: _float,
    REAL.datetime: _instant,
    REAL.date: lambda value, _: REAL.date.fromisoformat(_only(str, value)),
    REAL.time: lambda value, _: REAL.time.fromisoformat(_only(str, value)),
    decimal.Decimal: _decimal,
    uuid.UUID: lambda value, _: uuid.UUID(_only(str, value)),
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
