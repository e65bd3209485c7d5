"""The log of requests: what was sent, by which application and user, and the status."""

from __future__ import annotations

import base64
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

import attrs
from aiohttp import hdrs, web
from multidict import CIMultiDict

from ev_energy.simulator.faults import STRUCK_BY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from aiohttp.typedefs import Handler

    from ev_energy.simulator.oauth import AuthorizationServer


#: Limits the memory of a simulator that runs for weeks.
_MAX_REQUESTS: Final = 10_000
#: The path of the admin endpoints, which are not part of the API.
_ADMIN: Final = "/__sim"


@attrs.frozen(kw_only=True)
class SeenRequest:
    """A request that the simulator has received, without its credentials."""

    method: str
    """The HTTP method."""
    path: str
    """The path as it was sent, still percent-encoded."""
    query: tuple[tuple[str, str], ...]
    """The names and values of the query, decoded, in their order."""
    headers: Mapping[str, str]
    """All headers but Authorization; names are case-insensitive."""
    authorization_scheme: str | None
    """The scheme of the Authorization header, such as ``Bearer``; None without the header."""
    status: int
    """The status of the reply; 0 without a reply."""
    target: str
    """Path and query as they were sent."""
    at: datetime
    """The simulated time of the request, in UTC."""
    seconds: float
    """Real seconds from the request to the reply."""
    client_id: str | None
    """The client id of the application; None if it is unknown."""
    user_id: str | None
    """The id of the user of the token; None for a token of an application, or no token."""
    fault: str | None
    """The kind of the fault that struck the request; None without a fault."""
    is_admin: bool
    """Whether it was for an admin endpoint or the status page; these are logged but not kept."""

    @property
    def sender(self) -> str:
        """The application and the user as far as they are known, else ``-``."""
        return " ".join(filter(None, [self.client_id, self.user_id])) or "-"

    def __str__(self) -> str:
        """Return a line of a log."""
        summary = f"{self.status or '---'} {self.method:6} {self.target}"
        fault = f" ({self.fault})" if self.fault else ""
        return f"{summary} {self.seconds * 1000:.0f} ms {self.sender}{fault}"


class RequestLog:
    """Records requests when their replies are sent."""

    def __init__(
        self,
        auth_server: AuthorizationServer,
        now: Callable[[], datetime],
        log: Callable[[SeenRequest], None] | None,
    ) -> None:
        self._auth_server = auth_server
        self._now = now
        self._log = log
        self.requests: list[SeenRequest] = []
        """All requests but those to admin endpoints and the status page, the newest last."""

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Handle a request and record it."""
        # The request may revoke its own token.
        sender, start = self._sender(request), time.perf_counter()
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        else:
            return response
        finally:
            self._add(request, status, sender, time.perf_counter() - start)

    def _add(
        self,
        request: web.Request,
        status: int,
        sender: tuple[str | None, str | None],
        seconds: float,
    ) -> None:
        headers = CIMultiDict(request.headers)
        authorization = headers.popall(hdrs.AUTHORIZATION, [])
        path, fault = request.rel_url.raw_path, request.get(STRUCK_BY)
        seen_request = SeenRequest(
            method=request.method,
            path=path,
            query=tuple(request.query.items()),
            headers=headers,
            authorization_scheme=authorization[0].partition(" ")[0] if authorization else None,
            status=status,
            target=request.path_qs,
            at=self._now(),
            seconds=seconds,
            client_id=sender[0],
            user_id=sender[1],
            fault=None if fault is None else fault.kind,
            is_admin=path in {"/", _ADMIN} or path.startswith(f"{_ADMIN}/"),
        )
        if not seen_request.is_admin:
            self.requests.append(seen_request)
            del self.requests[:-_MAX_REQUESTS]
        if self._log is not None:
            self._log(seen_request)

    def _sender(self, request: web.Request) -> tuple[str | None, str | None]:
        """Return the application and the user of the credentials."""
        scheme, _, credentials = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        match scheme.lower():
            case "bearer":
                token_info = self._auth_server.introspect(credentials.strip())
                if token_info is None:
                    return None, None
                return token_info.application.client_id, token_info.user_id
            case "basic":
                client_id = _user_of_basic(credentials)
                return (client_id if client_id in self._auth_server.applications else None), None
            case _:
                return None, None


def _user_of_basic(credentials: str) -> str:
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except ValueError:  # not base64, or not UTF-8
        return ""
    return unquote_plus(decoded).partition(":")[0]
