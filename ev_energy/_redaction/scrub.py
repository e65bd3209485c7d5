"""Removing secrets from texts and bodies, and making foreign text safe to display."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final, cast
from urllib.parse import quote, quote_plus, unquote

from ev_energy._runtime.build_lock import build_lock
from ev_energy._runtime.lazy_pattern import lazy_pattern

#: Replaces everything that must not be shown.
MASK: Final = "***"

#: Shorter texts are not masked: they would occur by chance in any text.
MIN_LENGTH: Final = 8
_PERCENT_CODE: Final = lazy_pattern("%[0-9A-F]{2}")
#: What `html.escape` replaces. Importing that module takes a millisecond, for its entity names.
_HTML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
_URL_SAFE: Final = str.maketrans("+/", "-_")
#: How many base64 letters a secret shares with the bytes before it, by their number modulo 3.
_SHARED_LETTERS: Final = (0, 2, 3)

#: Layers of escapes that are resolved, one on top of another.
_MAX_LAYERS: Final = 4
#: Values in a JSON body that is rewritten as JSON. A larger one is rewritten as plain text.
_MAX_JSON_VALUES: Final = 10_000
#: Escapes that are resolved in one layer. A text with more of them is masked as a whole.
_MAX_ESCAPES: Final = 20_000

# The first pattern of each pair matches escapes of ASCII characters only, which suffices for ASCII
# secrets: Cyrillic text in JSON, say, is full of escapes that cannot hide one.
# JavaScript, as which JSON is embedded in pages, also has escapes of two digits.
_ASCII_JSON_ESCAPE: Final = lazy_pattern(r"\\(?:u00([2-7][0-9a-fA-F])|x([2-7][0-9a-fA-F])|([^u]))")
_JSON_ESCAPE: Final = lazy_pattern(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([^u]))")
_ASCII_PERCENT_ESCAPE: Final = lazy_pattern("%([2-7][0-9a-fA-F])")
_PERCENT_ESCAPE: Final = lazy_pattern("%([0-9a-fA-F]{2})")
_HTML_ESCAPE: Final = lazy_pattern("&(?:#0*[0-9]{1,7}|#[xX]0*[0-9a-fA-F]{1,6}|[A-Za-z]{1,12});?")
_JSON_CONTROLS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

#: Not inside ``\uXXXX``: a mask in place of its digits would leave invalid JSON. A secret that
#: begins there is found once the escape is resolved.
_NOT_IN_ESCAPE: Final = rb"(?<!\\u)(?<!\\u.)(?<!\\u..)(?<!\\u...)"
#: A body without any of these, and without a UTF-16 byte order mark, needs no decoding.
_ESCAPE_MARKERS: Final = (b"\\", b"%", b"&", b"\0")
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


class _TooManyEscapesError(Exception):
    """A text has more escapes than `_MAX_ESCAPES`."""


def encodings(secret: str) -> list[str]:
    """Return *secret* and its encodings in URLs, forms, JSON, HTML and parts of base64 text.

    A server that repeats what it was sent, in an error for example, usually encodes it.
    """
    found = [quote(secret, safe=""), quote_plus(secret), secret.translate(_HTML)]
    found += [json.dumps(secret, ensure_ascii=ascii)[1:-1] for ascii in (True, False)]  # noqa: A001
    raw = secret.encode(errors="replace")
    for offset, shared in enumerate(_SHARED_LETTERS):
        text = base64.b64encode(bytes(offset) + raw).decode()
        # The letters shared with bytes before or after the secret are left out.
        inner = text[shared : (offset + len(raw)) * 4 // 3]
        found += [inner, quote(inner, safe=""), inner.translate(_URL_SAFE)]
    found += [json.dumps(text)[1:-1] for text in found]
    # Some servers escape slashes; masking without the backslash would leave invalid JSON.
    found += [text.replace("/", "\\/") for text in (secret, *found)]
    found += [_PERCENT_CODE.sub(lambda code: code[0].lower(), text) for text in found]
    return [secret, *_longest_first({text for text in found if len(text) >= MIN_LENGTH})]


def scrub(text: str, secrets: Iterable[str]) -> str:
    r"""Return *text* with each of *secrets* masked, however the text encodes it.

    If a secret shows only once escapes are resolved (``\u002B`` in JSON, ``%2B``, ``&#43;``, also
    nested), the text is returned with these escapes resolved.
    """
    known = _longest_first(secrets)
    for secret in known:
        text = text.replace(secret, MASK)
    try:
        while (revealed := _reveal(text, known)) is not None:
            for secret in known:
                revealed = revealed.replace(secret, MASK)
            text = revealed
    except _TooManyEscapesError:
        return MASK
    return text


def scrub_bytes(body: bytes, secrets: Iterable[str]) -> bytes:
    """Return *body* with each of *secrets* masked, however the body encodes it.

    A literal secret is replaced in place. If a secret shows only once the body is decoded (UTF-16,
    escapes), the body is rewritten in UTF-8: JSON as JSON, any other text with its escapes
    resolved. A body with too many escapes is masked as a whole.
    """
    known = _longest_first(secrets)
    for secret in known:
        raw = secret.encode(errors="replace")
        if raw in body:
            body = re.sub(_NOT_IN_ESCAPE + re.escape(raw), MASK.encode(), body, flags=re.DOTALL)
    has_escapes = any(marker in body for marker in _ESCAPE_MARKERS)
    if not known or (not has_escapes and body[:2] not in _UTF16_MARKS):
        return body
    try:
        if not _contains_any(body, known):
            return body
        for rewrite in (_scrub_json, _scrub_text):
            rewritten = rewrite(_decode(body), known)
            if rewritten is not None and not _contains_any(rewritten, known):
                return rewritten
    except _TooManyEscapesError:
        pass
    return MASK.encode()


def _longest_first(texts: Iterable[str]) -> list[str]:
    """Sort for replacing: a longer encoding may contain a shorter one."""
    return sorted(filter(None, texts), key=len, reverse=True)


def _contains_any(body: bytes, secrets: Sequence[str]) -> bool:
    """Whether any decoding of *body* contains one of *secrets*."""
    texts = [_decode(body)]
    if b"\0" in body:  # UTF-16 or UTF-32 text may begin anywhere in the body
        texts.append(body.replace(b"\0", b"").decode(errors="replace"))
    return any(
        any(secret in text for secret in secrets) or _reveal(text, secrets) is not None
        for text in texts
    )


def _decode(body: bytes) -> str:
    """Decode *body* as a JSON parser would."""
    return body.decode(json.detect_encoding(body), errors="replace")


def _scrub_json(text: str, secrets: Sequence[str]) -> bytes | None:
    """Return the JSON in *text* in UTF-8, with *secrets* masked.

    None if it is not JSON, or has so many values that rewriting it would block the event loop.
    """
    if sum(map(text.count, ",[{")) > _MAX_JSON_VALUES:
        return None
    try:
        scrubbed = _scrub_value(json.loads(text), secrets)
        return json.dumps(scrubbed, ensure_ascii=False).encode(errors="backslashreplace")
    except (ValueError, RecursionError):
        return None


def _scrub_value(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        return scrub(value, secrets)
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {scrub(name, secrets): _scrub_value(item, secrets) for name, item in items}
    if isinstance(value, list):
        return [_scrub_value(item, secrets) for item in cast("Any", value)]
    return value


def _scrub_text(text: str, secrets: Sequence[str]) -> bytes:
    return scrub(text, secrets).encode(errors="backslashreplace")


def _reveal(text: str, secrets: Sequence[str]) -> str | None:
    """Resolve escapes in *text* until one of *secrets* shows; None if none ever does."""
    is_ascii = all(secret.isascii() for secret in secrets)
    for _ in range(_MAX_LAYERS):
        before = text
        for resolve in (_resolve_json, _resolve_percent, _resolve_html):
            resolved = resolve(text, is_ascii=is_ascii)
            if resolved != text and any(secret in resolved for secret in secrets):
                return resolved
            text = resolved
        if text == before:
            return None
    return None


def _resolve_json(text: str, *, is_ascii: bool) -> str:
    if "\\" not in text:
        return text

    def character(escape: re.Match[str]) -> str:
        long, short, letter = escape.groups()
        code = long or short
        return chr(int(code, 16)) if code else _JSON_CONTROLS.get(letter, letter)

    resolved = _resolve(_ASCII_JSON_ESCAPE if is_ascii else _JSON_ESCAPE, character, text)
    if is_ascii or resolved.isascii():
        return resolved
    # Join surrogate pairs into the characters they stand for.
    return resolved.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")


def _resolve_percent(text: str, *, is_ascii: bool) -> str:
    if "%" not in text:
        return text
    if is_ascii:
        return _resolve(_ASCII_PERCENT_ESCAPE, lambda escape: chr(int(escape[1], 16)), text)
    if len(_PERCENT_ESCAPE.findall(text)) > _MAX_ESCAPES:
        raise _TooManyEscapesError
    return unquote(text)


def _resolve_html(text: str, *, is_ascii: bool) -> str:  # noqa: ARG001  (same for any name)
    if "&" not in text:
        return text
    with build_lock:  # no fork during this import
        import html  # late: its table of entity names takes a while to load

    return _resolve(_HTML_ESCAPE, lambda escape: html.unescape(escape[0]), text)


def _resolve(pattern: re.Pattern[str], character: Callable[[re.Match[str]], str], text: str) -> str:
    resolved, count = pattern.subn(character, text, _MAX_ESCAPES)
    if count == _MAX_ESCAPES:
        raise _TooManyEscapesError
    return resolved


#: Items of an object or array that a message shows.
_MAX_ITEMS: Final = 10
#: Unicode spaces other than the plain one, without line breaks.
_SPACES: Final = frozenset(
    "\xa0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
)


def printable(text: object, limit: int = 300) -> str:
    """Return foreign *text* as one line of visible characters, *limit* of them at most.

    Control, format and bidirectional characters, line breaks, surrogates and unassigned code points
    are escaped as in Python literals, so that they can neither control a terminal nor forge a line
    of a log. The text is truncated first, so that its size does not matter.
    """
    plain = _truncate(text, limit)
    if not plain.isprintable():
        plain = "".join(c if c.isprintable() else _escape(c) for c in plain)
    return plain if len(plain) <= limit else f"{plain[:limit]}…"


def _escape(character: str) -> str:
    return " " if character in _SPACES else character.encode("unicode_escape").decode()


def _truncate(value: object, limit: int) -> str:
    """Return the start of *value* as text: up to one character more than *limit*."""
    if isinstance(value, str):
        return value[: limit + 1]
    if isinstance(value, bytes | bytearray):
        return bytes(value[: limit + 1]).decode(errors="backslashreplace")
    if isinstance(value, dict | list | tuple):
        return _short_repr(cast("Any", value), limit)[: limit + 1]
    return str(value)[: limit + 1]


def _short_repr(value: Any, limit: int, depth: int = 4) -> str:
    """Return the start of the repr of a JSON value, which as a whole may be large and deep."""
    if isinstance(value, str):
        return repr(value[:limit])
    if not isinstance(value, dict | list | tuple):
        return repr(value)
    if not depth:
        return "..."
    items, is_object = cast("Any", value), isinstance(value, dict)
    first: list[Any] = list(islice(items.items() if is_object else items, _MAX_ITEMS))
    if is_object:
        shown = [": ".join(_short_repr(part, limit, depth - 1) for part in pair) for pair in first]
    else:
        shown = [_short_repr(item, limit, depth - 1) for item in first]
    if len(items) > len(first):
        shown.append("...")
    opening, closing = "{}" if is_object else "[]"
    return f"{opening}{', '.join(shown)}{closing}"
