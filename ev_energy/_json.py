"""JSON of no known shape: problem documents, replies of the token endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

#: How deep JSON may nest. The API's does not get to a dozen, and Python follows a few hundred.
DEEPEST: Final = 100
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def _inside(value: Any) -> Iterable[Any]:
    if value.__class__ is dict:
        return cast("dict[str, Any]", value).values()
    return value if value.__class__ is list else ()


def is_deep(value: Any, inside: Callable[[Any], Iterable[Any]] = _inside) -> bool:
    """Whether *value* nests too deeply for whoever has to follow it; *inside* says what is in it.

    Level by level, for it must not get lost itself.
    """
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [one for each in level for one in inside(each) if one.__class__ not in _PLAIN]
        if not level:
            return False
    return True


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in *body*; None if it holds anything else (a proxy's HTML page, say).

    One that nests too deeply is none.
    """
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    if not isinstance(found, dict) or is_deep(found):
        return None
    return cast("dict[str, Any]", found)


#: Bytes of the longest reply that can confirm something and tell nothing.
_LONGEST_CONFIRMATION: Final = 1 << 20


def is_confirmation(body: bytes) -> bool:
    """Return whether *body* can stand in a reply that tells no more than its status: none, or JSON.

    A captive portal or a proxy answers any request with a page of its own, and calls it a success.
    """
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        return True
    if len(text) > _LONGEST_CONFIRMATION:
        return False
    try:
        json.loads(text)
    except ValueError:  # UnicodeDecodeError is one
        return False
    except RecursionError:  # which takes JSON to bring about
        return True
    return True
