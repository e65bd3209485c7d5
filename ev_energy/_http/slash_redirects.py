"""Servers that have their paths with a slash at the end, or without, and redirect to that form."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from yarl import URL

from ev_energy._messages import Response

_REDIRECTS: Final = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)


def other_slash_form(url: URL, response: Response) -> URL | None:
    """Return *url* with its last slash added or removed, if that is where *response* redirects.

    Anything else about the target must be the same: origin, path and query. The URL returned is
    made of *url* and not of the ``Location``, whose spelling is the server's.
    """
    if response.status not in _REDIRECTS:
        return None
    try:
        target = url.join(URL(response.headers.get("location", ""), encoded=True))
        same_origin = target.origin() == url.origin() and "@" not in target.raw_authority
    except ValueError:
        return None
    other = with_slash(url, not url.raw_path.endswith("/"))
    same_path = unquote(target.raw_path) == unquote(other.raw_path)
    if same_origin and same_path and list(target.query.items()) == list(url.query.items()):
        return other
    return None


def with_slash(url: URL, ends_in_slash: bool) -> URL:
    """Return *url* with a slash at the end of its path, or without one."""
    path = url.raw_path.rstrip("/") + ("/" if ends_in_slash else "")
    if path == url.raw_path:
        return url
    return url.with_path(path, encoded=True, keep_query=True)
