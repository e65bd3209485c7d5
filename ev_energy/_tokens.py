"""The access token of a client: kept, renewed in time, asked for by one caller for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import attrs

from ev_energy._grants import Grant, Token, read_token
from ev_energy._http import Response
from ev_energy._json import json_object
from ev_energy.auth import Auth, AuthorizationCode, AuthorizationRequest, Endpoint, StaticToken
from ev_energy.errors import ClientClosedError, InvalidGrantError, SignInRequiredError, TokenError

#: Seconds that closing waits for a renewal: what it brings would be lost with its rotation.
_PATIENCE: Final = 5.0


class TokenKeeper:
    """Hands out the current access token.

    Callers that come together wait for one renewal. Where several processes share the store, one
    of them renews, and the others read what it stored: whoever has the lock looks first.
    """

    def __init__(
        self,
        auth: Auth,
        post: Callable[[Endpoint, Grant], Awaitable[Response]],
        now: Callable[[], float],
    ) -> None:
        self._auth, self._post, self._now = auth, post, now
        self._token: Token | None = None
        if isinstance(auth, StaticToken):
            self._token = Token(access_token=auth.token)
        self._renew_at = float("inf")
        self._refused: str | None = None
        self._renewal: asyncio.Task[Token] | None = None

    def secrets(self) -> list[str]:
        """The texts that nobody may see."""
        return [] if self._token is None else self._token.secrets()

    def at_hand(self) -> str | None:
        """The token, if it is good for a while yet."""
        if self._token is not None and self._now() < self._renew_at:
            return self._token.access_token
        return None

    async def get(self) -> str:
        """A token that is good for a while."""
        if token := self.at_hand():
            return token
        loop = asyncio.get_running_loop()
        renewal = self._renewal
        # A renewal of another loop (a fork, a second asyncio.run) will never end here.
        if renewal is None or renewal.done() or renewal.get_loop() is not loop:
            renewal = self._start(self._renew())
        return (await _result(renewal)).access_token

    def drop(self, token: str) -> bool:
        """Forget *token*, which the API refused; whether another one can be had."""
        if isinstance(self._auth, StaticToken):
            return False
        if self._token is not None and self._token.access_token == token:
            self._token, self._refused = None, token
        return True

    async def sign_in(self, request: AuthorizationRequest, callback: str) -> None:
        """Exchange the code that somebody came back with at *callback*."""
        if not isinstance(self._auth, AuthorizationCode):
            raise TypeError("only a client with AuthorizationCode credentials can be signed in")
        grant = self._auth.exchange(request, callback)
        await _result(self._start(self._exchange(grant)))

    async def sign_out(self) -> None:
        """Have the token revoked, and forget it."""
        auth = self._auth
        if isinstance(auth, StaticToken):
            raise TypeError("a static token is somebody else's to revoke")
        async with auth.store.lock(auth.key):
            kept = await auth.store.load(auth.key)
            if kept is not None:
                reply = await self._post("revoke", auth.revocation(kept))
                if reply.status != 200:  # noqa: PLR2004  (RFC 7009 §2.2)
                    raise TokenError.of(reply.status, json_object(reply.body) or {})
                await auth.store.save(auth.key, None)
            self._token = None

    async def close(self) -> None:
        """Let a renewal under way come to its end, or stop it if that takes long."""
        renewal, self._renewal = self._renewal, None
        if renewal is not None and renewal.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([renewal], timeout=_PATIENCE)
            renewal.cancel()
            await asyncio.wait([renewal])

    def _start(self, work: Coroutine[Any, Any, Token]) -> asyncio.Task[Token]:
        task = self._renewal = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(_seen)
        return task

    async def _renew(self) -> Token:
        auth = self._auth
        assert not isinstance(auth, StaticToken)  # noqa: S101  (it is never due)
        async with auth.store.lock(auth.key):
            kept = await auth.store.load(auth.key)
            if kept is not None and self._is_good(kept):
                return self._adopt(kept)
            try:
                token = await self._ask(auth.grant(kept))
            except InvalidGrantError as error:
                if kept is None or not isinstance(auth, AuthorizationCode):
                    raise
                await auth.store.save(auth.key, None)
                raise SignInRequiredError(auth.account) from error
            if token.refresh_token is None and kept is not None:  # it was not rotated: RFC 6749 §6
                token = attrs.evolve(token, refresh_token=kept.refresh_token)
            await auth.store.save(auth.key, token)
        return self._adopt(token)

    async def _exchange(self, grant: Grant) -> Token:
        auth = self._auth
        assert isinstance(auth, AuthorizationCode)  # noqa: S101  (`sign_in` looked)
        async with auth.store.lock(auth.key):
            token = await self._ask(grant)
            await auth.store.save(auth.key, token)
        return self._adopt(token)

    async def _ask(self, grant: Grant) -> Token:
        asked_at = self._now()
        reply = await self._post("token", grant)
        return read_token(reply.status, reply.body, asked_at)

    def _is_good(self, token: Token) -> bool:
        return token.access_token != self._refused and self._now() < token.renew_at

    def _adopt(self, token: Token) -> Token:
        self._token, self._renew_at = token, token.renew_at
        return token


async def _result(task: asyncio.Task[Token]) -> Token:
    try:
        # One caller's cancellation must not take the token from the others.
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        caller = asyncio.current_task()
        if task.cancelled() and caller is not None and not caller.cancelling():
            raise ClientClosedError from None  # `close` cancelled it, nobody the caller
        raise


def _seen(task: asyncio.Task[Token]) -> None:
    if not task.cancelled():
        task.exception()  # every waiter may be gone; then nobody else looks
