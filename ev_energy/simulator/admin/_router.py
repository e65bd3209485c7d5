"""Opens the doors: checks who asks and what, and sends the answer."""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from aiohttp import hdrs, web

from ev_energy.simulator.admin._applications import ACCESS
from ev_energy.simulator.admin._clock import CLOCK
from ev_energy.simulator.admin._endpoint import Ask, Door
from ev_energy.simulator.admin._faults import FAULTS
from ev_energy.simulator.admin._history import RECORD
from ev_energy.simulator.admin._webhooks import WEBHOOKS
from ev_energy.simulator.http._problems import (
    ProblemError,
    invalid,
    method_not_allowed,
    not_found,
    unsupported_media_type,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ev_energy.simulator._simulator import Simulator
    from ev_energy.simulator.oauth import AuthorizationServer
    from ev_energy.simulator.world._world import World


ROOT: Final = "/__sim"
_JSON: Final = "application/json"


def _contents(ask: Ask) -> Any:
    del ask
    return {
        "about": "Watches and steers the simulator. Bodies are JSON, sent as application/json.",
        "doors": [
            {
                "method": door.method,
                "path": ROOT + door.path,
                "about": door.about,
                "body": None if door.takes is None else dict(door.takes),
                "query": dict(door.query),
            }
            for door in DOORS
        ],
    }


DOORS: Final = (
    Door(method="GET", path="/", about="What can be asked for here.", answer=_contents),
    *CLOCK,
    *FAULTS,
    *WEBHOOKS,
    *ACCESS,
    *RECORD,
)


def install(
    app: web.Application, simulator: Simulator, world: World, auth_server: AuthorizationServer
) -> None:
    """Serve all doors."""
    _Porter(functools.partial(Ask, simulator, world, auth_server)).install(app.router)


class _Porter:
    def __init__(self, ask: Callable[..., Ask]) -> None:
        self._ask = ask
        self._doors: defaultdict[str, dict[str, Door]] = defaultdict(dict)
        for door in DOORS:
            self._doors[door.path][door.method] = door

    def install(self, router: web.UrlDispatcher) -> None:
        for path in sorted(self._doors, key=lambda path: path.replace("{", "~")):
            handler = functools.partial(self._serve, path)
            router.add_route("*", ROOT + path, handler)
        router.add_route("*", ROOT, functools.partial(self._serve, "/"))
        router.add_route("*", ROOT + r"/{rest:[\s\S]*}", functools.partial(self._serve, None))

    async def _serve(self, path: str | None, request: web.Request) -> web.Response:
        try:
            door = self._door(path, request.method)
            body = await _body(request, door)
            _check_names("body", body, door.takes)
            _check_names("query", request.query, door.query)
            answer = door.answer(self._ask(request.match_info, request.query, body))
        except ProblemError as problem:
            return web.Response(
                text=json.dumps(problem.body),
                status=problem.status,
                content_type="application/problem+json",
                headers=problem.headers,
            )
        if answer is None:
            return web.Response(status=204)
        text = json.dumps(answer, indent=2, allow_nan=False)
        return web.Response(
            text=f"{text}\n",
            status=201 if door.made else 200,
            content_type=_JSON,
            headers={hdrs.CACHE_CONTROL: "no-store"},
        )

    def _door(self, path: str | None, method: str) -> Door:
        if path is None:
            raise not_found()
        doors = self._doors[path]
        if method not in doors:
            raise method_not_allowed(", ".join(doors))
        return doors[method]


def _check_names(what: str, given: Iterable[str], known: Iterable[str] | None) -> None:
    if known is None:
        return
    names = list(known)
    there = f"There is only {', '.join(names)}." if names else f"This takes no {what}."
    if unknown := [name for name in given if name not in names]:
        raise invalid({name: [there] for name in unknown})


async def _body(request: web.Request, door: Door) -> dict[str, Any]:
    if door.method != hdrs.METH_POST:
        return {}
    # Pages elsewhere can have a browser post forms and plain text here, but not this, unasked.
    if request.content_type != _JSON:
        raise unsupported_media_type([_JSON])
    raw = await request.read()
    try:
        value: Any = msgspec.json.decode(raw) if raw.strip() else {}
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, "Malformed request", f"The body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ProblemError(400, "Malformed request", "The body is no JSON object.")
    return cast("dict[str, Any]", value)
