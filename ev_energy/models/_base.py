"""What every model is: a frozen attrs class that keeps what it does not know."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import (
    Any,
    ClassVar,
    Final,
    Never,
    Self,
    SupportsIndex,
    TypeVar,
    cast,
    dataclass_transform,
)

import attrs

from ev_energy._runtime.build_lock import built_once
from ev_energy._runtime.clocks import real_type
from ev_energy._unset import UNSET
from ev_energy.models._refs import Ref

C = TypeVar("C", bound=type[Any])
LINK: Final = re.compile(r"Ref\[(\w+)\]")
SEVERAL: Final = re.compile(r"Several\[(\w+)\]")
ALSO: Final = "also"
#: The metadata of a member of a request's body that is sent as the URL of a resource.
COLLECTION: Final = "collection"
#: The slot of the unknown members. It is one of `attrs.fields`, so that `attrs.evolve` keeps them.
EXTRA: Final = "_extra"


def _refuse(*_: object, **__: object) -> Never:
    raise TypeError("the members of a reply cannot be changed")


_refused: Final[Any] = _refuse


class _Nothing(dict[str, Any]):
    """An empty dictionary that all models can share, since it cannot be written to."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = _refused
    clear = pop = popitem = setdefault = update = _refused

    def __reduce__(self) -> str:
        return "NOTHING"


NOTHING: Final = _Nothing()


def also(spelling: str) -> Any:
    """Return a field, None by default, that the API also sends under another name: *spelling*."""
    return attrs.field(default=None, metadata={ALSO: spelling})


def link_to(collection: str) -> Any:
    """Return a field, UNSET by default, that is sent as the URL of a member of *collection*."""
    return attrs.field(default=UNSET, metadata={COLLECTION: collection})


def _extra_last(_: type[Any], fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """Move the unknown members behind the known ones, so that a signature ends in ``extra``."""
    return sorted(fields, key=lambda field: field.name == EXTRA)


#: Comparing, printing and pickling are written once, in `Model`: links compare by their target.
_attrs_class: Final = functools.partial(
    attrs.frozen,
    kw_only=True,
    eq=False,
    repr=False,
    weakref_slot=False,
    getstate_setstate=False,
    field_transformer=_extra_last,
)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(also,))
def model(cls: C) -> C:
    """Make *cls* an attrs class: frozen, slotted, keyword-only, its ``Ref`` members read as links.

    A link is stored as the API sent it (a URL, or the expanded resource) and becomes a `Ref` when
    it is read. That lets msgspec build the whole graph natively, and unread links cost nothing.
    """
    made: C = _attrs_class(cls)
    for name, annotation in cls.__annotations__.items():
        if found := LINK.search(annotation):
            # The class is named, not held: it may be defined further down in its module.
            setattr(made, name, _link(made, name, found[1]))
        elif SEVERAL.search(annotation):
            setattr(made, name, _several(made, name))
    made.__annotations__ = Annotations(cls.__annotations__, cls.__module__)
    texts = {**made.__init__.__annotations__, "extra": "dict[str, object]", "return": "None"}
    made.__init__.__annotations__ = Annotations(texts, cls.__module__)
    return made


def _link(owner: type[Any], name: str, target: str) -> property:
    """A property over the slot *name* that shows what is stored there as `Ref`."""
    slot = owner.__dict__[name]
    read: Callable[[object], Any] = slot.__get__
    module = owner.__module__

    def ref(raw: Any) -> Any:
        # What is neither was no link: a wrong type that was kept, or a Ref that a caller gave.
        return Ref(raw, _named(module, target)) if isinstance(raw, str | Model) else raw

    def get(self: object) -> Any:
        raw = read(self)
        return tuple(map(ref, raw)) if raw.__class__ is tuple else ref(raw)

    return property(get, slot.__set__, doc=f"Link to `{target}`.")


class Single(tuple[Any, ...]):
    """A tuple of the one model that the API sent by itself, and that is written by itself again."""

    __slots__ = ()


def _several(owner: type[Any], name: str) -> property:
    """Return a property over the slot *name* that shows one model by itself as a tuple of one."""
    slot = owner.__dict__[name]
    read: Callable[[object], Any] = slot.__get__

    def get(self: object) -> Any:
        raw = read(self)
        return Single((raw,)) if isinstance(raw, Model) else raw

    return property(get, slot.__set__)


@functools.cache
def _named(module: str, name: str) -> Any:
    return Names(module)[name]


class Names(dict[str, Any]):
    """What annotations in a module of models may name: also models of families not imported yet.

    A family imports another one for type checkers only. So a reply without expanded links needs
    the classes of its own family, and importing a family stays cheap whatever it links to.
    """

    def __init__(self, module: str) -> None:
        super().__init__()
        self._module = sys.modules[module]

    def __missing__(self, name: str) -> Any:
        try:
            # A frozen clock replaces types in the namespaces of modules.
            return real_type(getattr(self._module, name))
        except AttributeError:
            pass
        from ev_energy import models

        try:
            return getattr(models, name)
        except AttributeError:
            raise KeyError(name) from None  # a builtin


