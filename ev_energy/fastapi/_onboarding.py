"""The routes with which users connect chargers and vehicles to ev.energy."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import quote, urlencode, urlsplit

import attrs
import msgspec
from fastapi import APIRouter, Query
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from ev_energy._arguments import require_text, require_whole_number
from ev_energy._client import Client
from ev_energy._codec.text import id_text
from ev_energy._redaction.scrub import printable
from ev_energy._runtime.clocks import REAL
from ev_energy._runtime.log_fields import log_fields
from ev_energy.errors import EvEnergyError, TokenStoreError
from ev_energy.fastapi import _onboarding_notices as notices
from ev_energy.fastapi._app import EvEnergy, NotSignedInError, require_app
from ev_energy.fastapi._browser import BrowserCookie, check_positive, digest, new_value
from ev_energy.fastapi._pages import redirect_to, reply_with
from ev_energy.fastapi._problems import Problem
from ev_energy.fastapi._return_paths import ReturnPaths
from ev_energy.fastapi._sign_in_stores import SignInStore, TimedStore, closing, sign_in_store
from ev_energy.fastapi._wait_until_connected import DeviceKind, RequestCount, wait_and_count
from ev_energy.models.onboarding import OnboardingLink

_log: Final = logging.getLogger("ev_energy.fastapi")

#: Returns the ev.energy id of the user of a request.
UserIdResolver: TypeAlias = Callable[[HTTPConnection], str | Awaitable[str]]

#: The parameters with which ev.energy sends the browser back, and the names of the API for ids.
_UID_PARAMETERS: Final[Mapping[DeviceKind, str]] = {
    "charger": "evse_uid",
    "vehicle": "vehicle_uid",
}
_ID_PARAMETERS: Final[Mapping[DeviceKind, str]] = {"charger": "evse_id", "vehicle": "vehicle_id"}
#: How many devices may be connected at once; ev.energy sends one id for each.
_MAX_DEVICES: Final = 20
#: Characters of the longest id that is looked up.
_MAX_ID: Final = 100
#: Looks at each device during one wait: after 0, 0.5, 1.5, 3.5, 7.5 seconds.
_LOOKS: Final = 5


_GetLink: TypeAlias = Callable[[Client, str, str], Awaitable[OnboardingLink]]
_ReturnTo: TypeAlias = Annotated[
    str | None, Query(description="The path to return to, such as `/chargers`.")
]
_Choice: TypeAlias = Annotated[str | None, Query(description="Skips a page of ev.energy.")]


class _Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A user who was sent to ev.energy to connect a device."""

    kind: DeviceKind
    account: str
    user_id: str
    return_to: str
    expires_at: float
    requests_left: int
    device_ids: list[str] = []


