"""Finds existing that exist, by following whatever a running API tells."""

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

#: Of each kind of thing, so many are remembered, and so many looked at.
_MAX_KEPT = 60
_MAX_REQUESTED = 4


class Crawler:
    """Asks for lists, then for what they link to, and so on; somebody else does the asking.

    Knows nothing of the API but its paths: a URL in a reply that fits one of them is the address
    of something, and the rest of what can be asked about the same thing follows from it.
    """

    def __init__(self, spec: Description, operations: Iterable[tuple[str, str]]) -> None:
        self._paths = Paths(spec.operations)
        self._lists = {
            operation.path: "page_size" in operation.names("query")
            for operation in spec.operations
            if operation.method == "GET" and operation.key in set(operations)
        }
        self.found: dict[str, list[Values]] = collections.defaultdict(list)
        """Values for the parameters of a path, by path."""
        self._asked: set[str] = set()

    def crawl(self, get: Any) -> Crawler:
        """Ask with *get*, which returns the JSON at a path or None, until there is no news."""
        while news := list(self.pending_paths()):
            for path in news:
                self._asked.add(path)
                self.collect_urls(get(path))
        return self

    def pending_paths(self) -> Iterator[str]:
        """Paths to ask for, as far as is known by now."""
        for template, paged in sorted(self._lists.items()):
            for values in self.values(template)[:_MAX_REQUESTED]:
                path = template.format_map(values) + ("?page_size=100" if paged else "")
                if path not in self._asked:
                    yield path

    def collect_urls(self, body: Any) -> None:
        """Note all addresses in a reply."""
        for text in _texts(body):
            path = re.sub(r"https?://[^/]+", "", text.partition("?")[0])
            match = self._paths.match("GET", path.removeprefix(PREFIX) or "/")
            if match and path.startswith(PREFIX) and "{" in match.template:
                self._note(match.template, path.removeprefix(PREFIX).rstrip("/"))

    def _note(self, template: str, path: str) -> None:
        pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", template)
        match = re.fullmatch(pattern, path)
        if match is None:
            return
        values = {name: unquote(text) for name, text in match.groupdict().items()}
        known = self.found[template]
        if values not in known and len(known) < _MAX_KEPT:
            known.append(values)

    def values(self, template: str) -> list[Values]:
        """Values for the parameters of a path: its own, or those of what it is a part of."""
        names = re.findall(r"{(\w+)}", template)
        if not names:
            return [{}]
        if template in self.found:
            return list(self.found[template])
        wholes = [
            known
            for known in list(self.found)
            if re.findall(r"{(\w+)}", known) == names and template.startswith(known)
        ]
        return list(self.found[max(wholes, key=len)]) if wholes else []

    @property
    def ids(self) -> dict[str, list[str]]:
        """Values by the name of the parameter, whatever the path."""
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
