"""Who sits in front of a browser, known by one cookie, and whether a form is really theirs."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web


#: The field of a form that proves that it came from a page of ours.
SEAL: Final = "seal"

#: So that a simulator which runs for weeks does not grow for weeks.
_KEPT: Final = 1000


@attrs.frozen
class Visitor:
    """A browser."""

    key: str = attrs.field(repr=False)
    user_id: str | None = None
    """Who is logged in, if anybody is."""


class Visitors:
    """All browsers that were here.

    Their keys are random even where fixed secrets were asked for: a page from elsewhere that is
    open in the same browser must not be able to guess them.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._users: dict[str, str] = {}

    def visitor(self, request: web.Request) -> Visitor:
        """Return who sent a request; somebody new if there is no cookie."""
        key = request.cookies.get(_cookie(request), "") or secrets.token_urlsafe(24)
        return Visitor(key, self._users.get(key))

    def log_in(self, user_id: str) -> Visitor:
        """Return a new visitor in place of one who said who they are."""
        # A key that was known before, perhaps to somebody else too, is worth nothing afterwards.
        visitor = Visitor(secrets.token_urlsafe(24), user_id)
        self._users[visitor.key] = user_id
        while len(self._users) > _KEPT:
            del self._users[next(iter(self._users))]
        return visitor

    def log_out(self, visitor: Visitor) -> Visitor:
        """Return a new visitor in place of one who leaves."""
        self._users.pop(visitor.key, None)
        return Visitor(secrets.token_urlsafe(24))

    def remember(
        self, request: web.Request, response: web.StreamResponse, visitor: Visitor
    ) -> None:
        """Give the visitor's browser the cookie."""
        response.set_cookie(_cookie(request), visitor.key, httponly=True, samesite="Lax", path="/")

    def seal(self, visitor: Visitor) -> str:
        """Return what a form for this visitor must carry."""
        return hmac.new(self._secret, visitor.key.encode(), hashlib.sha256).hexdigest()

    def sent_by(self, visitor: Visitor, sent: Mapping[str, str]) -> bool:
        """Return whether a form that was sent is one that this visitor was given."""
        return hmac.compare_digest(sent.get(SEAL, "").encode(), self.seal(visitor).encode())


def _cookie(request: web.Request) -> str:
    # Cookies do not care for ports, but each simulator on this host has one of its own.
    return f"ev_energy_simulator_{request.url.port}"
