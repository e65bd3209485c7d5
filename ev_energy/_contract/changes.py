"""The differences between two versions of the facts, and which of them break programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from ev_energy._contract.change import BOTH, RECEIVED, Change, Place
from ev_energy._contract.extract import InvalidDescriptionError
from ev_energy._contract.facts import Facts
from ev_energy._contract.operation_changes import OperationChanges, parameters_of
from ev_energy._contract.schema_changes import SchemaChanges, or_rewritten
from ev_energy._contract.scheme_changes import scheme_changes
from ev_energy._contract.usage import Usage

Comparison = Callable[[Any, Any, Place], Iterator[Change]]

#: A description in which each schema has another name has 4,000.
_MAX_CHANGES: Final = 20_000
_NEW_OPERATION: Final = "this version of the SDK has no method for it"
#: The singular of each section of components, as in the ids of changes.
_COMPONENTS: Final = {
    "parameters": "parameter",
    "responses": "response",
    "headers": "header",
    "schemas": "schema",
}
#: The lists of the API as a whole, with what it means that an item is removed.
_LISTS: Final = {
    "servers": ("server", "clients that use this server cannot reach it any more"),
    "scopes": ("scope", "tokens with this scope may be refused"),
}


def changes(before: Facts, after: Facts) -> list[Change]:
    """Return all differences; it is empty only if the versions state the same facts.

    Raises:
        InvalidDescriptionError: There are too many, as for a description made to have them.
    """
    found = or_rewritten(_Changes(before, after), before, after, Place("API", (), BOTH))
    listed = list(islice(found, _MAX_CHANGES + 1))
    if len(listed) > _MAX_CHANGES:
        raise InvalidDescriptionError(
            f"the description has more than {_MAX_CHANGES:,} differences: it is that of another API"
        )
    return listed


class _Changes:
    """The comparison of two versions of the facts."""

    def __init__(self, before: Facts, after: Facts) -> None:
        self._before, self._after = before, after
        self._usage = Usage(before, after)
        self._schemas = SchemaChanges(before, after)
        self._compare = OperationChanges(before, after, self._schemas)

    def __iter__(self) -> Iterator[Change]:
        yield from self._api()
        yield from self._operations()
        yield from self._webhooks()
        compare: dict[str, Comparison] = {
            "parameters": self._compare.shared_parameter,
            "responses": self._compare.reply,
            "headers": self._schemas.of,
            "schemas": self._schemas.of,
        }
        for section, one in compare.items():
            yield from self._components(section, one)

    def _api(self) -> Iterator[Change]:
        place = Place("API", (), BOTH)
        for name in ("openapi", "version"):
            if self._before[name] != self._after[name]:
                yield place.inner(name).change(
                    "changed",
                    "read the other changes: the number itself changes nothing",
                    breaking=False,
                    before=self._before[name],
                    after=self._after[name],
                )
        for section, (noun, effect) in _LISTS.items():
            yield from _items(self._before, self._after, section, place, noun, effect)
        yield from scheme_changes(self._before, self._after, place)

    def _operations(self) -> Iterator[Change]:
        before: Facts = self._before["operations"]
        after: Facts = self._after["operations"]
        renamed = {_template(key): key for key in after.keys() - before.keys()}
        pairs = {key: renamed.pop(_template(key), None) for key in before.keys() - after.keys()}
        for key in sorted((before.keys() | after.keys()) - set(pairs.values())):
            place = Place(key, (), BOTH)
            if key not in before:
                yield place.change("added", _NEW_OPERATION, breaking=False, after=after[key])
            elif key in after:
                yield from or_rewritten(
                    self._compare.operation(before[key], after[key], place),
                    before[key],
                    after[key],
                    place,
                )
            elif (other := pairs[key]) is None:
                yield place.change("removed", "its method fails", breaking=True, before=before[key])
            else:
                effect = "its parameters have other names; methods take them by position"
                yield place.inner("path").change(
                    "changed", effect, breaking=False, before=key, after=other
                )
                names = dict(zip(_names(other), _names(key), strict=True))
                operation = self._with_names(after[other], names)
                yield from self._compare.operation(before[key], operation, place)

    def _with_names(self, operation: Facts, names: Mapping[str, str]) -> Facts:
        parameters = [
            self._compare.parameter_of(self._after, one) for one in parameters_of(operation)
        ]
        renamed = [
            {**one, "name": names.get(one["name"], one["name"])} if one["in"] == "path" else one
            for one in parameters
        ]
        return {**operation, "parameters": renamed}

    def _webhooks(self) -> Iterator[Change]:
        before: Facts = self._before["webhooks"]
        after: Facts = self._after["webhooks"]
        for name in sorted(before.keys() | after.keys()):
            place = Place(f"webhook {name}", (), RECEIVED)
            if name not in before:
                effect = "the SDK parses it as an event without a class of its own"
                yield place.change("added", effect, breaking=False, after=after[name])
            elif name not in after:
                effect = "applications do not receive it"
                yield place.change("removed", effect, breaking=True, before=before[name])
            else:
                yield from or_rewritten(
                    self._compare.operation(before[name], after[name], place),
                    before[name],
                    after[name],
                    place,
                )

    def _components(self, section: str, compare: Comparison) -> Iterator[Change]:
        before, after = self._before[section], self._after[section]
        for name in sorted(before.keys() | after.keys()):
            use = self._usage.of(section, name)
            place = Place(f"{_COMPONENTS[section]} {name}", (), use)
            effect = "what refers to it is listed for itself"
            if name not in before:
                yield place.change("added", effect, breaking=False, after=after[name])
            elif name not in after:
                yield place.change("removed", effect, breaking=False, before=before[name])
            else:
                old, new = before[name], after[name]
                yield from or_rewritten(compare(old, new, place), old, new, place)


def _template(key: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", key)


def _names(key: str) -> list[str]:
    return re.findall(r"\{([^}]*)\}", key)


def _items(
    before: Facts, after: Facts, name: str, place: Place, noun: str, if_removed: str
) -> Iterator[Change]:
    old, new = set(map(str, before.get(name, ()))), set(map(str, after.get(name, ())))
    for one in sorted(old ^ new):
        inner = place.inner(f"{noun} {one}")
        if one in new:
            yield inner.change("added", "programs may use it", breaking=False)
        else:
            yield inner.change("removed", if_removed, breaking=True)
