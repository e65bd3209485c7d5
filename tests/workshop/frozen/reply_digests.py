"""What is recorded of a reply: all that programs see; of a text for people, that it is there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any, Final, TypeAlias

import attrs

from tests.workshop.frozen.raw_http import RawReply

#: What stands in the record for a sentence that may be reworded.
TEXT: Final = "(text)"
#: Headers that differ from run to run or between releases: only that they are there is recorded.
_NAME_ONLY: Final = {"content-length", "server", "x-padding"}
#: What of a header is a text for people, or follows from one.
_VARYING: Final = re.compile(r"(error_description=)[^&]*|(?<=')(sha256-)[^']*")
#: Headers that are long and differ from reply to reply.
_DIGEST_ONLY: Final = {"link"}
_TEXTS_OF_PROBLEMS: Final = frozenset({"title", "detail"})
#: Members of other bodies that hold sentences, by the beginning of the path.
_TEXTS_BELOW: Final = (
    ("/o/", frozenset({"error_description"})),
    ("/v2/region_groups:validate", frozenset({"problems"})),
    ("/__sim/faults", frozenset({"about", "takes", "detail", "default of detail"})),
    ("/__sim/webhooks/deliveries", frozenset({"error"})),
    ("/__sim/requests", frozenset({"seconds"})),
    ("/__sim/state", frozenset({"error", "version"})),
    ("/__sim", frozenset({"about", "body", "query"})),
)

#: Members that hold sentences of the world: of them, it is recorded which of a reply are equal.
_PROSE: Final = frozenset(
    {
        *("change_log", "content", "conversation_summary", "description_long"),
        *("description_short", "detail_page_body", "detail_page_title", "error_description"),
        *("error_detail", "external_button_label", "message", "message_clean", "requirements"),
        *("short_text_body", "short_text_title", "subject", "value_description"),
    }
)

#: What is recorded of one reply, as JSON.
Recorded: TypeAlias = dict[str, Any]


def digest(value: object, length: int = 10) -> str:
    """Return a digest of bytes, or of a JSON value with the order of its members."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return hashlib.sha256(data).hexdigest()[:length]


def described(reply: RawReply, path: str, now: datetime) -> tuple[Recorded, Any]:
    """Return what is recorded of a reply, and its body without the texts for people.

    *now* is the time of the simulator.
    """
    recorded: Recorded = {"status": reply.status, "headers": dict(_headers(reply, now))}
    if reply.ending:
        recorded["ending"] = reply.ending
    kind = reply.header("Content-Type").partition(";")[0]
    body: Any = None
    if reply.body and kind == "text/html":
        body = html_outline(reply.body.decode())
        if path.startswith("/webhooks/"):  # the last deliveries, in any order
            body = sorted({line for line in body if "msg_" not in line})
        recorded["page"] = body
    elif reply.body and kind.endswith("json"):
        try:
            body = json.loads(reply.body)
        except (ValueError, RecursionError):
            body = reply.body.decode("latin-1")
            recorded["bytes"] = [len(reply.body), digest(reply.body)]
        else:
            problem = kind == "application/problem+json" and isinstance(body, dict)
            body = without_texts(body, path, problem=problem)
            recorded["problem" if problem else "json"] = body if problem else json_digests(body)
    elif reply.body:
        body = re.sub("<Message>.*?</Message>", TEXT, reply.body.decode("latin-1"))
        recorded["bytes"] = [len(body), digest(body)]
    return recorded, body


def json_digests(body: Any, depth: int = 1) -> Recorded:
    """Return a digest of a whole JSON value, and one of each member of it or of its rows."""
    return {"all": digest(body), "members": {n: digest(v, 4) for n, v in _members(body, depth)}}


