"""Texts that must not be seen, and texts of others that are to be seen."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

#: A shorter text is no secret, and would be found everywhere.
_SHORTEST: Final = 8
_ESCAPE: Final = re.compile("%[0-9A-F]{2}")
#: How many letters of base64 the bytes before a secret have a part in, by their number modulo 3.
_SHARED: Final = (0, 2, 3)


def spellings(secret: str) -> list[str]:
    """*secret*, and what it looks like in URLs, forms, JSON, HTML and (parts of) base64 text.

    A server that repeats what it was sent, in an error say, seldom does so word for word.
    """
    import html  # the names of all letters, which take their time

    found = [quote(secret, safe=""), quote_plus(secret), html.escape(secret)]
    found += [json.dumps(secret, ensure_ascii=ascii)[1:-1] for ascii in (True, False)]  # noqa: A001
    raw = secret.encode(errors="replace")
    for before, shared in enumerate(_SHARED):
        text = base64.b64encode(bytes(before) + raw).decode()
        # Letters that bytes after the secret have a part in are left out as well.
        inner = text[shared : (before + len(raw)) * 4 // 3]
        found += [inner, quote(inner, safe=""), inner.translate(_URL_SAFE)]
    found += [json.dumps(text)[1:-1] for text in found]
    found += [_ESCAPE.sub(lambda escape: escape[0].lower(), text) for text in found]
    # The longest first: it may hold a shorter one.
    return [secret, *sorted({t for t in found if len(t) >= _SHORTEST}, key=len, reverse=True)]


_URL_SAFE: Final = str.maketrans("+/", "-_")


def hidden(text: str, secrets: Iterable[str]) -> str:
    """*text* with stars for each of *secrets*."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


def one_line(text: object, longest: int = 300) -> str:
    """What somebody else wrote, fit for a message: one line of it, in letters that show."""
    if not isinstance(text, str):
        return ""
    plain = "".join(c if c.isprintable() else " " for c in text[: longest + 1]).strip()
    return plain if len(plain) <= longest else f"{plain[:longest]}…"
