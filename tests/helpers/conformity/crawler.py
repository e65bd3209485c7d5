"""Finds the existing resources by following the URLs in replies."""

from __future__ import annotations

import collections
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from tests.helpers.conformity.checker import PREFIX
from tests.helpers.conformity.paths import Paths
from tests.helpers.spec.description import Description

Values = Mapping[str, str]

#: Resources of each kind that are kept, and those that are requested.
_MAX_KEPT = 60
_MAX_REQUESTED = 4


class Crawler:
    """Requests lists, then the resources they link to, and so on.

    It knows only the paths of the API: a URL in a reply that matches a path identifies a resource,
    and the other paths of the same resource follow from it.
    """

    def __init__(self, spec: Description, operations: Iterable[tuple[str, str]]) -> None:
        self._paths = Paths(spec.operations)
        self._lists = {
            operation.path: "page_size" in operation.names("query")
            for operation in spec.operations
            if operation.method == "GET" and operation.key in set(operations)
        }
        self.found: dict[str, list[Values]] = collections.defaultdict(list)
        """Values for the path parameters, by path."""
        self._asked: set[str] = set()

    def crawl(self, get: Any) -> Crawler:
        """Request paths with *get*, which returns JSON or None, until no new ones are found."""
        while paths := list(self.pending_paths()):
            for path in paths:
                self._asked.add(path)
                self.collect_urls(get(path))
        return self

    def pending_paths(self) -> Iterator[str]:
        """Yield the known paths that were not requested yet."""
        for template, paged in sorted(self._lists.items()):
            for values in self.values(template)[:_MAX_REQUESTED]:
                path = template.format_map(values) + ("?page_size=100" if paged else "")
                if path not in self._asked:
                    yield path

    def collect_urls(self, body: Any) -> None:
        """Record all URLs in a reply."""
        for text in _texts(body):
            path = re.sub(r"https?://[^/]+", "", text.partition("?")[0])
            match = self._paths.match("GET", path.removeprefix(PREFIX) or "/")
            if match and path.startswith(PREFIX) and "{" in match.template:
                self._record(match.template, path.removeprefix(PREFIX).rstrip("/"))

    def _record(self, template: str, path: str) -> None:
        pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", template)
        match = re.fullmatch(pattern, path)
        if match is None:
            return
        values = {name: unquote(text) for name, text in match.groupdict().items()}
        known = self.found[template]
        if values not in known and len(known) < _MAX_KEPT:
            known.append(values)

    def values(self, template: str) -> list[Values]:
        """Return values for the path parameters: of the path itself, or of its parent resource."""
        names = re.findall(r"{(\w+)}", template)
        if not names:
            return [{}]
        if template in self.found:
            return list(self.found[template])
        parents = [
            known
            for known in list(self.found)
            if re.findall(r"{(\w+)}", known) == names and template.startswith(known)
        ]
        return list(self.found[max(parents, key=len)]) if parents else []

    @property
    def ids(self) -> dict[str, list[str]]:
        """The values of each parameter name, of all paths."""
        made: dict[str, list[str]] = collections.defaultdict(list)
        for values in itertools.chain(*self.found.values()):
            for name, text in values.items():
                if text not in made[name]:
                    made[name].append(text)
        return dict(made)


def _texts(body: Any) -> Iterator[str]:
    if isinstance(body, str):
        yield body
    elif isinstance(body, Mapping):
        for value in body.values():
            yield from _texts(value)
    elif isinstance(body, list):
        for value in body:
            yield from _texts(value)
