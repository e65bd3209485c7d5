"""`Client.request`: calls of operations that this version has no method for.

They take the same way as the calls of all other operations, from `ApiCaller` on.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote, unquote

from yarl import URL

from ev_energy._api.path_words import PATH_WORDS
from ev_energy._api.urls import (
    RepeatedValues,
    build_url,
    comma_separated,
    fill_path,
    query_text,
)
from ev_energy._arguments import (
    describe_type,
    describe_value,
    is_list,
    require_encodable,
    require_text,
)
from ev_energy._codec.decode import JSON, Expected
from ev_energy._codec.encode import encode_value
from ev_energy._codec.model_check import require_model
from ev_energy._codec.text import id_text
from ev_energy._messages import Request
from ev_energy._redaction.scrub import printable
from ev_energy._runtime.lazy_pattern import lazy_pattern
from ev_energy._unset import UNSET
from ev_energy.errors import ForeignOriginError
from ev_energy.models._base import Model
from ev_energy.models._refs import Ref

if TYPE_CHECKING:
    from ev_energy._api.caller import ApiCaller
    from ev_energy._api.paging import Pager

_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_PLACEHOLDER: Final = lazy_pattern(r"{(\w+)}")
_BRACES: Final = lazy_pattern(r"{[^{}/]*}?|}")
#: Characters that end a path, and those that no part of a path has, not even escaped: separators,
#: of which some servers take a backslash for one, and what no URL can hold.
_ENDS: Final = lazy_pattern(r"[?#]")
_UNSENDABLE: Final = lazy_pattern(r"[\x00-\x1f\x7f\ud800-\udfff]")
_SEPARATORS: Final = lazy_pattern(r"[/\\\x00-\x1f\x7f\ud800-\udfff]")
#: Looks like a part of the API's own paths, such as ``status_logs``, or is a placeholder.
_WORD: Final = lazy_pattern(r"[a-z]+(?:[_-][a-z]+)*|{\w+}")
_BARE_PERCENT: Final = lazy_pattern(r"%(?![0-9A-Fa-f]{2})")


def raw_request(
    caller: ApiCaller,
    method: str,
    path: str | URL,
    *,
    ids: Mapping[str, object] | None,
    query: Mapping[str, object] | None,
    json: object,
    model: type[Model] | None,
    paged: bool,
    envelope_key: str | None,
) -> Coroutine[Any, Any, Any] | Pager[Any]:
    """Check the arguments, and return the call or the listing."""
    method = _checked_method(method)
    has_body = json is not None and json is not UNSET
    if method == "GET" and has_body:
        raise ValueError("a GET request has no body: pass query=, or another method")
    if isinstance(json, str):
        raise TypeError("json is the value to send as JSON, such as a dict, and not its text")
    if paged and method != "GET":
        raise ValueError(f"paged=True lists with GET requests, not with {method}")
    if envelope_key is not None and not require_text("envelope_key", envelope_key):
        raise ValueError("envelope_key must not be empty")
    if envelope_key is not None and model is None and not paged:
        raise ValueError("envelope_key needs model= or paged=True: without them, read the key")
    url, template = _resolve(caller, path, {} if ids is None else ids, _query_values(query))
    state, headers, body = caller.state, caller.options.headers, None
    if has_body:
        body = encode_value(json, str(state.base_url))
        headers = {**headers, "Content-Type": "application/json"}
    request = Request(method, url, headers, body, state.auth is not None, template)
    expanded = "expand" in url.query
    into = (
        JSON if model is None else require_model("model", model, as_list=paged, expanded=expanded)
    )
    expected = Expected(into, paged, expanded, envelope_key)
    return caller.pages(request, expected) if paged else caller.exchange(request, expected)


def _checked_method(method: object) -> str:
    known = require_text("method", method).upper()
    if known not in _METHODS:
        raise ValueError(
            f"method must be GET, POST, PUT, PATCH or DELETE, not {describe_value(method)}"
        )
    return known


def _query_values(query: object) -> dict[str, object]:
    """Return *query* with lists, models and links in the form in which they are sent."""
    if query is None:
        return {}
    if not isinstance(query, Mapping):
        raise TypeError(f"query must be a mapping of names to values, not {describe_type(query)}")
    members = cast("Mapping[Any, object]", query).items()
    return {_checked_name(name): _query_value(name, value) for name, value in members}


def _checked_name(name: object) -> str:
    text = require_text("a name in query", name)
    if not text:
        raise ValueError("a name in query must not be empty")
    return require_encodable("a name in query", text)


def _query_value(name: str, value: object) -> object:
    argument = f"query[{name!r}]"
    if value is None or value is UNSET:
        return value
    if not is_list(value):
        return _query_text(argument, value)
    values = cast("Sequence[object]", value)
    items = [_query_text(f"an item of {argument}", item) for item in values]
    if items and not name.endswith(("__in", "__range")):
        return RepeatedValues(items)
    # An empty list of links to expand filters nothing, and is not expected to.
    return None if name == "expand" and not items else comma_separated(argument, items)


def _query_text(argument: str, value: object) -> str:
    if isinstance(value, Model | Ref):
        return id_text(argument, cast("object", value))
    return query_text(argument, value)


def _resolve(
    caller: ApiCaller, path: str | URL, ids: object, query: Mapping[str, object]
) -> tuple[URL, str]:
    """Return the URL of the call, and a template of its path that holds no id."""
    base_url = caller.state.base_url
    text = str(path) if isinstance(path, URL) else require_text("path", path)
    if not isinstance(ids, Mapping):
        raise TypeError(f"ids must be a mapping of placeholders to ids, not {describe_type(ids)}")
    by_name = cast("Mapping[str, object]", ids)
    if not text.startswith("/"):
        return _resolve_url(caller, text, by_name, query)
    _check_segments(text)
    _check_base_path(text, base_url)
    names: list[str] = _PLACEHOLDER.findall(text)
    if found := _BRACES.search(_PLACEHOLDER.sub("", text)):
        raise ValueError(
            f"path has {found[0]!r}, which is no placeholder: these have names of letters, digits "
            "and '_', such as {evse_id}"
        )
    if set(names) != set(by_name):
        placeholders = ", ".join(f"{{{name}}}" for name in names) or "no placeholders"
        raise ValueError(
            f"path has {placeholders}, and ids has {', '.join(map(repr, by_name)) or 'nothing'}: "
            "pass an id for each placeholder"
        )
    filled = fill_path(text, [by_name[name] for name in names])
    return build_url(base_url, _escaped(filled, safe="/"), query), _template(text)


def _check_base_path(path: str, base_url: URL) -> None:
    base_path = base_url.raw_path.rstrip("/")
    if base_path and f"{path}/".startswith(f"{base_path}/"):
        raise ValueError(
            f"path {printable(path, 100)!r} repeats {base_path!r}, in which the base URL ends: "
            f"pass {printable(path.removeprefix(base_path) or '/', 100)!r}"
        )


def _resolve_url(
    caller: ApiCaller, text: str, ids: Mapping[str, object], query: Mapping[str, object]
) -> tuple[URL, str]:
    """Return the URL *text*, which may be a link in a reply, and a template of its path."""
    state = caller.state
    if "://" not in text:
        raise ValueError(
            f"path must start with '/', such as '/evses', or be a URL, not {printable(text, 100)!r}"
        )
    if ids:
        raise ValueError("ids fill the placeholders of a path, and a URL has none")
    if "{" in text:
        raise ValueError("a URL has no placeholders: pass the path after the base URL, and ids=")
    if found := _UNSENDABLE.search(text):
        raise ValueError(f"the URL must not contain {found[0]!a}")
    base_path = state.base_url.raw_path.rstrip("/")
    try:
        url = state.require_own_origin(URL(_escaped(text, safe="/?#[]"), encoded=True))
    except ValueError:
        url = None
    if url is None or not f"{url.raw_path}/".startswith(f"{base_path}/"):
        shown = state.http.redactor.redact(text)
        raise ForeignOriginError(shown, str(state.base_url)) from None
    if url.raw_query_string and query:
        raise ValueError("the URL has a query of its own: pass the path without it, or no query=")
    if url.raw_fragment:
        raise ValueError("the URL must not contain a fragment")
    _check_segments(url.raw_path.removesuffix("/") or "/")  # some links end in a slash
    if query:
        url = build_url(url.origin(), url.raw_path, query)
    return url, _template(url.raw_path.removeprefix(base_path))


def _escaped(text: str, *, safe: str) -> str:
    """Return *text* with all characters escaped that a URL cannot hold, and no others."""
    return quote(_BARE_PERCENT.sub("%25", text), safe=f"%:+,;=@!$&'()*~{safe}")


def _check_segments(path: str) -> None:
    """Raise `ValueError` where a server could read *path* as another path."""
    shown = printable(path, 100)
    if found := _ENDS.search(path):
        hint = ": pass the query as query=" if found[0] == "?" else ""
        raise ValueError(f"path must not contain {found[0]!r}{hint}")
    if path == "/":
        return
    for segment in path.removeprefix("/").split("/"):
        decoded = unquote(segment)
        if not decoded:
            ends_in_slash = path.endswith("/") and "//" not in path
            problem = "ends in a slash" if ends_in_slash else "has an empty segment"
            hint = ": leave it out, or is an id empty?" if ends_in_slash else ": is an id empty?"
            raise ValueError(f"path {shown!r} {problem}{hint}")
        if decoded in {".", ".."} or _SEPARATORS.search(decoded):
            raise ValueError(
                f"path {shown!r} has the segment {printable(segment, 100)!r}, which is no id: pass "
                "ids with other characters than letters, digits and '_' as ids="
            )


def _template(path: str) -> str:
    """Return *path* with ``{id}`` in place of each segment that may be an id.

    Without placeholders, ids are part of the path, and an id may be any word, such as a name; so
    only the collection in the first segment and the words of known paths are shown.
    """
    is_word = _WORD.fullmatch if "{" in path else PATH_WORDS.__contains__
    first, *others = path.strip("/").split("/")
    shown = [_template_segment(first, _WORD.fullmatch, is_word)]
    shown += [_template_segment(segment, is_word, is_word) for segment in others]
    return f"/{'/'.join(shown)}"


def _template_segment(
    segment: str, is_name: Callable[[str], object], is_action: Callable[[str], object]
) -> str:
    name, colon, action = segment.partition(":")
    if colon and not is_action(action):
        return "{id}"
    return f"{name if not name or is_name(name) else '{id}'}{colon}{action}"
