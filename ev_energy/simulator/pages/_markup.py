"""HTML elements built from text and other elements; text is escaped."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Elements without content and end tag.
_VOID: Final = frozenset({"br", "hr", "img", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML and must not be escaped again."""

    __slots__ = ()


#: The content of an element; None is omitted.
Content: TypeAlias = "str | int | Iterable[Content] | None"


def _render(content: Content) -> str:
    if content is None:
        return ""
    if isinstance(content, Markup):
        return content
    if isinstance(content, str | int):
        return html.escape(str(content))
    return "".join(map(_render, content))


def tag(element: str, /, *children: Content, **attributes: str | int | bool | None) -> Markup:
    """Return an element.

    In the names of attributes, a trailing underscore is dropped (``class_``) and other underscores
    become hyphens. An attribute that is None or False is omitted; True gives its bare name.
    """
    parts = [element]
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(attribute)
        elif value is not None and value is not False:
            parts.append(f'{attribute}="{html.escape(str(value))}"')
    start = f"<{' '.join(parts)}>"
    return Markup(start if element in _VOID else f"{start}{_render(children)}</{element}>")
