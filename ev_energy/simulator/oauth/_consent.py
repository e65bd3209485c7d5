"""The authorization endpoint: the pages on which a driver logs in and allows an application."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import attrs
from aiohttp import hdrs, web

from ev_energy.simulator.oauth._applications import redirect_url
from ev_energy.simulator.oauth._requests import (
    AuthorizationError,
    UntrustedRedirectError,
    parse_request,
)
from ev_energy.simulator.oauth._scopes import describe_scopes
from ev_energy.simulator.pages import (
    bullet_list,
    button,
    field,
    form,
    hidden_fields,
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


class ConsentPages:
    """Serves the login page and the consent page; each posts back to its own URL."""

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
            asked = parse_request(self._auth_server.applications, list(request.query.items()))
            visit = _Visit(request, asked, session)
            if request.method == hdrs.METH_POST:
                response, session = await self._handle_form(visit)
            else:
                response = self._current_page(visit)
        except UntrustedRedirectError as error:
            return page(
                "This link does not work",
                notice(str(error), error=True),
                tag("p", "The application sent you here with an invalid request, and it is not "
                         "safe to send you back. The developers of the application must fix this."),
                status=HTTPStatus.BAD_REQUEST,
            )  # fmt: skip
        except AuthorizationError as error:
            response = _redirect(redirect_url(error.uri, error.pairs))
        self._browser_sessions.set_cookie(request, response, session)
        return response

    def _current_page(
        self, visit: _Visit, *, error: str | None = None, status: int = HTTPStatus.OK
    ) -> web.Response:
        """Return the consent page for a user who is logged in, the login page otherwise."""
        user = self._user(visit.session)
        if user is None or visit.request.query.get("prompt") == "login":
            return self._login_page(visit, error=error, status=status)
        return self._consent_page(visit, user, error=error, status=status)

    async def _handle_form(self, visit: _Visit) -> tuple[web.Response, BrowserSession]:
        """Return the response to a form, and the session that continues from there."""
        asked, session = visit.asked, visit.session
        try:
            fields = dict(await read_form(visit.request))
        except ValueError:
            fields = {}
        if not self._browser_sessions.accepts(session, fields):
            error = "That form was out of date. Please try again."
            response = self._current_page(visit, error=error, status=HTTPStatus.FORBIDDEN)
            return response, session
        match fields.get("answer"):
            case "login":
                return self._log_in(visit, fields)
            case "other":
                return _reload(visit.request), self._browser_sessions.log_out(session)
            case "deny":
                raise asked.error("access_denied", "The driver denied access")
            case "allow" if (user := self._user(session)) is not None:
                pairs = [("code", self._auth_server.issue_code(asked, user.user_id))]
                if asked.state is not None:
                    pairs.append(("state", asked.state))
                return _redirect(redirect_url(asked.redirect_uri, pairs)), session
            case _:
                return self._current_page(visit), session

    def _log_in(
        self, visit: _Visit, fields: Mapping[str, str]
    ) -> tuple[web.Response, BrowserSession]:
        email = fields.get("email", "").strip()
        user = self._directory.by_email(email)
        error = None
        if user is None:
            error = "No account has this e-mail address."
        elif not fields.get("password"):
            error = "The password must not be empty."
        if user is None or error is not None:
            status = HTTPStatus.BAD_REQUEST
            return self._login_page(visit, email=email, error=error, status=status), visit.session
        return _reload(visit.request), self._browser_sessions.log_in(user.user_id)

    def _user(self, session: BrowserSession) -> User | None:
        return None if session.user_id is None else self._directory.by_id(session.user_id)

    def _login_page(
        self, visit: _Visit, *, email: str = "", error: str | None, status: int
    ) -> web.Response:
        csrf_token = self._browser_sessions.csrf_token(visit.session)
        # Choosing a suggested user requires no password, so the form contains one.
        suggestions = [
            tag("li", form(
                hidden_fields([("password", "any"), ("email", user.email)]),
                tag("button", tag("span", user.name), tag("small", user.email),
                    name="answer", value="login"),
                csrf_token=csrf_token,
            ))
            for user in self._directory.suggestions()
        ]  # fmt: skip
        return page(
            "Log in",
            tag("p", tag("strong", visit.asked.application.name),
                " would like to use your account."),
            notice(error, error=True) if error else None,
            form(
                field("E-mail", "email", value=email, kind="email", autocomplete="username"),
                field("Password", "password", kind="password", autocomplete="off",
                      note="Any password is accepted, as long as it is not empty."),
                button("Log in", name="answer", value="login"),
                button("Cancel", name="answer", value="deny", quiet=True),
                csrf_token=csrf_token,
            ),
            [tag("h2", "Or log in as a simulated user"), tag("ul", *suggestions, class_="picks")]
            if suggestions
            else None,
            status=status,
        )  # fmt: skip

    def _consent_page(
        self, visit: _Visit, user: User, *, error: str | None, status: int
    ) -> web.Response:
        def resources(heading: str, access: str) -> Content:
            names = describe_scopes(visit.asked.scopes, access)
            return [tag("h2", heading), bullet_list(names)] if names else None

        return page(
            f"Allow {visit.asked.application.name}?",
            notice(error, error=True) if error else None,
            tag("p", "You are logged in as ", tag("strong", user.name), f" ({user.email})."),
            resources("It will see", "read"),
            resources("It will be able to change", "write"),
            form(
                button("Allow", name="answer", value="allow"),
                button("Deny", name="answer", value="deny", quiet=True),
                button("Use another account", name="answer", value="other", quiet=True),
                csrf_token=self._browser_sessions.csrf_token(visit.session),
            ),
            status=status,
        )


@attrs.frozen
class _Visit:
    """A request of a browser, with the authorization request that its URL contains."""

    request: web.Request
    asked: AuthorizationRequest
    session: BrowserSession


def _redirect(url: str, status: int = HTTPStatus.FOUND) -> web.Response:
    # Not aiohttp's HTTPFound: it changes the percent-encoding of some URLs of applications.
    return web.Response(status=status, headers={hdrs.LOCATION: url, hdrs.CACHE_CONTROL: "no-store"})


def _reload(request: web.Request) -> web.Response:
    """Redirect the browser to the same authorization request, for its next page."""
    pairs = [(name, text) for name, text in request.query.items() if name != "prompt"]
    return _redirect(redirect_url(request.path, pairs), HTTPStatus.SEE_OTHER)
