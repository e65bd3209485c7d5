"""The one access token of a client: cached, renewed in time, fetched by one caller for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ev_energy.auth import LEEWAY, Auth, Grant, StaticToken, Token
from ev_energy.errors import ClientClosedError


class TokenKeeper:
    """Hands out the current access token."""

    def __init__(
        self,
        auth: Auth,
        fetch: Callable[[Grant], Awaitable[Token]],
        clock: Callable[[], float],
    ) -> None:
        self._auth, self._fetch, self._clock = auth, fetch, clock
        self._token: Token | None = Token(auth.token) if isinstance(auth, StaticToken) else None
        self._renew_at = float("inf")
        self._renewal: asyncio.Task[Token] | None = None

    @property
    def current(self) -> str | None:
        """The token at hand, whether still good or not."""
        return self._token.value if self._token else None

    def at_hand(self) -> str | None:
        """The token, if it is good for a while yet."""
        if self._token is not None and self._clock() < self._renew_at:
            return self._token.value
        return None

    async def get(self) -> str:
        """A token that is good for a while. Callers that come together wait for one request."""
        if token := self.at_hand():
            return token
        loop = asyncio.get_running_loop()
        renewal = self._renewal
        # A renewal of another loop (a fork, a second asyncio.run) will never end here.
        if renewal is None or renewal.done() or renewal.get_loop() is not loop:
            renewal = self._renewal = loop.create_task(self._renew())
            renewal.add_done_callback(_seen)
        try:
            # One caller's cancellation must not take the token from the others.
            return (await asyncio.shield(renewal)).value
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if renewal.cancelled() and caller is not None and not caller.cancelling():
                raise ClientClosedError from None  # `close` cancelled it, nobody the caller
            raise

    def drop(self, token: str) -> bool:
        """Forget *token*, which the API refused; whether another one can be had."""
        if isinstance(self._auth, StaticToken):
            return False
        if self._token is not None and self._token.value == token:
            self._token = None
        return True

    async def close(self) -> None:
        """Stop a renewal under way."""
        renewal, self._renewal = self._renewal, None
        if renewal is not None and renewal.get_loop() is asyncio.get_running_loop():
            renewal.cancel()
            await asyncio.wait([renewal])

    async def _renew(self) -> Token:
        assert not isinstance(self._auth, StaticToken)  # noqa: S101  (it is never due)
        asked = self._clock()
        token = await self._fetch(self._auth.grant())
        # A lifetime shorter than the leeway must not mean a token request per call.
        life = token.lifetime if token.lifetime and token.lifetime > 0 else float("inf")
        self._token = token
        self._renew_at = asked + max(life - LEEWAY, life / 2)
        return token


def _seen(task: asyncio.Task[Token]) -> None:
    if not task.cancelled():
        task.exception()  # every waiter may be gone; then nobody else looks
