"""The differences between two versions of how programs get tokens and authorize calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ev_energy._contract.change import Change, Place, key_of
from ev_energy._contract.facts import Facts
from ev_energy._contract.schema_changes import keyword_change
from ev_energy._contract.schema_rules import REVIEW

_NEW: Final = "programs may use it"
_GONE: Final = "programs that get their tokens in this way cannot get them any more"
_MOVED: Final = "programs that get their tokens there cannot get them any more"
_NO_SCOPE: Final = "tokens of this flow do not have this scope any more"


def scheme_changes(before: Facts, after: Facts, place: Place) -> Iterator[Change]:
    """Yield the changes of all schemes: of their types, their flows and the URLs of those."""
    old, new = before["security_schemes"], after["security_schemes"]
    # Scopes that the whole API has gained or lost are listed once, not for each flow.
    common = set(before["scopes"]) & set(after["scopes"])
    for name in sorted(old.keys() | new.keys()):
        inner = place.inner(f"authorization {name}")
        if name not in old:
            yield inner.change("added", _NEW, breaking=False, after=new[name])
        elif name not in new:
            yield inner.change("removed", _GONE, breaking=True, before=old[name])
        else:
            yield from _keywords(old[name], new[name], inner, {"flows"}, REVIEW)
            yield from _flows(old[name].get("flows", {}), new[name].get("flows", {}), inner, common)


def _flows(before: Facts, after: Facts, place: Place, common: set[str]) -> Iterator[Change]:
    for name in sorted(before.keys() | after.keys()):
        inner = place.inner(f"flow {name}")
        if name not in before:
            yield inner.change("added", _NEW, breaking=False, after=after[name])
        elif name not in after:
            yield inner.change("removed", _GONE, breaking=True, before=before[name])
        else:
            old, new = before[name], after[name]
            yield from _keywords(old, new, inner, {"scopes"}, _MOVED)
            for scope in sorted({*old["scopes"]} ^ {*new["scopes"]}):
                if scope in common:
                    of_scope = inner.inner(f"scope {scope}")
                    if scope in new["scopes"]:
                        yield of_scope.change("added", _NEW, breaking=False)
                    else:
                        yield of_scope.change("removed", _NO_SCOPE, breaking=True)


def _keywords(
    before: Facts, after: Facts, place: Place, others: set[str], effect: str
) -> Iterator[Change]:
    for name in sorted((before.keys() | after.keys()) - others):
        if key_of(before.get(name)) != key_of(after.get(name)):
            rule = (name in before, effect if name in before else _NEW)
            yield keyword_change(name, rule, before.get(name), after.get(name), place)
