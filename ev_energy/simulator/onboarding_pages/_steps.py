"""Which page comes next, and what a form does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from aiohttp import hdrs, web

from ev_energy.simulator.clock._instants import read_instant
from ev_energy.simulator.onboarding_pages import _screens as screens
from ev_energy.simulator.onboarding_pages._connector import DEVICE_KINDS, ConnectError
from ev_energy.simulator.onboarding_pages._onboarding_session import LostError, Visit
from ev_energy.simulator.pages import read_form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from ev_energy.simulator.oauth import Application, User, UserDirectory
    from ev_energy.simulator.onboarding_pages._connector import Connector, DeviceKind, Option
    from ev_energy.simulator.pages import BrowserSessions

    _Step = Callable[[Visit], web.Response]

    _Traveller = Callable[[DeviceKind, Mapping[str, str]], User]

    _Serve = Callable[[web.Request], Awaitable[web.Response]]

_CHOICES: Final = ("make_id", "model_id", "trim_id")


def install(
    app: web.Application,
    connector: Connector,
    directory: UserDirectory,
    applications: Mapping[str, Application],
    browser_sessions: BrowserSessions,
    clock: Callable[[], datetime],
) -> None:
    """Serve the pages, all below ``/onboarding``."""
    journeys = _Journeys(connector, directory, applications, browser_sessions, clock)
    steps = {
        "/onboarding/{kind}": journeys.served(journeys.onboard, journeys.named_person),
        "/onboarding/{kind}/reconnect": journeys.served(journeys.reconnect, journeys.owner),
    }
    for path, serve in steps.items():
        for spelt in (path, f"{path}/"):
            app.router.add_get(spelt, serve)
            app.router.add_post(spelt, serve)


@attrs.frozen
class _Journeys:
    _connector: Connector
    _directory: UserDirectory
    _applications: Mapping[str, Application]
    _browser_sessions: BrowserSessions
    _clock: Callable[[], datetime]

    def served(self, step: _Step, traveller: _Traveller) -> _Serve:
        """Return the handler of a step; ``traveller`` finds who a link is about."""

        async def serve(request: web.Request) -> web.Response:
            session = self._browser_sessions.get(request)
            about = {name: text for name, text in request.query.items() if text}
            try:
                kind, application = self._checked(request.match_info["kind"], about)
                person = traveller(kind, about)
                sent = await _sent(request)
                ours = self._browser_sessions.accepts(session, dict(sent))
                response = step(
                    Visit(
                        kind=kind,
                        application=application,
                        person=person,
                        about=about,
                        sent=dict(sent) if ours else {},
                        devices=[text for name, text in sent if name == "device"],
                        csrf_token=self._browser_sessions.csrf_token(session),
                        stale=request.method == hdrs.METH_POST and not ours,
                    )
                )
            except LostError as error:
                return screens.lost(str(error), error.status)
            self._browser_sessions.set_cookie(request, response, session)
            return response

        return serve

    def onboard(self, visit: Visit) -> web.Response:
        """Take one step of connecting something new."""
        kind, about = visit.kind, visit.about
        if visit.answer == "cancel":
            return visit.cancel()
        if not any(name in about for name in _CHOICES):
            return screens.pick_make(visit, self._connector.makes(kind.folder))
        make = self._connector.make(kind.folder, about)
        if make is None:
            raise LostError("The link names a make or a model that is not known here.", 404)
        return self._by_serial(visit, make) if kind.by_serial else self._by_account(visit, make)

    def reconnect(self, visit: Visit) -> web.Response:
        """Take one step of connecting something again."""
        match visit.answer:
            case "cancel":
                return visit.cancel()
            case "reconnect":
                device_id = visit.about["device_id"]
                self._connector.reconnect(visit.kind.folder, device_id)
                return visit.finish([device_id])
            case _:
                return screens.ask_again(visit)

    def named_person(self, _kind: DeviceKind, about: Mapping[str, str]) -> User:
        """Return the person that a link names."""
        return self._person(about.get("user_id", ""))

    def owner(self, kind: DeviceKind, about: Mapping[str, str]) -> User:
        """Return the person whose device a link names."""
        if "expires_at" in about and _instant(about["expires_at"]) <= self._clock():
            raise LostError("This link is too old. Ask for a new one.", 410)
        device_id = about.get("device_id", "")
        return self._person(self._connector.owner(kind.folder, device_id) or "")

    def _person(self, user_id: str) -> User:
        person = self._directory.by_id(user_id)
        if person is None:
            raise LostError("The link is about somebody or something that is not known here.", 404)
        return person

    def _checked(self, folder: str, about: Mapping[str, str]) -> tuple[DeviceKind, Application]:
        kind = DEVICE_KINDS.get(folder)
        if kind is None:
            raise LostError("Nothing of this kind can be connected.", 404)
        application = self._applications.get(about.get("client_id", ""))
        if application is None:
            raise LostError("The link names no application that is registered here.")
        if "redirect_uri" in about and not application.may_return_to(about["redirect_uri"]):
            raise LostError("The link leads back to where this application may not send anybody.")
        return kind, application

    def _by_serial(self, visit: Visit, make: Option) -> web.Response:
        kind, about = visit.kind.folder, visit.about
        if "model_id" not in about:
            return screens.pick_model(visit, make, self._connector.models(kind, make.id))
        if visit.answer != "connect":
            return screens.say_serial(visit, make)
        serial = visit.sent.get("serial", "").strip()
        if not serial:
            return screens.say_serial(visit, make, "The serial number is missing.")
        try:
            return visit.finish(
                self._connector.connect(kind, visit.person.user_id, about, [serial])
            )
        except ConnectError as error:
            return screens.say_serial(visit, make, str(error))

    def _by_account(self, visit: Visit, make: Option) -> web.Response:
        if visit.answer not in {"account", "allow"}:
            return screens.sign_in(visit, make)
        if visit.answer == "account":
            wrong = None if "@" in visit.sent.get("email", "") else "An e-mail address is needed."
            empty = None if visit.sent.get("password") else "The password must not be empty."
            if wrong or empty:
                return screens.sign_in(visit, make, wrong, password=empty)
        kind, user_id = visit.kind.folder, visit.person.user_id
        account = self._connector.account(kind, user_id, visit.about)
        if visit.answer == "account":
            return screens.pick_devices(visit, make, account)
        held = {device.id for device in account.devices}
        chosen = list(dict.fromkeys(visit.devices))
        if not chosen or not held.issuperset(chosen) or (account.single and len(chosen) > 1):
            wrong = f"Choose {'one' if account.single else 'at least one'} of these."
            return screens.pick_devices(visit, make, account, wrong)
        try:
            return visit.finish(self._connector.connect(kind, user_id, visit.about, chosen))
        except ConnectError as error:
            return screens.pick_devices(visit, make, account, str(error))


async def _sent(request: web.Request) -> list[tuple[str, str]]:
    """Return the form that was sent; one that cannot be read is as good as none."""
    if request.method != hdrs.METH_POST:
        return []
    try:
        return await read_form(request)
    except ValueError:
        return []


def _instant(text: str) -> datetime:
    try:
        return read_instant(text)
    except ValueError:
        raise LostError("The link has a date in it that is none.") from None
