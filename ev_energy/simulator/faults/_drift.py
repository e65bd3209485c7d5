"""Faults of the contract: replies of an API that is newer than the client."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

import attrs

import ev_energy.models
from ev_energy.simulator.faults._corrupted_replies import ReplyCorruption
from ev_energy.simulator.faults._options import Names, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ev_energy.simulator.faults._kind import FaultRequest
    from ev_energy.simulator.faults._reply import BufferedReply


Object = dict[str, Any]


def _objects(body: Any) -> list[Object]:
    """Return the object of a reply, or the objects of a list."""
    ones = cast("list[object]", body if isinstance(body, list) else [body])
    return [cast("Object", one) for one in ones if isinstance(one, dict)]


def _all_objects(body: Any) -> Iterator[Object]:
    """Yield every object of a reply at any depth."""
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
    """Return the values of all enums of the API."""
    named = (getattr(ev_energy.models, name) for name in dir(ev_energy.models))
    open_enum = ev_energy.models.OpenEnum
    enums = [one for one in named if isinstance(one, type) and issubclass(one, open_enum)]
    return frozenset(str(member) for enum in enums for member in enum)


@attrs.frozen(kw_only=True)
class UnknownMembers(ReplyCorruption):
    """Adds unknown members to the object, or to each object of the list."""

    names: Sequence[str] | None = attrs.field(
        default=None,
        validator=Names("the names of the members; null for default names", optional=True),
    )

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:  # noqa: ARG002
        """Add members with a text, a list, an object and null in turn."""
        body = reply.json() if reply.is_json else None
        if not (objects := _objects(body)):
            return None
        names = ("x_text", "x_list", "x_object", "x_null") if self.names is None else self.names
        values = ("new", [1, {"two": None}], {"deep": {"deeper": True}}, None)
        for one in objects:
            one |= {name: values[n % len(values)] for n, name in enumerate(names)}
        return reply.with_json(body)


@attrs.frozen(kw_only=True)
class MissingMembers(ReplyCorruption):
    """Removes members of the object, or of each object of the list."""

    names: Sequence[str] | None = attrs.field(
        default=None, validator=Names("the members; null for a random one", optional=True)
    )

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:
        """Remove the members."""
        body = reply.json() if reply.is_json else None
        objects = _objects(body)
        known = sorted({name for one in objects for name in one})
        chosen = known if self.names is None else [name for name in known if name in self.names]
        if not chosen:
            return None
        if self.names is None:
            chosen = [target.pick(chosen)]
        for one in objects:
            for name in chosen:
                one.pop(name, None)
        return reply.with_json(body)


@attrs.frozen(kw_only=True)
class NewEnumValue(ReplyCorruption):
    """Gives a member with enumerated values a new value, wherever it occurs in the reply."""

    member: str | None = attrs.field(
        default=None, validator=Text("the member; null for a random one", optional=True)
    )
    value: str = attrs.field(default="BRAND_NEW", validator=Text("the new value"))

    def corrupt(self, reply: BufferedReply, target: FaultRequest) -> BufferedReply | None:
        """Replace the value."""
        body = reply.json() if reply.is_json else None
        places = [
            (one, name)
            for one in _all_objects(body)
            for name, text in one.items()
            if isinstance(text, str)
            and (text in _enum_texts() if self.member is None else name == self.member)
        ]
        if not places:
            return None
        chosen = self.member or target.pick(sorted({name for _, name in places}))
        for one, name in places:
            if name == chosen:
                one[name] = self.value
        return reply.with_json(body)
