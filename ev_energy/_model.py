"""What every model is: a frozen attrs class that keeps what it does not know."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final, NamedTuple, Never, Self, TypeVar, cast, dataclass_transform

import attrs

from ev_energy._clocks import real_type
from ev_energy._once import built_once
from ev_energy._refs import Ref

C = TypeVar("C", bound=type[Any])
LINK: Final = re.compile(r"Ref\[(\w+)\]")
SEVERAL: Final = re.compile(r"Several\[(\w+)\]")
ALSO: Final = "also"


class _Nothing(Mapping[str, Any]):
    """An empty mapping that can be shared by all models, since nobody can write to it."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and not other

    __hash__ = None  # type: ignore[assignment]  # mappings are not hashable


NOTHING: Final = _Nothing()


class _Also(NamedTuple):
    """The default of a member with another spelling."""

    spelling: str


def also(spelling: str) -> Any:
    """A member, None by default, that the API sends under another name too: *spelling*."""
    return _Also(spelling)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(also,))
def model(cls: C) -> C:
    """Make *cls* a model: frozen, slotted, keyword-only, its ``Ref`` members read as links.

    A link is stored as it came (a URL, or the expanded resource) and becomes a `Ref` when it is
    read. That is what lets msgspec build the whole graph natively, and links unread cost nothing.

    Making, comparing, printing and pickling are written once, in `Model`: methods made anew for
    each class would double the time it takes to import them.
    """
    made = _slotted(cls)
    for name, annotation in cls.__annotations__.items():
        if found := LINK.search(annotation):
            # The class is named, not held: it may be defined further down in its module.
            setattr(made, name, _link(made, name, found[1]))
        elif SEVERAL.search(annotation):
            setattr(made, name, _several(made, name))
    return made


#: What attrs says of a member without default. Others are made from it.
_MEMBER: Final = attrs.fields(attrs.make_class("_Any", {"it": attrs.field(kw_only=True)}))[0]


class _Members(tuple["attrs.Attribute[Any]", ...]):
    """What `attrs.fields` gives: by place, and by name."""

    __slots__ = ()

    def __getattr__(self, name: str) -> attrs.Attribute[Any]:
        for member in self:
            if member.name == name:
                return member
        raise AttributeError(name)


def _slotted(cls: C) -> C:
    """*cls* as the attrs class that ``attrs.frozen(init=False, eq=False, repr=False)`` would make.

    That compiles a constructor for each class all the same, which nobody calls: half of the time
    that importing the models took.
    """
    own: dict[str, Any] = dict(vars(cls))
    members = list(getattr(cls.__base__, "__attrs_attrs__", ()))
    for name, annotation in cls.__annotations__.items():
        default = own.pop(name, attrs.NOTHING)
        also_as = default.spelling if isinstance(default, _Also) else None
        members.append(
            _MEMBER.evolve(
                name=name,
                alias=name,
                type=annotation,
                default=None if also_as else default,
                metadata={ALSO: also_as} if also_as else {},
            )
        )
    for name in ("__dict__", "__weakref__"):
        own.pop(name, None)
    own |= {
        "__slots__": tuple(cls.__annotations__),
        "__annotations__": Annotations(cls.__annotations__, cls.__module__),
        "__attrs_attrs__": _Members(members),
        "__setattr__": _frozen,
        "__delattr__": _frozen,
    }
    make = cast("Callable[..., C]", type(cls))
    return make(cls.__name__, cls.__bases__, own)


def _frozen(*_: object) -> Never:
    """Instead of setting or deleting an attribute."""
    raise attrs.exceptions.FrozenInstanceError


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


def _several(owner: type[Any], name: str) -> property:
    """A property over the slot *name* that shows one model by itself as a tuple of one."""
    slot = owner.__dict__[name]
    read: Callable[[object], Any] = slot.__get__

    def get(self: object) -> Any:
        raw = read(self)
        return (raw,) if isinstance(raw, Model) else raw

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


class Model:
    """The base of every model.

    Members that are absent from a reply and members that are null both read ``None``. Models are
    data: reading a member never sends a request. They compare, copy and pickle.
    """

    __slots__ = ("_extra",)
    _extra: dict[str, Any]
    _secret: ClassVar[tuple[str, ...]] = ()
    """Members that are not printed: whoever has them may do something."""

    def __init__(self, **values: Any) -> None:
        for field in _fields(self):
            if field.name in values:
                object.__setattr__(self, field.name, values.pop(field.name))
            elif field.default is attrs.NOTHING:
                raise TypeError(f"{type(self).__name__}() needs {field.name}")
            else:
                object.__setattr__(self, field.name, field.default)
        if values:
            raise TypeError(f"{type(self).__name__}() has no {', '.join(values)}")

    @property
    def extra(self) -> Mapping[str, Any]:
        """Members of the reply that this version of the SDK does not know, as they came."""
        return getattr(self, "_extra", NOTHING)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object this stands for, without the members that are None."""
        return cast("dict[str, Any]", _codec().to_dict(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make one from a JSON object, as tolerant as the client is of replies."""
        return cast(Self, _codec().from_dict(data, cls))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _values(self) == _values(other)

    def __hash__(self) -> int:
        return hash(_values(self)[:-1])

    def __repr__(self) -> str:
        values = {f.name: getattr(self, f.name) for f in _fields(self)}
        hidden = {name: "***" for name in self._secret if values[name] is not None}
        shown = [f"{name}={hidden.get(name) or repr(value)}" for name, value in values.items()]
        shown += [f"extra={dict(self.extra)!r}"] if self.extra else []
        return f"{type(self).__name__}({', '.join(shown)})"

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        for name, value in state[1].items():
            object.__setattr__(self, name, value)


@built_once
def _codec() -> Any:
    """Import what turns models into JSON objects and back, which stands above them."""
    from ev_energy import _convert

    return _convert


def _fields(value: Model) -> tuple[attrs.Attribute[Any], ...]:
    return cast("tuple[attrs.Attribute[Any], ...]", getattr(type(value), "__attrs_attrs__", ()))


def _values(value: Model) -> tuple[Any, ...]:
    return (*(getattr(value, field.name) for field in _fields(value)), value.extra)