def onboarding_router(
    ev: EvEnergy,
    *,
    store: SignInStore | None = None,
    return_paths: Sequence[str] = (),
    after: str = "/",
    client_id: str | None = None,
    user_id: UserIdResolver | None = None,
    origin: str | None = None,
    expires_after: timedelta = timedelta(hours=1),
    wait: timedelta = timedelta(seconds=10),
    max_requests: int = 30,
    timeout: timedelta = timedelta(seconds=20),
    clock: Callable[[], float] = REAL.now,
    monotonic: Callable[[], float] = REAL.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> APIRouter:
    """Return a router with which users connect their devices to ev.energy in the browser.

    ``GET /charger?return_to=/chargers`` and ``GET /vehicle`` send the browser to ev.energy, with
    ``make_id``, ``model_id`` or (for vehicles) ``trim_id`` to skip pages there. The browser comes
    back to ``/return/...``, which waits until the device is connected and then sends it to
    *return_to*, with the ids as ``evse_id`` or ``vehicle_id`` in the query. If that takes longer
    than *wait*, or fails, the reply is a small page; or problem JSON, if ``Accept`` does not prefer
    HTML.

    Args:
        ev: The application. Its ``account`` names the users; without ``sign_in``, the account is
            the ev.energy id of the user.
        store: Where attempts are kept until the browser returns; it may be that of the
            `sign_in_router`. By default in memory, which suffices for one process.
        return_paths: Paths to which the browser may return, as for `sign_in_router`.
        after: Where the browser returns without *return_to*; also allowed as *return_to*.
        client_id: The OAuth application; by default that of ``ev.sign_in``.
        user_id: Returns the ev.energy id of the user of a request. By default it is the account;
            or with ``sign_in``, ``GET /users/me`` tells, which needs the scope user:read.
        origin: Scheme and host of the application for browsers, such as
            ``"https://app.example.com"``, which must be registered. By default those of the
            ``redirect_uri`` of ``sign_in``, or of the request.
        expires_after: The time in which a device must be connected.
        wait: The time to wait for the device before the reply.
        max_requests: How many requests one attempt may use for waiting, with all its waits.
        timeout: The time for each use of the store.
        clock: Returns the time in seconds since 1970 (UTC).
        monotonic: Returns seconds that never go back.
        sleep: Waits for some seconds.

    Raises:
        ValueError: If an argument is not valid, or *client_id* is missing.
    """
    require_app(ev)
    check_positive(expires_after=expires_after, wait=wait, timeout=timeout)
    require_whole_number("max_requests", max_requests, 1)
    if client_id is None:
        if ev.sign_in is None:
            raise ValueError("client_id is required if ev has no sign_in")
        client_id = ev.sign_in.client_id
    store = sign_in_store(store)
    routes = _OnboardingRoutes(
        ev=ev,
        store=TimedStore(store, timeout),
        return_paths=ReturnPaths(after, return_paths),
        after=after,
        client_id=client_id,
        user_id=user_id,
        origin=_checked_origin(origin) or _sign_in_origin(ev),
        browser=BrowserCookie("onboarding", client_id),
        expires_after=expires_after,
        wait=wait,
        max_requests=max_requests,
        clock=clock,
        monotonic=monotonic,
        sleep=sleep,
    )
    router = APIRouter(tags=["onboarding"], lifespan=closing(store))
    add = router.add_api_route
    documented: dict[str, Any] = {
        "methods": ["GET"],
        "response_class": Response,
        "status_code": HTTPStatus.SEE_OTHER,
    }
    add("/charger", routes.start_charger, summary="Connect a charger", **documented)
    add("/vehicle", routes.start_vehicle, summary="Connect a vehicle", **documented)
    add("/return/{attempt}", routes.finish, methods=["GET"], include_in_schema=False)
    return router


@attrs.frozen(kw_only=True, eq=False)
class _OnboardingRoutes:
    ev: EvEnergy
    store: TimedStore
    return_paths: ReturnPaths
    after: str
    client_id: str
    user_id: UserIdResolver | None
    origin: str | None
    browser: BrowserCookie
    expires_after: timedelta
    wait: timedelta
    max_requests: int
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]

    async def start_charger(
        self,
        request: Request,
        return_to: _ReturnTo = None,
        make_id: _Choice = None,
        model_id: _Choice = None,
    ) -> Response:
        """Send the browser to ev.energy to connect a charger."""

        async def link(client: Client, user_id: str, redirect_uri: str) -> OnboardingLink:
            return await client.evse_onboarding.get(
                user_id=user_id,
                client_id=self.client_id,
                make_id=make_id,
                model_id=model_id,
                redirect_uri=redirect_uri,
            )

        return await self._start(request, "charger", return_to, link)

    async def start_vehicle(
        self,
        request: Request,
        return_to: _ReturnTo = None,
        make_id: _Choice = None,
        model_id: _Choice = None,
        trim_id: _Choice = None,
    ) -> Response:
        """Send the browser to ev.energy to connect a vehicle."""

        async def link(client: Client, user_id: str, redirect_uri: str) -> OnboardingLink:
            return await client.vehicle_onboarding.get(
                user_id=user_id,
                client_id=self.client_id,
                make_id=make_id,
                model_id=model_id,
                trim_id=trim_id,
                redirect_uri=redirect_uri,
            )

        return await self._start(request, "vehicle", return_to, link)

    async def finish(self, request: Request, attempt: str) -> Response:
        """Wait until the device is connected, and send the browser back to the application."""
        # First, since it may fail, and an attempt that is taken from the store must be put back.
        account = await self.ev.account_of(request)
        if not account:
            return reply_with(request, notices.NO_USER, self._links(attempt, request.url.query))
        browser = self.browser.read(request)
        try:
            found = None if browser is None else await self._load(browser, attempt)
        except TokenStoreError as error:
            return self._fail(request, error, self._links(attempt))
        if browser is None or found is None:
            return reply_with(request, notices.UNKNOWN, {"Back to the application": self.after})
        try:
            if account != found.account:
                await self._save(browser, attempt, found)
                links = self._links(attempt, request.url.query)
                return reply_with(request, notices.OTHER_USER, links)
            return await self._conclude(request, browser, attempt, found)
        except EvEnergyError as error:
            return self._fail(request, error, self._links(attempt))

    async def _start(
        self, request: Request, kind: DeviceKind, return_to: str | None, get_link: _GetLink
    ) -> Response:
        path = self.return_paths.choose(return_to)
        if path is None:
            return reply_with(request, notices.BAD_RETURN_PATH)
        attempt, browser = new_value(), self.browser.read(request) or new_value()
        # In the path: the query is what ev.energy adds to.
        folder = _path_for_browsers(request).rpartition("/")[0]
        origin = self.origin or f"{request.url.scheme}://{request.url.netloc}"
        links = {"Back to the application": self.after}
        try:
            account = await self.ev.account_of(request)
            if not account:
                raise NotSignedInError
            client = self.ev.client_for(account)
            user_id = await self._user_id(request, client, account)
            link = await get_link(client, user_id, f"{origin}{folder}/return/{attempt}")
            started = _Attempt(
                kind=kind,
                account=account,
                user_id=user_id,
                return_to=path,
                expires_at=self.clock() + self.expires_after.total_seconds(),
                requests_left=self.max_requests,
            )
            await self._save(browser, attempt, started)
        except EvEnergyError as error:
            return self._fail(request, error, links)
        except ValueError:  # an id in the query
            return reply_with(request, notices.BAD_CHOICE, links)
        response = redirect_to(link.url)
        self.browser.set(request, response, browser, self.expires_after)
        return response

    async def _user_id(self, request: Request, client: Client, account: str) -> str:
        """Return the ev.energy id of the user."""
        if self.user_id is not None:
            user_id = self.user_id(request)
            return await user_id if inspect.isawaitable(user_id) else user_id
        if self.ev.sign_in is None:
            return account
        return (await client.users.get("me")).id

    async def _conclude(
        self, request: Request, browser: str, attempt: str, found: _Attempt
    ) -> Response:
        """Wait until the devices in the query are connected, and reply.

        Meanwhile the attempt is in the store again, since the user may load the page again. The
        requests are deducted first, so that the bound holds however often that happens; those that
        were not sent are added again afterwards.
        """
        query = request.query_params
        if "error" in query:
            return reply_with(request, notices.DENIED, self._links_to_start(found))
        device_ids = _valid_ids(query.getlist(_UID_PARAMETERS[found.kind])) or found.device_ids
        if not device_ids:
            return reply_with(request, notices.NO_DEVICE, self._links_to_start(found))
        requests = min(found.requests_left, _LOOKS * len(device_ids))
        left = found.requests_left - requests
        found = msgspec.structs.replace(found, requests_left=left, device_ids=device_ids)
        await self._save(browser, attempt, found)  # even if none is left: a wait may return some
        if requests == 0:
            return reply_with(request, notices.GIVEN_UP, self._links_to_start(found))
        count = RequestCount()
        try:
            devices = await wait_and_count(
                count,
                self.ev.client_for(found.account),
                found.kind,
                device_ids,
                user_id=found.user_id,
                timeout=self.wait,
                max_requests=requests,
                clock=self.monotonic,
                sleep=self.sleep,
            )
        except EvEnergyError:
            await self._return_requests(browser, attempt, requests - count.sent)
            raise
        if not devices.is_complete:
            await self._return_requests(browser, attempt, requests - count.sent)
            return reply_with(request, notices.NOT_YET, self._links(attempt))
        await self.store.pop(digest(browser), digest(attempt))
        # The store is not trusted with where to send the browser.
        path = self.return_paths.choose(found.return_to) or self.after
        ids = urlencode([(_ID_PARAMETERS[found.kind], device.id) for device in devices.connected])
        return redirect_to(f"{path}{'&' if '?' in path else '?'}{ids}")

    async def _return_requests(self, browser: str, attempt: str, unused: int) -> None:
        """Add the *unused* requests of a wait to those that the attempt has left."""
        found = await self._load(browser, attempt) if unused else None
        if found is not None:  # else it was completed or has expired
            left = found.requests_left + unused
            await self._save(browser, attempt, msgspec.structs.replace(found, requests_left=left))

    async def _save(self, browser: str, attempt: str, found: _Attempt) -> None:
        ttl = found.expires_at - self.clock()
        text = msgspec.json.encode(found).decode()
        await self.store.put(digest(browser), digest(attempt), text, ttl=ttl)

    async def _load(self, browser: str, attempt: str) -> _Attempt | None:
        """Take an attempt of this browser from the store; None if there is none, or it expired."""
        text = await self.store.pop(digest(browser), digest(attempt))
        if text is None:
            return None
        try:
            found = msgspec.json.decode(text, type=_Attempt)
        except msgspec.MsgspecError:  # of another version of this package
            return None
        return None if found.expires_at <= self.clock() else found

    def _fail(self, request: Request, error: EvEnergyError, links: Mapping[str, str]) -> Response:
        problem = Problem.of(error)
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.warning(
                "connecting a device is interrupted: %s",
                printable(error),
                extra=log_fields(
                    "connecting_interrupted", status=problem.status, error=type(error).__name__
                ),
            )
        return reply_with(request, problem, links)

    def _links(self, attempt: str, query: str = "") -> dict[str, str]:
        """Return links to load the page again, and to leave."""
        again = f"./{quote(attempt, safe='')}{'?' if query else ''}{query}"
        return {"Check again": again, "Back to the application": self.after}

    def _links_to_start(self, found: _Attempt) -> dict[str, str]:
        """Return links to start again, relative to the page, and to leave."""
        start = f"../{found.kind}?return_to={quote(found.return_to, safe='/')}"
        return {"Try again": start, "Back to the application": self.after}


