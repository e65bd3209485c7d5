"""The store of authorization codes, access tokens and token families."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from ev_energy.simulator.clock._instants import micros

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from ev_energy.simulator._secrets import Secrets


ACCESS_TOKEN_LIFETIME: Final = timedelta(seconds=36000)
_CODE_LIFETIME: Final = timedelta(minutes=1)


# The names of attributes in these three classes are those of the state file.


@attrs.frozen
class AccessToken:
    """What an access token authorizes."""

    client_id: str
    scope: str
    user_id: str | None
    ends: int
    """When it expires, in microseconds since 1970."""


@attrs.define
class AuthorizationCode:
    """An authorization code with what it can be, or was, exchanged for."""

    client_id: str
    scope: str
    user_id: str
    ends: int
    """When it expires, in microseconds since 1970."""
    redirect_uri: str
    redirect_named: bool
    """Whether the authorization request contained redirect_uri; the token request must repeat it
    then."""
    challenge: str | None
    method: str | None
    family: str | None = None
    """The token family that it was exchanged for; None if it was not used yet."""


@attrs.define
class TokenFamily:
    """The tokens that descend from one consent: the current refresh token and its access token.

    Refresh tokens rotate: each use replaces both tokens. Used ones are remembered, since the reuse
    of one revokes the family (RFC 9700, section 4.14.2).
    """

    client_id: str
    scope: str
    user_id: str
    code: str | None
    """The authorization code that it was issued for; None for a sign-in without pages."""
    refresh: str = ""
    access: str = ""
    spent: list[str] = attrs.Factory(list[str])
    """The refresh tokens that were used."""


class TokenStore:
    """All codes and tokens that were issued and can still be used or recognised."""

    def __init__(self, secrets: Secrets, clock: Callable[[], datetime]) -> None:
        self._secrets = secrets
        self._clock = clock
        self._issued = 0
        self._access: dict[str, AccessToken] = {}
        self._codes: dict[str, AuthorizationCode] = {}
        self._families: dict[str, TokenFamily] = {}
        #: The name of the family of each refresh token, used ones included.
        self._family_names: dict[str, str] = {}

    def access(self, token: str) -> AccessToken | None:
        """Return a valid access token, or None."""
        access = self._access.get(token)
        return None if access is None or access.ends <= self._now() else access

    def new_access(self, client_id: str, scope: str, user_id: str | None = None) -> str:
        """Issue an access token outside any family."""
        # All have the same lifetime, so the oldest expire first.
        while self._access and self._access[first := next(iter(self._access))].ends <= self._now():
            del self._access[first]
        token = self._new_text("token")
        ends = micros(self._clock() + ACCESS_TOKEN_LIFETIME)
        self._access[token] = AccessToken(client_id, scope, user_id, ends)
        return token

    def new_code(
        self,
        client_id: str,
        scope: str,
        user_id: str,
        *,
        redirect_uri: str,
        redirect_named: bool,
        challenge: str | None,
        method: str | None,
    ) -> str:
        """Issue an authorization code."""
        now = self._now()
        self._codes = {
            text: code
            for text, code in self._codes.items()
            if code.family is not None or code.ends > now
        }
        ends = micros(self._clock() + _CODE_LIFETIME)
        text = self._new_text("code")
        self._codes[text] = AuthorizationCode(
            client_id, scope, user_id, ends, redirect_uri, redirect_named, challenge, method
        )
        return text

    def code(self, text: str, client_id: str) -> AuthorizationCode | None:
        """Return a code that can be exchanged, or None.

        The second use of a code revokes the tokens of the first (RFC 6749, section 4.1.2).
        """
        code = self._codes.get(text)
        if code is None or code.client_id != client_id:
            return None
        if code.family is not None:
            self._revoke_family(code.family)
            return None
        return None if code.ends <= self._now() else code

    def new_family(
        self, client_id: str, scope: str, user_id: str, code: str | None = None
    ) -> TokenFamily:
        """Issue the first tokens of a consent and mark its code, if any, as used."""
        name = self._new_text("family")
        family = self._families[name] = TokenFamily(client_id, scope, user_id, code)
        if code is not None:
            self._codes[code].family = name
        self._issue_next(name, family, scope)
        return family

    def family(self, refresh: str, client_id: str) -> TokenFamily | None:
        """Return the family of a current refresh token, or None; reuse revokes the family."""
        name = self._family_names.get(refresh)
        family = None if name is None else self._families[name]
        if name is None or family is None or family.client_id != client_id:
            return None
        if refresh != family.refresh:
            self._revoke_family(name)
            return None
        return family

    def rotate(self, family: TokenFamily, scope: str) -> None:
        """Replace the tokens of a family with new ones."""
        self._issue_next(self._family_names[family.refresh], family, scope)

    def revoke(self, token: str, client_id: str | None = None) -> bool:
        """Revoke a token of a client, or of any if None; return whether it was valid.

        A refresh token takes its family with it.
        """
        access = self._access.get(token)
        if access is not None and client_id in {None, access.client_id}:
            del self._access[token]
            return True
        name = self._family_names.get(token)
        if name is not None and client_id in {None, self._families[name].client_id}:
            self._revoke_family(name)
            return True
        return False

    def expire_access(self) -> None:
        """Remove all access tokens."""
        self._access.clear()

    def dump(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "made": self._issued,
            **{
                name: {key: attrs.asdict(value) for key, value in section.items()}
                for name, section in (
                    ("access", self._access),
                    ("codes", self._codes),
                    ("families", self._families),
                )
            },
        }

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Replace everything with what `dump` returned."""
        self._issued = msgspec.convert(dumped["made"], int)
        self._access = msgspec.convert(dumped["access"], dict[str, AccessToken])
        self._codes = msgspec.convert(dumped["codes"], dict[str, AuthorizationCode])
        self._families = msgspec.convert(dumped["families"], dict[str, TokenFamily])
        families = {code.family for code in self._codes.values()} - {None}
        codes = {family.code for family in self._families.values()} - {None}
        if not (families <= self._families.keys() and codes <= self._codes.keys()):
            raise ValueError("a code and its token family do not refer to each other")
        # A state file must not extend a token's life beyond that of a new one.
        latest = micros(self._clock() + ACCESS_TOKEN_LIFETIME)
        self._access = {
            token: attrs.evolve(access, ends=min(access.ends, latest))
            for token, access in self._access.items()
        }
        self._family_names = {
            refresh: name
            for name, family in self._families.items()
            for refresh in (*family.spent, family.refresh)
        }

    def client_ids(self) -> set[str]:
        """Return the ids of all clients that codes or tokens were issued to."""
        sections = (self._access, self._codes, self._families)
        return {entry.client_id for section in sections for entry in section.values()}

    def _now(self) -> int:
        return micros(self._clock())

    def _new_text(self, kind: str) -> str:
        self._issued += 1
        return f"{kind}-{self._secrets.text(kind, self._issued)}"

    def _issue_next(self, name: str, family: TokenFamily, scope: str) -> None:
        self._access.pop(family.access, None)
        if family.refresh:
            family.spent.append(family.refresh)
        family.access = self.new_access(family.client_id, scope, family.user_id)
        family.refresh = self._new_text("refresh")
        self._family_names[family.refresh] = name

    def _revoke_family(self, name: str) -> None:
        family = self._families.pop(name)
        self._access.pop(family.access, None)
        for refresh in (*family.spent, family.refresh):
            del self._family_names[refresh]
        if family.code is not None:
            del self._codes[family.code]
