"""The OAuth 2.0 authorization server of the simulator.

    drivers' browsers ─► /o/authorize/     _consent   log in, allow or deny ─► authorization code
    applications      ─► /o/token/         _endpoints ─► AuthorizationServer ─► tokens
                         /o/revoke_token/  _endpoints ─► AuthorizationServer
    the API           ─► AuthorizationServer.introspect(access token) ─► TokenInfo

`AuthorizationServer` implements the grants of RFC 6749 (client credentials, authorization code with
PKCE of RFC 7636, refresh token) and the revocation of RFC 7009. `_tokens` stores what was issued;
refresh tokens rotate, and the reuse of an old one revokes its token family (RFC 9700).
"""

from __future__ import annotations

from ev_energy.simulator.oauth._applications import Application, redirect_url
from ev_energy.simulator.oauth._authorization_server import (
    AuthorizationServer,
    TokenInfo,
    TokenRefusedError,
)
from ev_energy.simulator.oauth._endpoints import install
from ev_energy.simulator.oauth._scopes import ALL_SCOPES
from ev_energy.simulator.oauth._user_directory import User, UserDirectory

__all__ = [
    "ALL_SCOPES",
    "Application",
    "AuthorizationServer",
    "TokenInfo",
    "TokenRefusedError",
    "User",
    "UserDirectory",
    "install",
    "redirect_url",
]
