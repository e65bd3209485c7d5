"""The portal: the pages on which an application manages its webhooks."""

from __future__ import annotations

import textwrap
from http import HTTPStatus
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


#: The event types that the API documents.
EVENT_TYPES: Final = ("charging_sub_session.created", "charging_sub_session.ended")
_PATH: Final = "/webhooks/"
_DELIVERIES_SHOWN: Final = 25
#: Limits the memory of a simulator that runs for weeks.
_MAX_LINKS: Final = 1000


class Portal:
    """Admits applications by links that work once, and recognises their browsers later."""

    def __init__(
        self, webhooks: Webhooks, secrets: Secrets, browser_sessions: BrowserSessions
    ) -> None:
        self._webhooks = webhooks
        self._secrets = secrets
        self._browser_sessions = browser_sessions
        self._made = 0
        #: The client id of each unused link.
        self._links: dict[str, str] = {}
        #: The client id of each browser session.
        self._client_ids: dict[str, str] = {}

    def link(self, client_id: str, origin: str) -> str:
        """Return a URL that opens the portal of an application, once."""
        self._made += 1
        token = self._secrets.text("portal", client_id, self._made)
        _store(self._links, token, client_id)
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
                return _refusal()
            _store(self._client_ids, session.key, client_id)
            response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": _PATH})
            self._browser_sessions.set_cookie(request, response, session)
            return response
        client_id = self._client_ids.get(session.key)
        if client_id is None:
            return _refusal()
        return self._page(client_id, self._browser_sessions.csrf_token(session))

    async def _change(self, request: web.Request) -> web.StreamResponse:
        session = self._browser_sessions.get(request)
        client_id = self._client_ids.get(session.key)
        try:
            pairs = await read_form(request)
        except ValueError as error:
            return page(
                "Invalid request", notice(str(error), error=True), status=HTTPStatus.BAD_REQUEST
            )
        values = dict(pairs)
        if client_id is None or not self._browser_sessions.accepts(session, values):
            return _refusal()
        csrf_token = self._browser_sessions.csrf_token(session)
        endpoint_id = values.get("endpoint", "")
        if endpoint_id and all(own.id != endpoint_id for own in self._endpoints_of(client_id)):
            return self._page(
                client_id,
                csrf_token,
                message="This endpoint does not exist any more.",
                status=HTTPStatus.NOT_FOUND,
            )
        try:
            match values.get("do"):
                case "add":
                    events = [value for name, value in pairs if name == "event"]
                    self._webhooks.add(
                        values.get("url", "").strip(), events=events or None, application=client_id
                    )
                case "remove":
                    self._webhooks.remove(endpoint_id)
                case "rotate":
                    self._webhooks.rotate_secret(endpoint_id)
                case "replay":
                    self._webhooks.replay(values.get("message", ""), endpoint_id)
                case other:
                    return self._page(
                        client_id,
                        csrf_token,
                        message=f"Unknown action: {other}",
                        status=HTTPStatus.BAD_REQUEST,
                    )
        except ValueError as error:
            return self._page(
                client_id,
                csrf_token,
                url=values.get("url", ""),
                url_error=str(error).replace("url: ", "The URL ", 1),
            )
        except KeyError:
            return self._page(
                client_id,
                csrf_token,
                message="This message or endpoint does not exist any more.",
                status=HTTPStatus.NOT_FOUND,
            )
        raise web.HTTPSeeOther(_PATH)

    def _endpoints_of(self, client_id: str) -> list[Endpoint]:
        return [e for e in self._webhooks.endpoints if e.application in {None, client_id}]

    def _page(
        self,
        client_id: str,
        csrf_token: str,
        *,
        url: str = "",
        url_error: str | None = None,
        message: str | None = None,
        status: int = HTTPStatus.OK,
    ) -> web.Response:
        endpoints = {endpoint.id: endpoint for endpoint in self._endpoints_of(client_id)}
        made = [d for d in self._webhooks.deliveries if d.endpoint_id in endpoints]
        return page(
            "Webhooks",
            notice(message, error=True) if message else None,
            definition_list([("Application", tag("code", client_id))]),
            tag("h2", "Endpoints"),
            [_endpoint(endpoint, csrf_token) for endpoint in endpoints.values()]
            or tag("p", "No endpoints yet. Add one below.", class_="soft"),
            tag("h2", "Add an endpoint"),
            form(
                field("URL", "url", value=url, kind="url", error=url_error,
                      note="Events are posted to this URL, on this machine or elsewhere"),
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
                ("Time", "Message", "Result", ""),
                (_row(delivery, endpoints[delivery.endpoint_id], csrf_token)
                 for delivery in made[: -_DELIVERIES_SHOWN - 1 : -1]),
            )
            if made
            else tag("p", "No deliveries yet.", class_="soft"),
            status=HTTPStatus.BAD_REQUEST if url_error else status,
            wide=True,
        )  # fmt: skip


def _store(store: dict[str, str], key: str, client_id: str) -> None:
    store[key] = client_id
    while len(store) > _MAX_LINKS:
        del store[next(iter(store))]


def _refusal() -> web.Response:
    return page(
        "No access",
        notice("This link is invalid or has been used.", error=True),
        tag(
            "p", "Each ", tag("code", "GET /v2/webhook_portal"), " returns a link that works once."
        ),
        status=HTTPStatus.FORBIDDEN,
    )


def _small_form(csrf_token: str, action: str, label: str, *about: tuple[str, str]) -> Markup:
    """Return a small button with an action on the item beside it."""
    return form(
        *hidden_fields(about),
        button(label, name="do", value=action, quiet=True),
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
        _small_form(csrf_token, "rotate", "New secret", about),
        " ",
        _small_form(csrf_token, "remove", "Remove", about),
    )


def _row(delivery: Delivery, endpoint: Endpoint, csrf_token: str) -> list[Content]:
    about = ("message", delivery.message_id), ("endpoint", delivery.endpoint_id)
    message = delivery.error or (f"status {delivery.status}" if delivery.status else "not sent")
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
            tag(
                "small",
                f"attempt {delivery.attempt}: ",
                textwrap.shorten(message, 50),
                title=message,
            ),
        ],
        _small_form(csrf_token, "replay", "Replay", *about),
    ]
