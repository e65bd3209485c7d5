"""A route that tells whether the application can do its work."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final, Protocol

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ev_energy._changes.status import StreamStatus
from ev_energy._client import Client
from ev_energy.fastapi._app import ClientNotOpenError
from ev_energy.fastapi._dependencies import ClientDep
from ev_energy.fastapi._webhooks import WebhookRouter

_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    503: {"description": "Not able to work; the body says why"},
}


class HasStatus(Protocol):
    """A stream of changes."""

    def status(self) -> StreamStatus:
        """Return the status of the stream."""
        ...


def health_router(
    *,
    path: str = "",
    webhooks: WebhookRouter | None = None,
    streams: Mapping[str, HasStatus] | None = None,
    max_lag: timedelta | None = None,
) -> APIRouter:
    """Return a router with one route, ``GET``, that reports the state of this process as JSON.

    It sends nothing to the API, so that it can be asked often, and shows no secret. The status is
    503 if the client is not open, or if webhooks or a stream are more than *max_lag* behind.
    Otherwise it is 200, also if the rate limit is exhausted: another process would have no more.

    Args:
        path: The path of the route, after the prefix of ``include_router``.
        webhooks: The router of `webhook_router`, to report the deliveries that are being handled.
        streams: Streams of changes by name, to report how far behind they are.
        max_lag: The lag from which the status is 503; None for no limit.
    """

    def respond(client: Client | None) -> Response:
        return _respond(client, webhooks, streams or {}, max_lag)

    # A dependency, so that an application can override it, as it can for its own routes.
    async def health(client: ClientDep) -> Response:
        return respond(client)

    router = APIRouter(route_class=_route_class(respond))
    router.add_api_route(
        path,
        health,
        methods=["GET"],
        response_class=JSONResponse,
        response_model=None,
        responses=_RESPONSES,
        summary="Report the state of the application",
        name="ev_energy_health",
    )
    return router


def _route_class(respond: Callable[[None], Response]) -> type[APIRoute]:
    """Return the class of a route that *respond* answers if the client is not open."""

    class HealthRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def handle_or_report(request: Request) -> Response:
                try:
                    return await handle(request)
                except ClientNotOpenError:
                    return respond(None)

            return handle_or_report

    return HealthRoute


def _respond(
    client: Client | None,
    webhooks: WebhookRouter | None,
    streams: Mapping[str, HasStatus],
    max_lag: timedelta | None,
) -> Response:
    """Return the response that reports the state; *client* is None if it is not open."""
    problems: list[str] = []
    report: dict[str, Any] = {}
    if client is None:
        problems.append("the client is not open")
    else:
        report |= _report_client(client)
    if webhooks is not None:
        status = webhooks.status()
        report["webhooks"] = {
            "running": status.running,
            "late": status.late,
            "lag": _seconds(status.lag),
        }
        if _is_late(status.lag, max_lag):
            problems.append("webhooks are handled too slowly")
    if streams:
        report["streams"] = {name: _report_stream(s.status()) for name, s in streams.items()}
        for name, stream in streams.items():
            if _is_late(stream.status().lag, max_lag):
                problems.append(f"the stream {name} is behind")
    report = {"status": "unavailable" if problems else "ok", "problems": problems, **report}
    code = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
    return JSONResponse(report, code, {"Cache-Control": "no-store"})


def _report_client(client: Client) -> dict[str, Any]:
    limit, token = client.rate_limit, client.token_state
    return {
        "rate_limit": None
        if limit is None
        else {
            "limit": limit.limit,
            "remaining": limit.remaining,
            "waiting": limit.waiting,
            "next_in": math.ceil(limit.wait),
        },
        "token": {
            "present": token.present,
            "expires_in": None if token.expires_in is None else math.floor(token.expires_in),
        },
    }


def _report_stream(status: StreamStatus) -> dict[str, Any]:
    return {
        "lag": _seconds(status.lag),
        "requests": status.requests,
        "webhooks_missed": status.webhooks_missed,
        # Not its text, which is for the log: this route may be public.
        "error": None if status.error is None else type(status.error).__name__,
    }


def _seconds(lag: timedelta | None) -> float | None:
    return None if lag is None else round(lag.total_seconds(), 3)


def _is_late(lag: timedelta | None, max_lag: timedelta | None) -> bool:
    return lag is not None and max_lag is not None and lag > max_lag
