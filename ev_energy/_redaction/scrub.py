"""Texts that must not be seen, and texts of others that are to be seen."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final, cast
from urllib.parse import quote, quote_plus, unquote

#: A shorter text is no secret, and would be found everywhere.
_SHORTEST: Final = 8
_ESCAPE: Final = re.compile("%[0-9A-F]{2}")
#: How many letters of base64 the bytes before a secret have a part in, by their number modulo 3.
_SHARED: Final = (0, 2, 3)


def encodings(secret: str) -> list[str]:
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
    # Some servers escape slashes; a mask that left their backslash behind would spoil the JSON.
    found += [text.replace("/", "\\/") for text in (secret, *found)]
    found += [_ESCAPE.sub(lambda escape: escape[0].lower(), text) for text in found]
    # The longest first: it may hold a shorter one.
    return [secret, *sorted({t for t in found if len(t) >= _SHORTEST}, key=len, reverse=True)]


_URL_SAFE: Final = str.maketrans("+/", "-_")


#: What stands where something may not be shown.
MASK: Final = "***"

_LAYERS: Final = 4
#: Values that JSON may hold to be written anew: other JSON becomes text whose escapes are resolved.
_MOST_VALUES: Final = 10_000
#: Escapes that are resolved, in a layer. A text with more of them is not searched to its end.
_MOST_ESCAPES: Final = 20_000
# Of plain letters, that is: a page of Cyrillic is full of escapes, and none of them hides a secret.
# JavaScript, as which JSON is embedded in pages, has an escape of two digits besides.
_JSON_ESCAPE: Final = re.compile(r"\\(?:u00([2-7][0-9a-fA-F])|x([2-7][0-9a-fA-F])|([^u]))")
_ANY_JSON_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([^u]))")
_PERCENT_ESCAPE: Final = re.compile("%([2-7][0-9a-fA-F])")
_ANY_PERCENT_ESCAPE: Final = re.compile("%([0-9a-fA-F]{2})")
_HTML_ESCAPE: Final = re.compile("&(?:#0*[0-9]{1,7}|#[xX]0*[0-9a-fA-F]{1,6}|[A-Za-z]{1,12});?")


class _TooManyEscapesError(Exception):
    """A text with more escapes than are worth resolving."""


def scrub(text: str, secrets: Iterable[str]) -> str:
    r"""Return *text* with stars for each of *secrets*, however the text spells them.

    Where one shows only once escapes are resolved (``\u002B`` in JSON, ``%2B``, ``&#43;``, several
    of them on top of one another), the text is returned with these escapes resolved.
    """
    known = _longest_first(secrets)
    for secret in known:
        text = text.replace(secret, MASK)
    try:
        while (reading := _telling(text, known)) is not None:
            for secret in known:
                reading = reading.replace(secret, MASK)
            text = reading
    except _TooManyEscapesError:
        return MASK
    return text


def _longest_first(secrets: Iterable[str]) -> list[str]:
    """Return *secrets* in the order to replace them: a longer spelling may hold a shorter one."""
    return sorted(filter(None, secrets), key=len, reverse=True)


def scrub_bytes(body: bytes, secrets: Iterable[str]) -> bytes:
    """Return *body* with stars for each of *secrets*, however the body spells them.

    A secret that stands there word for word is replaced where it stands. For one that shows only
    once the body is decoded (UTF-16, escapes), the body is written anew, in UTF-8: JSON as JSON,
    another text with its escapes resolved. A body with too many escapes becomes stars.
    """
    known = _longest_first(secrets)
    for secret in known:
        raw = secret.encode(errors="replace")
        if raw in body:
            body = re.sub(_NOT_IN_ESCAPE + re.escape(raw), MASK.encode(), body, flags=re.DOTALL)
    if not known or (not any(mark in body for mark in _ESCAPES) and body[:2] not in _MARKS):
        return body
    try:
        if not _tells(body, known):
            return body
        for rewrite in (_masked_json, _masked_text):
            anew = rewrite(_decoded(body), known)
            if anew is not None and not _tells(anew, known):
                return anew
    except _TooManyEscapesError:
        pass
    return MASK.encode()


#: What begins among the digits of an escape is found once the escape is resolved: stars in place
#: of some of the digits would leave no JSON.
_NOT_IN_ESCAPE: Final = rb"(?<!\\u)(?<!\\u.)(?<!\\u..)(?<!\\u...)"
_ESCAPES: Final = (b"\\", b"%", b"&", b"\0")
_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


def _tells(body: bytes, secrets: Sequence[str]) -> bool:
    """Whether *body* reads as one of *secrets* in any decoding of it."""
    text = _decoded(body)
    # Text in 16 or 32 bits a letter may begin anywhere.
    narrow = [body.replace(b"\0", b"").decode(errors="replace")] if b"\0" in body else []
    return any(
        any(secret in one for secret in secrets) or _telling(one, secrets) is not None
        for one in (text, *narrow)
    )


def _decoded(body: bytes) -> str:
    """Return the text of *body*, in the encoding that JSON would be read in."""
    return body.decode(json.detect_encoding(body), errors="replace")


def _masked_json(text: str, secrets: Sequence[str]) -> bytes | None:
    """Return the JSON in *text*, in UTF-8 and without *secrets*.

    None if it is not JSON, or holds so much that rewriting it would hold the event loop.
    """
    if sum(map(text.count, ",[{")) > _MOST_VALUES:
        return None
    try:
        masked = _masked(json.loads(text), secrets)
        return json.dumps(masked, ensure_ascii=False).encode(errors="backslashreplace")
    except (ValueError, RecursionError):
        return None


def _masked(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        return scrub(value, secrets)
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {scrub(name, secrets): _masked(one, secrets) for name, one in items}
    if isinstance(value, list):
        return [_masked(one, secrets) for one in cast("Any", value)]
    return value


def _masked_text(text: str, secrets: Sequence[str]) -> bytes:
    return scrub(text, secrets).encode(errors="backslashreplace")


def _telling(text: str, secrets: Sequence[str]) -> str | None:
    """Return *text* with as many escapes resolved as it takes to read one of *secrets* in it."""
    is_ascii = all(secret.isascii() for secret in secrets)
    for _ in range(_LAYERS):
        before = text
        for resolve in (_without_json, _without_percent, _without_html):
            resolved = resolve(text, is_ascii=is_ascii)
            if resolved != text and any(secret in resolved for secret in secrets):
                return resolved
            text = resolved
        if text == before:
            return None
    return None


_CONTROLS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _without_json(text: str, *, is_ascii: bool) -> str:
    if "\\" not in text:
        return text

    def resolved(found: re.Match[str]) -> str:
        long, short, letter = found.groups()
        code = long or short
        return chr(int(code, 16)) if code else _CONTROLS.get(letter, letter)

    shown = _resolved(_JSON_ESCAPE if is_ascii else _ANY_JSON_ESCAPE, resolved, text)
    if is_ascii or shown.isascii():
        return shown
    # Two surrogates are one letter.
    return shown.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")


def _without_percent(text: str, *, is_ascii: bool) -> str:
    if "%" not in text:
        return text
    if is_ascii:
        return _resolved(_PERCENT_ESCAPE, lambda found: chr(int(found[1], 16)), text)
    if len(_ANY_PERCENT_ESCAPE.findall(text)) > _MOST_ESCAPES:
        raise _TooManyEscapesError
    return unquote(text)


def _without_html(text: str, *, is_ascii: bool) -> str:  # noqa: ARG001  (the names are not sorted so)
    if "&" not in text:
        return text
    import html  # the names of all letters, which take their time

    return _resolved(_HTML_ESCAPE, lambda found: html.unescape(found[0]), text)


def _resolved(pattern: re.Pattern[str], resolve: Callable[[re.Match[str]], str], text: str) -> str:
    shown, number = pattern.subn(resolve, text, _MOST_ESCAPES)
    if number == _MOST_ESCAPES:
        raise _TooManyEscapesError
    return shown


def printable(text: object, limit: int = 300) -> str:
    """Return *text*, which a server may have chosen, as one short line of visible characters.

    Control, format and bidirectional characters, line breaks, surrogates and unassigned code
    points are escaped as Python writes them, so that they steer no terminal and forge no line of a
    log. The length is cut first: a text of any size costs the same.
    """
    plain = _cut(text, limit)
    if not plain.isprintable():
        plain = "".join(c if c.isprintable() else _escaped(c) for c in plain)
    return plain if len(plain) <= limit else f"{plain[:limit]}…"


#: The spaces of Unicode that are no plain space, and no line break either.
_SPACES: Final = frozenset(
    "\xa0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
)


def _escaped(character: str) -> str:
    return " " if character in _SPACES else character.encode("unicode_escape").decode()


def _cut(value: object, limit: int) -> str:
    """Return the beginning of what *value* reads as, with one character more than *limit*."""
    if isinstance(value, str):
        return value[: limit + 1]
    if isinstance(value, bytes | bytearray):
        return bytes(value[: limit + 1]).decode(errors="backslashreplace")
    if isinstance(value, dict | list | tuple):
        return _brief(cast("Any", value), limit)[: limit + 1]
    return str(value)[: limit + 1]


def _brief(value: Any, limit: int, levels: int = 4) -> str:
    """Return the beginning of the repr of JSON: the whole of it may be large, and deep."""
    if isinstance(value, str):
        return repr(value[:limit])
    if not isinstance(value, dict | list | tuple):
        return repr(value)
    if not levels:
        return "..."
    items, is_object = cast("Any", value), isinstance(value, dict)
    first: list[Any] = list(islice(items.items() if is_object else items, _ITEMS))
    if is_object:
        shown = [": ".join(_brief(one, limit, levels - 1) for one in pair) for pair in first]
    else:
        shown = [_brief(one, limit, levels - 1) for one in first]
    if len(items) > len(first):
        shown.append("...")
    opening, closing = "{}" if is_object else "[]"
    return f"{opening}{', '.join(shown)}{closing}"


#: How many items of an object or array a message shows.
_ITEMS: Final = 10
