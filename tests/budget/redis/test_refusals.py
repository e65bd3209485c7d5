"""The time for which a refusal (429) stops calls is the same for both budgets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from ev_energy import MemoryBudget
from ev_energy.budget import Acquire
from ev_energy.errors import BudgetExceeded, RateLimitError
from ev_energy.redis import RedisBudget

HOUR = 3601  # plus a second for differing clocks


@pytest.fixture(params=["memory", "redis"])
def make_budgets(request: pytest.FixtureRequest, shared_redis: Any, prefix: str) -> Any:
    """Return the budgets of two clients that share a rate limit."""

    def make(**settings: Any) -> tuple[Any, Any]:
        if request.param == "memory":
            budget = MemoryBudget(**settings)
            return budget, budget
        one, two = (RedisBudget(shared_redis.url, prefix=prefix, **settings) for _ in "12")
        return one, two

    return make


def always(**reply: Any) -> Any:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(**reply)

    return handler


async def close(*budgets: Any) -> None:
    for budget in budgets:
        if isinstance(budget, RedisBudget):
            await budget.aclose()


@pytest.mark.matrix("make_budgets")
@pytest.mark.parametrize(
    ("headers", "seconds", "wait"),
    [
        ({"Retry-After": "999999999"}, 999999999, HOUR),
        ({"Retry-After": "9" * 400}, 1e9, HOUR),
        ({"RetryAfter": "999999999"}, 999999999, HOUR),
        ({"Retry-After": "soon", "RetryAfter": "1800"}, 1800, 1800),
        (
            {
                "Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT",
                "Date": "Fri, 31 Dec 1999 23:59:59 GMT",
            },
            252455616000,
            HOUR,
        ),
        ({"Retry-After": "3600"}, 3600, 3600),
        ({"Retry-After": "1800.5"}, 1800.5, 1800.5),
    ],
)
async def test_excessive_retry_after_holds_back_for_an_hour_at_most(
    serve: Any,
    make_budgets: Callable[..., Any],
    headers: dict[str, str],
    seconds: float,
    wait: float,
) -> None:
    limits = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "500"}
    server = await serve(always(status=429, headers={**headers, **limits}, data={}))
    first, second = make_budgets()
    async with server.client(budget=first, retries=0) as client:
        with pytest.raises(RateLimitError) as refused:
            await client.evses.get("e")
        await asyncio.sleep(0.3)  # an outcome is sent shortly afterwards
        async with server.client(budget=second, deadline=5) as other:
            with pytest.raises(BudgetExceeded) as held_back:
                await other.evses.get("e")
    assert refused.value.retry_after == seconds, "the error says what the server said"
    assert held_back.value.wait == pytest.approx(wait, abs=2)
    assert len(server.requests) == 1
    await close(first, second)


@pytest.mark.matrix("make_budgets")
@pytest.mark.parametrize("retry_after", [float("inf"), float("nan"), 1e308, -5.0])
async def test_invalid_retry_after_holds_back_for_a_window_at_most(
    make_budgets: Callable[..., Any], retry_after: float
) -> None:
    one, two = make_budgets(window=2.0)
    ticket = await one.acquire(Acquire("app"))
    ticket.complete(None, success=False, retry_after=retry_after)
    if isinstance(one, RedisBudget):
        await one._bucket("app").flush()
    await asyncio.wait_for(two.acquire(Acquire("app")), 20)
    await close(one, two)


@pytest.mark.matrix("make_budgets")
@pytest.mark.parametrize(
    ("limit", "remaining"),
    [("0", "0"), ("0", "5"), ("99999999999", "0"), ("99999999999", "99999999999"), ("5", "900")],
)
async def test_stated_limits_stop_calls_for_an_hour_at_most(
    serve: Any, make_budgets: Callable[..., Any], limit: str, remaining: str
) -> None:
    headers = {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": remaining}
    server = await serve(always(data={"id": "e", "url": "u", "cpid": "c"}, headers=headers))
    first, second = make_budgets(window=1.0)
    async with server.client(budget=first) as client:
        await client.evses.get("e")
        await asyncio.sleep(0.3)
        async with server.client(budget=second, deadline=30) as other:
            await other.evses.get("e")
    await close(first, second)
