"""The deviations in the headers of a reply."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.helpers.conformity.exchange import Exchange
from tests.helpers.conformity.faults import HEADERS_NOT_SENT
from tests.helpers.spec.description import CURSORS, Described

_LINKS = re.compile(r'<([^<>]*)>; rel="(previous|next)", <([^<>]*)>; rel="(previous|next)"')
_LIMITS = ("X-RateLimit-Limit", "X-RateLimit-Remaining")
_NUMBER = re.compile(r"\d+(\.\d+)?")
_NO_PAGE = "about:blank"


def deviations(
    exchange: Exchange, operation: Described, declared: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the differences from the headers that a response declares."""
    found = exchange.headers
    for name, header in declared.items():
        if name in found:
            yield from _value(name, found[name], header["schema"])
        elif _is_expected(name, operation) and name not in HEADERS_NOT_SENT:
            yield f"header {name} is declared and missing"
    if len({name in found for name in _LIMITS}) == 2:
        yield f"one of the headers {' and '.join(_LIMITS)} is missing"
    if "Link" in declared and "Link" in found:
        yield from _links(exchange)


def _is_expected(name: str, operation: Described) -> bool:
    if name == "Link":  # three lists declare Link but have no paging parameters
        return bool({"page_size", *CURSORS} & operation.names("query"))
    return name not in _LIMITS  # without a rate limit there are no such headers


def _value(name: str, text: str, schema: Mapping[str, Any]) -> Iterator[str]:
    if schema["type"] != "number":
        return
    if not _NUMBER.fullmatch(text):
        yield f"header {name}: {text!r} is not a number"
    elif float(text) not in schema.get("enum", [float(text)]):
        yield f"header {name}: {text!r} is not one of {schema['enum']}"


def _links(exchange: Exchange) -> Iterator[str]:
    text = exchange.headers["Link"]
    match = _LINKS.fullmatch(text)
    if match is None:
        yield f"header Link: {text!r} is not a link to the previous page and one to the next"
        return
    if match[2] == match[4]:
        yield f"header Link: {text!r} has two links with rel={match[2]!r}"
    here = exchange.origin + exchange.raw_path.rstrip("/")
    for url in (match[1], match[3]):
        address, _, query = url.partition("?")
        names = {pair.partition("=")[0] for pair in query.split("&")}
        if url != _NO_PAGE and address.rstrip("/") != here:
            yield f"header Link: {url!r} does not point to {here!r}"
        elif url != _NO_PAGE and len(names & CURSORS) != 1:
            yield f"header Link: {url!r} has no single cursor"
