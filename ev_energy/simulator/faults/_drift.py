"""Faults of the contract: replies of an API that has changed since the client was written."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

import attrs

import ev_energy.models
from ev_energy.simulator.faults._corrupted_replies import Spoiler
from ev_energy.simulator.faults._options import Names, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ev_energy.simulator.faults._kind import Incident
    from ev_energy.simulator.faults._reply import Answer


Object = dict[str, Any]


def _objects(body: Any) -> list[Object]:
    """Return the object a reply is, or those it lists."""
    ones = cast("list[object]", body if isinstance(body, list) else [body])
    return [cast("Object", one) for one in ones if isinstance(one, dict)]


def _all_objects(body: Any) -> Iterator[Object]:
    """Yield every object of a reply, however deep."""
    inner: list[object] = []
    if isinstance(body, dict):
        one = cast("Object", body)
        yield one
        inner = list(one.values())
    elif isinstance(body, list):
        inner = cast("list[object]", body)
    for part in inner:
        yield from _all_objects(part)


@functools.cache
def _enum_texts() -> frozenset[str]:
    """Return every text that is a member of some enum of the API."""
    named = (getattr(ev_energy.models, name) for name in dir(ev_energy.models))
    open_enum = ev_energy.models.OpenEnum
    enums = [one for one in named if isinstance(one, type) and issubclass(one, open_enum)]
    return frozenset(str(member) for enum in enums for member in enum)


@attrs.frozen(kw_only=True)
class UnknownMembers(Spoiler):
    """The object, or each one of the list, has members nobody has heard of."""

    names: Sequence[str] | None = attrs.field(
        default=None,
        validator=Names("what they are called; null for names of its own", optional=True),
    )

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:  # noqa: ARG002
        """Add them: a text, a list, an object and so on, in turn."""
        body = answer.json() if answer.is_json else None
        if not (objects := _objects(body)):
            return None
        names = ("x_text", "x_list", "x_object", "x_null") if self.names is None else self.names
        values = ("new", [1, {"two": None}], {"deep": {"deeper": True}}, None)
        for one in objects:
            one |= {name: values[n % len(values)] for n, name in enumerate(names)}
        return answer.with_json(body)


@attrs.frozen(kw_only=True)
class MissingMembers(Spoiler):
    """The object, or each one of the list, lacks members it should have."""

    names: Sequence[str] | None = attrs.field(
        default=None, validator=Names("which; null for one by chance", optional=True)
    )

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:
        """Remove them."""
        body = answer.json() if answer.is_json else None
        objects = _objects(body)
        there = sorted({name for one in objects for name in one})
        chosen = there if self.names is None else [name for name in there if name in self.names]
        if not chosen:
            return None
        if self.names is None:
            chosen = [incident.pick(chosen)]
        for one in objects:
            for name in chosen:
                one.pop(name, None)
        return answer.with_json(body)


@attrs.frozen(kw_only=True)
class NewEnumValue(Spoiler):
    """A member that is one of some texts is another one, wherever it occurs in the reply."""

    member: str | None = attrs.field(
        default=None, validator=Text("which; null for one by chance", optional=True)
    )
    value: str = attrs.field(default="BRAND_NEW", validator=Text("what it says"))

    def spoil(self, answer: Answer, incident: Incident) -> Answer | None:
        """Invent a text."""
        body = answer.json() if answer.is_json else None
        places = [
            (one, name)
            for one in _all_objects(body)
            for name, text in one.items()
            if isinstance(text, str)
            and (text in _enum_texts() if self.member is None else name == self.member)
        ]
        if not places:
            return None
        chosen = self.member or incident.pick(sorted({name for _, name in places}))
        for one, name in places:
            if name == chosen:
                one[name] = self.value
        return answer.with_json(body)
