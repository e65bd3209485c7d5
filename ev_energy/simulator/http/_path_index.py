"""An index of path templates, which finds that of a path without trying one after the other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


#: A segment with a parameter, and the text after it, such as ``:submit``.
_PARAMETER: Final = re.compile(r"\{(\w+)\}(.*)", re.ASCII)


@attrs.frozen
class _Template:
    text: str
    parameters: tuple[str, ...]
    """The names of its parameters."""


@attrs.define
class _Node:
    """What may follow the segments that lead to this node."""

    template: _Template | None = None
    """The template that ends here."""
    literals: dict[str, _Node] = attrs.Factory(dict[str, "_Node"])
    parameters: dict[str, _Node] = attrs.Factory(dict[str, "_Node"])
    """The nodes after a parameter, by the text that ends its segment; the empty text is last."""


class PathIndex:
    """Path templates by their segments; a literal segment is preferred to a parameter."""

    def __init__(self, templates: Iterable[str]) -> None:
        self._root = _Node()
        for template in templates:
            node, names = self._root, list[str]()
            for segment in _segments(template):
                parameter = _PARAMETER.fullmatch(segment)
                if parameter is None:
                    node = node.literals.setdefault(segment, _Node())
                    continue
                names.append(parameter[1])
                following = node.parameters.setdefault(parameter[2], _Node())
                node.parameters = dict(sorted(node.parameters.items(), reverse=True))
                node = following
            node.template = _Template(template, tuple(names))

    def find(self, path: str) -> tuple[str, dict[str, str]] | None:
        """Return the template that a path matches and the parameters, or None.

        One slash at the end is ignored. In *path* all but slashes and percent signs are decoded.
        """
        found = _find(self._root, _segments(path), ())
        if found is None:
            return None
        template, values = found
        return template.text, dict(zip(template.parameters, map(_decode, values), strict=True))


def _segments(path: str) -> list[str]:
    return path.removesuffix("/").split("/")[1:]


def _find(
    node: _Node, segments: Sequence[str], values: tuple[str, ...]
) -> tuple[_Template, tuple[str, ...]] | None:
    if not segments:
        return None if node.template is None else (node.template, values)
    segment, *rest = segments
    if segment in node.literals:
        found = _find(node.literals[segment], rest, values)
        if found is not None:
            return found
    for ending, following in node.parameters.items():
        value = segment.removesuffix(ending)
        if segment.endswith(ending) and value and "{" not in value and "}" not in value:
            found = _find(following, rest, (*values, value))
            if found is not None:
                return found
    return None


def _decode(value: str) -> str:
    return value.replace("%2F", "/").replace("%25", "%")
