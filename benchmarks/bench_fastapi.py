"""Measure what FastAPI routes take to send 100 expanded EVSEs, in each way to write them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final

from data import PAGE, Json, Maker
from fastapi import FastAPI
from fastapi.responses import Response
from harness import Row, Samples, Settings, Target, async_rounds, ratio

from ev_energy.fastapi import EvEnergyResponse
from ev_energy.models import EVSE

_REQUESTS: Final = 10
_CASES: Final = {
    "annotation": ("-> list[EVSE]", Target(0.5)),
    "without nulls": ("-> list[EVSE], without nulls", Target(0.5)),
    "response": ("EvEnergyResponse", Target(0.25)),
    "to_dict": ("a list of to_dict()", None),
    "bytes": ("bytes that exist already", None),
}


def rows(settings: Settings) -> Iterator[Row]:
    samples = asyncio.run(_requests(settings.rounds(9)))
    for name, (title, target) in _CASES.items():
        cpu = min(sample.cpu for sample in samples[name]) / _REQUESTS * 1e3
        yield ratio(samples, name, "dictionaries").row(
            f"{title}, over dictionaries", target, f"{cpu:.2f} ms of CPU"
        )


async def _requests(count: int) -> Samples:
    maker = Maker(15)
    sent: list[Json] = [maker.evse(expanded=True) for _ in range(PAGE)]
    evses = [EVSE.from_dict(one) for one in sent]
    body = json.dumps(sent).encode()
    app = FastAPI()

    @app.get("/annotation")
    async def annotation() -> list[EVSE]:
        return evses

    @app.get("/without nulls", response_model_exclude_none=True)
    async def without_nulls() -> list[EVSE]:
        return evses

    @app.get("/response", response_model=list[EVSE])
    async def response() -> Any:
        return EvEnergyResponse(evses)

    @app.get("/to_dict")
    async def to_dict():  # noqa: ANN202  (FastAPI would check an annotated reply)
        return [one.to_dict() for one in evses]

    @app.get("/dictionaries")
    async def dictionaries():  # noqa: ANN202  (as above)
        return sent

    @app.get("/bytes")
    async def written() -> Response:
        return Response(body, media_type="application/json")

    cases = {name: lambda name=name: _repeat(app, f"/{name}") for name in (*_CASES, "dictionaries")}
    return await async_rounds(cases, count)


async def _repeat(app: FastAPI, path: str) -> None:
    for _ in range(_REQUESTS):
        await _request(app, path)


async def _request(app: FastAPI, path: str) -> None:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "server": ("app", 80),
        "client": ("127.0.0.1", 1),
        "state": {},
    }
    received: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        received.append(message)

    await app(scope, receive, send)
    assert received[0]["status"] == 200, received
