"""Codes and tokens: who holds which, until when, and which of them hang together."""

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


LIFETIME: Final = timedelta(seconds=36000)
_CODE_LIFETIME: Final = timedelta(minutes=1)


@attrs.frozen
class Access:
    """What an access token is good for."""

    client_id: str
    scope: str
    user_id: str | None
    ends: int
    """In microseconds since 1970, as in all of these: they go into a state file as they are."""


@attrs.define
class Code:
    """An authorization code, and what it will be, or was, exchanged for."""

    client_id: str
    scope: str
    user_id: str
    ends: int
    redirect_uri: str
    redirect_named: bool
    """Whether the authorization request said the URI; then the token request must too."""
    challenge: str | None
    method: str | None
    family: str | None = None
    """The tokens it was exchanged for."""


@attrs.define
class Family:
    """The tokens that came of one consent: one refresh token at a time, with its access token.

    The refresh token before the present ones are remembered, to know them when they come again.
    """

    client_id: str
    scope: str
    user_id: str
    code: str | None
    refresh: str = ""
    access: str = ""
    spent: list[str] = attrs.Factory(list[str])


class Tokens:
    """Everything that was issued and can still matter."""

    def __init__(self, secrets: Secrets, clock: Callable[[], datetime]) -> None:
        self._secrets = secrets
        self._clock = clock
        self._made = 0
        self._access: dict[str, Access] = {}
        self._codes: dict[str, Code] = {}
        self._families: dict[str, Family] = {}
        self._family_of: dict[str, str] = {}

    def access(self, token: str) -> Access | None:
        """Return what an access token is good for, None if for nothing."""
        access = self._access.get(token)
        return None if access is None or access.ends <= self._now() else access

    def new_access(self, client_id: str, scope: str, user_id: str | None = None) -> str:
        """Return a new access token that belongs to no family."""
        # All live equally long, so the oldest are the first to go.
        while self._access and self._access[first := next(iter(self._access))].ends <= self._now():
            del self._access[first]
        token = self._new("token")
        self._access[token] = Access(client_id, scope, user_id, micros(self._clock() + LIFETIME))
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
        """Return a new code."""
        now = self._now()
        self._codes = {
            text: code
            for text, code in self._codes.items()
            if code.family is not None or code.ends > now
        }
        ends = micros(self._clock() + _CODE_LIFETIME)
        text = self._new("code")
        self._codes[text] = Code(
            client_id, scope, user_id, ends, redirect_uri, redirect_named, challenge, method
        )
        return text

    def code(self, text: str, client_id: str) -> Code | None:
        """Return a code that can be exchanged; the tokens of one that was already are revoked."""
        code = self._codes.get(text)
        if code is None or code.client_id != client_id:
            return None
        if code.family is not None:
            self._revoke(code.family)
            return None
        return None if code.ends <= self._now() else code

    def new_family(
        self, client_id: str, scope: str, user_id: str, code: str | None = None
    ) -> Family:
        """Return the first tokens of a consent; its code, if it had one, is used up by this."""
        name = self._new("family")
        family = self._families[name] = Family(client_id, scope, user_id, code)
        if code is not None:
            self._codes[code].family = name
        self._renew(name, family, scope)
        return family

    def family(self, refresh: str, client_id: str) -> Family | None:
        """Return what a refresh token renews; if it was used before, all is revoked."""
        name = self._family_of.get(refresh)
        family = None if name is None else self._families[name]
        if name is None or family is None or family.client_id != client_id:
            return None
        if refresh != family.refresh:
            self._revoke(name)
            return None
        return family

    def rotate(self, family: Family, scope: str) -> None:
        """Put new tokens in place of a family's present ones."""
        self._renew(self._family_of[family.refresh], family, scope)

    def revoke(self, token: str, client_id: str | None = None) -> bool:
        """Forget a token of a client, of any if None; a refresh token takes its family along."""
        access = self._access.get(token)
        if access is not None and client_id in {None, access.client_id}:
            del self._access[token]
            return True
        name = self._family_of.get(token)
        if name is not None and client_id in {None, self._families[name].client_id}:
            self._revoke(name)
            return True
        return False

    def expire_access(self) -> None:
        """Forget all access tokens."""
        self._access.clear()

    def dump(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "made": self._made,
            **{
                name: {key: attrs.asdict(value) for key, value in kept.items()}
                for name, kept in (
                    ("access", self._access),
                    ("codes", self._codes),
                    ("families", self._families),
                )
            },
        }

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Take what `dump` returned in place of everything."""
        self._made = msgspec.convert(dumped["made"], int)
        self._access = msgspec.convert(dumped["access"], dict[str, Access])
        self._codes = msgspec.convert(dumped["codes"], dict[str, Code])
        self._families = msgspec.convert(dumped["families"], dict[str, Family])
        families = {code.family for code in self._codes.values()} - {None}
        codes = {family.code for family in self._families.values()} - {None}
        if not (families <= self._families.keys() and codes <= self._codes.keys()):
            raise ValueError("a code and the tokens it was exchanged for do not know each other")
        # A file cannot make a token live longer than a new one would.
        latest = micros(self._clock() + LIFETIME)
        self._access = {
            token: attrs.evolve(access, ends=min(access.ends, latest))
            for token, access in self._access.items()
        }
        self._family_of = {
            refresh: name
            for name, family in self._families.items()
            for refresh in (*family.spent, family.refresh)
        }

    def client_ids(self) -> set[str]:
        """Return the applications that anything was issued to."""
        issued = (self._access, self._codes, self._families)
        return {one.client_id for kept in issued for one in kept.values()}

    def _now(self) -> int:
        return micros(self._clock())

    def _new(self, kind: str) -> str:
        self._made += 1
        return f"{kind}-{self._secrets.text(kind, self._made)}"

    def _renew(self, name: str, family: Family, scope: str) -> None:
        self._access.pop(family.access, None)
        if family.refresh:
            family.spent.append(family.refresh)
        family.access = self.new_access(family.client_id, scope, family.user_id)
        family.refresh = self._new("refresh")
        self._family_of[family.refresh] = name

    def _revoke(self, name: str) -> None:
        family = self._families.pop(name)
        self._access.pop(family.access, None)
        for refresh in (*family.spent, family.refresh):
            del self._family_of[refresh]
        if family.code is not None:
            del self._codes[family.code]
