"""The routes with which users sign in to ev.energy and sign out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final, Self, cast
from urllib.parse import quote

import attrs
from fastapi import APIRouter, Query
from starlette.background import BackgroundTask
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from ev_energy._redaction.scrub import printable
from ev_energy._runtime.clocks import REAL
from ev_energy._runtime.log_fields import log_fields
from ev_energy.auth import AuthorizationCode, AuthorizationRequest
from ev_energy.errors import (
    AuthorizationError,
    EvEnergyError,
    InvalidGrantError,
    TokenStoreError,
)
from ev_energy.fastapi._app import EvEnergy, require_app
from ev_energy.fastapi._browser import (
    BrowserCookie,
    check_positive,
    digest,
    is_same_origin,
    is_secure,
    new_value,
)
from ev_energy.fastapi._pages import TIMED_OUT, notice, redirect_to, reply_with
from ev_energy.fastapi._problems import Problem
from ev_energy.fastapi._return_paths import ReturnPaths, local_path
from ev_energy.fastapi._sign_in_stores import SignInStore, TimedStore, closing, sign_in_store
from ev_energy.models._json import json_object

_log: Final = logging.getLogger("ev_energy.fastapi")
#: Characters of the longest ``state`` that is looked up; our own have 43.
_MAX_STATE: Final = 200

_BAD_RETURN_PATH: Final = notice(
    HTTPStatus.BAD_REQUEST,
    "return-path-not-allowed",
    "This link does not work",
    "The page to return to after signing in (return_to) is not one that this application allows.",
)
_NO_USER: Final = notice(
    HTTPStatus.UNAUTHORIZED,
    "sign-in-required",
    "Please sign in to this application first",
    "Only a user of this application can connect an ev.energy account to it.",
)
_UNKNOWN: Final = notice(
    HTTPStatus.BAD_REQUEST,
    "sign-in-unknown",
    "This sign-in is no longer valid",
    "It has expired, was completed before, or was started in another browser. If this "
    "happens again, check that your browser accepts cookies.",
)
_OTHER_USER: Final = notice(
    HTTPStatus.CONFLICT,
    "sign-in-of-another-user",
    "This sign-in belongs to another user",
    "A different user was signed in to this application when it was started.",
)
_DENIED: Final = notice(
    HTTPStatus.FORBIDDEN,
    "access-denied",
    "You are not signed in",
    "ev.energy was told not to give this application access.",
)
_CODE_EXPIRED: Final = notice(
    HTTPStatus.BAD_REQUEST,
    "code-expired",
    "Signing in took too long",
    "ev.energy no longer accepts this sign-in.",
)
_FAILED: Final = notice(
    HTTPStatus.BAD_GATEWAY,
    "sign-in-failed",
    "ev.energy could not sign you in",
    "ev.energy answered with an error.",
)
_FOREIGN: Final = notice(
    HTTPStatus.FORBIDDEN,
    "cross-site-request",
    "You were not signed out",
    "The request did not come from a page of this application.",
)
#: Notices about codes of RFC 6749 §4.1.2.1 and of `AuthorizationError`.
_NOTICES: Final = {
    "access_denied": _DENIED,
    "state_mismatch": _UNKNOWN,
    "no_request": _UNKNOWN,
    "issuer_mismatch": _UNKNOWN,
    "no_code": _UNKNOWN,
}


def sign_in_router(
    ev: EvEnergy,
    *,
    store: SignInStore | None = None,
    return_paths: Sequence[str] = (),
    after: str = "/",
    after_sign_out: str = "/",
    session_lifetime: timedelta | None = timedelta(days=30),
    expires_after: timedelta = timedelta(minutes=10),
    timeout: timedelta = timedelta(seconds=20),
    clock: Callable[[], float] = REAL.now,
) -> APIRouter:
    """Return a router with which users sign in to ev.energy and sign out.

    ``GET /start?return_to=/chargers`` sends the browser to ev.energy. The ``redirect_uri`` of
    ``ev.sign_in`` must be the URL of ``/callback``, which saves the token and sends the browser to
    *return_to*. ``POST /sign-out``, from a form of the application, revokes the token.

    A sign-in can be completed only once, only in the browser that started it, and only while the
    same user is signed in to the application. If it fails, the reply is a small page; or problem
    JSON, if ``Accept`` does not prefer HTML.

    If ``ev`` has no ``account``, the router names the users: a new random cookie for each sign-in,
    of which the account is a digest. It sets ``ev.account`` accordingly.

    Args:
        ev: The application, with ``sign_in``.
        store: Where sign-ins are kept until the browser returns. By default in memory, which
            suffices for one process; several need a `RedisSignInStore`. Its connections are closed
            when the application stops.
        return_paths: Paths to which the browser may return, such as ``"/chargers"``; with
            ``"/chargers/*"``, all paths below it. Any other *return_to* is refused.
        after: Where the browser returns without *return_to*; also allowed as *return_to*.
        after_sign_out: Where the browser is sent after signing out.
        session_lifetime: How long the browser keeps the cookie of a user; None for until it is
            closed.
        expires_after: The time in which a sign-in must be completed.
        timeout: The time for obtaining the token from ev.energy, for revoking it, and for each use
            of the store.
        clock: Returns the time in seconds since 1970 (UTC).

    Raises:
        ValueError: If ``ev`` has no ``sign_in``, or a path is not one of the application.
    """
    credentials = require_app(ev).sign_in
    if credentials is None:
        raise ValueError("ev has no sign_in: pass sign_in=AuthorizationCode(...) to EvEnergy")
    if session_lifetime is not None:
        check_positive(session_lifetime=session_lifetime)
    check_positive(expires_after=expires_after, timeout=timeout)
    session = BrowserCookie("session", credentials.client_id)
    if ev.account is None:
        ev.account = SessionAccount(session)
    store = sign_in_store(store)
    routes = _SignInRoutes(
        ev=ev,
        credentials=credentials,
        store=TimedStore(store, timeout),
        return_paths=ReturnPaths(after, return_paths),
        after=after,
        after_sign_out=local_path("after_sign_out", after_sign_out),
        browser=BrowserCookie("sign-in", credentials.client_id),
        session=session,
        names_users=isinstance(ev.account, SessionAccount),
        session_lifetime=session_lifetime,
        expires_after=expires_after,
        timeout=timeout,
        clock=clock,
    )
    router = APIRouter(tags=["sign-in"], lifespan=closing(store))
    add = router.add_api_route
    documented: dict[str, Any] = {"response_class": Response, "status_code": HTTPStatus.SEE_OTHER}
    add("/start", routes.start, methods=["GET"], summary="Sign in to ev.energy", **documented)
    add("/callback", routes.callback, methods=["GET"], include_in_schema=False)
    add("/sign-out", routes.sign_out, methods=["POST"], summary="Sign out", **documented)
    return router


@attrs.frozen
class SessionAccount:
    """Names the user of a request by the random cookie of a sign-in."""

    cookie: BrowserCookie

    def __call__(self, connection: HTTPConnection) -> str | None:
        """Return the account, or None if the browser has no such cookie.

        A cookie that this application did not set names an account that has no token.
        """
        value = self.cookie.read(connection)
        return None if value is None else self.of(value)

    @staticmethod
    def of(value: str) -> str:
        """Return the account of a cookie. It reveals nothing about the cookie."""
        return f"web-{digest(value)}"


@attrs.frozen
class _Pending:
    """A sign-in that was started."""

    request: AuthorizationRequest
    return_to: str
    account: str | None
    """The user of the application who started it; None if the sign-in names the user."""
    expires_at: float

    def to_text(self) -> str:
        """Return it as JSON, secrets included."""
        return json.dumps({
            "request": self.request.to_dict(),
            "return_to": self.return_to,
            "account": self.account,
            "expires_at": self.expires_at,
        })  # fmt: skip

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Rebuild it; `AuthorizationError` if another version of this package has written it."""
        data = json_object(text.encode()) or {}
        request, expires_at = data.get("request"), data.get("expires_at")
        return_to, account = data.get("return_to"), data.get("account")
        if (
            not isinstance(request, dict)
            or not isinstance(expires_at, int | float)
            or not isinstance(return_to, str)
            or not isinstance(account, str | None)
        ):
            raise AuthorizationError("no_request", "the store returned something else")
        known = AuthorizationRequest.from_dict(cast("dict[str, Any]", request))
        return cls(known, return_to, account, expires_at)


