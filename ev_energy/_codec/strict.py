"""The fast way in: JSON bytes straight to models, by msgspec.

msgspec builds attrs classes natively and validates on the way, but says nothing of members it does
not know. A guard therefore reads the bytes too: a graph of throw-away msgspec structs with the
models' member names that refuses an unknown one. Both passes run in C, and cost less together than
looking through the JSON in Python.

The guard also bounds the depth: where a model comes round to itself, it expects a link that is not
expanded. No request can ask for more, and a reply that holds more all the same is read as JSON
first, whose depth is looked at.
"""

from __future__ import annotations

import decimal
import functools
import operator
import types
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Annotated, Any, Final, TypeAlias, Union, cast, get_args, get_origin

import attrs
import msgspec

from ev_energy._codec.drift import Drift, Kind, Reporter
from ev_energy._codec.msgspec_types import bare
from ev_energy._runtime.build_lock import built_once
from ev_energy.models._base import Model
from ev_energy.models._fields import Member, arms, is_model, members
from ev_energy.models._json import MOST_UNKNOWN, Exceeded
from ev_energy.models._refs import Ref

#: What is being made, from the outermost model inwards: models, and whether with links.
_Path: TypeAlias = tuple[tuple[type[Model], bool], ...]

# Made once for whatever it depends on besides the model: see `_struct`. Only `readers` gets here,
# which is `built_once`, so that no two threads do at the same time.
_structs: dict[tuple[object, type[Model]], type[msgspec.Struct]] = {}


@built_once
def readers(
    into: Any, many: bool, links: bool
) -> tuple[Callable[[bytes], Any], Callable[[bytes], object]]:
    """What decodes JSON into *into*, or a list of them; and what refuses unknown members in it.

    Without *links*, both refuse JSON with an expanded link in it.
    """
    built, guard = bare(into, links=links), _shadow(into, links, ())
    if many:
        built, guard = types.GenericAlias(list, (built,)), types.GenericAlias(list, (guard,))
    return msgspec.json.Decoder[Any](built).decode, msgspec.json.Decoder[Any](
        guard, strict=False
    ).decode


def _shadow(type_: Any, links: bool, path: _Path) -> Any:
    """The type that lets the same JSON through as *type_* does, looking at member names only.

    And at prices, since msgspec makes a `Decimal` of ``"sNaN"`` too.
    """
    if decimal.Decimal in arms(type_):
        return _PRICE
    if is_model(type_):
        return _struct(type_, links and (type_, links) not in path, path)
    origin = get_origin(type_)
    if origin in {types.UnionType, Union}:
        shadows = [_shadow(arm, links, path) for arm in arms(type_)]
        if not any(map(_names_members, shadows)):
            return Any
        # Beside an object or a list, only the text of a link or null may stand.
        return Union[tuple(s if _names_members(s) else a for s, a in zip(shadows, arms(type_)))]  # noqa: B905, UP007  # pyright: ignore[reportGeneralTypeIssues, reportInvalidTypeForm]  (a union made at run time)
    if origin in {tuple, list}:
        inner: Any = _shadow(get_args(type_)[0], links, path)
        return types.GenericAlias(list, (inner,)) if _names_members(inner) else Any
    return Any


#: A price, as text or as a number, that can be calculated with. The decoder reads it as a float,
#: only to see whether it is one: a pattern for its text would take five times as long.
_PRICE: Final = Union[  # noqa: UP007  (a union made at run time)
    Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)], None
]


def _names_members(shadow: Any) -> bool:
    return shadow is not Any and shadow is not str and shadow is not type(None)


def _struct(cls: type[Model], links: bool, path: _Path) -> Any:
    # The outermost model decides what has come round. What is inside of that has no more links, and
    # says so: without links from the outset, it is the models that refuse them.
    outermost, is_inner = path[0] if path else (cls, links)
    depends_on = outermost if links else is_inner
    made = _structs.get((depends_on, cls))
    if made is None:
        own, inner = members(cls, links=links).values(), (*path, (cls, links))
        made = _structs[depends_on, cls] = msgspec.defstruct(
            f"_Names{cls.__name__}",
            [
                (
                    member.name,
                    _text(member.type)
                    if is_inner and not links and not member.models
                    else _shadow(member.type, links, inner),
                    None,
                )
                for member in own
            ],
            forbid_unknown_fields=True,
            module=__name__,
            gc=False,
        )
    return made


def _text(type_: Any) -> Any:
    """The type that lets neither an object nor a list through where a link may stand."""
    if decimal.Decimal in arms(type_):
        return _PRICE
    if get_origin(type_) in {tuple, list}:
        inner: Any = _text(get_args(type_)[0])
        return Any if inner is Any else types.GenericAlias(list, (inner,))
    return type_ if set(arms(type_)) <= {str, types.NoneType} else Any


@functools.cache
def shapeless(cls: Any, links: bool = True) -> tuple[str, ...]:
    """The members of *cls* in which there may be JSON of any shape, and so of any depth."""
    if not attrs.has(cast(type, cls)):  # numbers by name, which have none
        return ()
    return tuple(
        name
        for name, member in members(cls, links=links).items()
        if _is_any(member.type)
        or any(_reaches_any(model, links) for model in cast(Any, member.models))
    )


@functools.cache
def reaches_money(cls: Any) -> bool:
    """Return whether there is a decimal number in *cls*, or in what may stand in it."""
    return is_model(cls) and any(
        decimal.Decimal in arms(member.type) for member in _within(cls, links=True)
    )