class Annotations(dict[str, Any]):
    """The annotations of a model: texts, which become types when their values are read.

    `typing.get_type_hints` and what builds on it would look names up in the module of the model,
    where those of other families stand for type checkers only (see `Names`).
    """

    def __init__(self, texts: Mapping[str, str], module: str) -> None:
        super().__init__(texts)
        self._module = module

    def text(self, name: str) -> str:
        """Return the annotation of *name* as it is written."""
        return cast(str, super().__getitem__(name))

    def __getitem__(self, name: str) -> Any:
        return resolve(self._module, self.text(name))

    def get(self, name: str, default: Any = None) -> Any:
        """Return the type of *name*."""
        if name not in self:
            return default
        return self[name]

    def values(self) -> Any:
        """Return the type of each name."""
        return {name: self[name] for name in self}.values()

    def items(self) -> Any:
        """Return each name and its type."""
        return {name: self[name] for name in self}.items()


@functools.cache
def resolve(module: str, annotation: str) -> Any:
    """Return the type that *annotation* names in *module*. Most are written many times."""
    return eval(annotation, {}, Names(module))  # noqa: S307  (our own source)


def _unknown_members(extra: Any, instance: attrs.AttrsInstance) -> Mapping[str, Any]:
    """Return a copy of *extra*, which must be a mapping without members that the model knows."""
    if extra is NOTHING:
        return extra
    name = type(instance).__name__
    if not isinstance(extra, Mapping):
        raise TypeError(f"{name}() wants a mapping as extra, not {type(extra).__name__}")
    unknown = dict(cast("Mapping[str, Any]", extra))
    if known := [field.name for field in model_fields(type(instance)) if field.name in unknown]:
        raise TypeError(f"{name}() has {', '.join(known)}, which extra must not hold")
    return unknown or NOTHING


@_attrs_class
class Model:
    """The base of every model.

    Members that are absent from a reply and members that are null both read ``None``. Models are
    data: reading a member never sends a request. They compare, copy and pickle.
    """

    _extra: Mapping[str, Any] = attrs.field(
        default=NOTHING, converter=attrs.Converter(_unknown_members, takes_self=True)
    )
    _secret: ClassVar[tuple[str, ...]] = ()
    """Members that are not printed: whoever has them may do something."""

    @property
    def extra(self) -> Mapping[str, Any]:
        """Members of the reply that this version of the SDK does not know, as they came."""
        return self._extra

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that this stands for; `from_dict` makes an equal model of it.

        Members that are None are left out, or null where the API always sends the member.
        """
        return cast("dict[str, Any]", _codec().to_dict(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make a model from a JSON object, as tolerant as the client is of replies.

        `TypeError` where *data* is no JSON object, `ValueError` where it nests too deeply.
        """
        return cast(Self, _codec().from_dict(data, cls))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _values(self) == _values(other)

    def __hash__(self) -> int:
        values = _values(self)[:-1]
        try:
            return hash(values)
        except TypeError:  # a JSON object, or a list in place of something else
            return hash(_hashable(values))

    def __repr__(self) -> str:
        values = {f.name: getattr(self, f.name) for f in model_fields(type(self))}
        hidden = {name: "***" for name in self._secret if values[name] is not None}
        shown = [f"{name}={hidden.get(name) or repr(value)}" for name, value in values.items()]
        shown += [f"extra={dict(self.extra)!r}"] if self.extra else []
        return f"{type(self).__name__}({', '.join(shown)})"

    def __replace__(self, /, **changes: Any) -> Self:
        """Return a copy with *changes*, for `copy.replace`."""
        return cast("Self", attrs.evolve(cast("Any", self), **changes))

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        # Below protocol 2, `object` refuses what has slots.
        return super().__reduce_ex__(max(int(protocol), 2))

    def __setstate__(self, state: tuple[dict[str, Any] | None, dict[str, Any]]) -> None:
        object.__setattr__(self, EXTRA, NOTHING)  # which earlier versions left out
        for values in state:  # of the `__dict__` that a subclass may have, and of the slots
            for name, value in (values or {}).items():
                object.__setattr__(self, name, value)


@built_once
def _codec() -> Any:
    """Import what turns models into JSON objects and back, which stands above them."""
    from ev_energy._codec import decode

    return decode


def model_fields(cls: type[Any]) -> tuple[attrs.Attribute[Any], ...]:
    """Return what `attrs.fields` says of *cls*, unknown members aside."""
    # Through Any: mypy takes a model class for one of its objects, which may be unhashable.
    return _model_fields(cast("Any", cls))


@functools.cache
def _model_fields(cls: Any) -> tuple[attrs.Attribute[Any], ...]:
    found: tuple[attrs.Attribute[Any], ...] = getattr(cls, "__attrs_attrs__", ())
    return tuple(field for field in found if field.name != EXTRA)


def _hashable(value: Any) -> Any:
    """What is equal for equal JSON, and can be hashed."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return frozenset((name, _hashable(one)) for name, one in items)
    if isinstance(value, list | tuple):
        return tuple(_hashable(one) for one in cast("Sequence[Any]", value))
    return value


def _values(value: Model) -> tuple[Any, ...]:
    return (*(getattr(value, field.name) for field in model_fields(type(value))), value.extra)
