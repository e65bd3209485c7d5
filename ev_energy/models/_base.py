"""The base of all models: frozen attrs classes that keep unknown fields of a reply."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Never,
    Self,
    SupportsIndex,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
)

import attrs

from ev_energy._lazy_exports import MembersDoc
from ev_energy._redaction.brief import MASKED, brief
from ev_energy._redaction.signed_urls import mask_signed_urls
from ev_energy._runtime.build_lock import built_once
from ev_energy._runtime.clocks import real_type
from ev_energy._unset import UNSET
from ev_energy.models._pydantic_serializer import PydanticSerializer
from ev_energy.models._refs import Ref

C = TypeVar("C", bound="type[Model]")
LINK: Final = re.compile(r"Ref\[(\w+)\]")
ONE_OR_MANY: Final = re.compile(r"OneOrMany\[(\w+)\]")
#: Metadata of a field: another name of it in replies.
ALIAS: Final = "alias"
#: Metadata of a field in a request: the URL of a resource of this collection is sent.
COLLECTION: Final = "collection"
#: The slot of the unknown fields. It is one of `attrs.fields`, so that `attrs.evolve` keeps them.
EXTRA: Final = "_extra"
#: The attribute of a class with the names of the fields that are secrets.
_SECRET: Final = "_secret"
#: Begins the name of the attribute that reads a link as it is stored; see `stored_name`.
_STORED: Final = "_stored_"


def _raise_type_error(*_: object, **__: object) -> Never:
    raise TypeError("the fields of a reply cannot be changed")


_read_only: Final[Any] = _raise_type_error


class NoExtra(dict[str, Any]):
    """An empty, read-only dictionary that all models without unknown fields share."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = _read_only
    clear = pop = popitem = setdefault = update = _read_only

    def __reduce__(self) -> str:
        return "NO_EXTRA"


NO_EXTRA: Final = NoExtra()


class ReplyFields(dict[str, Any]):
    """The unknown fields of a model that a call returned, with the mark of its reply.

    Users get them as a plain dictionary, since some libraries accept no subclass.
    """

    __slots__ = ("mark", "plain")

    # Not arguments: an `__init__` in Python would take longer than all else.
    plain: Mapping[str, Any]
    mark: NoExtra

    def __reduce__(self) -> Any:
        return dict, (self.plain,)


def aliased(alias: str) -> Any:
    """Return a field, None by default, that the API also sends under the name *alias*."""
    return attrs.field(default=None, metadata={ALIAS: alias})


def link_to(collection: str) -> Any:
    """Return a field, UNSET by default, that is sent as the URL of a resource of *collection*."""
    return attrs.field(default=UNSET, metadata={COLLECTION: collection})


def _extra_last(_: type[Any], fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """Move ``extra`` behind the fields of the model, so that it ends the signature."""
    return sorted(fields, key=lambda field: field.name == EXTRA)


#: `Model` implements comparison, repr and pickling for all models: links compare by their URL.
_attrs_class: Final = functools.partial(
    attrs.frozen,
    kw_only=True,
    eq=False,
    repr=False,
    weakref_slot=False,
    getstate_setstate=False,
    field_transformer=_extra_last,
)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(aliased,))
def model(cls: C) -> C:
    """Make *cls*, a subclass of `Model`, a model with the fields that it declares.

    It becomes a frozen, slotted, keyword-only attrs class. Fields may be annotated with
    ``str``, ``int``, ``float``, ``bool``, `datetime.datetime`, `datetime.date`, `datetime.time`,
    `decimal.Decimal`, `uuid.UUID`, `OpenEnum`, ``Any``, another model, a ``Ref`` to one, and
    lists, tuples and dictionaries of these; with ``| None`` and a default, they may be missing.

    Raises:
        TypeError: *cls* is not a subclass of `Model`.
    """
    # A link is stored as the API sent it (a URL, or the expanded resource) and becomes a `Ref`
    # when it is read. So msgspec can build the whole graph natively, and links that are not read
    # cost nothing.
    if not issubclass(cls, Model):
        raise TypeError(f"@model needs a subclass of Model: class {cls.__name__}(Model)")
    attrs_class: C = _attrs_class(cls)
    attrs_class.__doc__ = MembersDoc(cls.__doc__ or "")
    for name, annotation in cls.__annotations__.items():
        if target := _linked(annotation):
            setattr(attrs_class, name, _link(attrs_class, name, target))
        elif isinstance(annotation, str) and ONE_OR_MANY.search(annotation):
            setattr(attrs_class, name, _one_or_many(attrs_class, name))
    attrs_class.__annotations__ = Annotations(cls.__annotations__, cls.__module__)
    init = attrs_class.__init__
    texts = {**init.__annotations__, "extra": "dict[str, object]", "return": "None"}
    init.__annotations__ = Annotations(texts, cls.__module__)
    return attrs_class


