"""OAuth 2 as the real server does it: applications, tokens, and the pages of a login."""

from __future__ import annotations

from ev_energy.simulator.oauth._applications import Application, return_url
from ev_energy.simulator.oauth._authorization_server import AuthorizationServer, TokenInfo
from ev_energy.simulator.oauth._endpoints import install
from ev_energy.simulator.oauth._errors import TokenRefusedError
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
    "return_url",
]
