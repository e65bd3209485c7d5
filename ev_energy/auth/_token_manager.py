"""The access token of a client: kept, renewed in time, asked for by one caller for all."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import attrs
from yarl import URL

from ev_energy._messages import Response
from ev_energy._redaction.scrub import printable
from ev_energy._redaction.tracebacks import Concealed, trimmed
from ev_energy.auth import (
    Auth,
    AuthorizationCode,
    ClientCredentials,
    Endpoint,
    StaticToken,
)
from ev_energy.auth._oauth import Grant, Token, check_revoked, read_token
from ev_energy.errors import (
    ClientClosedError,
    InvalidGrantError,
    SignInRequiredError,
    TokenStoreError,
)

if TYPE_CHECKING:
    from ev_energy.auth import AuthorizationRequest

_log: Final = logging.getLogger("ev_energy")

#: Seconds that closing waits for what would be lost with it: a token that the server rotated.
_PATIENCE: Final = 5.0
#: Seconds after which whoever has the lock of a store is taken for stuck. Renewing a token takes
#: a call's deadline at most.
_LOCK_PATIENCE: Final = 300.0
#: Earlier tokens whose texts are still kept out of errors.
_REMEMBERED: Final = 3

T = TypeVar("T")
Renewable: TypeAlias = ClientCredentials | AuthorizationCode


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
        origin: str,
    ) -> None:
        self._auth, self._post, self._now = auth, post, now
        self._token: Token | None = None
        self._past: deque[Token] = deque(maxlen=_REMEMBERED)
        self._spelled: tuple[str, ...] = ()
        self._key = ""
        if isinstance(auth, StaticToken):
            self._hold(Token(access_token=auth.token))
        else:
            self._key = auth.key(origin)
        self._renew_at = float("inf")
        self._refused: Token | None = None
        self._renewal: asyncio.Task[Token] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        # How many of them would lose a token if they were stopped now.
        self._at_stake = 0
        # What the store kept, and the token that should have taken its place there.
        self._unsaved: tuple[Token | None, Token] | None = None

    def secrets(self) -> Sequence[str]:
        """Return the texts that errors and logs must not show, those of earlier tokens included.

        A reply to a call that was sent before a renewal may repeat the token it was sent with,
        which can still be valid.
        """
        return self._spelled

    def at_hand(self) -> Token | None:
        """The token, if it is good for a while yet."""
        if self._token is not None and self._now() < self._renew_at:
            return self._token
        return None

    async def get(self, patience: float | None = None) -> Token | None:
        """A token that is good for a while; None if it takes more than *patience* seconds."""
        if token := self.at_hand():
            return token
        auth = self._renewable("a static token is never due")
        renewal = self._renewal
        # A renewal of another loop (a fork, a second asyncio.run) will never end here.
        if (
            renewal is None
            or renewal.done()
            or renewal.get_loop() is not asyncio.get_running_loop()
        ):
            renewal = self._renewal = self._start(self._renew(auth))
        if not await _is_done(renewal, patience):
            return None
        return _result(renewal)

    def drop(self, token: Token) -> bool:
        """Forget *token*, which the API refused; whether another one can be had."""
        if isinstance(self._auth, StaticToken):
            return False
        if self._token is not None and self._token.access_token == token.access_token:
            self._hold(None)
            self._refused = token
        return True

    async def sign_in(
        self,
        request: AuthorizationRequest,
        callback: Concealed[str | URL],
        endpoint: URL | None,
    ) -> None:
        """Exchange the code in *callback*, if *request* is one of these credentials' own.

        *endpoint* is where they send users to sign in.
        """
        auth = self._auth
        if not isinstance(auth, AuthorizationCode):
            raise TypeError("only a client with AuthorizationCode credentials can be signed in")
        if endpoint is not None:
            request.must_be_for(endpoint, auth.issuer)
        with trimmed():
            grant = auth.exchange(request, callback.value)
        task = self._start(self._exchange(auth, grant))
        await _is_done(task)
        _result(task)

    async def sign_out(self) -> None:
        """Have the token revoked, and forget it."""
        auth = self._renewable("a static token is somebody else's to revoke")
        task = self._start(self._revoke(auth))
        await _is_done(task)
        _result(task)

    async def close(self) -> None:
        """Let what would be lost come to its end, or stop it if that takes long; stop the rest."""
        here = asyncio.get_running_loop()
        tasks = [task for task in self._tasks if task.get_loop() is here]
        if tasks and self._at_stake:
            await asyncio.wait(tasks, timeout=_PATIENCE)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE)
        if self._unsaved is not None:
            last = self._start(self._save_again(self._renewable("only other tokens are saved")))
            if not await _is_done(last, _PATIENCE):
                last.cancel()
            elif error := last.exception():
                _log.error("a new token is lost, since it could not be saved: %s", printable(error))

    def _renewable(self, otherwise: str) -> Renewable:
        if isinstance(self._auth, StaticToken):
            raise TypeError(otherwise)
        return self._auth

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Have *work* done to its end, whatever becomes of those who wait for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # every waiter may be gone; then nobody else looks

    async def _renew(self, auth: Renewable) -> Token:
        # A client that was just made, or another process that was faster: no lock for that.
        kept = await self._kept(auth)
        if kept is not None and self._is_good(kept):
            return self._adopt(kept)
        async with self._alone(auth):
            kept = await self._kept(auth)
            while kept is None or not self._is_good(kept):
                try:
                    return await self._replace(auth, kept)
                except InvalidGrantError as error:
                    newer = await self._kept(auth)
                    if newer != kept:  # a lock is not for ever everywhere: another one renewed it
                        kept = newer
                        continue
                    if kept is None or not isinstance(auth, AuthorizationCode):
                        raise
                    self._unsaved = None
                    await auth.store.save(self._key, None)
                    raise SignInRequiredError(auth.account) from error
            return self._adopt(kept)

    async def _exchange(self, auth: AuthorizationCode, grant: Grant) -> None:
        async with self._alone(auth):
            with self._staking(auth):
                token = await self._ask(grant, None)
                self._unsaved = None
                await auth.store.save(self._key, token)

    async def _revoke(self, auth: Renewable) -> None:
        async with self._alone(auth):
            kept = await self._kept(auth)
            if kept is not None:
                grant = auth.revocation(kept)
                reply = await self._post("revoke", grant)
                with trimmed():
                    check_revoked(reply.status, reply.body, grant.secrets)
                self._unsaved = None
                await auth.store.save(self._key, None)
            self._hold(None)

    async def _replace(self, auth: Renewable, kept: Token | None) -> Token:
        """A new token, saved in place of the *kept* one."""
        with self._staking(auth):
            token = await self._ask(auth.grant(kept), kept)
            self._unsaved = kept, token
            try:
                await auth.store.save(self._key, token)
            except Exception as error:  # noqa: BLE001  (a store of the user's may raise anything)
                _log.error(
                    "a new token is kept in memory only, and saved later: %s", printable(error)
                )
            else:
                self._unsaved = None
        return token

    async def _ask(self, grant: Grant, kept: Token | None) -> Token:
        """The token that *grant* gets. It is nowhere else: this process can go on with it."""
        asked_at = self._now()
        reply = await self._post("token", grant)
        with trimmed():
            token = read_token(reply.status, reply.body, asked_at, grant.secrets)
        if token.refresh_token is None and kept is not None:  # it was not rotated: RFC 6749 §6
            token = attrs.evolve(token, refresh_token=kept.refresh_token)
        return self._adopt(token)

    async def _save_again(self, auth: Renewable) -> None:
        """Have a last try at saving what could not be saved."""
        async with self._alone(auth):
            await self._kept(auth)
            if self._unsaved is not None:
                await auth.store.save(self._key, self._unsaved[1])
                self._unsaved = None

    async def _kept(self, auth: Renewable) -> Token | None:
        """The token in the store, or the one that should have taken its place."""
        kept = await auth.store.load(self._key)
        if self._unsaved is not None:
            before, token = self._unsaved
            if kept == before:
                return token
            self._unsaved = None  # somebody else had a newer one
        return kept

    @asynccontextmanager
    async def _alone(self, auth: Renewable) -> AsyncGenerator[None]:
        """Nobody else who shares the store is inside."""
        async with AsyncExitStack() as stack:
            limit = asyncio.timeout(_LOCK_PATIENCE)
            try:
                async with limit:
                    await stack.enter_async_context(auth.store.lock(self._key))
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise TokenStoreError(
                    f"{auth.store!r}: somebody has had the lock for {_LOCK_PATIENCE:.0f} s; look "
                    "for a process that was stopped, or that hangs"
                ) from error
            yield

    @contextmanager
    def _staking(self, auth: Renewable) -> Generator[None]:
        """A token may be lost if this ends early: the server spends what renews it, or a code."""
        stake = isinstance(auth, AuthorizationCode)
        self._at_stake += stake
        try:
            yield
        finally:
            self._at_stake -= stake

    def _is_good(self, token: Token) -> bool:
        refused = self._refused
        if refused is not None and token.access_token == refused.access_token:
            return False
        return self._now() < token.renew_at

    def _adopt(self, token: Token) -> Token:
        self._hold(token)
        self._renew_at = token.renew_at
        return token

    def _hold(self, token: Token | None) -> None:
        """Make *token* the current one, and remember the secrets of the one before."""
        if self._token is not None and self._token != token:
            self._past.append(self._token)
        self._token = token
        held = [*self._past, *([] if token is None else [token])]
        self._spelled = tuple(dict.fromkeys(text for one in held for text in one.secrets()))


async def _is_done(task: asyncio.Task[Any], patience: float | None = None) -> bool:
    """Whether *task* ends in time. It goes on if not, or if whoever waits here is cancelled."""
    done, _ = await asyncio.wait([task], timeout=patience)
    return bool(done)


def _result(task: asyncio.Task[T]) -> T:
    if task.cancelled():
        raise ClientClosedError  # only closing does that
    return task.result()