@attrs.frozen(kw_only=True, eq=False)
class _SignInRoutes:
    ev: EvEnergy
    credentials: AuthorizationCode
    store: TimedStore
    return_paths: ReturnPaths
    after: str
    after_sign_out: str
    browser: BrowserCookie
    session: BrowserCookie
    names_users: bool
    """Whether the cookie of a sign-in names the user, not the application."""
    session_lifetime: timedelta | None
    expires_after: timedelta
    timeout: timedelta
    clock: Callable[[], float]

    async def start(
        self,
        request: Request,
        return_to: Annotated[
            str | None, Query(description="The path to return to, such as `/chargers`.")
        ] = None,
    ) -> Response:
        """Send the browser to ev.energy."""
        path = self.return_paths.choose(return_to)
        if path is None:
            return reply_with(request, _BAD_RETURN_PATH)
        account = None
        if not self.names_users:
            account = await self.ev.account_of(request)
            if not account:
                return reply_with(request, _NO_USER)
        base_url = self.ev.client.base_url
        authorization = self.credentials.start_authorization(
            base_url, allow_insecure=base_url.scheme == "http"
        )
        ttl = self.expires_after.total_seconds()
        pending = _Pending(authorization, path, account, self.clock() + ttl)
        # Tabs share the cookie, so that each of them can complete its own sign-in.
        browser = self.browser.read(request) or new_value()
        try:
            await self.store.put(
                digest(browser),
                digest(authorization.state),
                pending.to_text(),
                ttl=ttl,
            )
        except TokenStoreError as error:
            return reply_with(request, Problem.of(error))
        response = redirect_to(authorization.url)
        self.browser.set(request, response, browser, self.expires_after)
        return response

    async def callback(self, request: Request) -> Response:
        """Complete the sign-in of the browser that comes back from ev.energy."""
        if self.credentials.redirect_uri.startswith("https:") and not is_secure(request):
            _log.warning(
                "the callback of a sign-in came over http, but redirect_uri is https: have uvicorn "
                "trust the proxy (--forwarded-allow-ips), so that cookies are sent over https only",
                extra=log_fields("sign_in_insecure"),
            )
        try:
            pending = await self._pop(request)
        except EvEnergyError as error:
            return self._refuse(request, error, None)
        if self.names_users:
            value = new_value()  # never one that was there before the sign-in (session fixation)
            account = SessionAccount.of(value)
        else:
            value, account = "", await self.ev.account_of(request) or ""
            if account != pending.account:
                return self._reply(request, _OTHER_USER, pending)
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                client = self.ev.client_for(account)
                await client.sign_in(pending.request, f"?{request.url.query}")
        except TimeoutError:
            return self._reply(request, TIMED_OUT, pending)
        except (EvEnergyError, ValueError) as error:
            return self._refuse(request, error, pending)
        # The store is not trusted with where to send the browser.
        response = redirect_to(self.return_paths.choose(pending.return_to) or self.after)
        if self.names_users:
            previous = self.session.read(request)
            self.session.set(request, response, value, self.session_lifetime)
            if previous is not None:  # its cookie is replaced, so its token would be useless
                response.background = BackgroundTask(self._revoke, SessionAccount.of(previous))
        return response

    async def sign_out(self, request: Request) -> Response:
        """Revoke the token of the user."""
        if not is_same_origin(request):
            return reply_with(request, _FOREIGN)
        account = await self.ev.account_of(request)
        response: Response = redirect_to(self.after_sign_out)
        if account and (problem := await self._revoke(account)) is not None:
            response = self._not_revoked(request, problem)
        if self.names_users:  # whatever happened: another user may be next at this browser
            self.session.delete(request, response)
        return response

    async def _pop(self, request: Request) -> _Pending:
        """Return the sign-in that the callback completes, and make sure it is not used again.

        `AuthorizationError` if this browser has not started it, or if it has expired.
        """
        browser, states = self.browser.read(request), request.query_params.getlist("state")
        if browser is None or len(states) != 1 or len(states[0]) > _MAX_STATE:
            raise AuthorizationError("state_mismatch")
        text = await self.store.pop(digest(browser), digest(states[0]))
        if text is None:
            raise AuthorizationError("state_mismatch")
        pending = _Pending.from_text(text)
        if pending.expires_at <= self.clock():
            raise AuthorizationError("no_request")
        return pending

    def _refuse(
        self, request: Request, error: EvEnergyError | ValueError, pending: _Pending | None
    ) -> Response:
        match error:
            case AuthorizationError():
                problem = _NOTICES.get(error.error, _FAILED)
            case InvalidGrantError():
                problem = _CODE_EXPIRED
            case EvEnergyError():
                problem = Problem.of(error)
            case _:  # it was started with other settings of the application
                problem = _UNKNOWN
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR or isinstance(error, ValueError):
            _log.warning(
                "a user was not signed in: %s",
                printable(error),
                extra=log_fields(
                    "sign_in_failed", status=problem.status, error=type(error).__name__
                ),
            )
        return self._reply(request, problem, pending)

    def _reply(self, request: Request, problem: Problem, pending: _Pending | None) -> Response:
        """Return *problem* with links to try again and to leave.

        The first one is relative, since a proxy may add something to the path.
        """
        query = "" if pending is None else f"?return_to={quote(pending.return_to, safe='/')}"
        links = {"Try again": f"start{query}", "Back to the application": self.after}
        return reply_with(request, problem, links)

    def _not_revoked(self, request: Request, problem: Problem) -> Response:
        more = (
            "You are signed out in this browser, but this application may still have access to "
            "your account until its token expires."
            if self.names_users
            else "You are still connected. Please try again."
        )
        problem = attrs.evolve(
            problem,
            title="ev.energy did not confirm that you are signed out",
            detail=f"{problem.detail} {more}",
        )
        return reply_with(request, problem, {"Back to the application": self.after_sign_out})

    async def _revoke(self, account: str) -> Problem | None:
        """Revoke and delete the token of *account*; return the problem if that failed."""
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                await self.ev.client_for(account).sign_out()
        except TimeoutError:
            problem, reason = TIMED_OUT, TIMED_OUT.title
        except EvEnergyError as error:
            problem, reason = Problem.of(error), printable(error)
        else:
            return None
        _log.warning(
            "the token of %r is not revoked: %s",
            account,
            reason,
            extra=log_fields("token_not_revoked", status=problem.status),
        )
        return problem
