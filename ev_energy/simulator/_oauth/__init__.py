"""OAuth 2 as the real server does it: applications, tokens, and the pages of a login."""

from ev_energy.simulator._oauth._applications import Application, return_url
from ev_energy.simulator._oauth._authority import Authority, Grant
from ev_energy.simulator._oauth._directory import Directory, Person
from ev_energy.simulator._oauth._endpoints import install
from ev_energy.simulator._oauth._errors import TokenRefusedError
from ev_energy.simulator._oauth._scopes import ALL_SCOPES

__all__ = [
    "ALL_SCOPES",
    "Application",
    "Authority",
    "Directory",
    "Grant",
    "Person",
    "TokenRefusedError",
    "install",
    "return_url",
]
