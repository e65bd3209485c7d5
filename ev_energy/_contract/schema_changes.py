"""The differences between two versions of a schema.

A change is breaking if a request that was accepted may now be refused, or if a program may no
longer receive what it reads, or receive a type that it does not expect. What has a new name is
removed under the old one, so that removed values and fields are breaking wherever they are used.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ev_energy._contract.change import Change, Kind, Place, as_list, is_list, key_of
from ev_energy._contract.facts import Facts
from ev_energy._contract.schema_forms import (
    as_form,
    common_parts,
    forms,
    is_nullable,
    labelled,
    merged,
    name_of,
    types_of,
    without,
)
from ev_energy._contract.schema_rules import (
    ACCEPTED,
    ANNOTATIONS,
    ANY_TYPE,
    ENUM_VALUE,
    FIELD,
    FORM,
    FORMS,
    LIMITS,
    NULLABLE,
    OTHER_REPLIES,
    READ,
    REFUSED,
    REQUIRED,
    RESTRICTION,
    RULES,
    TYPE,
    UNKNOWN,
)
from ev_energy._contract.usage import use_of_field


class SchemaChanges:
    """The comparison of the schemas of two versions of the facts."""

    def __init__(self, before: Facts, after: Facts) -> None:
        self._before: Facts = before["schemas"]
        self._after: Facts = after["schemas"]
        self._open: set[tuple[str, str]] = set()

    def of(self, before: Any, after: Any, place: Place) -> Iterator[Change]:
        """Yield the changes between two schemas. A reference to the same name is no change."""
        if before == after or key_of(before) == key_of(after):
            return
        yield from or_rewritten(self._resolved(before, after, place), before, after, place)

    def _resolved(self, before: Any, after: Any, place: Place) -> Iterator[Change]:
        old, new = name_of(before), name_of(after)
        if old and new and old != new:
            effect = "it is described elsewhere; the differences between the two are listed too"
            yield place.inner("reference").change(
                "changed", effect, breaking=False, before=old, after=new
            )
        pair = (old or "", new or "")
        if pair in self._open and pair != ("", ""):  # a schema that contains itself
            return
        self._open.add(pair)
        try:
            common = common_parts(before, after)
            old_node = merged(before, self._before)
            new_node = merged(after, self._after, common, self._before)
            yield from self._nodes(old_node, new_node, place)
        finally:
            self._open.discard(pair)

    def _nodes(self, before: Facts, after: Facts, place: Place) -> Iterator[Change]:
        yield from _nullability(before, after, place)
        old_forms, new_forms = forms(before), forms(after)
        if (old_forms is None) != (new_forms is None):
            yield from self._one_form_or_several(before, after, place)
            return
        if old_forms is not None and new_forms is not None:
            yield from self._alternatives(old_forms, new_forms, place)
        yield from _types(before, after, place)
        yield from _enum(before, after, place)
        others = sorted((before.keys() | after.keys()) - (READ - RULES.keys() - LIMITS.keys()))
        if not all(is_list(one.get("required", [])) for one in (before, after)):
            others.append("required")
        yield from _keywords(before, after, place, others)
        yield from self._fields(before, after, place)
        yield from self._part(before, after, place.inner("each item"), "items")
        inner = place.inner("any other field")
        yield from self._part(before, after, inner, "additionalProperties")

    def _one_form_or_several(self, before: Facts, after: Facts, place: Place) -> Iterator[Change]:
        """Yield the changes if only one of the schemas has alternatives."""
        several = before if forms(before) is not None else after
        beside = without(several, (*FORMS, *ANNOTATIONS, "nullable"))
        if beside.keys() - {"type"}:  # the alternatives restrict a schema further
            old, new = forms(before), forms(after)
            effect = RESTRICTION.effect(place, is_new=new is not None, was_there=old is not None)
            yield keyword_change("forms", effect, old, new, place)
            yield from self._nodes(without(before, FORMS), without(after, FORMS), place)
            return
        yield from _keywords(before, after, place, ANNOTATIONS)
        old, new = forms(before), forms(after)
        yield from self._alternatives(
            [as_form(before)] if old is None else old,
            [as_form(after)] if new is None else new,
            place,
        )

    def _part(self, before: Facts, after: Facts, place: Place, keyword: str) -> Iterator[Change]:
        old, new = before.get(keyword), after.get(keyword)
        was, now = _freedom(old), _freedom(new)
        if was == now == _Freedom.SCHEMA:
            yield from self.of(old, new, place)
        elif was != now:
            breaks, effect = False, "more is accepted, or replies have less variety"
            if place.use.sent and now < was:
                breaks, effect = True, REFUSED
            elif place.use.received and was == _Freedom.SCHEMA:
                breaks, effect = True, ANY_TYPE if now else "programs that read them find nothing"
            kind = _kind(old, new)
            yield place.change(kind, effect, breaking=breaks, before=old, after=new)

    def _fields(self, before: Facts, after: Facts, place: Place) -> Iterator[Change]:
        old_fields: Facts = before.get("properties", {})
        new_fields: Facts = after.get("properties", {})
        old_required, new_required = _required(before), _required(after)
        for name in sorted({*old_fields, *new_fields} | (old_required ^ new_required)):
            old, new = old_fields.get(name), new_fields.get(name)
            inner = place.inner(f"field {name}", use_of_field(old, new))
            was_required, is_required = name in old_required, name in new_required
            if old is None and new is not None:
                breaks, effect = FIELD.effect(inner, is_new=True, was_there=False)
                if is_required and inner.use.sent:
                    breaks, effect = True, "requests without it are refused"
                elif inner.use.sent and not inner.use.received:
                    effect = "this version of the SDK has no argument for it"
                yield inner.change("added", effect, breaking=breaks, after=new)
            elif old is not None and new is None:
                breaks, effect = FIELD.effect(inner, is_new=False, was_there=True)
                yield inner.change("removed", effect, breaking=breaks, before=old)
            else:
                if old is not None:
                    yield from self.of(old, new, inner)
                if was_required != is_required:
                    breaks, effect = REQUIRED.effect(
                        inner, is_new=is_required, was_there=was_required
                    )
                    kind = _appeared(is_new=is_required)
                    yield inner.inner("required").change(kind, effect, breaking=breaks)

    def _alternatives(self, before: list[Any], after: list[Any], place: Place) -> Iterator[Change]:
        old, new = labelled(before, after), labelled(after, before)
        for label in sorted(old.keys() & new.keys()):
            yield from self.of(old.pop(label), new.pop(label), place.inner(f"form {label}"))
        if len(old) == len(new) == 1:
            ((_, old_form),), ((_, new_form),) = old.items(), new.items()
            yield from self.of(old_form, new_form, place.inner("form"))
            return
        for label, form in sorted(old.items()):
            breaks, effect = FORM.effect(place, is_new=False, was_there=True)
            inner = place.inner(f"form {label}")
            yield inner.change("removed", effect, breaking=breaks, before=form)
        for label, form in sorted(new.items()):
            breaks, effect = FORM.effect(place, is_new=True, was_there=False)
            inner = place.inner(f"form {label}")
            yield inner.change("added", effect, breaking=breaks, after=form)


def or_rewritten(
    found: Iterable[Change], before: Any, after: Any, place: Place
) -> Iterator[Change]:
    """Yield the changes, or one that says that two different nodes mean the same."""
    if before == after:
        return
    is_empty = True
    for change in found:
        is_empty = False
        yield change
    if is_empty and key_of(before) != key_of(after):
        yield place.inner("notation").change(
            "changed", "no effect on programs was found", breaking=False, before=before, after=after
        )


def keyword_change(
    name: str, rule: tuple[bool, str], before: Any, after: Any, place: Place
) -> Change:
    """Return the change of a keyword that was added, removed or changed."""
    breaks, effect = rule
    kind = _kind(before, after)
    return place.inner(name).change(kind, effect, breaking=breaks, before=before, after=after)


def _required(node: Facts) -> set[str]:
    """Return the names of the fields that are required; `true` at a field is a mistake."""
    return {name for name in as_list(node.get("required")) if isinstance(name, str)}


def _kind(before: Any, after: Any) -> Kind:
    return "added" if before is None else "removed" if after is None else "changed"


def _appeared(*, is_new: bool) -> Kind:
    return "added" if is_new else "removed"


class _Freedom(enum.IntEnum):
    """What ``items`` or ``additionalProperties`` allows."""

    NOTHING = 0
    SCHEMA = 1
    ANYTHING = 2


def _freedom(schema: Any) -> _Freedom:
    if schema is None or schema is True:
        return _Freedom.ANYTHING
    return _Freedom.NOTHING if schema is False else _Freedom.SCHEMA


def _nullability(before: Facts, after: Facts, place: Place) -> Iterator[Change]:
    was, now = is_nullable(before), is_nullable(after)
    if was != now:
        breaks, effect = NULLABLE.effect(place, is_new=now, was_there=was)
        kind = _appeared(is_new=now)
        yield place.inner("nullable").change(kind, effect, breaking=breaks)


def _types(before: Facts, after: Facts, place: Place) -> Iterator[Change]:
    old, new = types_of(before), types_of(after)
    if not old or not new:  # without types, values may have any
        if old or new:
            breaks = place.use.sent if new else place.use.received
            effect = REFUSED if new else ANY_TYPE
            if not breaks:
                effect = "values have this type" if new else "requests may have any type"
            yield keyword_change(
                "type", (breaks, effect), before.get("type"), after.get("type"), place
            )
        return
    for name in sorted(old ^ new):
        breaks, effect = TYPE.effect(place, is_new=name in new, was_there=name in old)
        kind = _appeared(is_new=name in new)
        yield place.inner(f"type {name}").change(kind, effect, breaking=breaks)


def _enum(before: Facts, after: Facts, place: Place) -> Iterator[Change]:
    old, new = before.get("enum"), after.get("enum")
    if old is None or new is None:
        if old != new:
            breaks = place.use.sent and old is None
            effect = REFUSED if breaks else "enums are open: programs receive any value"
            yield keyword_change("enum", (breaks, effect), old, new, place)
        return
    old_values = {key_of(one): one for one in as_list(old)}
    new_values = {key_of(one): one for one in as_list(new)}
    for key in sorted(old_values.keys() ^ new_values.keys()):
        value = new_values.get(key, old_values.get(key))
        inner = place.inner(f"value {value if isinstance(value, str) else key}")
        if value is None:
            continue  # the types say whether it may be null
        breaks, effect = ENUM_VALUE.effect(
            place, is_new=key in new_values, was_there=key in old_values
        )
        kind = _appeared(is_new=key in new_values)
        yield inner.change(kind, effect, breaking=breaks)


def _keywords(before: Facts, after: Facts, place: Place, names: Iterable[str]) -> Iterator[Change]:
    for name in names:
        old, new = before.get(name), after.get(name)
        if (name in before) == (name in after) and key_of(old) == key_of(new):
            continue
        if name in LIMITS:
            effect = _of_limit(old, new, place, LIMITS[name])
        else:
            rule = RULES.get(name, UNKNOWN)
            effect = rule.effect(place, is_new=name in after, was_there=name in before)
        is_changed = name in before and name in after
        kind: Kind = "changed" if is_changed else _appeared(is_new=name in after)
        breaks, meaning = effect
        yield place.inner(name).change(kind, meaning, breaking=breaks, before=old, after=new)


def _of_limit(
    old: Any, new: Any, place: Place, allows_less: Callable[[Any, Any], bool]
) -> tuple[bool, str]:
    if not place.use.sent:
        return False, OTHER_REPLIES
    if new is None:
        return False, ACCEPTED
    try:
        is_tighter = old is None or allows_less(new, old)
    except TypeError:
        is_tighter = True
    return (True, REFUSED) if is_tighter else (False, ACCEPTED)
