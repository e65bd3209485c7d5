"""The comparison of two versions of the facts never overlooks a difference."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ev_energy._contract.change import Change, key_of
from ev_energy._contract.changes import changes
from ev_energy._contract.extract import InvalidDescriptionError, extract
from ev_energy._contract.facts import facts
from tests.helpers.spec.openapi import described
from tests.helpers.tiers import examples as tiers

FACTS = facts()
DOCUMENT = described(FACTS)
#: Members of a document that are no facts.
NO_FACTS = {"description", "title", "examples", "tokenUrl"}
Path = tuple[Any, ...]


def places(node: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each fact of a document, an object or list with all that it contains."""
    if isinstance(node, dict):
        items = [(name, one) for name, one in node.items() if name not in NO_FACTS]
    else:
        items = list(enumerate(node)) if isinstance(node, list) else []
    for name, value in items:
        yield (*path, name)
        yield from places(value, (*path, name))


#: All facts of operations and components; what is around them has tests of its own.
PLACES = [
    path
    for path in places(DOCUMENT)
    if path[0] in {"paths", "webhooks", "components"}
    and len(path) > 2
    and path[1] != "securitySchemes"
]


def parent_of(document: Any, path: Path) -> Any:
    for name in path[:-1]:
        document = document[name]
    return document


def other_value(value: Any) -> Any:
    """Return another value of the same type."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}-2"
        case dict():
            return {**value, "maxLength": 77}
        case list():
            return [*value, "another"]
        case _:
            return "other"


@st.composite
def mutations(draw: st.DrawFn) -> tuple[Path, str]:
    return draw(st.sampled_from(PLACES)), draw(st.sampled_from(["removed", "changed", "added"]))


def mutated(path: Path, how: str) -> Any:
    """Return the document with one change."""
    document = copy.deepcopy(DOCUMENT)
    parent = parent_of(document, path)
    value = parent[path[-1]]
    if how == "removed":
        del parent[path[-1]]
    elif how == "changed":
        parent[path[-1]] = other_value(value)
    elif isinstance(parent, list):
        parent.append(other_value(parent[-1]))
    else:
        parent[f"{path[-1]}2"] = copy.deepcopy(value)
    return document


def extracted(document: Any) -> Any:
    """Return the facts of a document, or None if it is broken or states the same facts."""
    try:
        found = extract(document, keep_unknown=True)
    except InvalidDescriptionError:
        return None
    return None if key_of(found) == key_of(FACTS) else found


def swapped(change: Change) -> tuple[Any, ...]:
    """Return what the reverse comparison must say about the same place."""
    kind = {"added": "removed", "removed": "added", "changed": "changed"}[change.kind]
    return (change.subject, change.place, kind, key_of(change.after), key_of(change.before))


def stated(change: Change) -> tuple[Any, ...]:
    return (change.subject, change.place, change.kind, key_of(change.before), key_of(change.after))


def sample(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@tiers(fast=5, slow=200)
def test_random_change_is_reported_and_its_reverse_is_the_opposite(examples: int) -> None:
    @sample(examples)
    @given(mutations())
    def check(mutation: tuple[Path, str]) -> None:
        after = extracted(mutated(*mutation))
        if after is None:
            return
        found = changes(FACTS, after)
        assert found
        assert all(count == 1 for count in Counter(change.id for change in found).values())
        reverse = changes(after, FACTS)
        assert sorted(map(str, map(swapped, reverse))) == sorted(map(str, map(stated, found)))
        json.dumps([change._asdict() for change in [*found, *reverse]])

    check()


#: Values that have the wrong type in most places.
JUNK: list[Any] = [None, [], {}, 5, 1.5, "x", True, False, [None], [[1]], [{}], {"a": None}]


@tiers(fast=5, slow=200)
def test_value_of_a_wrong_type_is_an_error_of_the_description_or_a_change(examples: int) -> None:
    @sample(examples)
    @given(st.sampled_from(PLACES), st.sampled_from([*JUNK, {"$ref": 5}, {"$ref": "#/paths"}]))
    def check(path: Path, junk: Any) -> None:
        document = copy.deepcopy(DOCUMENT)
        parent_of(document, path)[path[-1]] = junk
        after = extracted(document)
        assert after is None or changes(FACTS, after)

    check()
