"""Replaces ids in generated requests by existing ones; all replies would be 404s otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from tests.helpers.conformity.crawler import Crawler
from tests.helpers.spec.description import CURSORS

#: Operations whose bodies contain ids where others contain URLs.
_BARE_IDS = frozenset({"/vehicle_onboarding/onboarding_link"})
#: Members that have the name of a resource but are not references.
_NO_REFERENCES = frozenset({"region"})
#: Members whose name differs from that of their resource.
_ALIASES = {"available_for_user_id": "user_id", "evidence_type": "rebate_evidence_type"}


class ExistingResources:
    """The resources that a crawler found, by the names that requests use."""

    def __init__(self, crawler: Crawler, root: str, known: Mapping[str, str]) -> None:
        """*known* are values that crawling does not find, by parameter name."""
        self._crawler = crawler
        self._root = root
        self._ids = crawler.ids | {name: [value] for name, value in known.items()}
        self._paths = {
            match[2]: match[1]
            for template in crawler.found
            if (match := re.fullmatch(r"(/\w+/){(\w+)_id}", template))
        }

    def path(self, template: str, pick: int) -> Mapping[str, str]:
        """Return values for all parameters of a path; empty if no such resource was found."""
        known = self._crawler.values(template)
        values = known[pick % len(known)] if known else {}
        return {name: quote(text, safe=":") for name, text in values.items()}

    def user(self, pick: int) -> str:
        """Return the id of a user."""
        return self._id("user_id", pick) or ""

    def query(self, template: str, given: Mapping[str, Any], pick: int) -> dict[str, Any]:
        """Return the query with existing ids and without cursors.

        The cursors in the description belong to resources that do not exist.
        """
        made = {name: value for name, value in given.items() if name not in CURSORS}
        for name in made:
            for kind in (*_kinds(template, name), f"{name}_id"):
                if kind in self._ids:
                    made[name] = self._id(kind, pick)
                    break
        return made

    def body(self, template: str, given: Any, pick: int) -> Any:
        """Return a body with existing ids and URLs."""
        if not isinstance(given, Mapping):
            return given
        return {name: self._member(template, name, value, pick) for name, value in given.items()}

    def _id(self, name: str, pick: int) -> str | None:
        known = self._ids.get(name)
        return known[pick % len(known)] if known else None

    def _member(self, template: str, name: str, value: Any, pick: int) -> Any:
        if isinstance(value, Mapping):
            return self.body(template, value, pick)
        if isinstance(value, list):
            return [self._member(template, name.removesuffix("s"), one, pick) for one in value]
        if not isinstance(value, str) or name in _NO_REFERENCES:
            return value
        for kind in _kinds(template, name):
            if kind in self._ids:
                return self._id(kind, pick)
            if kind in self._paths:
                known = self._id(f"{kind}_id", pick)
                bare = template in _BARE_IDS
                return known if bare else f"{self._root}{self._paths[kind]}{known}"
        return value


def _kinds(template: str, name: str) -> Iterator[str]:
    """Yield the resources that a name may mean: in /vehicle_onboarding, make is a vehicle make."""
    family = template.split("/")[1].partition("_")[0].removesuffix("s")
    yield _ALIASES.get(name, name)
    yield f"{family}_{name}"
    if not name.endswith("_id"):
        yield name.rpartition("_")[2]