def _path_for_browsers(request: Request) -> str:
    """Return the path of the URL in the browser.

    Behind a proxy that strips a prefix, the path of the request lacks it, and ``root_path`` names
    it. A mounted application has its own prefix in ``root_path``, but it is in the path as well.
    """
    path = request.url.path
    root: str = request.scope.get("app_root_path", request.scope.get("root_path", ""))
    root = root.rstrip("/")
    return path if path.startswith(f"{root}/") else f"{root}{path}"


def _valid_ids(texts: Sequence[str]) -> list[str]:
    """Return the ids among *texts*, which anyone may have written."""
    ids: list[str] = []
    for text in texts[:_MAX_DEVICES]:
        with suppress(ValueError):
            if len(text) <= _MAX_ID:
                ids.append(id_text("an id", text))
    return list(dict.fromkeys(ids))


def _sign_in_origin(ev: EvEnergy) -> str | None:
    """Return the origin of the redirect URI of ``sign_in``, if browsers can open it."""
    parts = urlsplit("" if ev.sign_in is None else ev.sign_in.redirect_uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} else None


def _checked_origin(origin: str | None) -> str | None:
    if origin is None:
        return None
    parts = urlsplit(require_text("origin", origin))
    expected = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in {"http", "https"} or not parts.netloc or origin != expected:
        raise ValueError(
            f"origin: {printable(origin, 100)!r} is not scheme and host, such as "
            "'https://app.example.com'"
        )
    return origin
