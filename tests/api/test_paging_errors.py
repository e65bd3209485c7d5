"""The example of docs/paging.md resumes after each kind of error that can end a listing."""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from aiohttp import web

import ev_energy
import ev_energy_sync
from ev_energy import AuthorizationCode, MemoryBudget, errors
from ev_energy.auth import MemoryStore, StaticToken, Token
from ev_energy.budget import Acquire, BudgetUnavailable, Ticket, WouldExceedDeadline
from tests.helpers.recording_server import RecordingServer
from tests.helpers.support import TOKEN

PAGE: Final = Path(__file__).parents[2] / "docs" / "paging.md"
[EXAMPLE] = re.findall(r"```python\n(listing, found = .*?)```", PAGE.read_text(), re.DOTALL)
Reply = Callable[[web.Request], web.Response]


@attrs.define(eq=False)
class Api:
    """Three pages of an EVSE each. *fault* is the reply to the first request of the second one."""

    fault: Reply | None = None
    token_fault: Reply | None = None
    """The reply to the second request for a token."""
    foreign: bool = False
    """Whether the first link to the second page leads to another server."""
    tokens: int = 0
    is_broken: bool = False
    """Whether the client has the first page, and not seen the fault yet."""

    async def __call__(self, request: web.Request) -> web.Response:
        if request.path == "/o/token/":
            self.tokens += 1
            if self.tokens == 2 and self.token_fault is not None:
                return self.token_fault(request)
            return web.json_response({"access_token": f"a-token-{self.tokens}"})
        number = int(request.query.get("page_after", "0"))
        if number == 1 and self.is_broken and self.fault is not None:
            self.is_broken = False
            return self.fault(request)
        first = number == 0
        self.is_broken = first
        link, origin = "about:blank", request.url.origin()
        if number < 2:
            host = "http://127.0.0.1:9" if self.foreign and first else origin
            link = f"{host}/v2/evses?page_size=100&page_after={number + 1}"
        evse = {"id": f"evse{number}", "url": f"{origin}/v2/evses/evse{number}"}
        return web.json_response([evse], headers={"Link": f'<{link}>; rel="next"'})


@attrs.define(eq=False)
class Once:
    """Raises an error when it is called for the second time."""

    error: Callable[[], Exception]
    calls: int = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == 2:
            raise self.error()


class FailingBudget(MemoryBudget):
    """A budget whose backend fails at the second request."""

    def __init__(self, error: Callable[[], Exception]) -> None:
        super().__init__()
        self.check = Once(error)

    def try_acquire(self, bucket: str, reservation: Any) -> Ticket | None:
        return None

    async def acquire(self, params: Acquire) -> Ticket:
        self.check()
        ticket = super().try_acquire(params.bucket, params.reservation)
        assert ticket is not None
        return ticket


class FailingStore(MemoryStore):
    """A store whose token is gone when it is read again; with an *error*, reading fails first."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error, self.loads = error, 0

    async def load(self, key: str) -> Token | None:
        self.loads += 1
        if self.loads == 1:
            return Token(access_token="first")
        if self.error is None:
            return None
        if self.loads == 2:
            raise self.error
        return Token(access_token="second")


def token_function() -> StaticToken:
    def fail() -> Exception:
        return OSError("the vault is sealed")

    check = Once(fail)

    def token() -> str:
        check()
        return TOKEN

    return StaticToken(token)


def signed_in(error: Exception | None) -> AuthorizationCode:
    app = AuthorizationCode(
        client_id="an-app", redirect_uri="https://app.example/", store=FailingStore(error)
    )
    return app.for_account("ada")


@attrs.frozen
class Case:
    """An error, the API that it occurs with, and the settings of the client."""

    error: type[errors.EvEnergyError]
    api: Callable[[], Api]
    settings: Callable[[RecordingServer], dict[str, Any]] = lambda _: {"auth": TOKEN}
    lasts: bool = False
    """Whether resuming fails with the same error, since the user must do something first."""


def replies(*arguments: Any, **settings: Any) -> Reply:
    return lambda _: web.Response(*arguments, **settings)


def breaks(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


UNAUTHORIZED: Final = replies(status=401)
CASES: Final = [
    Case(errors.NotFoundError, lambda: Api(replies(status=404))),
    Case(errors.RateLimitError, lambda: Api(replies(status=429))),
    Case(errors.ServerError, lambda: Api(replies(status=500))),
    Case(errors.DecodeError, lambda: Api(replies(text="a portal"))),
    Case(
        errors.LimitError,
        lambda: Api(replies(body=bytes(2_000))),
        lambda _: {"auth": TOKEN, "max_body": 1_000},
    ),
    Case(errors.TransportError, lambda: Api(breaks)),
    Case(errors.PagingError, lambda: Api(lambda r: web.json_response([], headers={"Link": "<"}))),
    Case(errors.ForeignOriginError, lambda: Api(foreign=True)),
    Case(
        errors.TokenError,
        lambda: Api(
            UNAUTHORIZED, lambda _: web.json_response({"error": "invalid_client"}, status=400)
        ),
        lambda server: {"auth": server.credentials()},
    ),
    Case(errors.CredentialUnavailableError, Api, lambda _: {"auth": token_function()}),
    Case(
        errors.TokenStoreError,
        lambda: Api(UNAUTHORIZED),
        lambda _: {"auth": signed_in(errors.TokenStoreError("the disk is full"))},
    ),
    Case(
        errors.SignInRequiredError,
        lambda: Api(UNAUTHORIZED),
        lambda _: {"auth": signed_in(None)},
        lasts=True,
    ),
    Case(
        errors.BudgetExceeded,
        Api,
        lambda _: {"auth": TOKEN, "budget": FailingBudget(lambda: WouldExceedDeadline(60.0))},
    ),
    Case(
        errors.BudgetUnavailableError,
        Api,
        lambda _: {"auth": TOKEN, "budget": FailingBudget(lambda: BudgetUnavailable("no Redis"))},
    ),
]


def example(twin: str) -> Callable[[Any, list[errors.EvEnergyError]], Any]:
    """Return the example as a function of a client, which appends the error that it caught."""
    lines = EXAMPLE.replace("    if error.cursor", "    seen.append(error)\n    if error.cursor")
    code = f"async def run(client, seen):\n{textwrap.indent(lines, '    ')}    return found"
    if twin == "blocking":
        code = code.replace("async ", "").replace("await ", "")
    names: dict[str, Any] = {"ev_energy": ev_energy}
    exec(code, names)
    return names["run"]  # type: ignore[no-any-return]


async def found_by_example(twin: str, seen: list[errors.EvEnergyError], **settings: Any) -> Any:
    if twin == "async":
        async with ev_energy.Client(**settings) as client:
            return await example(twin)(client, seen)

    def block() -> Any:
        with ev_energy_sync.Client(**settings) as client:
            return example(twin)(client, seen)

    return await asyncio.to_thread(block)


@pytest.mark.parametrize("twin", ["async", "blocking"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.error.__name__)
async def test_example_catches_each_error_and_resumes(case: Case, twin: str, serve) -> None:
    server = await serve(case.api())
    settings = {"base_url": server.url, "retries": 0, **case.settings(server)}
    seen: list[errors.EvEnergyError] = []
    if case.lasts:  # the user must do something first
        with pytest.raises(case.error) as raised:
            await found_by_example(twin, seen, **settings)
        assert raised.value is not seen[0]
    else:
        found = await found_by_example(twin, seen, **settings)
        assert [evse.id for evse in found] == ["evse0", "evse1", "evse2"]
    [error] = seen
    assert isinstance(error, case.error)
    assert error.cursor is not None
