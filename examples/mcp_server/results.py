"""Results as JSON of a limited size, without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from ev_energy.errors import CursorError

#: Characters of a result, so that it does not fill the context of the model.
MAX_SIZE: Final = 20_000
_MASK: Final = "***"
#: Members whose value grants access to something. The page of onboarding may name the user.
_SECRET: Final = frozenset({"presigned_url", "onboarding_url"})
#: Members of uploaded files: their URLs are signed.
_FILE: Final = frozenset({"file"})
#: URLs with a signature, a token or a password.
_SIGNED: Final = re.compile(
    r"[?&#;]([\w.%-]*[-_.])?(signature|sig|token|secret|credential|password|key)="
    r"|://[^/?#\s@]*:[^/?#\s@]+@",
    re.IGNORECASE,
)


class Position(NamedTuple):
    """A place in a listing: the cursor of a page, and the number of its items that were shown."""

    page: str | None = None
    shown: int = 0

    def __str__(self) -> str:
        return f"{self.shown}:{self.page or ''}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Return the position that a result stated; `CursorError` if it is none."""
        shown, colon, page = text.partition(":")
        if not colon or not shown.isdecimal():
            raise CursorError(f"cursor is {text!r}: pass next_cursor of the last result unchanged")
        return cls(page or None, int(shown))


def mask(value: Any) -> Any:
    """Return a JSON *value* with asterisks in place of what grants access."""
    if isinstance(value, str):
        return _MASK if _SIGNED.search(value) else value
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        return {name: _mask_member(name, one) for name, one in members.items()}
    if isinstance(value, list | tuple):
        return [mask(one) for one in cast("Sequence[Any]", value)]
    return value


def _mask_member(name: str, value: Any) -> Any:
    if name in _SECRET and value is not None:
        return _MASK
    if name in _FILE and isinstance(value, Mapping):
        return {**mask(value), "url": _MASK}
    return mask(value)


def shown(value: Any) -> str:
    """Return the JSON of one value, cut if it is too long."""
    text = json.dumps(mask(value), ensure_ascii=False)
    if len(text) <= MAX_SIZE:
        return text
    note = f"cut: the first {MAX_SIZE} of {len(text)} characters; ask for less, such as no expand"
    return json.dumps({"note": note, "beginning": text[:MAX_SIZE]}, ensure_ascii=False)


def shown_page(items: Sequence[Any], at: Position, next_page: str | None) -> str:
    """Return the JSON of as many items as there is room for, and the cursor of the next ones."""
    texts: list[str] = []
    size = 0
    for item in items[at.shown :]:
        text = shown(item)
        size += len(text) + 2
        if texts and size > MAX_SIZE:
            break
        texts.append(text)
    end = at.shown + len(texts)
    following: str | None = None
    if end < len(items):
        following = str(Position(at.page, end))
    elif next_page is not None:
        following = str(Position(next_page))
    return f'{{"items": [{", ".join(texts)}], "next_cursor": {json.dumps(following)}}}'