def _members(body: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(body, dict):
        for name, value in body.items():
            if depth > 1 and isinstance(value, dict) and value:
                yield from ((f"{name}.{n}", v) for n, v in _members(value, depth - 1))
            else:
                yield name, value
    elif isinstance(body, list):
        rows = [row for row in body if isinstance(row, dict)]
        for name in dict.fromkeys(name for row in rows for name in row):
            yield name, [row.get(name, "(missing)") for row in rows]
        yield "(number of items)", len(body)
    else:
        yield "(value)", body


def without_texts(body: Any, path: str, *, problem: bool = False) -> Any:
    """Return a body without the sentences for people."""
    if problem:
        return _Texts(_TEXTS_OF_PROBLEMS, problem=True).left_out(body)
    names = next((names for start, names in _TEXTS_BELOW if path.startswith(start)), frozenset())
    masked = _Texts(names).left_out(body)
    # Deliveries to several endpoints end in any order.
    if path.startswith("/__sim/webhooks/deliveries") and isinstance(masked, list):
        return sorted(masked, key=json.dumps)
    if path == "/__sim/state" and isinstance(masked, dict):
        masked["webhooks"] = {
            name: sorted(one, key=json.dumps) if isinstance(one, list) else one
            for name, one in masked["webhooks"].items()
        }
    return masked


@attrs.define
class _Texts:
    """Leaves the sentences out of a body. Those of the world are told apart by numbers."""

    names: frozenset[str]
    problem: bool = False
    _numbers: dict[str, int] = attrs.field(factory=dict)

    def left_out(self, value: Any, inside: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self._member(name, one, inside) for name, one in value.items()}
        if isinstance(value, list):
            return [self.left_out(one) for one in value]
        return value

    def _member(self, name: str, value: Any, inside: str) -> Any:
        if name in self.names or f"{name} of {inside}" in self.names:
            return _texts_in(value)
        if self.problem:
            return _texts_in(value) if name == "field_errors" else self.left_out(value, name)
        if isinstance(value, str) and _is_prose(name, value):
            return f"(text {self._numbers.setdefault(value, len(self._numbers) + 1)})"
        return self.left_out(value, name)


def _is_prose(name: str, text: str) -> bool:
    match name:
        case "description":  # of vehicles it is a name
            return text.endswith(".")
        case "value":  # of evidence; most are amounts and numbers
            return text.count(" ") > 1
        case _:
            return name in _PROSE


def _texts_in(value: Any) -> Any:
    """Return the same structure with `TEXT` for each text and number."""
    if isinstance(value, dict):
        return {name: _texts_in(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_texts_in(one) for one in value]
    return value if value is None else TEXT


def _headers(reply: RawReply, now: datetime) -> Iterator[tuple[str, str]]:
    padding = 0
    for name, text in sorted(reply.headers, key=lambda pair: (pair[0].lower(), pair[1])):
        known = name.lower()
        if known.startswith("x-padding"):
            padding += 1
        elif known == "date":
            away = parsedate_to_datetime(text) - now.replace(microsecond=0)
            yield name, f"{away.total_seconds() / 3600:g} h from now"
        elif known in _NAME_ONLY:
            yield name, ""
        elif known in _DIGEST_ONLY:
            yield name, digest(text.encode())
        elif known == "set-cookie":
            yield name, re.sub(r"=[^;]*", "=(random)", text, count=1)
        else:
            yield name, _VARYING.sub(lambda found: f"{found[1] or found[2]}{TEXT}", text)
    if padding:
        yield "X-Padding", f"{padding} times"


@attrs.define(eq=False)
class _Outline(HTMLParser):
    """Collects what a browser can send or follow, and what stands in ``<code>``."""

    found: list[str] = attrs.field(factory=list)
    _in_code: bool = False

    def __attrs_pre_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in_code = tag == "code"
        if tag == "a":
            self.found.append(f"link {given.get('href')}")
        elif tag == "form":
            self.found.append(f"form {given.get('method')} {given.get('action') or ''}".strip())
        elif tag == "meta" and "http-equiv" in given:
            self.found.append(f"meta {given['http-equiv']} {given.get('content')}")
        elif tag in {"input", "button"}:
            value = "(random)" if given.get("name") == "seal" else given.get("value")
            flags = [name for name in ("checked", "required", "formnovalidate") if name in given]
            named = [given.get("type"), given.get("name"), value, *flags]
            self.found.append(" ".join([tag, *(str(one) for one in named if one is not None)]))

    def handle_endtag(self, tag: str) -> None:
        self._in_code = self._in_code and tag != "code"

    def handle_data(self, data: str) -> None:
        if self._in_code:
            self.found.append(f"code {data}")


def html_outline(text: str) -> list[str]:
    """Return the forms, fields, links and code of a page, without the words."""
    outline = _Outline()
    outline.feed(text)
    outline.close()
    return outline.found


def seal_in(text: str) -> str | None:
    """Return the value that proves that a form comes from a page of the simulator."""
    found = re.search(r'name="seal" value="([0-9a-f]+)"', text)
    return None if found is None else found[1]