def _linked(annotation: Any) -> str | type[Model] | None:
    """Return the model that an annotation links to, or its name; None if it is not of a link."""
    if isinstance(annotation, str):
        found = LINK.search(annotation)
        return None if found is None else found[1]
    if get_origin(annotation) is Ref:
        return cast("type[Model]", get_args(annotation)[0])
    targets = map(_linked, get_args(annotation))
    return next((target for target in targets if target is not None), None)


def _link(owner: type[Any], name: str, target: str | type[Model]) -> property:
    """Return a property over the slot *name* that shows the stored link as a `Ref`.

    *target* may be a name, since the class may be defined later.
    """
    slot = owner.__dict__[name]
    read: Callable[[object], Any] = slot.__get__
    module = owner.__module__
    setattr(owner, f"{_STORED}{name}", slot)

    def ref(raw: Any) -> Any:
        # Anything else is a value of a wrong type that was kept, or a Ref that a caller passed.
        if not isinstance(raw, str | Model):
            return raw
        return Ref(raw, _class_named(module, target) if isinstance(target, str) else target)

    def get(self: object) -> Any:
        raw = read(self)
        return tuple(map(ref, raw)) if raw.__class__ is tuple else ref(raw)

    return property(get, slot.__set__, doc=f"Link to `{target}`.")


class SingleItem(tuple[Any, ...]):
    """The one model that the API sent in place of a list, and that is written in place of one."""

    __slots__ = ()


def _one_or_many(owner: type[Any], name: str) -> property:
    """Return a property over the slot *name* that shows a single model as a tuple of one."""
    slot = owner.__dict__[name]
    read: Callable[[object], Any] = slot.__get__
    setattr(owner, f"{_STORED}{name}", slot)

    def get(self: object) -> Any:
        raw = read(self)
        return SingleItem((raw,)) if isinstance(raw, Model) else raw

    return property(get, slot.__set__)


@functools.cache
def _class_named(module: str, name: str) -> Any:
    return Names(module)[name]


class Names(dict[str, Any]):
    """The names in annotations of a module of models, including models that are not imported yet.

    A family imports other families for type checkers only. So a reply without expanded links needs
    only the classes of its own family, and importing a family stays cheap, whatever it links to.
    """

    def __init__(self, module: str) -> None:
        super().__init__()
        self._module = sys.modules.get(module)

    def __missing__(self, name: str) -> Any:
        try:
            # Tests that freeze the clock replace `datetime` in the namespaces of modules.
            return real_type(getattr(self._module, name))
        except AttributeError:
            pass
        from ev_energy import models

        try:
            return getattr(models, name)
        except AttributeError:
            raise KeyError(name) from None  # a builtin


class Annotations(dict[str, Any]):
    """The annotations of a model, of which those that are text are resolved when they are read.

    `typing.get_type_hints` looks names up in the module of the model, which imports the models of
    other families for type checkers only (see `Names`); so the values must be types already.
    """

    def __init__(self, declared: Mapping[str, Any], module: str) -> None:
        super().__init__(declared)
        self._module = module

    def declared(self, name: str) -> Any:
        """Return the annotation of *name* as it is written: text, or a type."""
        return super().__getitem__(name)

    def __getitem__(self, name: str) -> Any:
        annotation = self.declared(name)
        return resolve(self._module, annotation) if isinstance(annotation, str) else annotation

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
    """Return the type of *annotation*, whose names are those of *module*. Most occur many times."""
    return eval(annotation, {}, Names(module))  # noqa: S307  (our own source)


def _checked_extra(extra: Any, instance: attrs.AttrsInstance) -> Mapping[str, Any]:
    """Return a copy of *extra*; `TypeError` unless it is a mapping without the model's fields."""
    if extra is NO_EXTRA:
        return extra
    name = type(instance).__name__
    if not isinstance(extra, Mapping):
        raise TypeError(f"{name}() expects a mapping as extra, not {type(extra).__name__}")
    unknown = dict(_plain(cast("Mapping[str, Any]", extra)))
    if known := [field.name for field in model_fields(type(instance)) if field.name in unknown]:
        raise TypeError(f"{name}() has {', '.join(known)}, which extra must not contain")
    return unknown or NO_EXTRA


