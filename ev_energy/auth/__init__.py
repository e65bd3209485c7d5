"""Authentication: credentials, tokens and token stores.

Credentials describe how an application, or one of its users, obtains an access token. A `Client`
sends the requests and keeps the token in a `TokenStore`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy._lazy_exports import lazy_exports
from ev_energy.auth._credentials import (
    Auth,
    AuthorizationCode,
    ClientCredentials,
    SecretProvider,
    StaticToken,
)
from ev_energy.auth._oauth import Token, TokenRequest, TokenState
from ev_energy.auth._stores import MemoryStore, TokenStore

if TYPE_CHECKING:
    from ev_energy.auth._authorization import AuthorizationRequest
    from ev_energy.auth._file_store import FileStore

__all__ = [
    "Auth",
    "AuthorizationCode",
    "AuthorizationRequest",
    "ClientCredentials",
    "FileStore",
    "MemoryStore",
    "SecretProvider",
    "StaticToken",
    "Token",
    "TokenRequest",
    "TokenState",
    "TokenStore",
]

if not TYPE_CHECKING:  # many applications neither sign users in nor keep tokens in files
    __getattr__ = lazy_exports(
        __name__,
        {
            "AuthorizationRequest": "ev_energy.auth._authorization",
            "FileStore": "ev_energy.auth._file_store",
        },
    )
