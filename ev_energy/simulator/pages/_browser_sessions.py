"""Browser sessions: one cookie per browser, and the CSRF tokens of its forms."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web


#: The name of the form field that holds the CSRF token.
CSRF_FIELD: Final = "seal"

#: Logins kept; the oldest is dropped, so that memory stays bounded in a long run.
_MAX_LOGINS: Final = 1000


@attrs.frozen
class BrowserSession:
    """One browser, identified by the key in its cookie."""

    key: str = attrs.field(repr=False)
    user_id: str | None = None
    """The user who is logged in, or None."""


class BrowserSessions:
    """The sessions of all browsers that open the simulator's pages.

    Session keys are random even with ``fixed_secrets``: a page of another site in the same browser
    must not be able to guess them.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._users: dict[str, str] = {}

    def get(self, request: web.Request) -> BrowserSession:
        """Return the session of a request; a new one if the request has no cookie."""
        key = request.cookies.get(_cookie_name(request), "") or secrets.token_urlsafe(24)
        return BrowserSession(key, self._users.get(key))

    def log_in(self, user_id: str) -> BrowserSession:
        """Return a new session in which the user is logged in."""
        # A new key prevents session fixation: the old one may be known to another party.
        session = BrowserSession(secrets.token_urlsafe(24), user_id)
        self._users[session.key] = user_id
        while len(self._users) > _MAX_LOGINS:
            del self._users[next(iter(self._users))]
        return session

    def log_out(self, session: BrowserSession) -> BrowserSession:
        """End a session and return a new one without a user."""
        self._users.pop(session.key, None)
        return BrowserSession(secrets.token_urlsafe(24))

    def set_cookie(
        self, request: web.Request, response: web.StreamResponse, session: BrowserSession
    ) -> None:
        """Set the cookie of the session on a response."""
        response.set_cookie(
            _cookie_name(request), session.key, httponly=True, samesite="Lax", path="/"
        )

    def csrf_token(self, session: BrowserSession) -> str:
        """Return the token that each form of the session must carry."""
        return hmac.new(self._secret, session.key.encode(), hashlib.sha256).hexdigest()

    def accepts(self, session: BrowserSession, fields: Mapping[str, str]) -> bool:
        """Return whether the fields of a form carry the CSRF token of the session."""
        token = fields.get(CSRF_FIELD, "")
        return hmac.compare_digest(token.encode(), self.csrf_token(session).encode())


def _cookie_name(request: web.Request) -> str:
    # Cookies ignore the port (RFC 6265, section 8.5), so each simulator on a host needs a name.
    return f"ev_energy_simulator_{request.url.port}"
