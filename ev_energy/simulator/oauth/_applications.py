"""Applications, and where they may send a browser."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence


#: Schemes that would make a browser do something here instead of going somewhere else.
_NOWHERE: Final = frozenset({"", "about", "blob", "data", "file", "javascript", "vbscript"})


@attrs.frozen
class Application:
    """A client of the API."""

    client_id: str
    client_secret: str = attrs.field(repr=False)
    """Empty if the application is public."""
    scopes: frozenset[str]
    redirect_uris: tuple[str, ...] = ()
    name: str = "An application"
    public: bool = False
    """Whether it runs where it cannot keep a secret; then it proves itself with PKCE."""
    onboarding_redirect_url: str | None = None
    """Where drivers go after onboarding if a request does not say."""

    def __attrs_post_init__(self) -> None:
        also = () if self.onboarding_redirect_url is None else (self.onboarding_redirect_url,)
        for uri in (*self.redirect_uris, *also):
            parts = urlsplit(uri)
            if parts.scheme in _NOWHERE or "#" in uri or quote(uri, safe=_SAFE) != uri:
                raise ValueError(f"Not a URI to redirect to: {uri}")

    def may_return_to(self, uri: str) -> bool:
        """Return whether drivers may be sent to ``uri`` after onboarding.

        Unlike a login, that only has to be the scheme and host of something registered.
        """
        known = (*self.redirect_uris, *filter(None, [self.onboarding_redirect_url]))
        try:
            given = urlsplit(uri)
        except ValueError:
            return False
        return given[:2] in [urlsplit(registered)[:2] for registered in known]


#: Everything that stands for itself in a URL, or is a percent sign that must stay one.
_SAFE: Final = string.punctuation


def return_url(uri: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Return a redirect URI with more parameters; what its query had stays."""
    parts = urlsplit(uri)
    query = "&".join(filter(None, [parts.query, urlencode(pairs)]))
    return quote(urlunsplit(parts._replace(query=query)), safe=_SAFE)
