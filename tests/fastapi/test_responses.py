"""`EvEnergyResponse`: the API's JSON, written at once."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import attrs
import msgspec
import pytest
from fastapi import FastAPI

from ev_energy import Client, ClientCredentials, Ref
from ev_energy.auth import Token
from ev_energy.fastapi import EvEnergyResponse
from ev_energy.models import EVSE, EVSELockMode, LocationWrite, Tariff
from ev_energy.simulator import Simulator
from tests.helpers.fastapi_apps import open_app

SENT: dict[str, Any] = {
    "id": "evse01",
    "url": "https://api.ev.energy/v2/evses/evse01",
    "cpid": "SHIR1",
    "lock_mode": "NEWER",
    "latest_status_log": {"url": "l", "sampled_at": "2026-01-01T11:11:11.111100Z"},
    "new": {"a": [1, None]},
}


def written(content: Any) -> Any:
    return json.loads(EvEnergyResponse(content).body)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (EVSE.from_dict(SENT), SENT),
        ([EVSE.from_dict(SENT)], [SENT]),
        ((EVSE.from_dict(SENT),), [SENT]),
        ({"evse": EVSE.from_dict(SENT), "count": 1}, {"evse": SENT, "count": 1}),
        (MappingProxyType({"evses": [EVSE.from_dict(SENT)]}), {"evses": [SENT]}),
        (Ref(EVSE.from_dict(SENT), EVSE), SENT),
        (Ref("u", EVSE), "u"),
        (None, None),
        ([], []),
        (EVSELockMode("NEWER"), "NEWER"),
        (LocationWrite(tariff="t"), {"tariff": "t"}),
        (LocationWrite(tariff=Ref("https://x/t", Tariff)), {"tariff": "https://x/t"}),
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "2026-01-01T00:00:00Z"),
        ([Decimal("1.10"), UUID(int=1)], ["1.10", "00000000-0000-0000-0000-000000000001"]),
        ({"large": 10**30, "at": dt.time(7)}, {"large": 10**30, "at": "07:00:00"}),
        (EVSE.from_dict({**SENT, "new": 10**30}), {**SENT, "new": 10**30}),
    ],
)
def test_response_is_the_json_of_the_api(content: Any, expected: Any) -> None:
    assert written(content) == expected


@dataclasses.dataclass
class Row:
    """A dataclass of a user."""

    evse: EVSE
    links: tuple[Ref[EVSE], ...] = ()


@attrs.frozen
class Line:
    """An attrs class of a user."""

    evse: EVSE


class Struct(msgspec.Struct):
    """A struct of a user."""

    evse: EVSE


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (Row(EVSE.from_dict(SENT), (Ref("u", EVSE),)), {"evse": SENT, "links": ["u"]}),
        (Line(EVSE.from_dict(SENT)), {"evse": SENT}),
        ([Struct(EVSE.from_dict(SENT))], [{"evse": SENT}]),
    ],
)
def test_response_finds_models_in_the_classes_of_users(content: Any, expected: Any) -> None:
    assert written(content) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (object(), "cannot write object as JSON"),
        ([object()], "cannot write object as JSON"),
        ({"large": 10**30, "odd": object()}, "cannot write object as JSON"),
        (Client("token").evses.list(), "cannot write Pager as JSON; await its collect"),
        ([Token(access_token="s3cret")], "Token is no model and has no JSON"),
    ],
)
def test_response_refuses_what_is_no_json(content: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        EvEnergyResponse(content)


async def test_route_sends_a_page_and_its_expanded_resources() -> None:
    async with Simulator(vehicles=3) as simulator:
        auth = ClientCredentials(
            client_id=simulator.client_id, client_secret=simulator.client_secret
        )
        async with Client(auth, base_url=simulator.base_url) as client:
            listing = client.evses.list(expand=["model", "user", "latest_status_log"])
            page = await anext(aiter(listing.pages()))
    sent = json.loads(page.response.body)
    app = FastAPI()

    @app.get("/", response_model=list[EVSE])
    async def evses() -> Any:
        return EvEnergyResponse(page, headers={"x-request": "1"})

    @app.get("/default", response_class=EvEnergyResponse, response_model_exclude_unset=True)
    async def default() -> list[EVSE]:
        return list(page.items)

    async with open_app(app) as browser:
        answer = await browser.get("/")
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request"] == "1"
        assert answer.json() == [evse.to_dict() for evse in page.items]
        assert (await browser.get("/default")).json() == answer.json()
        assert [one["id"] for one in answer.json()] == [one["id"] for one in sent]
        document = (await browser.get("/openapi.json")).json()
    success = document["paths"]["/"]["get"]["responses"]["200"]
    assert success["content"]["application/json"]["schema"]["items"] == {
        "$ref": "#/components/schemas/EVSE"
    }
