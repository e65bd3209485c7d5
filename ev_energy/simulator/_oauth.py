"""Applications, the tokens they hold, and the token endpoint."""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from ev_energy.simulator._chance import Chance

#: Every scope that operations of the API ask for.
ALL_SCOPES: Final = frozenset({
    *("boundary_meter:read", "carbon:read", "charging_session:read", "charging_session:write"),
    *("chargingsession:read", "debug:read", "dispatch_coordinator:read", "dispatch_event:write"),
    *("evse:read", "evse:write", "grid:read", "home_battery:read", "home_energy:read"),
    *("inverter:read", "inverter:write", "notification_preferences:read"),
    *("notification_preferences:write", "payout_method:read", "payout_method:write"),
    *("programs:write", "region:read", "region:write", "route_planner_preferences:read"),
    *("route_planner_preferences:write", "saved_routes:read", "saved_routes:write"),
    *("site:read", "solar:read", "solar:write", "solar_forecast:read", "subscription:read"),
    *("support:read", "support:write", "tariff:prices:read", "tariff:read", "user:read"),
    *("user:write", "utility_account:write", "vehicle:read", "vehicle:write"),
    "vehicle_catalogue:write",
})  # fmt: skip

_LIFETIME: Final = timedelta(seconds=36000)


@attrs.frozen
class Application:
    """A client of the API."""

    client_id: str
    client_secret: str = attrs.field(repr=False)
    scopes: frozenset[str]
    redirect_uris: tuple[str, ...] = ()


@attrs.frozen
class Grant:
    """What a token stands for."""

    application: Application
    scopes: frozenset[str]
    expires_at: datetime


class TokenRefusedError(Exception):
    """A token request that failed, with its RFC 6749 error code."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": code, "error_description": description}


class Authority:
    """Knows applications and tokens."""

    def __init__(self, chance: Chance, clock: Callable[[], datetime]) -> None:
        self._chance = chance
        self._clock = clock
        self._grants: dict[str, Grant] = {}
        self._issued = 0
        self.applications: dict[str, Application] = {}

    def add(self, scopes: Iterable[str], redirect_uris: tuple[str, ...] = ()) -> Application:
        """Register an application."""
        number = len(self.applications)
        application = Application(
            client_id=f"simulated-{self._chance.number('client', number) % 16**12:012x}",
            client_secret=f"secret-{self._chance.number('secret', number):032x}",
            scopes=frozenset(scopes),
            redirect_uris=redirect_uris,
        )
        self.applications[application.client_id] = application
        return application

    def grant(self, token: str) -> Grant | None:
        """Return what a token stands for, None if it is not, or no longer, good."""
        grant = self._grants.get(token)
        return None if grant is None or grant.expires_at <= self._clock() else grant

    def expire_tokens(self) -> None:
        """Make every token that was issued invalid."""
        self._grants.clear()

    def issue(self, authorization: str | None, form: Mapping[str, str]) -> dict[str, Any]:
        """Return the answer to a token request, or raise `TokenRefusedError`."""
        application = self._authenticate(authorization, form)
        match form.get("grant_type"):
            case "client_credentials":
                pass
            case None | "":
                raise TokenRefusedError("invalid_request", "grant_type is missing")
            case other:
                raise TokenRefusedError("unsupported_grant_type", f"No such grant here: {other}")
        scopes = frozenset(form.get("scope", "").split()) or application.scopes
        if beyond := scopes - application.scopes:
            raise TokenRefusedError("invalid_scope", f"Not granted: {' '.join(sorted(beyond))}")
        self._issued += 1
        token = f"token-{self._chance.number('token', self._issued):032x}"
        self._grants[token] = Grant(application, scopes, self._clock() + _LIFETIME)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(_LIFETIME.total_seconds()),
            "scope": " ".join(sorted(scopes)),
        }

    def _authenticate(self, authorization: str | None, form: Mapping[str, str]) -> Application:
        if authorization is not None:
            if "client_secret" in form:
                raise TokenRefusedError("invalid_request", "Authenticate in one way, not in two")
            client_id, secret = _basic(authorization)
        else:
            client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        application = self.applications.get(client_id)
        if application is None or not hmac.compare_digest(
            application.client_secret.encode(), secret.encode()
        ):
            raise TokenRefusedError("invalid_client", "Unknown client, or wrong secret", 401)
        return application


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    client_id, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise TokenRefusedError("invalid_client", "Not HTTP Basic", 401)
    return unquote_plus(client_id), unquote_plus(secret)
