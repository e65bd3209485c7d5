from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import aiohttp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ev_energy.simulator.faults import kinds

QUICK: dict[str, dict[str, Any]] = {
    "hang": {"seconds": 1},
    "giant_body": {"megabytes": 1},
    "gzip_bomb": {"megabytes": 2},
    "deep_json": {"levels": 1000},
}
FAULTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(sorted(kinds())),
        "operation": st.sampled_from(["*", "GET /evses", "POST *", "/users", "token"]),
        "count": st.none() | st.integers(1, 3),
        "probability": st.floats(0, 1),
        "after": st.integers(0, 2),
    }
)
REQUESTS: st.SearchStrategy[tuple[str, str, Any]] = st.sampled_from(
    [
        ("GET", "/v2/evses", None),
        ("GET", "/v2/evses/none", None),
        ("POST", "/v2/users", {"name": "Ada"}),
        ("DELETE", "/v2/users/user1", None),
        ("POST", "/o/token/", {}),
        ("GET", "/v2/nowhere", None),
    ]
)


async def ask(bench: Any, method: str, path: str, body: Any, *, keep: bool) -> None:
    """Send a request on a connection of its own or on one that others have used."""
    with suppress(ConnectionResetError, aiohttp.ClientError):
        if not keep:
            await bench.bytes(method, path, body, close=True)
            return
        async with bench.session.request(method, bench.url(path), json=body) as reply:
            await reply.read()


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    faults=st.lists(FAULTS, max_size=6),
    requests=st.lists(st.tuples(REQUESTS, st.booleans()), max_size=8),
    together=st.booleans(),
)
async def test_faults_neither_stop_the_server_nor_outlive_their_removal(
    bench: Any, faults: list[dict[str, Any]], requests: list[Any], together: bool
) -> None:
    asked = [bench.faults.add_json({**fault, **QUICK.get(fault["kind"], {})}) for fault in faults]
    async with asyncio.timeout(30):
        calls = [ask(bench, *request, keep=keep) for request, keep in requests]
        if together:
            await asyncio.gather(*calls)
        else:
            for call in calls:
                await call
    # aiohttp repeats an idempotent request once if a reused connection breaks.
    most_sent = sum(2 if keep and method != "POST" else 1 for (method, _, _), keep in requests)
    for fault in asked:
        assert 0 <= fault.struck <= min(fault.seen, fault.count or fault.seen)
        assert fault.seen <= most_sent

    bench.faults.clear()
    bench.users.clear()
    # The connections so far may be about to close: aiohttp does not repeat a POST on a new one.
    await bench.session.close()
    bench.session = aiohttp.ClientSession()
    assert await bench.post() == 201
    status, headers, body = await bench.get("/v2/users")
    assert (status, json.loads(body), len(headers)) == (200, [{"name": "Ada"}], 4)
