"""Stores and a queue of a user. Type checkers must accept them; they are never run."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

from ev_energy import Client, ClientCredentials
from ev_energy.auth import Token, TokenStore
from ev_energy.changes import EventQueue, StateStore, StoredState, SubSessionStream, WebhookEvent


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


class Drawer:
    """A state store of one's own: two methods, and no base class."""

    def __init__(self) -> None:
        self.kept: StoredState | None = None

    async def load(self) -> StoredState | None:
        return self.kept

    async def save(self, text: str, revision: str | None) -> str:
        self.kept = StoredState(text, f"after {revision}")
        return self.kept.revision


class Tray:
    """A queue of one's own: two methods, and no base class."""

    def __init__(self) -> None:
        self.events: list[WebhookEvent] = []

    async def put(self, event: WebhookEvent) -> None:
        self.events.append(event)

    async def take(self) -> list[WebhookEvent]:
        return self.events


def streaming(client: Client) -> SubSessionStream:
    store: StateStore = Drawer()
    inbox: EventQueue = Tray()
    since = datetime(2026, 1, 1, tzinfo=UTC)
    return client.charging_sub_sessions.changes(since=since, store=store, inbox=inbox)
