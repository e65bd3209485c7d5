"""Models through FastAPI routes: the JSON is that of the API, whatever a reply contains."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import jsonschema_rs
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ev_energy.fastapi import EvEnergyResponse
from ev_energy.models._base import Model
from tests.helpers.fastapi_apps import open_app
from tests.helpers.spec import legal
from tests.helpers.spec.compare import same, tree
from tests.helpers.spec.description import from_facts
from tests.helpers.strategies import MODELS, replies

every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
#: The models whose replies the facts describe by name; others are parts of these.
DESCRIBED = [model for model in MODELS if model.__name__ in from_facts().schemas]
#: The fast tier tests the first model of each module.
one_of_each_module = pytest.mark.matrix("model", of=lambda model: model.__module__)


@pytest.fixture(autouse=True)
def quiet_drift(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="ev_energy.drift")


def app_of(model: type[Model], items: Sequence[Model]) -> FastAPI:
    """Return an application that sends *items* in every way that the package offers."""
    app = FastAPI()

    @app.get("/shown", response_model=list[model])  # type: ignore[valid-type]  # made at run time
    async def shown() -> Any:
        return items

    @app.get("/as_sent", response_model=list[model], response_model_exclude_unset=True)  # type: ignore[valid-type]
    async def as_sent() -> Any:
        return items

    @app.get("/without_nulls", response_model=list[model], response_model_exclude_none=True)  # type: ignore[valid-type]
    async def without_nulls() -> Any:
        return items

    @app.get("/at_once", response_model=list[model])  # type: ignore[valid-type]
    async def at_once() -> Any:
        return EvEnergyResponse(items)

    return app


async def fetch(app: FastAPI, *names: str) -> list[Any]:
    async with open_app(app) as browser:
        answers = [await browser.get(f"/{name}") for name in names]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    return [answer.json() for answer in answers]


@one_of_each_module
@pytest.mark.parametrize("model", DESCRIBED, ids=lambda model: model.__name__)
async def test_legal_replies_pass_through_routes_as_the_openapi_document_says(
    model: type[Model],
) -> None:
    spec = from_facts()
    sent = [one for one in legal.replies(spec, spec.schemas[model.__name__]) if one is not None]
    read = [model.from_dict(reply) for reply in sent]
    app = app_of(model, read)
    document = app.openapi()
    shape = document["paths"]["/shown"]["get"]["responses"]["200"]["content"]["application/json"]
    validator = jsonschema_rs.Draft202012Validator(
        {**shape["schema"], "components": document["components"]}
    )
    assert len(sent) > 1
    for written in await fetch(app, "shown", "as_sent", "without_nulls", "at_once"):
        assert [same(*pair) for pair in zip(sent, written, strict=True)] == [True] * len(sent)
        assert [tree(model.from_dict(one)) for one in written] == list(map(tree, read))
    for written in await fetch(app, "shown", "as_sent", "at_once"):
        assert [error.message for error in validator.iter_errors(written)] == []


@one_of_each_module
@every_model
async def test_arbitrary_replies_pass_through_a_route_without_loss(model: type[Model]) -> None:
    read: list[Model] = []

    @settings(
        max_examples=5,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(replies(model), min_size=1, max_size=3))
    def collect(sent: list[dict[str, Any]]) -> None:
        read.extend(map(model.from_dict, sent))

    collect()
    expected = [json.loads(json.dumps(one.to_dict())) for one in read]
    shown, as_sent, at_once = await fetch(app_of(model, read), "shown", "as_sent", "at_once")
    assert as_sent == expected
    assert at_once == expected
    assert [tree(model.from_dict(one)) for one in shown] == list(map(tree, read))
