"""The pages on which an application manages its webhooks in a browser."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from aiohttp import web

from ev_energy.simulator.pages import (
    button,
    definition_list,
    field,
    form,
    hidden_fields,
    notice,
    page,
    read_form,
    table,
    tag,
)

if TYPE_CHECKING:
    from ev_energy.simulator._secrets import Secrets
    from ev_energy.simulator.pages import BrowserSessions, Content, Markup
    from ev_energy.simulator.webhooks._sender import Webhooks
    from ev_energy.simulator.webhooks._state import Delivery, Endpoint


#: The types of event that the API documents.
EVENT_TYPES: Final = ("charging_sub_session.created", "charging_sub_session.ended")
_PATH: Final = "/webhooks/"
_SHOWN: Final = 25
#: So that a simulator which runs for weeks does not grow for weeks.
_LINKS_KEPT: Final = 1000


class Portal:
    """Lets applications in by links that work once, and knows their browsers from then on."""

    def __init__(
        self, webhooks: Webhooks, secrets: Secrets, browser_sessions: BrowserSessions
    ) -> None:
        self._webhooks = webhooks
        self._secrets = secrets
        self._browser_sessions = browser_sessions
        self._made = 0
        #: The application that each link is for.
        self._links: dict[str, str] = {}
        #: The application that each browser manages.
        self._admitted: dict[str, str] = {}

    def link(self, client_id: str, origin: str) -> str:
        """Return a URL that opens the portal of an application, once."""
        self._made += 1
        token = self._secrets.text("portal", client_id, self._made)
        _keep(self._links, token, client_id)
        return f"{origin}{_PATH}?token={token}"

    def install(self, app: web.Application) -> None:
        """Serve the pages."""
        app.router.add_get(_PATH, self._show)
        app.router.add_post(_PATH, self._change)

    async def _show(self, request: web.Request) -> web.StreamResponse:
        token = request.query.get("token")
        session = self._browser_sessions.get(request)
        if token is not None:
            client_id = self._links.pop(token, None)
            if client_id is None:
                return _refused()
            _keep(self._admitted, session.key, client_id)
            response = web.Response(status=303, headers={"Location": _PATH})
            self._browser_sessions.set_cookie(request, response, session)
            return response
        client_id = self._admitted.get(session.key)
        if client_id is None:
            return _refused()
        return self._page(client_id, self._browser_sessions.csrf_token(session))

    async def _change(self, request: web.Request) -> web.StreamResponse:
        session = self._browser_sessions.get(request)
        client_id = self._admitted.get(session.key)
        try:
            pairs = await read_form(request)
        except ValueError as error:
            return page("Not understood", notice(str(error), error=True), status=400)
        sent = dict(pairs)
        if client_id is None or not self._browser_sessions.accepts(session, sent):
            return _refused()
        csrf_token, endpoint_id = (
            self._browser_sessions.csrf_token(session),
            sent.get("endpoint", ""),
        )
        if endpoint_id and all(mine.id != endpoint_id for mine in self._mine(client_id)):
            return self._page(client_id, csrf_token, said="This endpoint is gone.", status=404)
        try:
            match sent.get("do"):
                case "add":
                    events = [value for name, value in pairs if name == "event"]
                    self._webhooks.add(
                        sent.get("url", "").strip(), events=events or None, application=client_id
                    )
                case "remove":
                    self._webhooks.remove(endpoint_id)
                case "rotate":
                    self._webhooks.rotate_secret(endpoint_id)
                case "replay":
                    self._webhooks.replay(sent.get("message", ""), endpoint_id)
                case other:
                    return self._page(client_id, csrf_token, said=f"Do what? {other}", status=400)
        except ValueError as error:
            return self._page(client_id, csrf_token, url=sent.get("url", ""), wrong=str(error))
        except KeyError:
            return self._page(client_id, csrf_token, said="This is gone.", status=404)
        raise web.HTTPSeeOther(_PATH)

    def _mine(self, client_id: str) -> list[Endpoint]:
        return [e for e in self._webhooks.endpoints if e.application in {None, client_id}]

    def _page(
        self,
        client_id: str,
        csrf_token: str,
        *,
        url: str = "",
        wrong: str | None = None,
        said: str | None = None,
        status: int = 200,
    ) -> web.Response:
        endpoints = {endpoint.id: endpoint for endpoint in self._mine(client_id)}
        made = [d for d in self._webhooks.deliveries if d.endpoint_id in endpoints]
        return page(
            "Webhooks",
            notice(said, error=True) if said else None,
            definition_list([("Application", tag("code", client_id))]),
            tag("h2", "Endpoints"),
            [_endpoint(endpoint, csrf_token) for endpoint in endpoints.values()]
            or tag("p", "None yet: add one below.", class_="soft"),
            tag("h2", "Add an endpoint"),
            form(
                field("URL", "url", value=url, kind="url", error=wrong,
                      note="Where events are posted to, on this machine or elsewhere"),
                [
                    tag("label",
                        tag("input", type="checkbox", name="event", value=name, checked=True),
                        " ", tag("code", name))
                    for name in EVENT_TYPES
                ],
                button("Add", name="do", value="add"),
                csrf_token=csrf_token,
            ),
            tag("h2", "Last deliveries"),
            table(
                ("When", "What", "Result", ""),
                (_row(delivery, endpoints[delivery.endpoint_id], csrf_token)
                 for delivery in made[: -_SHOWN - 1 : -1]),
            )
            if made
            else tag("p", "None yet.", class_="soft"),
            status=400 if wrong else status,
            wide=True,
        )  # fmt: skip


def _keep(where: dict[str, str], key: str, client_id: str) -> None:
    where[key] = client_id
    while len(where) > _LINKS_KEPT:
        del where[next(iter(where))]


def _refused() -> web.Response:
    return page(
        "No entry",
        notice("This link was used before, or never was one.", error=True),
        tag("p", "Each ", tag("code", "GET /v2/webhook_portal"), " gives a link that works once."),
        status=403,
    )


def _do(csrf_token: str, what: str, label: str, *about: tuple[str, str]) -> Markup:
    """Return a small button that does something to what it stands beside."""
    return form(
        *hidden_fields(about),
        button(label, name="do", value=what, quiet=True),
        csrf_token=csrf_token,
        class_="inline",
    )


def _endpoint(endpoint: Endpoint, csrf_token: str) -> Markup:
    about = ("endpoint", endpoint.id)
    shown: list[tuple[str, Content]] = [
        ("URL", tag("code", endpoint.url)),
        ("Id", tag("code", endpoint.id)),
        ("Events", "all" if endpoint.events is None else ", ".join(endpoint.events)),
        ("Secret", tag("details", tag("summary", "Show"), tag("code", endpoint.secret))),
    ]
    return tag(
        "section",
        definition_list(shown),
        _do(csrf_token, "rotate", "New secret", about),
        " ",
        _do(csrf_token, "remove", "Remove", about),
    )


def _row(delivery: Delivery, endpoint: Endpoint, csrf_token: str) -> list[Content]:
    about = ("message", delivery.message_id), ("endpoint", delivery.endpoint_id)
    said = delivery.error or (f"status {delivery.status}" if delivery.status else "not sent")
    line = tag("br")
    return [
        [f"{delivery.at:%H:%M:%S}", line, f"{delivery.at:%d\N{NO-BREAK SPACE}%b}"],
        [
            *(delivery.event_type, line),
            *(tag("code", delivery.message_id), line),
            *("to ", tag("code", endpoint.url)),
        ],
        [
            *(delivery.outcome, line),
            tag("small", f"attempt {delivery.attempt}: ", textwrap.shorten(said, 50), title=said),
        ],
        _do(csrf_token, "replay", "Replay", *about),
    ]
