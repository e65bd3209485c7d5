"""Texts of a declared format: whether one is of it, and what to call it."""

from __future__ import annotations

import re
from datetime import date
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator._store._instants import read_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_DECIMAL: Final = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_UUID: Final = re.compile(r"[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}", re.ASCII | re.IGNORECASE)

# RFC 3986, appendix A: what each part of a URL may hold.
_NAME: Final = r"(?:[\w.~!$&'()*+,;=-]|%[\da-fA-F]{2})*"
_USER: Final = r"(?:[\w.~!$&'()*+,;=:-]|%[\da-fA-F]{2})*"
_PATH: Final = r"(?:[\w.~!$&'()*+,;=:@/-]|%[\da-fA-F]{2})*"
_QUERY: Final = r"(?:[\w.~!$&'()*+,;=:@/?-]|%[\da-fA-F]{2})*"
_AUTHORITY: Final = rf"//(?:{_USER}@)?(?:\[([^\]]*)\]|{_NAME})(?::\d*)?(?=[/?#]|\Z)"
_URL: Final = re.compile(
    rf"[A-Za-z][A-Za-z\d+.-]*:(?:{_AUTHORITY}|(?!//)){_PATH}(?:\?{_QUERY})?(?:#{_QUERY})?",
    re.ASCII,
)


@attrs.frozen
class Format:
    """A format of texts."""

    wanted: str
    """What to ask for, as the end of a sentence."""
    is_met: Callable[[str], bool]


def _is_date(text: str) -> bool:
    try:
        return bool(_DATE.fullmatch(text) and date.fromisoformat(text))
    except ValueError:
        return False


def _is_instant(text: str) -> bool:
    if not _INSTANT.fullmatch(text):
        return False
    try:
        read_instant(text)
    except ValueError:
        return False
    return True


def _is_email(text: str) -> bool:
    name, at, domain = text.partition("@")
    return bool(name and at) and "@" not in domain and "." in domain[1:-1] and _is_one_word(text)


def _is_one_word(text: str) -> bool:
    return text.split() == [text]


def _is_url(text: str) -> bool:
    found = _URL.fullmatch(text)
    if found is None or found[1] is None:
        return found is not None
    try:
        IPv6Address(found[1])
    except AddressValueError:
        return False
    return True


FORMATS: Final[Mapping[str, Format]] = {
    "date": Format("a date such as 2026-10-05", _is_date),
    "date-time": Format("a date and time with its zone, such as 2026-10-05T12:00:00Z", _is_instant),
    "decimal": Format("a decimal number, as text", lambda text: bool(_DECIMAL.fullmatch(text))),
    "email": Format("an e-mail address", _is_email),
    "uri": Format("an absolute URL", _is_url),
    "uuid": Format("a UUID", lambda text: bool(_UUID.fullmatch(text))),
}
