"""The handlers of the onboarding pages: which page comes next, and what a form does."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import attrs
from aiohttp import hdrs, web

from ev_energy.simulator.clock._instants import read_instant
from ev_energy.simulator.oauth import redirect_url
from ev_energy.simulator.onboarding_pages import _screens as screens
from ev_energy.simulator.onboarding_pages._connector import DEVICE_KINDS, ConnectError, legacy_id
from ev_energy.simulator.pages import read_form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from ev_energy.simulator.oauth import Application, User, UserDirectory
    from ev_energy.simulator.onboarding_pages._connector import Connector, DeviceKind, Option
    from ev_energy.simulator.pages import BrowserSessions

    _Step = Callable[["OnboardingSession"], web.Response]

    _FindUser = Callable[[DeviceKind, Mapping[str, str]], User]

    _Handler = Callable[[web.Request], Awaitable[web.Response]]

_CHOICES: Final = ("make_id", "model_id", "trim_id")


class InvalidLinkError(Exception):
    """The URL of a page is invalid; the driver sees the message."""

    def __init__(self, message: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status


@attrs.frozen
class OnboardingSession:
    """One request of a browser that connects a device, with everything its URL names."""

    kind: DeviceKind
    application: Application
    user: User
    about: Mapping[str, str]
    """The query of the page."""
    fields: Mapping[str, str]
    """The form that was sent from the page; empty without one."""
    devices: Sequence[str]
    """The devices that were selected in that form."""
    csrf_token: str
    stale: bool = False
    """Whether a form was sent without a valid CSRF token."""

    @property
    def answer(self) -> str:
        """The button that was pressed; empty without one."""
        return self.fields.get("answer", "")

    def link(self, **more: str) -> str:
        """Return a link to this page with *more* in its query."""
        # The search term selected the entry that is linked; the next page has no use for it.
        about = {name: text for name, text in self.about.items() if name != "q"}
        return f"?{urlencode(about | more)}"

    def cancel(self) -> web.Response:
        """Send the browser back without connecting anything."""
        return self._send_back([("error", "access_denied")], "Nothing was connected", [])

    def finish(self, uids: Sequence[str]) -> web.Response:
        """Send the browser back with the ids of the connected devices."""
        prefix = self.kind.prefix
        pairs = [(f"{prefix}_id", str(legacy_id(uid))) for uid in uids]
        pairs += [(f"{prefix}_uid", uid) for uid in uids]
        return self._send_back(pairs, "All done", uids)

    def _send_back(
        self, pairs: Sequence[tuple[str, str]], title: str, uids: Sequence[str]
    ) -> web.Response:
        uri = self.about.get("redirect_uri") or self.application.onboarding_redirect_url
        if uri is None:
            return screens.finished(self, title, uids)
        headers = {hdrs.LOCATION: redirect_url(uri, pairs), hdrs.CACHE_CONTROL: "no-store"}
        return web.Response(status=HTTPStatus.FOUND, headers=headers)


def install(
    app: web.Application,
    connector: Connector,
    directory: UserDirectory,
    applications: Mapping[str, Application],
    browser_sessions: BrowserSessions,
    clock: Callable[[], datetime],
) -> None:
    """Serve the pages, all below ``/onboarding``."""
    pages = _OnboardingPages(connector, directory, applications, browser_sessions, clock)
    handlers = {
        "/onboarding/{kind}": pages.handler(pages.onboard, pages.user_in_link),
        "/onboarding/{kind}/reconnect": pages.handler(pages.reconnect, pages.owner_of_device),
    }
    for path, handler in handlers.items():
        for url in (path, f"{path}/"):
            app.router.add_get(url, handler)
            app.router.add_post(url, handler)


@attrs.frozen
class _OnboardingPages:
    _connector: Connector
    _directory: UserDirectory
    _applications: Mapping[str, Application]
    _browser_sessions: BrowserSessions
    _clock: Callable[[], datetime]

    def handler(self, step: _Step, find_user: _FindUser) -> _Handler:
        """Return the request handler of a step; *find_user* returns the user of a link."""

        async def handle(request: web.Request) -> web.Response:
            browser = self._browser_sessions.get(request)
            about = {name: text for name, text in request.query.items() if text}
            try:
                kind, application = self._check_link(request.match_info["kind"], about)
                user = find_user(kind, about)
                pairs = await _read_pairs(request)
                is_genuine = self._browser_sessions.accepts(browser, dict(pairs))
                response = step(
                    OnboardingSession(
                        kind=kind,
                        application=application,
                        user=user,
                        about=about,
                        fields=dict(pairs) if is_genuine else {},
                        devices=[text for name, text in pairs if name == "device"],
                        csrf_token=self._browser_sessions.csrf_token(browser),
                        stale=request.method == hdrs.METH_POST and not is_genuine,
                    )
                )
            except InvalidLinkError as error:
                return screens.invalid_link(str(error), error.status)
            self._browser_sessions.set_cookie(request, response, browser)
            return response

        return handle

    def onboard(self, session: OnboardingSession) -> web.Response:
        """Handle one request of connecting a new device."""
        kind, about = session.kind, session.about
        if session.answer == "cancel":
            return session.cancel()
        if not any(name in about for name in _CHOICES):
            return screens.choose_make(session, self._connector.makes(kind.folder))
        make = self._connector.make(kind.folder, about)
        if make is None:
            message = "The make, model or trim in this link is unknown."
            raise InvalidLinkError(message, HTTPStatus.NOT_FOUND)
        if kind.by_serial:
            return self._connect_by_serial(session, make)
        return self._connect_by_account(session, make)

    def reconnect(self, session: OnboardingSession) -> web.Response:
        """Handle one request of reconnecting a device."""
        match session.answer:
            case "cancel":
                return session.cancel()
            case "reconnect":
                device_id = session.about["device_id"]
                self._connector.reconnect(session.kind.folder, device_id)
                return session.finish([device_id])
            case _:
                return screens.confirm_reconnect(session)

    def user_in_link(self, _kind: DeviceKind, about: Mapping[str, str]) -> User:
        """Return the user whose id a link contains."""
        return self._user(about.get("user_id", ""))

    def owner_of_device(self, kind: DeviceKind, about: Mapping[str, str]) -> User:
        """Return the owner of the device in a link that has not expired."""
        if "expires_at" in about and _parse_instant(about["expires_at"]) <= self._clock():
            raise InvalidLinkError("This link has expired. Request a new one.", HTTPStatus.GONE)
        device_id = about.get("device_id", "")
        return self._user(self._connector.owner(kind.folder, device_id) or "")

    def _user(self, user_id: str) -> User:
        user = self._directory.by_id(user_id)
        if user is None:
            message = "The user or device in this link is unknown."
            raise InvalidLinkError(message, HTTPStatus.NOT_FOUND)
        return user

    def _check_link(self, folder: str, about: Mapping[str, str]) -> tuple[DeviceKind, Application]:
        kind = DEVICE_KINDS.get(folder)
        if kind is None:
            message = f"Devices of the kind {folder!r} cannot be connected."
            raise InvalidLinkError(message, HTTPStatus.NOT_FOUND)
        application = self._applications.get(about.get("client_id", ""))
        if application is None:
            raise InvalidLinkError("client_id is not that of a registered application.")
        if "redirect_uri" in about and not application.may_return_to(about["redirect_uri"]):
            raise InvalidLinkError("redirect_uri is not registered for this application.")
        return kind, application

    def _connect_by_serial(self, session: OnboardingSession, make: Option) -> web.Response:
        kind, about = session.kind.folder, session.about
        if "model_id" not in about:
            return screens.choose_model(session, make, self._connector.models(kind, make.id))
        if session.answer != "connect":
            return screens.enter_serial(session, make)
        serial = session.fields.get("serial", "").strip()
        if not serial:
            return screens.enter_serial(session, make, "The serial number is missing.")
        try:
            return session.finish(
                self._connector.connect(kind, session.user.user_id, about, [serial])
            )
        except ConnectError as error:
            return screens.enter_serial(session, make, str(error))

    def _connect_by_account(self, session: OnboardingSession, make: Option) -> web.Response:
        if session.answer not in {"account", "allow"}:
            return screens.sign_in(session, make)
        if session.answer == "account":
            fields = session.fields
            email_error = None if "@" in fields.get("email", "") else "Enter an e-mail address."
            password_error = None if fields.get("password") else "The password must not be empty."
            if email_error or password_error:
                return screens.sign_in(session, make, email_error, password_error)
        kind, user_id = session.kind.folder, session.user.user_id
        account = self._connector.account(kind, user_id, session.about)
        if session.answer == "account":
            return screens.choose_devices(session, make, account)
        available = {device.id for device in account.devices}
        chosen = list(dict.fromkeys(session.devices))
        is_valid = bool(chosen) and available.issuperset(chosen)
        if not is_valid or (account.single and len(chosen) > 1):
            error = f"Choose {'one' if account.single else 'at least one'} of these."
            return screens.choose_devices(session, make, account, error)
        try:
            return session.finish(self._connector.connect(kind, user_id, session.about, chosen))
        except ConnectError as connect_error:
            return screens.choose_devices(session, make, account, str(connect_error))


async def _read_pairs(request: web.Request) -> list[tuple[str, str]]:
    """Return the fields of the form that was sent; empty if there is none or it is malformed."""
    if request.method != hdrs.METH_POST:
        return []
    try:
        return await read_form(request)
    except ValueError:
        return []


def _parse_instant(text: str) -> datetime:
    try:
        return read_instant(text)
    except ValueError:
        raise InvalidLinkError("expires_at in this link is not a date and time.") from None
