"""What every model is: a frozen attrs class that keeps what it does not know."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self, TypeVar, cast, dataclass_transform

import attrs

from ev_energy._refs import Ref

C = TypeVar("C", bound=type[Any])
LINK = re.compile(r"Ref\[(\w+)\]")


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

    def __reduce__(self) -> str:
        return "NOTHING"


NOTHING = _Nothing()


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(attrs.field,))
def model(cls: C) -> C:
    """Make *cls* a model: frozen, slotted, keyword-only, its ``Ref`` members read as links.

    A link is stored as it came (a URL, or the expanded resource) and becomes a `Ref` when it is
    read. That is what lets msgspec build the whole graph natively: the annotation it sees says
    ``EVSE | str`` where the source says ``Ref[EVSE]``. Decoding a page of expanded EVSEs costs
    half of what it costs with the `Ref` made while decoding, and no memory for links unread.
    """
    made = attrs.frozen(kw_only=True)(cls)
    links = {name: a for name, a in made.__annotations__.items() if LINK.search(a)}
    for name, annotation in links.items():
        made.__annotations__[name] = LINK.sub(r"\1 | str", annotation)
        # The class is named, not held: it may be defined further down in its module.
        target = cast(re.Match[str], LINK.search(annotation))[1]
        setattr(made, name, _link(made, name, target))
    inherited: frozenset[str] = getattr(made, "__links__", frozenset())
    made.__links__ = inherited | frozenset(links)
    return cast(C, made)


def _link(owner: type[Any], name: str, target: str) -> property:
    """A property over the slot *name* that shows what is stored there as `Ref`."""
    slot = owner.__dict__[name]
    read: Callable[[object], Any] = slot.__get__
    module = owner.__module__

    def ref(raw: Any) -> Any:
        if raw.__class__ is str:
            return Ref(raw, _class_named(module, target))
        if isinstance(raw, Model):
            return Ref(getattr(raw, "url", None) or "", type(raw), raw)
        return raw  # a Ref that a caller put there, or a wrong type that was kept

    def get(self: object) -> Any:
        raw = read(self)
        if raw is None:
            return None
        return tuple(map(ref, raw)) if raw.__class__ is tuple else ref(raw)

    return property(get, slot.__set__, doc=f"Link to `{target}`.")


def _class_named(module: str, name: str) -> type[Model]:
    import sys

    return cast("type[Model]", getattr(sys.modules[module], name))


@model
class Model:
    """The base of every model.

    Members that are absent from a reply and members that are null both read ``None``. Models are
    data: reading a member never sends a request. They compare, copy and pickle.
    """

    __links__: ClassVar[frozenset[str]] = frozenset()

    #: Members of the reply that this version of the SDK does not know, as they came.
    extra: Mapping[str, Any] = attrs.field(default=NOTHING, hash=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object this stands for: members that are None are left out, unknown ones kept."""
        from ev_energy._convert import to_dict

        return to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make one from a JSON object, as tolerant as the client is of replies."""
        from ev_energy._convert import from_dict

        return from_dict(data, cls)
