"""Text of a server is printed in one short line, with secrets masked in any encoding."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ev_energy._redaction.scrub import encodings, printable, scrub, scrub_bytes

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=500)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(ANY_TEXT, inner, max_size=12),
    max_leaves=30,
)


@given(JSON | st.binary(max_size=400), st.integers(1, 300))
def test_printable_returns_one_short_visible_line(value: object, limit: int) -> None:
    shown = printable(value, limit)
    assert shown.isprintable()
    assert len(shown) <= limit + 1
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ümlauts and 漢字", "plain text, ümlauts and 漢字"),
        ("a\r\nb\tc\x00", r"a\r\nb\tc\x00"),
        ("\x1b]0;owned\x07\x1b[31m", r"\x1b]0;owned\x07\x1b[31m"),
        ("x\u202eevil\u2066\u200b", r"x\u202eevil\u2066\u200b"),
        ("line\u2028paragraph\u2029next\x85", r"line\u2028paragraph\u2029next\x85"),
        (
            "half \ud800, private \ue000, none \U000e0001",
            r"half \ud800, private \ue000, none \U000e0001",
        ),
        ("4\u202f000\xa0€", "4 000 €"),
        (b"bytes \xff\x1b", r"bytes \xff\x1b"),
        ({"x": ["\n", 1, None]}, r"{'x': ['\n', 1, None]}"),
        (list(range(100)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...]"),
        ([[[[[[]]]]]], "[[[[...]]]]"),
    ],
)
def test_printable_escapes_control_characters(text: object, shown: str) -> None:
    assert printable(text) == shown


def test_printable_keeps_the_beginning_of_a_long_text() -> None:
    assert printable("x" * 301) == "x" * 300 + "…"
    assert printable("\x1b" * 301, 8) == r"\x1b\x1b" + "…"


@pytest.mark.parametrize(
    "value", ["\x1b" * 2**24, b"\x1b" * 2**24, {"k" * 2**22: ["v" * 2**22] * 999}]
)
def test_printable_costs_the_same_for_a_text_of_any_length(value: object) -> None:
    printable(value)
    tracemalloc.start()
    try:
        printable(value)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


SHOWN = st.characters(exclude_categories=["C", "Z"])
SECRETS = st.text(SHOWN, min_size=8, max_size=40)
LETTERS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=40)


def _units(text: str) -> list[int]:
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[index : index + 2]) for index in range(0, len(raw), 2)]


#: Functions that encode a text in unusual ways.
ESCAPED: dict[str, Callable[[str], str]] = {
    "small hex": lambda text: "".join(f"\\u{unit:04x}" for unit in _units(text)),
    "capital hex": lambda text: "".join(f"\\u{unit:04X}" for unit in _units(text)),
    "slashes": lambda text: json.dumps(text, ensure_ascii=False)[1:-1].replace("/", "\\/"),
    "JSON in JSON": lambda text: json.dumps("".join(f"\\u{unit:04X}" for unit in _units(text)))[
        1:-1
    ],
    "percent": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "percent twice": lambda text: quote("".join(f"%{byte:02x}" for byte in text.encode())),
    "HTML": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "HTML with zeros": lambda text: "".join(f"&#{ord(letter):012d};" for letter in text),
    "HTML in hex": lambda text: "".join(f"&#x{ord(letter):X};" for letter in text),
    "percent in JSON": lambda text: "".join(
        "".join(f"\\u{ord(letter):04X}" for letter in f"%{byte:02X}") for byte in text.encode()
    ),
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be")


def decodings(text: str) -> list[str]:
    """Return *text* in all decoded forms, computed independently of the package."""
    import html
    from urllib.parse import unquote

    found = [text]
    for _ in range(3):
        for one in list(found):
            unescaped = re.sub(
                r"\\u([0-9a-fA-F]{4})|\\(.)",
                lambda m: chr(int(m[1], 16)) if m[1] else m[2],
                one,
            )
            joined = unescaped.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            found += [joined, unquote(one), html.unescape(one)]
        found = list(dict.fromkeys(found))
    return found


@given(SECRETS | LETTERS)
@pytest.mark.parametrize("write", ESCAPED.values(), ids=ESCAPED)
def test_secret_is_found_under_escapes(write: Callable[[str], str], secret: str) -> None:
    shown = scrub(f"you sent {write(secret)}.", encodings(secret))
    assert "***" in shown
    assert not any(secret in decoded for decoded in decodings(shown))


@given(SECRETS | LETTERS)
def test_secret_is_found_under_javascript_escapes(secret: str) -> None:
    units = "".join(
        f"\\x{unit:02X}" if unit < 0x100 else f"\\u{unit:04X}" for unit in _units(secret)
    )
    assert scrub(f"you sent {units}.", encodings(secret)) == "you sent ***."


@pytest.mark.matrix("write")
@settings(max_examples=15)
@example('"0000000')
@example("0¡¡¡¡¡¡¡")
@example("\\0000000/")
@example("/0000000")
@given(SECRETS | LETTERS)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("write", [*ESCAPED.values(), str], ids=[*ESCAPED, "plain"])
def test_body_with_an_escaped_secret_stays_json(
    write: Callable[[str], str], encoding: str, secret: str
) -> None:
    written = json.dumps(f"you sent {secret}") if write is str else f'"you sent {write(secret)}"'
    body = f'{{"title": "no", "count": 7, "detail": {written}, "f": [{{"x": {written}}}]}}'
    shown = scrub_bytes(body.encode(encoding), encodings(secret))
    for text in (
        shown.decode(errors="replace"),
        shown.replace(b"\0", b"").decode(errors="replace"),
    ):
        assert not any(secret in decoded for decoded in decodings(text))
    read: Any = json.loads(shown)
    assert read["title"] == "no"
    assert read["count"] == 7
    assert "***" in read["detail"]
    assert "***" in read["f"][0]["x"]


@given(st.dictionaries(ANY_TEXT, JSON, max_size=5))
def test_body_without_a_secret_is_unchanged(document: object) -> None:
    for encoding in ENCODINGS:
        body = json.dumps(document).encode(encoding)
        assert scrub_bytes(body, encodings("a-secret/of+ours")) is body


def test_body_with_too_many_escapes_is_masked() -> None:
    body = b'{"detail": "' + rb"\u0041" * 10**6 + b'"}'
    assert scrub_bytes(body, encodings("a-secret/of+ours")) == b"***"
    cyrillic = json.dumps("по-русски" * 10**5).encode()
    assert scrub_bytes(cyrillic, encodings("a-secret/of+ours")) is cyrillic
