"""Registered applications (the clients of OAuth) and their redirect URIs."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence


#: Schemes of URIs that a browser evaluates in place instead of leaving the page.
_UNSAFE_SCHEMES: Final = frozenset({"", "about", "blob", "data", "file", "javascript", "vbscript"})
#: Characters that stay as they are in a URL; "%" is among them, so escapes are not escaped again.
_URL_SAFE: Final = string.punctuation


@attrs.frozen
class Application:
    """A registered client of the API."""

    client_id: str
    client_secret: str = attrs.field(repr=False)
    """Empty for a public application."""
    scopes: frozenset[str]
    redirect_uris: tuple[str, ...] = ()
    name: str = "An application"
    public: bool = False
    """Whether it cannot keep a secret, as on a phone; it must use PKCE then."""
    onboarding_redirect_url: str | None = None
    """Where drivers are sent after onboarding if the request has no redirect_uri."""

    def __attrs_post_init__(self) -> None:
        named = [("redirect_uris", uri) for uri in self.redirect_uris]
        if self.onboarding_redirect_url is not None:
            named.append(("onboarding_redirect_url", self.onboarding_redirect_url))
        for name, uri in named:
            if not _is_redirect_uri(uri):
                raise ValueError(f"{name}: not a redirect URI: {uri}")

    def may_return_to(self, uri: str) -> bool:
        """Return whether onboarding may send drivers to *uri*.

        Unlike at the authorization endpoint, scheme and host of a registered URI are enough.
        """
        registered = (*self.redirect_uris, *filter(None, [self.onboarding_redirect_url]))
        try:
            origin = urlsplit(uri)[:2]
        except ValueError:
            return False
        return origin in [urlsplit(known)[:2] for known in registered]


def _is_redirect_uri(uri: str) -> bool:
    try:
        scheme = urlsplit(uri).scheme
    except ValueError:
        return False
    return scheme not in _UNSAFE_SCHEMES and "#" not in uri and quote(uri, safe=_URL_SAFE) == uri


def redirect_url(uri: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Return a redirect URI with *pairs* added to its query (RFC 6749, section 4.1.2)."""
    parts = urlsplit(uri)
    query = "&".join(filter(None, [parts.query, urlencode(pairs)]))
    return quote(urlunsplit(parts._replace(query=query)), safe=_URL_SAFE)