@functools.cache
def _reaches_any(cls: Any, links: bool) -> bool:
    """Whether there is a member of any shape in *cls*, or in what may stand in it."""
    return any(_is_any(member.type) for member in _within(cls, links=links))


def _within(cls: Any, *, links: bool) -> Iterator[Member]:
    """The members of *cls*, and of each model that may stand in it."""
    seen: set[Any] = set()
    ahead: list[Any] = [cls]
    while ahead:
        one = ahead.pop()
        if one in seen:
            continue
        seen.add(one)
        for member in members(one, links=links).values():
            yield member
            ahead += member.models


def _is_any(type_: Any) -> bool:
    return type_ is Any or any(map(_is_any, get_args(type_)))


def inside(value: Any) -> Iterable[Any]:
    """What of *value* may nest to any depth."""
    if value.__class__ is Ref:
        value = value.resource
    if isinstance(value, Model):
        return _insides(cast(Any, value.__class__))(value)
    if value.__class__ is dict:
        return cast("dict[str, Any]", value).values()
    return cast("Sequence[Any]", value) if value.__class__ in {list, tuple} else ()


@functools.cache
def _insides(cls: Any) -> Callable[[Any], Iterable[Any]]:
    names = shapeless(cls)
    if not names:
        return lambda _: ()
    # With two names, it gives a tuple. Most links are not expanded, and lead no deeper.
    all_of = operator.attrgetter(*names, names[0])

    def some_of(value: Any) -> list[Any]:
        found = all_of(value)[:-1]
        return [one for one in found if one.__class__ is not Ref or one.resource is not None]

    return some_of


def put_back_unknown(data: Any, built: Any, path: str, report: Reporter) -> None:
    """Put the members that *built* does not know into its ``.extra``, and report them."""
    if isinstance(built, list):
        for index, item in enumerate(cast("Sequence[Any]", built)):
            _compare(data[index], item, [f"{path}[{index}]"], report)
    else:
        _compare(data, built, [path], report)


def _compare(data: Any, built: Any, path: list[str], report: Reporter) -> None:
    if built.__class__ is Ref:
        built = built.resource
    if isinstance(built, tuple) and data.__class__ in {list, dict}:
        data = data if data.__class__ is list else [data]  # one by itself, of several
        for index, item in enumerate(cast("Sequence[Any]", built)):
            _compare(data[index], item, [*path, f"[{index}]"], report)
    elif data.__class__ is dict and isinstance(built, Model):
        names, inner, prices = plan(cast(Any, type(built)))
        if prices:
            _check_prices(data, built, prices, path, report)
        if not data.keys() <= names:
            unknown = {name: value for name, value in data.items() if name not in names}
            _take_other_spellings(built, unknown)
            if unknown:
                check_unknown(unknown, path)
                object.__setattr__(built, "_extra", unknown)
                report.unknown_members(built.__class__, unknown, path)
        for name in inner:
            value = data.get(name)
            if value.__class__ is dict or value.__class__ is list:
                _compare(value, getattr(built, name), [*path, f".{name}"], report)


def check_unknown(unknown: Sized, path: Sequence[str]) -> None:
    """Raise `Exceeded` where one object has too many unknown members."""
    if len(unknown) > MOST_UNKNOWN:
        where = "".join(path)
        message = f"an object has more than {MOST_UNKNOWN} members that are not known, at {where}"
        raise Exceeded(message, "unknown_members")


#: The range of a float: what programs agree on (RFC 8259 §6).
_LARGEST_EXPONENT: Final = 308


def is_price(number: decimal.Decimal) -> bool:
    """Return whether *number* can be compared, hashed and formatted.

    NaN and infinity cannot, and the integer of a price of ``1e999999999`` takes a gigabyte.
    """
    return number.is_finite() and (not number or number.adjusted() <= _LARGEST_EXPONENT)


def _check_prices(
    data: Any, built: Model, names: Sequence[str], path: Sequence[str], report: Reporter
) -> None:
    """Put what the server sent in place of each decimal number that is no price."""
    for name in names:
        number = getattr(built, name)
        if number.__class__ is not decimal.Decimal or is_price(number):
            continue
        kept = data.get(name)
        is_text = isinstance(kept, str)
        if not is_text:  # a number that no float holds
            kept = str(number)
        object.__setattr__(built, name, kept)
        if is_text and str in arms(members(type(built))[name].type):
            continue  # the API declares text of any form
        where = "".join([*path, f".{name}"])
        report(Drift(type(built).__name__, name, Kind.WRONG_TYPE, where, kept))


def _take_other_spellings(built: Model, unknown: dict[str, Any]) -> None:
    """Move what is known under another name out of *unknown*, where it is of the right type."""
    for member in members(type(built)).values():
        if member.also in unknown and getattr(built, member.name) is None:
            try:
                value = msgspec.convert(unknown[member.also], bare(member.type))
            except msgspec.ValidationError:
                continue
            object.__setattr__(built, member.name, value)
            del unknown[member.also]


@functools.cache
def plan(cls: Any) -> tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]:
    """The names of the members of *cls*, of those that may hold models, and of the prices."""
    known = members(cls)
    return (
        frozenset(known),
        tuple(name for name, member in known.items() if member.models),
        tuple(n for n, member in known.items() if decimal.Decimal in arms(member.type)),
    )