def _plain(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *extra* without the mark of a reply."""
    return extra.plain if isinstance(extra, ReplyFields) else extra


@_attrs_class
class Model:
    """The base of every model.

    A field that is missing from a reply and a field that is null both read ``None``. Models are
    data: reading a field never sends a request. They can be compared, copied and pickled.
    """

    _extra: Mapping[str, Any] = attrs.field(
        default=NO_EXTRA, converter=attrs.Converter(_checked_extra, takes_self=True)
    )
    _secret: ClassVar[tuple[str, ...]] = ()
    """Fields that `repr` and records hide, since they grant access to something."""
    if not TYPE_CHECKING:  # for pydantic; an annotation would count as one of a field
        __pydantic_serializer__ = PydanticSerializer()

    @property
    def extra(self) -> Mapping[str, Any]:
        """Fields of the reply that this version of the SDK does not know, as JSON values."""
        return _plain(self._extra)

    def to_dict(self) -> dict[str, Any]:
        """Return this model as a JSON object, of which `from_dict` makes an equal model.

        Fields that are None are left out, or null where the API always sends the field.
        """
        return cast("dict[str, Any]", _codec().to_dict(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make a model of a JSON object, as lenient as the client is with replies.

        Raises:
            TypeError: *data* is not a JSON object.
            ValueError: *data* nests too deeply.
        """
        return cast(Self, _codec().from_dict(data, cls))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Return the schema of the model; pydantic asks for it."""
        from ev_energy._pydantic import model_schema  # pydantic is optional

        return model_schema(cls)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _values(self) == _values(other)

    def __hash__(self) -> int:
        values = _values(self)[:-1]
        try:
            return hash(values)
        except TypeError:  # a JSON object, or a list that was kept as a value of a wrong type
            return hash(_hashable(values))

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name, value in shown_fields(self)]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:
        """Yield what rich shows: the fields that are not None, in one line each."""
        return ((name, brief(one)) for name, one in shown_fields(self) if one is not None)

    def _repr_html_(self) -> str:
        """Return what notebooks show."""
        from ev_energy._html import model_table

        return model_table(self)

    def __replace__(self, /, **changes: Any) -> Self:
        """Return a copy with *changes*, for `copy.replace`."""
        return cast("Self", attrs.evolve(cast("Any", self), **changes))

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        # Below protocol 2, `object` cannot pickle objects with slots.
        return super().__reduce_ex__(max(int(protocol), 2))

    def __getstate__(self) -> Any:
        state: Any = super().__getstate__()
        # A copy does not come from a reply: see `_responses`.
        state[1][EXTRA] = self.extra or NO_EXTRA
        return state

    def __setstate__(self, state: tuple[dict[str, Any] | None, dict[str, Any]]) -> None:
        object.__setattr__(self, EXTRA, NO_EXTRA)  # not in the pickles of earlier versions
        for values in state:  # the `__dict__` that a subclass may have, and the slots
            for name, value in (values or {}).items():
                object.__setattr__(self, name, value)


class PlainValue:
    """The base of attrs classes that are not models: values that requests contain, and links."""

    __slots__ = ()

    if not TYPE_CHECKING:  # for pydantic; an annotation would count as one of a field
        __pydantic_serializer__ = PydanticSerializer()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__doc__ = MembersDoc(cls.__dict__["__doc__"] or "")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Return the schema of the class; pydantic asks for it."""
        from ev_energy._pydantic import plain_value_schema

        return plain_value_schema(cls)


@built_once
def _codec() -> Any:
    """Import the codec when it is first used: it stands above the models."""
    from ev_energy._codec import decode

    return decode


def stored_name(cls: type[Any], name: str) -> str:
    """Return the attribute that reads the field *name* as it is stored: a link is no `Ref` yet."""
    return f"{_STORED}{name}" if isinstance(getattr(cls, name, None), property) else name


def model_fields(cls: type[Any]) -> tuple[attrs.Attribute[Any], ...]:
    """Return `attrs.fields` of *cls* without the field of the unknown ones."""
    # Through Any: mypy takes a model class for one of its objects, which may be unhashable.
    return _model_fields(cast("Any", cls))


@functools.cache
def _model_fields(cls: Any) -> tuple[attrs.Attribute[Any], ...]:
    return tuple(field for field in attrs.fields(cls) if field.name != EXTRA)


def secrets_of(cls: type[Any]) -> tuple[str, ...]:
    """Return the names of the fields of *cls* that grant access to something."""
    return cast("tuple[str, ...]", getattr(cls, _SECRET))


def shown_fields(model: Model) -> Iterator[tuple[str, Any]]:
    """Yield the fields of *model* and the unknown ones, with secrets masked."""
    secrets = secrets_of(type(model))
    for field in model_fields(type(model)):
        value = getattr(model, field.name)
        yield field.name, MASKED if value is not None and field.name in secrets else value
    if model.extra:
        yield "extra", mask_signed_urls(dict(model.extra), MASKED)


def _hashable(value: Any) -> Any:
    """Return a hashable value that is equal for equal JSON."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return frozenset((name, _hashable(one)) for name, one in items)
    if isinstance(value, list | tuple):
        return tuple(_hashable(one) for one in cast("Sequence[Any]", value))
    return value


def _values(value: Model) -> tuple[Any, ...]:
    return (*(getattr(value, field.name) for field in model_fields(type(value))), value.extra)
