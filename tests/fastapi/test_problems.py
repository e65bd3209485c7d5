"""Problem documents in place of errors."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from yarl import URL

from ev_energy import ClientCredentials, MemoryBudget, errors
from ev_energy._messages import Request, Response
from ev_energy.fastapi import ClientDep, EvEnergy, NotSignedInError, Problem, add_exception_handlers
from ev_energy.fastapi._problems import _PROBLEMS
from ev_energy.simulator import Simulator
from tests.helpers.fastapi_apps import open_app

SECRET = "s3cret-of-the-api"
REQUEST = Request("GET", URL(f"https://api.example/evses/{SECRET}"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def api_error(cls: type[errors.ApiError], status: int, **headers: str) -> errors.ApiError:
    response = Response(status, SECRET, headers, SECRET.encode())
    fields = {"name": [SECRET], "<b>": [SECRET]}
    texts = {"title": SECRET, "detail": SECRET, "instance": SECRET}
    return cls(REQUEST, response, **texts, field_errors=fields)


def deviating_reply() -> errors.DecodeError:
    return errors.DecodeError(SECRET, REQUEST, Response(200, "", {}, SECRET.encode()))


#: An error of each class, and the status of its problem.
CASES: list[tuple[errors.EvEnergyError, int]] = [
    (errors.EvEnergyError(SECRET), 500),
    (errors.NotExpandedError("Vehicle", SECRET), 500),
    (errors.StateError(SECRET), 500),
    (errors.StateConflictError(SECRET, None, None), 500),
    (errors.UncommittedBatchError(), 500),
    (errors.SignInRequiredError(SECRET), 401),
    (NotSignedInError(), 401),
    (errors.AuthorizationError("access_denied", SECRET), 400),
    (errors.InvalidGrantError(400, "invalid_grant", SECRET), 400),
    (errors.CursorError(SECRET), 400),
    (errors.WebhookError(SECRET, b""), 400),
    (errors.SignatureError(SECRET, b"", "signature"), 400),
    (errors.DeliveryTimestampError(SECRET, b"", sent_at=NOW, received_at=NOW), 400),
    (errors.UnreadableEventError(SECRET, b""), 400),
    (api_error(errors.BadRequestError, 400), 400),
    (api_error(errors.NotFoundError, 404), 404),
    (api_error(errors.ConflictError, 409), 409),
    (api_error(errors.UnprocessableError, 422), 422),
    (errors.TokenError(400, "odd", SECRET), 502),
    (errors.InvalidRequestError(400, "invalid_request", SECRET), 502),
    (errors.InvalidClientError(401, "invalid_client", SECRET), 502),
    (errors.UnauthorizedClientError(400, "unauthorized_client", SECRET), 502),
    (errors.UnsupportedGrantTypeError(400, "unsupported_grant_type", SECRET), 502),
    (errors.InvalidScopeError(400, "invalid_scope", SECRET), 502),
    (api_error(errors.UnauthorizedError, 401), 502),
    (api_error(errors.ForbiddenError, 403), 502),
    (api_error(errors.NotAcceptableError, 406), 502),
    (api_error(errors.ApiError, 418), 502),
    (api_error(errors.ServerError, 500), 502),
    (errors.CallError(SECRET, REQUEST), 502),
    (errors.LimitError(SECRET, REQUEST, "max_body", 200), 502),
    (errors.PagingError(SECRET, REQUEST), 502),
    (deviating_reply(), 502),
    (errors.ForeignOriginError(f"https://{SECRET}.example", "https://api.example"), 502),
    (errors.TransportError(SECRET, REQUEST), 502),
    (errors.NotSentError(SECRET, REQUEST), 502),
    (errors.UnconfirmedWriteError(SECRET, REQUEST), 502),
    (errors.UploadError(SECRET, None), 502),
    (errors.DeadlineError(SECRET, REQUEST, was_sent=False), 504),
    (errors.BudgetExceeded(REQUEST, 12.3, NOW), 503),
    (errors.BudgetUnavailableError(SECRET), 503),
    (api_error(errors.RateLimitError, 429), 503),
    (errors.TokenStoreError(SECRET), 503),
    (errors.CredentialUnavailableError(SECRET), 503),
    (errors.InboxUnavailableError(SECRET), 503),
    (errors.EventQueueError(SECRET), 503),
    (errors.StateStoreError(SECRET), 503),
    (errors.ClientClosedError(), 503),
]


def classes(base: type[Any] = errors.EvEnergyError) -> Iterator[type[Any]]:
    yield base
    for cls in base.__subclasses__():
        if cls.__module__.startswith("ev_energy."):
            yield from classes(cls)


@pytest.mark.parametrize(("error", "status"), CASES, ids=lambda value: type(value).__name__)
def test_problem_of_each_error_has_its_status_and_repeats_nothing(
    error: errors.EvEnergyError, status: int
) -> None:
    problem = Problem.of(error)
    response = problem.response()
    document = json.loads(bytes(response.body))
    assert (response.status_code, document["status"]) == (status, status)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert document["type"].startswith("urn:ev-energy:problem:")
    assert document["title"]
    assert document["detail"]
    assert SECRET not in repr([document, *response.headers.items()])
    assert ("www-authenticate" in response.headers) == (status == 401)


def test_each_error_is_tested_and_has_a_problem() -> None:
    assert {type(error) for error, _ in CASES} == {*classes()}
    # A class that is added must be classified, rather than become a 500 by chance.
    for cls in classes():
        bases = [base for base in cls.__mro__ if base in _PROBLEMS]
        assert bases[0] is not errors.EvEnergyError or cls is errors.EvEnergyError, cls


def test_retry_after_is_in_whole_seconds_rounded_up() -> None:
    problem = Problem.of(errors.BudgetExceeded(REQUEST, 12.3, NOW))
    assert problem.headers["Retry-After"] == "13"
    assert Problem.of(errors.BudgetExceeded(REQUEST, 0.0, NOW)).headers["Retry-After"] == "1"
    limited = api_error(errors.RateLimitError, 429, **{"retry-after": "17"})
    assert Problem.of(limited).headers["Retry-After"] == "17"
    assert "Retry-After" not in Problem.of(api_error(errors.RateLimitError, 429)).headers
    maintained = Problem.of(api_error(errors.ServerError, 503, **{"retry-after": "60"}))
    assert (maintained.status, maintained.headers["Retry-After"]) == (503, "60")


def test_timeout_is_504() -> None:
    error = errors.TransportError("no reply within 3 s", REQUEST)
    error.__cause__ = OSError()
    error.__cause__.__cause__ = TimeoutError()
    assert Problem.of(error).status == 504


def test_names_of_refused_fields_are_kept() -> None:
    error = api_error(errors.UnprocessableError, 422)
    assert Problem.of(error).to_dict()["invalid_fields"] == ["name"]
    assert "invalid_fields" not in Problem.of(api_error(errors.NotFoundError, 404)).to_dict()


def test_outcome_of_a_write_is_told() -> None:
    write = Request("POST", REQUEST.url)
    unknown = Problem.of(errors.UnconfirmedWriteError(SECRET, write)).to_dict()
    assert unknown["outcome"] == "unknown"
    assert Problem.of(errors.NotSentError(SECRET, write)).to_dict()["outcome"] == "not_sent"
    assert "outcome" not in Problem.of(errors.NotSentError(SECRET, REQUEST)).to_dict()


def api_app(simulator: Simulator, **settings: Any) -> FastAPI:
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    ev = EvEnergy(auth, base_url=simulator.base_url, **{"retries": 0, **settings})
    app = FastAPI(lifespan=ev.lifespan)
    ev.add_exception_handlers(app)

    @app.get("/vehicles/{vehicle_id}")
    async def vehicle(vehicle_id: str, client: ClientDep, page_size: int = 100) -> list[str]:
        await client.vehicles.list(page_size=page_size).first()
        return [(await client.vehicles.get(vehicle_id)).id]

    @app.get("/users/{user_id}")
    async def user(user_id: str, client: ClientDep) -> str:
        return (await client.users.get(user_id)).id

    @app.get("/own-mistake")
    async def own_mistake() -> None:
        int("no number")

    return app


async def test_what_visitors_send_keeps_its_status(simulator: Simulator) -> None:
    async with open_app(api_app(simulator)) as browser:
        missing = await browser.get("/vehicles/nonesuch")
        assert (missing.status_code, missing.json()["type"][22:]) == (404, "not-found")
        before = len(simulator.requests)
        odd = await browser.get("/users/%01")
        large = await browser.get("/vehicles/one?page_size=1000")
        assert len(simulator.requests) == before
    assert (odd.status_code, large.status_code) == (400, 400)
    assert "user_id" in odd.json()["detail"]
    assert large.json() == {
        "type": "urn:ev-energy:problem:invalid-argument",
        "title": "An argument is not valid",
        "status": 400,
        "detail": "The value of page_size is not valid.",
    }


async def test_refused_value_is_logged_but_not_repeated(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    app = api_app(simulator)

    @app.get("/own-id")
    async def own_id(client: ClientDep) -> None:
        await client.evses.get(f"internal/{SECRET} id")

    @app.get("/own-place")
    async def own_place(client: ClientDep) -> None:
        await client.tariffs.list(expand=[SECRET]).first()

    async with open_app(app) as browser:
        replies = [await browser.get(path) for path in ("/own-id", "/own-place")]
    assert [reply.status_code for reply in replies] == [400, 400]
    assert [reply.json()["detail"] for reply in replies] == [
        "The value of evse_id is not valid.",
        "The value of expand is not valid.",
    ]
    assert not any(SECRET in reply.text for reply in replies)
    records = [record for record in caplog.records if record.name == "ev_energy.fastapi"]
    assert [SECRET in record.getMessage() for record in records] == [True, True]


def group_app(*errors_of_tasks: Exception) -> FastAPI:
    app = FastAPI()
    add_exception_handlers(app)

    async def fail(error: Exception) -> None:
        raise error

    @app.get("/")
    async def route() -> None:
        async with asyncio.TaskGroup() as tasks:
            for error in errors_of_tasks:
                tasks.create_task(fail(error))

    return app


async def test_group_of_errors_has_the_problem_with_the_highest_status(
    caplog: pytest.LogCaptureFixture,
) -> None:
    write = Request("POST", REQUEST.url)
    nested = ExceptionGroup("inner", [errors.NotSentError(SECRET, write), errors.CursorError("c")])
    app = group_app(api_error(errors.NotFoundError, 404), nested)
    async with open_app(app) as browser:
        reply = await browser.get("/")
    assert (reply.status_code, reply.json()["type"][22:]) == (502, "unreachable")
    assert "outcome" not in reply.json()
    assert SECRET not in reply.text
    assert len([record for record in caplog.records if record.name == "ev_energy.fastapi"]) == 1


async def test_task_group_of_operations_has_a_problem(simulator: Simulator) -> None:
    app = api_app(simulator)

    @app.get("/both/{user_id}")
    async def both(user_id: str, client: ClientDep) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(client.vehicles.get(user_id))
            tasks.create_task(client.evses.get(user_id))

    async with open_app(app) as browser:
        missing = await browser.get("/both/nonesuch")
        invalid = await browser.get("/both/%01")
    assert (missing.status_code, missing.json()["type"][22:]) == (404, "not-found")
    assert (invalid.status_code, invalid.json()["type"][22:]) == (400, "invalid-argument")


async def test_group_with_another_error_stays_an_error() -> None:
    app = group_app(errors.CursorError("c"), ValueError("own mistake"))
    async with open_app(app) as browser:
        with pytest.raises(ExceptionGroup) as raised:
            await browser.get("/")
    assert raised.group_contains(ValueError, match="own mistake")


async def test_mistakes_of_the_application_stay_errors(simulator: Simulator) -> None:
    def hook(event: object) -> None:
        raise ValueError("page_size of a hook")

    async with open_app(api_app(simulator, on_request=hook)) as browser:
        with pytest.raises(ValueError, match="no number"):
            await browser.get("/own-mistake")
        with pytest.raises(ValueError, match="of a hook"):
            await browser.get("/users/one")


async def test_api_that_is_down_is_502_and_slow_504(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_app(api_app(simulator, timeout=0.1)) as browser:
        url = f"/users/{simulator.user_id}"
        assert (await browser.get(url)).status_code == 200
        with caplog.at_level(logging.WARNING, "ev_energy.fastapi"):
            simulator.faults.add("server_error")
            failed = await browser.get(url)
            simulator.faults.clear()
            simulator.faults.add("reset_before")
            broken = await browser.get(url)
            simulator.faults.clear()
            simulator.faults.add("hang")
            slow = await browser.get(url)
    assert [reply.status_code for reply in (failed, broken, slow)] == [502, 502, 504]
    assert [reply.json()["type"][22:] for reply in (failed, broken, slow)] == [
        "api-error",
        "unreachable",
        "unreachable",
    ]
    assert len([record for record in caplog.records if record.name == "ev_energy.fastapi"]) == 3


async def test_exhausted_budget_is_503_with_retry_after(simulator: Simulator) -> None:
    budget = MemoryBudget(limit=1)
    app = api_app(simulator, budget=budget, when_exhausted="raise")
    async with open_app(app) as browser:
        url = f"/users/{simulator.user_id}"
        assert (await browser.get(url)).status_code == 200
        reply = await browser.get(url)
    assert (reply.status_code, reply.json()["type"][22:]) == (503, "rate-limit")
    assert 3590 <= int(reply.headers["retry-after"]) <= 3610


async def test_wrong_client_secret_is_502(simulator: Simulator) -> None:
    auth = ClientCredentials(client_id=simulator.client_id, client_secret="wrong")
    app = FastAPI(lifespan=EvEnergy(auth, base_url=simulator.base_url).lifespan)
    add_exception_handlers(app)

    @app.get("/")
    async def use(client: ClientDep) -> None:
        await client.vehicles.list().first()

    async with open_app(app) as browser:
        reply = await browser.get("/")
    assert (reply.status_code, reply.json()["type"][22:]) == (502, "credentials-refused")
    assert "wrong" not in reply.text


async def test_handlers_of_the_application_are_kept(simulator: Simulator) -> None:
    app = FastAPI()

    @app.exception_handler(errors.EvEnergyError)
    async def own(request: object, error: Exception) -> Any:
        return Problem.of(errors.ClientClosedError()).response()

    add_exception_handlers(app)

    @app.get("/")
    async def fail() -> None:
        raise errors.CursorError

    async with open_app(app) as browser:
        assert (await browser.get("/")).status_code == 503


async def test_own_mistakes_are_logged_with_their_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI()
    add_exception_handlers(app)

    @app.get("/")
    async def fail() -> None:
        raise errors.UncommittedBatchError

    async with open_app(app) as browser:
        assert (await browser.get("/")).status_code == 500
    (record,) = (record for record in caplog.records if record.name == "ev_energy.fastapi")
    assert record.exc_info
