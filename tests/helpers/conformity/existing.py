"""Puts existing that exist into made-up requests, which would find nothing but 404s otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from tests.helpers.conformity.crawler import Crawler
from tests.helpers.spec.description import CURSORS

#: Bodies that want ids where all others want URLs.
_BARE_IDS = frozenset({"/vehicle_onboarding/onboarding_link"})
#: Members that are called like existing and are none.
_NO_REFERENCES = frozenset({"region"})
#: Members that are not called what they are.
_ALIASES = {"available_for_user_id": "user_id", "evidence_type": "rebate_evidence_type"}


class ExistingResources:
    """What a crawler has found, by the names that requests use."""

    def __init__(self, crawler: Crawler, root: str, known: Mapping[str, str]) -> None:
        """``known`` are values that no walk finds, by the name of their parameter."""
        self._crawler = crawler
        self._root = root
        self._ids = crawler.ids | {name: [value] for name, value in known.items()}
        self._paths = {
            match[2]: match[1]
            for template in crawler.found
            if (match := re.fullmatch(r"(/\w+/){(\w+)_id}", template))
        }

    def path(self, template: str, pick: int) -> Mapping[str, str]:
        """Values for all parameters of a path; empty if nothing of the kind was found."""
        known = self._crawler.values(template)
        values = known[pick % len(known)] if known else {}
        return {name: quote(text, safe=":") for name, text in values.items()}

    def user(self, pick: int) -> str:
        """The id of a user."""
        return self._id("user_id", pick) or ""

    def query(self, template: str, given: Mapping[str, Any], pick: int) -> dict[str, Any]:
        """The query with ids of existing that exist, and about the first page.

        The cursors that the description shows are of existing that nobody ever saw.
        """
        made = {name: value for name, value in given.items() if name not in CURSORS}
        for name in made:
            for kind in (*_kinds(template, name), f"{name}_id"):
                if kind in self._ids:
                    made[name] = self._id(kind, pick)
                    break
        return made

    def body(self, template: str, given: Any, pick: int) -> Any:
        """A body in which the ids and URLs are of existing that exist."""
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
    """What a name may stand for: of an onboarding of vehicles, the make is that of a vehicle."""
    family = template.split("/")[1].partition("_")[0].removesuffix("s")
    yield _ALIASES.get(name, name)
    yield f"{family}_{name}"
    if not name.endswith("_id"):
        yield name.rpartition("_")[2]
