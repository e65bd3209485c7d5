"""Servers that redirect a path to the same path with, or without, a slash at its end."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from msgspec.structs import replace
from yarl import URL

from ev_energy._messages import Request, Response

_REDIRECTS: Final = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)


class SlashRedirects:
    """The path templates that a server redirected, and the form it wants for each."""

    def __init__(self) -> None:
        self.ends_in_slash: dict[str, bool] = {}
        """Path templates, and whether the server wants a slash at the end of their paths."""

    def apply(self, request: Request) -> Request:
        """Return *request* in the form that the server last redirected it to."""
        if request.template not in self.ends_in_slash:
            return request
        return replace(request, url=_with_slash(request.url, self.ends_in_slash[request.template]))

    def learn(self, request: Request, response: Response) -> bool:
        """Remember a redirect to the other form. Return whether *response* is one."""
        other = other_slash_form(request.url, response)
        if other is not None:
            self.ends_in_slash[request.template] = other.raw_path.endswith("/")
        return other is not None


def other_slash_form(url: URL, response: Response) -> URL | None:
    """Return *url* with its last slash added or removed, if that is where *response* redirects.

    Origin, path and query of the target must otherwise be the same. The returned URL is derived
    from *url*, not from the ``Location``, whose spelling the server chooses.
    """
    if response.status not in _REDIRECTS:
        return None
    try:
        target = url.join(URL(response.headers.get("location", ""), encoded=True))
        same_origin = target.origin() == url.origin() and "@" not in target.raw_authority
    except ValueError:
        return None
    other = _with_slash(url, not url.raw_path.endswith("/"))
    same_path = unquote(target.raw_path) == unquote(other.raw_path)
    if same_origin and same_path and list(target.query.items()) == list(url.query.items()):
        return other
    return None


def _with_slash(url: URL, ends_in_slash: bool) -> URL:
    path = url.raw_path.rstrip("/") + ("/" if ends_in_slash else "")
    if path == url.raw_path:
        return url
    return url.with_path(path, encoded=True, keep_query=True)
