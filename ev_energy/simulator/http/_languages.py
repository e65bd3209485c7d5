"""Which of the languages that a text is there in a caller would rather read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection


#: What texts are in where nothing else was asked for.
ENGLISH: Final = "en"
_RANGE: Final = re.compile(
    r"\s*([A-Za-z]{1,8})(?:-[A-Za-z\d]{1,8})*\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?", re.ASCII
)


def preferred(accept_language: str | None, known: Collection[str]) -> str:
    """Return the known language that an Accept-Language header puts first, or English.

    Countries do not matter: de-CH is as good as de.
    """
    best, weight = ENGLISH, 0.0
    for part in (accept_language or "").split(","):
        found = _RANGE.fullmatch(part)
        if found is None:
            continue
        language, quality = found[1].lower(), float(found[2] or 1)
        if quality > weight and (language == ENGLISH or language in known):
            best, weight = language, quality
    return best
