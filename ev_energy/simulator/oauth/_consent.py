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

    from ev_energy.simulator.oauth._authority import Authority
    from ev_energy.simulator.oauth._requests import AuthorizationRequest
    from ev_energy.simulator.oauth._user_directory import Directory, Person
    from ev_energy.simulator.pages import Content, Visitor, Visitors


class Consent:
    """The authorization endpoint: each page posts back to the URL it is at."""

    def __init__(self, authority: Authority, directory: Directory, visitors: Visitors) -> None:
        self._authority = authority
        self._directory = directory
        self._visitors = visitors

    def install(self, router: web.UrlDispatcher) -> None:
        """Serve the pages, with and without a slash at the end of the path."""
        for path in ("/o/authorize/", "/o/authorize"):
            router.add_get(path, self._serve)
            router.add_post(path, self._serve)

    async def _serve(self, request: web.Request) -> web.Response:
        visitor = self._visitors.visitor(request)
        try:
            asked = read_request(self._authority.applications, list(request.query.items()))
            if request.method == hdrs.METH_POST:
                response, visitor = await self._posted(request, asked, visitor)
            else:
                response = self._shown(request, asked, visitor)
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
        self._visitors.remember(request, response, visitor)
        return response

    def _shown(
        self,
        request: web.Request,
        asked: AuthorizationRequest,
        visitor: Visitor,
        *,
        wrong: str | None = None,
        status: int = 200,
    ) -> web.Response:
        person = self._person(visitor)
        if person is None or request.query.get("prompt") == "login":
            return self._login_page(asked, visitor, wrong=wrong, status=status)
        return self._consent_page(asked, visitor, person, wrong=wrong, status=status)

    async def _posted(
        self, request: web.Request, asked: AuthorizationRequest, visitor: Visitor
    ) -> tuple[web.Response, Visitor]:
        try:
            sent = dict(await read_form(request))
        except ValueError:
            sent = {}
        if not self._visitors.sent_by(visitor, sent):
            wrong = "That form was out of date. Please try again."
            return self._shown(request, asked, visitor, wrong=wrong, status=403), visitor
        match sent.get("answer"):
            case "login":
                return self._log_in(request, asked, visitor, sent)
            case "other":
                return _again(request), self._visitors.log_out(visitor)
            case "deny":
                raise asked.refusal("access_denied", "The driver said no")
            case "allow" if (person := self._person(visitor)) is not None:
                pairs = [("code", self._authority.code(asked, person.user_id))]
                if asked.state is not None:
                    pairs.append(("state", asked.state))
                return _redirect(return_url(asked.redirect_uri, pairs)), visitor
            case _:
                return self._shown(request, asked, visitor), visitor

    def _log_in(
        self,
        request: web.Request,
        asked: AuthorizationRequest,
        visitor: Visitor,
        sent: Mapping[str, str],
    ) -> tuple[web.Response, Visitor]:
        email = sent.get("email", "").strip()
        person = self._directory.by_email(email)
        wrong = None
        if person is None:
            wrong = "Nobody here has this e-mail address."
        elif not sent.get("password"):
            wrong = "The password must not be empty."
        if person is None or wrong is not None:
            refused = self._login_page(asked, visitor, email=email, wrong=wrong, status=400)
            return refused, visitor
        return _again(request), self._visitors.log_in(person.user_id)

    def _person(self, visitor: Visitor) -> Person | None:
        return None if visitor.user_id is None else self._directory.by_id(visitor.user_id)

    def _login_page(
        self,
        asked: AuthorizationRequest,
        visitor: Visitor,
        *,
        email: str = "",
        wrong: str | None = None,
        status: int = 200,
    ) -> web.Response:
        seal = self._visitors.seal(visitor)
        # Whoever is picked from the list need not think of a password either.
        known = [
            tag("li", form(
                hidden([("password", "any"), ("email", person.email)]),
                tag("button", tag("span", person.name), tag("small", person.email),
                    name="answer", value="login"),
                seal=seal,
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
                seal=seal,
            ),
            [tag("h2", "Or be somebody who lives here"), tag("ul", *known, class_="picks")]
            if known
            else None,
            status=status,
        )  # fmt: skip

    def _consent_page(
        self,
        asked: AuthorizationRequest,
        visitor: Visitor,
        person: Person,
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
                seal=self._visitors.seal(visitor),
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
