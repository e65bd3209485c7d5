"""Elements made of text and of other elements; whatever is not markup already is escaped."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Elements that hold nothing and have no end tag.
_VOID: Final = frozenset({"br", "hr", "img", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


#: What an element may hold; None is nothing.
Content: TypeAlias = "str | int | Iterable[Content] | None"


def _inner(content: Content) -> str:
    if content is None:
        return ""
    if isinstance(content, Markup):
        return content
    if isinstance(content, str | int):
        return html.escape(str(content))
    return "".join(map(_inner, content))


def tag(element: str, /, *children: Content, **attributes: str | int | bool | None) -> Markup:
    """Return an element.

    Names of attributes may end in an underscore (``class_``), and the ones inside stand for
    hyphens. An attribute that is None or False is left out; True stands for its bare name.
    """
    parts = [element]
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(attribute)
        elif value is not None and value is not False:
            parts.append(f'{attribute}="{html.escape(str(value))}"')
    start = f"<{' '.join(parts)}>"
    return Markup(start if element in _VOID else f"{start}{_inner(children)}</{element}>")
