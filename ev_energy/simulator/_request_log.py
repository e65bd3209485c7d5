"""What came in, who sent it, and how it was answered."""

from __future__ import annotations

import base64
import time
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


#: So that a simulator which runs for weeks does not grow for weeks.
_KEPT: Final = 10_000
#: Where the simulator itself is watched and steered; nothing of the API is there.
_CONTROL: Final = "/__sim"


@attrs.frozen(kw_only=True)
class SeenRequest:
    """A request as the simulator saw it. Credentials are not kept."""

    method: str
    path: str
    """As it came over the wire, percent signs and all."""
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    """All but Authorization; names in capitals or not."""
    authorization_scheme: str | None
    """``Bearer`` or ``Basic``; None if there was no such header."""
    status: int
    """What it was answered with; 0 if it got no reply."""
    target: str
    """Path and query in one, as they came."""
    at: datetime
    """What time it was in the world."""
    seconds: float
    """How many real seconds it took to answer."""
    client_id: str | None
    """The application that sent it; None if that cannot be told."""
    user_id: str | None
    """Whose token it had; None if it was an application's own, or none."""
    fault: str | None
    """The kind of fault that struck it, if one did."""
    control: bool
    """Whether it was for the simulator rather than the API: such requests are only logged."""

    @property
    def who(self) -> str:
        """Return who sent it, as far as that is known."""
        return " ".join(filter(None, [self.client_id, self.user_id])) or "-"

    def __str__(self) -> str:
        """Return a line for a log."""
        what = f"{self.status or '---'} {self.method:6} {self.target}"
        struck = f" ({self.fault})" if self.fault else ""
        return f"{what} {self.seconds * 1000:.0f} ms {self.who}{struck}"


class Journal:
    """Notes requests on their way out."""

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
        """What came in for the API, the newest last."""

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Have a request answered, and note what came of it."""
        # The token may be gone afterwards.
        who, began = self._sender(request), time.perf_counter()
        status = 500
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        else:
            return response
        finally:
            self._note(request, status, who, time.perf_counter() - began)

    def _note(
        self,
        request: web.Request,
        status: int,
        who: tuple[str | None, str | None],
        seconds: float,
    ) -> None:
        headers = CIMultiDict(request.headers)
        authorization = headers.popall(hdrs.AUTHORIZATION, [])
        path, fault = request.rel_url.raw_path, request.get(STRUCK_BY)
        seen = SeenRequest(
            method=request.method,
            path=path,
            query=tuple(request.query.items()),
            headers=headers,
            authorization_scheme=authorization[0].partition(" ")[0] if authorization else None,
            status=status,
            target=request.path_qs,
            at=self._now(),
            seconds=seconds,
            client_id=who[0],
            user_id=who[1],
            fault=None if fault is None else fault.kind,
            control=path in {"/", _CONTROL} or path.startswith(f"{_CONTROL}/"),
        )
        if not seen.control:
            self.requests.append(seen)
            del self.requests[:-_KEPT]
        if self._log is not None:
            self._log(seen)

    def _sender(self, request: web.Request) -> tuple[str | None, str | None]:
        """Return the application and the user that credentials belong to."""
        scheme, _, rest = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        match scheme.lower():
            case "bearer":
                grant = self._auth_server.introspect(rest.strip())
                return (
                    (None, None)
                    if grant is None
                    else (
                        grant.application.client_id,
                        grant.user_id,
                    )
                )
            case "basic":
                known = _user_of_basic(rest)
                return (known if known in self._auth_server.applications else None), None
            case _:
                return None, None


def _user_of_basic(encoded: str) -> str:
    try:
        return unquote_plus(base64.b64decode(encoded.strip(), validate=True).decode()).partition(
            ":"
        )[0]
    except ValueError:  # neither base64 nor, perhaps, text
        return ""
