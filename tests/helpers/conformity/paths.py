"""Finds the operation of the description that a request is for."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import NamedTuple

from tests.helpers.spec.description import Described


class Match(NamedTuple):
    """The template that a path matches."""

    template: str
    operation: Described | None
    """None if the path does not have the method."""


class Paths:
    """All paths of the description."""

    def __init__(self, operations: Iterable[Described]) -> None:
        self._operations = {operation.key: operation for operation in operations}
        templates = {path for _, path in self._operations}
        # If a path matches several templates, the one with more literal text applies.
        by_specificity = sorted(templates, key=lambda path: (len(re.sub(r"{\w+}", "", path)), path))
        self._patterns = [(path, _pattern(path)) for path in reversed(by_specificity)]
        self.match = functools.lru_cache(4096)(self._match)

    def _match(self, method: str, raw_path: str) -> Match | None:
        path = re.sub(r"(?<=.)/$", "", raw_path)
        for template, pattern in self._patterns:
            if pattern.fullmatch(path):
                return Match(template, self._operations.get((method, template)))
        return None


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("".join(_part(part) for part in re.split(r"({\w+})", template)))


def _part(part: str) -> str:
    return "[^/]+" if part.startswith("{") else re.escape(part)
