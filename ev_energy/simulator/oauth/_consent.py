"""The pages on which a driver logs in and lets an application in, or does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from ev_energy.simulator.oauth._applications import return_url
from ev_energy.simulator.oauth._errors import ReturnedError, StrayRequestError
from ev_energy.simulator.oauth._requests import read_request
from ev_energy.simulator.oauth._scopes import in_words
from ev_energy.simulator.pages import (
    button,
    field,
    form,
    hidden,
    listed,
    notice,
    page,
    read_form,
    tag,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ev_energy.simulator.oauth._authorization_server import AuthorizationServer
    from ev_energy.simulator.oauth._requests import AuthorizationRequest
    from ev_energy.simulator.oauth._user_directory import User, UserDirectory
    from ev_energy.simulator.pages import BrowserSession, BrowserSessions, Content


class Consent:
    """The authorization endpoint: each page posts back to the URL it is at."""

    def __init__(
        self,
        auth_server: AuthorizationServer,
        directory: UserDirectory,
        browser_sessions: BrowserSessions,
    ) -> None:
        self._auth_server = auth_server
        self._directory = directory
        self._browser_sessions = browser_sessions

    def install(self, router: web.UrlDispatcher) -> None:
        """Serve the pages, with and without a slash at the end of the path."""
        for path in ("/o/authorize/", "/o/authorize"):
            router.add_get(path, self._serve)
            router.add_post(path, self._serve)

    async def _serve(self, request: web.Request) -> web.Response:
        session = self._browser_sessions.get(request)
        try:
            asked = read_request(self._auth_server.applications, list(request.query.items()))
            if request.method == hdrs.METH_POST:
                response, session = await self._posted(request, asked, session)
            else:
                response = self._shown(request, asked, session)
        except StrayRequestError as error:
            return page(
                "This link does not work",
                notice(str(error), error=True),
                tag("p", "The application sent you here with a request that cannot be answered, "
                         "and it is not safe to send you back. It is for its makers to mend."),
                status=400,
            )  # fmt: skip
        except ReturnedError as error:
            response = _redirect(return_url(error.uri, error.pairs))
        self._browser_sessions.set_cookie(request, response, session)
        return response

    def _shown(
        self,
        request: web.Request,
        asked: AuthorizationRequest,
        session: BrowserSession,
        *,
        wrong: str | None = None,
        status: int = 200,
    ) -> web.Response:
        person = self._person(session)
        if person is None or request.query.get("prompt") == "login":
            return self._login_page(asked, session, wrong=wrong, status=status)
        return self._consent_page(asked, session, person, wrong=wrong, status=status)

    async def _posted(
        self, request: web.Request, asked: AuthorizationRequest, session: BrowserSession
    ) -> tuple[web.Response, BrowserSession]:
        try:
            sent = dict(await read_form(request))
        except ValueError:
            sent = {}
        if not self._browser_sessions.accepts(session, sent):
            wrong = "That form was out of date. Please try again."
            return self._shown(request, asked, session, wrong=wrong, status=403), session
        match sent.get("answer"):
            case "login":
                return self._log_in(request, asked, session, sent)
            case "other":
                return _again(request), self._browser_sessions.log_out(session)
            case "deny":
                raise asked.refusal("access_denied", "The driver said no")
            case "allow" if (person := self._person(session)) is not None:
                pairs = [("code", self._auth_server.code(asked, person.user_id))]
                if asked.state is not None:
                    pairs.append(("state", asked.state))
                return _redirect(return_url(asked.redirect_uri, pairs)), session
            case _:
                return self._shown(request, asked, session), session

    def _log_in(
        self,
        request: web.Request,
        asked: AuthorizationRequest,
        session: BrowserSession,
        sent: Mapping[str, str],
    ) -> tuple[web.Response, BrowserSession]:
        email = sent.get("email", "").strip()
        person = self._directory.by_email(email)
        wrong = None
        if person is None:
            wrong = "Nobody here has this e-mail address."
        elif not sent.get("password"):
            wrong = "The password must not be empty."
        if person is None or wrong is not None:
            refused = self._login_page(asked, session, email=email, wrong=wrong, status=400)
            return refused, session
        return _again(request), self._browser_sessions.log_in(person.user_id)

    def _person(self, session: BrowserSession) -> User | None:
        return None if session.user_id is None else self._directory.by_id(session.user_id)

    def _login_page(
        self,
        asked: AuthorizationRequest,
        session: BrowserSession,
        *,
        email: str = "",
        wrong: str | None = None,
        status: int = 200,
    ) -> web.Response:
        csrf_token = self._browser_sessions.csrf_token(session)
        # Whoever is picked from the list need not think of a password either.
        known = [
            tag("li", form(
                hidden([("password", "any"), ("email", person.email)]),
                tag("button", tag("span", person.name), tag("small", person.email),
                    name="answer", value="login"),
                csrf_token=csrf_token,
            ))
            for person in self._directory.suggestions()
        ]  # fmt: skip
        return page(
            "Log in",
            tag("p", tag("strong", asked.application.name), " would like to use your account."),
            notice(wrong, error=True) if wrong else None,
            form(
                field("E-mail", "email", value=email, kind="email", autocomplete="username"),
                field("Password", "password", kind="password", autocomplete="off",
                      note="Any password will do, as long as it is not empty."),
                button("Log in", name="answer", value="login"),
                button("Cancel", name="answer", value="deny", quiet=True),
                csrf_token=csrf_token,
            ),
            [tag("h2", "Or be somebody who lives here"), tag("ul", *known, class_="picks")]
            if known
            else None,
            status=status,
        )  # fmt: skip

    def _consent_page(
        self,
        asked: AuthorizationRequest,
        session: BrowserSession,
        person: User,
        *,
        wrong: str | None,
        status: int,
    ) -> web.Response:
        def about(heading: str, ability: str) -> Content:
            things = in_words(asked.scopes, ability)
            return [tag("h2", heading), listed(things)] if things else None

        return page(
            f"Let {asked.application.name} in?",
            notice(wrong, error=True) if wrong else None,
            tag("p", "You are logged in as ", tag("strong", person.name), f" ({person.email})."),
            about("It will see", "read"),
            about("It will be able to change", "write"),
            form(
                button("Allow", name="answer", value="allow"),
                button("Deny", name="answer", value="deny", quiet=True),
                button("Use another account", name="answer", value="other", quiet=True),
                csrf_token=self._browser_sessions.csrf_token(session),
            ),
            status=status,
        )


def _redirect(url: str, status: int = 302) -> web.Response:
    # Not aiohttp's own: it would spell some URLs of applications in another way.
    return web.Response(status=status, headers={hdrs.LOCATION: url, hdrs.CACHE_CONTROL: "no-store"})


def _again(request: web.Request) -> web.Response:
    """Send the browser back to the same request, for the next page."""
    pairs = [(name, text) for name, text in request.query.items() if name != "prompt"]
    return _redirect(return_url(request.path, pairs), 303)
