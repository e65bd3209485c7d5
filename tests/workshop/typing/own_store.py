"""A token store of a user. Type checkers must accept it; it is never run."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

from ev_energy import ClientCredentials
from ev_energy.auth import Token, TokenStore


class Cupboard:
    """A token store of one's own: three methods, and no base class."""

    def __init__(self) -> None:
        self.kept: dict[str, Token] = {}
        self.locked = asyncio.Lock()

    async def load(self, key: str) -> Token | None:
        return self.kept.get(key)

    async def save(self, key: str, token: Token | None) -> None:
        if token is not None:
            self.kept[key] = token

    def lock(self, key: str) -> AbstractAsyncContextManager[None]:
        return self.locked


def using_it() -> ClientCredentials:
    store: TokenStore = Cupboard()
    return ClientCredentials(client_id="id", client_secret="secret", store=store)
