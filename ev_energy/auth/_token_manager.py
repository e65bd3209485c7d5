"""The token manager of a client: caches the access token and renews it once for all callers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import attrs
from yarl import URL

from ev_energy._http.waits import Wait, WaitNote
from ev_energy._messages import Response
from ev_energy._redaction.redactor import Redactor
from ev_energy._redaction.scrub import printable
from ev_energy._redaction.tracebacks import Secret, trim_traceback
from ev_energy._runtime.log_fields import LogFields, log_fields
from ev_energy.auth._credentials import (
    ApplicationT,
    Auth,
    AuthorizationCode,
    ClientCredentials,
    Endpoint,
    StaticToken,
    bucket_at,
    with_client_secret,
)
from ev_energy.auth._oauth import (
    Token,
    TokenRequest,
    TokenState,
    name_reply,
    parse_revocation_response,
    parse_token_response,
)
from ev_energy.auth._secret_provider import SecretFunction
from ev_energy.auth._stores import hold_lock
from ev_energy.auth._tasks import result_of, wait_and_report, wait_for
from ev_energy.errors import (
    CredentialUnavailableError,
    InvalidGrantError,
    SignInRequiredError,
)

if TYPE_CHECKING:
    from ev_energy.auth._authorization import AuthorizationRequest

_log: Final = logging.getLogger("ev_energy")

#: Seconds that `TokenManager.close` waits for a token request whose result cannot be had twice.
_CLOSE_TIMEOUT: Final = 5.0
#: The number of earlier tokens that are still kept out of logs and errors.
_PREVIOUS_TOKENS: Final = 3
#: The number of client secrets of a function that are kept out of logs and errors.
_PREVIOUS_SECRETS: Final = 3

T = TypeVar("T")
OAuthCredentials: TypeAlias = ClientCredentials | AuthorizationCode


class TokenManager:
    """Caches the current access token, and renews it when it is about to expire.

    Concurrent callers share one renewal. Processes that share a token store do so too: the renewal
    takes the lock of the store and reads the store first, so all but the first find a new token.
    """

    def __init__(
        self,
        auth: Auth,
        post: Callable[[Endpoint, TokenRequest], Awaitable[Response]],
        wall_clock: Callable[[], float],
        origin: str,
        redactor: Redactor,
        time_limit: float,
    ) -> None:
        self._auth, self._post, self._now = auth, post, wall_clock
        self._redactor = redactor
        self._token: Token | None = None
        self._renew_at = float("-inf")
        """When the token is no longer used; never used without asking if a function returns it."""
        self._previous: deque[Token] = deque(maxlen=_PREVIOUS_TOKENS)
        self._key = ""
        self._bucket = bucket_at(URL(origin), auth)
        self._rejected: Token | None = None
        """The last token that the API rejected before its expiry."""
        self._renewal: asyncio.Task[Token] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._uninterruptible_tasks = 0
        self._waits_for = ""
        """What the current task waits for, for the log."""
        self._unsaved: tuple[Token | None, Token] | None = None
        """What the store held, and the token that could not be saved in its place."""
        self._client_secrets: deque[list[str]] = deque(maxlen=_PREVIOUS_SECRETS)
        """What a function returned as the client secret, in all encodings."""
        self._rejections = 0
        """How many tokens of a function the API rejected."""
        self.function: SecretFunction | None = SecretFunction.of(auth, time_limit)
        """The function that returns the client secret, or the token of each attempt; or None."""
        self.asks_each_time: bool = self.function is not None and isinstance(auth, StaticToken)
        """Whether a function returns the token of each attempt."""
        if not isinstance(auth, StaticToken):
            self._key = auth.key(origin)
        elif isinstance(auth.token, str):
            self._set_token(Token(access_token=auth.token))

    def cached(self) -> Token | None:
        """Return the cached token, or None if there is none or it is about to expire."""
        if self._token is not None and self._now() < self._renew_at:
            return self._token
        return None

    def state(self) -> TokenState:
        """Return whether there is a token that has not expired, and for how long."""
        token = self._token
        if token is None:
            return TokenState(present=False, expires_in=None)
        if token.expires_at is None:
            return TokenState(present=True, expires_in=None)
        expires_in = token.expires_at - self._now()
        return TokenState(present=expires_in > 0, expires_in=expires_in if expires_in > 0 else None)

    async def get(self, max_wait: float | None = None) -> Token | None:
        """Return a valid token, renewed if necessary; None if that takes over *max_wait* seconds.

        The renewal continues after *max_wait*, and when the caller is cancelled.
        """
        if token := self.cached():
            return token
        loop, renewal = asyncio.get_running_loop(), self._renewal
        began_at, is_joined = loop.time(), True
        # A renewal on another loop (before a fork, or in an earlier asyncio.run) never ends here.
        if renewal is None or renewal.done() or renewal.get_loop() is not loop:
            renewal, is_joined = self._start(self._obtain()), False
            self._renewal = renewal
        if not await wait_for(renewal, max_wait):
            return None
        try:
            return result_of(renewal)
        except CredentialUnavailableError as error:
            # The time limit of a function that was called before this caller came.
            if not is_joined or not isinstance(error.__cause__, TimeoutError):
                raise
        finally:
            del renewal  # else its exception would refer to itself, by the frame of its traceback
        return await self.get(None if max_wait is None else max_wait - (loop.time() - began_at))

    def note_of_wait(self) -> WaitNote:
        """Return what to log about a wait for a token."""
        fields: LogFields = {"bucket": self._bucket}
        return WaitNote("for an access token", self._waits_for, fields)

    def invalidate(self, token: Token) -> bool:
        """Drop *token*, which the API rejected; return whether another one can be requested."""
        if isinstance(self._auth, StaticToken):
            self._rejections += 1
            return self.asks_each_time
        if self._token is not None and self._token.access_token == token.access_token:
            self._set_token(None)
            self._rejected = token
        return True

    async def replacement_of(self, token: Token, max_wait: float) -> Token | None:
        """Return what a function returns now that the API has rejected *token*; None as in `get`.

        That may be the same token. Of calls with the same rejected token, one asks for all.
        """
        newer = self._token
        if newer is not None and newer.access_token != token.access_token:
            return newer
        return await self.get(max_wait)

    def is_replaced_by(self, stored: Token | None) -> bool:
        """Whether *stored*, which the store has now, was saved in place of the token of this one.

        By another process: it renewed the token, or signed the user in again or out.
        """
        if self._unsaved is not None:  # the store still has the one before
            return stored != self._unsaved[0]
        if self._token is None:  # the next call loads the stored one
            return False
        # Not the whole tokens: what a custom store returns may differ in details.
        return stored is None or stored.access_token != self._token.access_token

    async def sign_in(
        self,
        request: AuthorizationRequest,
        callback: Secret[str | URL],
        endpoint: URL | None,
        wait: Wait,
    ) -> None:
        """Exchange the authorization code in *callback* for a token and save it.

        *endpoint* is the authorize endpoint of the client; ``ValueError`` if *request* was created
        for another one, or for other credentials.
        """
        from ev_energy.auth._authorization import require_request

        auth = self._auth
        if not isinstance(auth, AuthorizationCode):
            raise TypeError("sign_in() needs a client with AuthorizationCode credentials")
        require_request(request)
        if endpoint is not None:
            request.check_endpoint(endpoint, auth.issuer)
        with trim_traceback():
            auth.check_callback(request, callback.value)
        task = self._start(self._exchange_code(auth, request, callback))
        await wait_and_report(task, wait)
        result_of(task)

    async def sign_out(self, wait: Wait) -> None:
        """Revoke the token, and delete it here and in the store."""
        auth = self._oauth_credentials(
            "a client with a StaticToken cannot sign out: revoke the token where it was issued"
        )
        task = self._start(self._revoke(auth))
        await wait_and_report(task, wait)
        result_of(task)

    async def close(self) -> None:
        """Cancel the tasks of this loop.

        Tasks whose token would be lost get `_CLOSE_TIMEOUT` seconds to finish, and a token that
        could not be saved gets another attempt.
        """
        loop = asyncio.get_running_loop()
        tasks = [task for task in self._tasks if task.get_loop() is loop]
        if tasks and self._uninterruptible_tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_TIMEOUT)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_TIMEOUT)
        if self._unsaved is not None:
            auth = self._oauth_credentials("a static token is never saved")
            saving = self._start(self._retry_save(auth))
            if not await wait_for(saving, _CLOSE_TIMEOUT):
                saving.cancel()
            elif error := saving.exception():
                _log.error(
                    "a new token is lost: it could not be saved: %s",
                    printable(error),
                    extra=log_fields("token_lost", error=type(error).__name__, bucket=self._bucket),
                )

    def _oauth_credentials(self, error: str) -> OAuthCredentials:
        """Return the credentials; `TypeError` with the text *error* if they are a static token."""
        if isinstance(self._auth, StaticToken):
            raise TypeError(error)
        return self._auth

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run *work* in a task, which continues when the callers that wait for it are cancelled."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task is self._renewal:  # its exception refers to this object, by its traceback
            self._renewal = None
        if not task.cancelled():
            task.exception()  # mark it as retrieved, in case no caller waits any more

    async def _obtain(self) -> Token:
        """Return a new token: that of a function, of the store, or of the token endpoint."""
        if self.function is not None and self.asks_each_time:
            return await self._ask_for_token(self.function)
        return await self._renew(self._oauth_credentials("a static token cannot be renewed"))

    async def _ask_for_token(self, function: SecretFunction) -> Token:
        while True:
            rejections = self._rejections
            answer = await self._ask(function)
            if self._token is None or self._token.access_token != answer.value:
                break
            if rejections == self._rejections:
                return self._token
            # The API rejected this token after the function was called, so call it again.
        with trim_traceback():
            token = Token(access_token=answer.value)
        self._set_token(token)
        return token

    async def _ask(self, function: SecretFunction) -> Secret[str]:
        with self._waiting_for(f"the function passed as {function.argument} has not returned yet"):
            return await function.ask()

    async def _with_client_secret(self, auth: ApplicationT) -> ApplicationT:
        """Return *auth* with a client secret that is no function."""
        if self.function is None:
            return auth
        auth = with_client_secret(auth, await self._ask(self.function))
        if auth.secrets() not in self._client_secrets:
            self._client_secrets.append(auth.secrets())
            self._mask_secrets()
        return auth

    async def _renew(self, auth: OAuthCredentials) -> Token:
        # The store may have a valid token (new client, renewal by another process): no lock then.
        stored = await self._load(auth)
        if stored is not None and self._is_valid(stored):
            self._set_token(stored)
            return stored
        async with self._store_lock(auth):
            stored = await self._load(auth)
            while stored is None or not self._is_valid(stored):
                try:
                    return await self._request_and_save(auth, stored)
                except InvalidGrantError as error:
                    # The lock of some stores expires; another process may have renewed the token.
                    newer = await self._load(auth)
                    if newer != stored:
                        stored = newer
                        continue
                    if stored is None or not isinstance(auth, AuthorizationCode):
                        raise
                    self._unsaved = None
                    await auth.store.save(self._key, None)
                    raise SignInRequiredError(auth.account) from error
            self._set_token(stored)
            return stored

    async def _exchange_code(
        self, auth: AuthorizationCode, request: AuthorizationRequest, callback: Secret[str | URL]
    ) -> None:
        async with self._store_lock(auth):
            resolved = await self._with_client_secret(auth)
            with trim_traceback():
                token_request = resolved.code_request(request, callback.value)
            with self._uninterruptible(auth):
                token = await self._request(token_request, None)
                self._unsaved = None
                await auth.store.save(self._key, token)

    async def _revoke(self, auth: OAuthCredentials) -> None:
        async with self._store_lock(auth):
            stored = await self._load(auth)
            if stored is not None:
                request = (await self._with_client_secret(auth)).revocation_request(stored)
                with self._waiting_for("the revocation endpoint has not replied yet"):
                    reply = await self._post("revoke", request)
                with trim_traceback(), name_reply(reply, request):
                    parse_revocation_response(reply.status, reply.body, request.secrets)
                self._unsaved = None
                await auth.store.save(self._key, None)
            self._set_token(None)

    async def _request_and_save(self, auth: OAuthCredentials, stored: Token | None) -> Token:
        """Request a token and save it in place of *stored*.

        A token that cannot be saved is returned all the same: `_load` prefers it to the stored one,
        and `close` tries again to save it.
        """
        resolved = await self._with_client_secret(auth)
        with self._uninterruptible(auth):
            token = await self._request(resolved.token_request(stored), stored)
            self._unsaved = stored, token
            try:
                await auth.store.save(self._key, token)
            except Exception as error:  # noqa: BLE001  (a custom store may raise anything)
                _log.error(
                    "cannot save a new token; it is kept in memory until it can be saved: %s",
                    printable(error),
                    extra=log_fields(
                        "token_not_saved", error=type(error).__name__, bucket=self._bucket
                    ),
                )
            else:
                self._unsaved = None
        return token

    async def _request(self, request: TokenRequest, stored: Token | None) -> Token:
        """Post *request*, and cache its token at once so that this process can use it."""
        requested_at = self._now()
        with self._waiting_for("the token endpoint has not replied yet"):
            reply = await self._post("token", request)
        with trim_traceback(), name_reply(reply, request):
            token = parse_token_response(reply.status, reply.body, requested_at, request.secrets)
        if token.refresh_token is None and stored is not None:  # not rotated (RFC 6749 §6)
            token = attrs.evolve(token, refresh_token=stored.refresh_token)
        self._set_token(token)
        return token

    async def _retry_save(self, auth: OAuthCredentials) -> None:
        """Save the token that could not be saved before, unless the store has a newer one."""
        async with self._store_lock(auth):
            await self._load(auth)
            if self._unsaved is not None:
                await auth.store.save(self._key, self._unsaved[1])
                self._unsaved = None

    async def _load(self, auth: OAuthCredentials) -> Token | None:
        """Return the token in the store, or the unsaved one that should be there instead."""
        stored = await auth.store.load(self._key)
        if self._unsaved is not None:
            replaced, token = self._unsaved
            if stored == replaced:
                return token
            self._unsaved = None  # another process has saved a newer token
        return stored

    @asynccontextmanager
    async def _store_lock(self, auth: OAuthCredentials) -> AsyncGenerator[None]:
        """Hold the lock of the store."""
        async with AsyncExitStack() as stack:
            with self._waiting_for(f"the lock of the {type(auth.store).__name__} is taken"):
                await stack.enter_async_context(hold_lock(auth.store, self._key))
            yield

    @contextmanager
    def _waiting_for(self, reason: str) -> Generator[None]:
        """Note what the task waits for inside the ``with`` statement."""
        before, self._waits_for = self._waits_for, reason
        try:
            yield
        finally:
            self._waits_for = before

    @contextmanager
    def _uninterruptible(self, auth: OAuthCredentials) -> Generator[None]:
        """Have `close` wait: a code or refresh token is used up, and its result comes only once."""
        count = isinstance(auth, AuthorizationCode)
        self._uninterruptible_tasks += count
        try:
            yield
        finally:
            self._uninterruptible_tasks -= count

    def _is_valid(self, token: Token) -> bool:
        """Whether *token* has time left and was not rejected by the API."""
        rejected = self._rejected
        if rejected is not None and token.access_token == rejected.access_token:
            return False
        return self._now() < token.renew_at

    def _set_token(self, token: Token | None) -> None:
        """Make *token* the cached one.

        Earlier tokens are kept out of logs and errors too: the reply to a call that was sent before
        a renewal may repeat the token it was sent with, which can still be valid.
        """
        if self._token is not None and self._token != token:
            self._previous.append(self._token)
        self._token = token
        if not self.asks_each_time:
            self._renew_at = float("inf") if token is None else token.renew_at
        self._mask_secrets()

    def _mask_secrets(self) -> None:
        """Keep the tokens, and the client secrets that a function returned, out of all output."""
        known = [*self._previous, *([] if self._token is None else [self._token])]
        secrets = [*(token.secrets() for token in known), *self._client_secrets]
        self._redactor.set_tokens(dict.fromkeys(text for texts in secrets for text in texts))
