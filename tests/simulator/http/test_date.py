"""The Date header of all replies is the time of the simulated world."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ev_energy import Client, ClientCredentials, errors
from ev_energy.simulator import Clock

START = datetime(2026, 10, 5, 12, 0, 0, 999_999, tzinfo=UTC)
NOON = "Mon, 05 Oct 2026 12:00:00 GMT"


@pytest.fixture
async def api(start: Any) -> Any:
    return await start(rate_limit=None, clock=Clock(START, speed=0))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/evses", 200),
        ("/evses?page_size=0", 400),
        ("/evses/evse00000000000000000000000000", 404),
        ("/nothing", 404),
        ("/evse_onboarding?user_id={user}&client_id={client}", 302),
        ("{origin}/", 200),
        ("{origin}/nothing", 404),
        ("{origin}/__sim/clock", 200),
        ("{origin}/o/authorize/", 400),
    ],
)
async def test_date_is_the_whole_second_of_the_worlds_clock(
    api: Any, path: str, status: int
) -> None:
    simulator = api.simulator
    origin = simulator.page_url.rstrip("/")
    path = path.format(user=simulator.user_id, client=simulator.client_id, origin=origin)
    url = path if path.startswith("http") else simulator.base_url + path
    headers = {"Authorization": f"Bearer {api.token}"}
    async with api.session.get(url, headers=headers, allow_redirects=False) as response:
        assert (response.status, response.headers.getall("Date")) == (status, [NOON])


async def test_date_follows_jumps(api: Any) -> None:
    token = await api.log_in()
    assert token.headers["Date"] == NOON
    api.simulator.clock.advance(days=366)
    assert (await api.get("/evses")).headers["Date"] == "Wed, 06 Oct 2027 12:00:00 GMT"
    assert (await api.log_in()).headers["Date"] == "Wed, 06 Oct 2027 12:00:00 GMT"


@pytest.mark.parametrize("kind", ["server_error", "connection_close", "slow_drip", "not_json"])
async def test_replies_of_faults_are_dated_alike(api: Any, kind: str) -> None:
    api.simulator.faults.add(kind, **({"seconds": 0} if kind == "slow_drip" else {}))
    async with api.session.get(
        f"{api.simulator.base_url}/evses", headers={"Authorization": f"Bearer {api.token}"}
    ) as response:
        assert response.headers["Date"] == NOON


async def test_skewed_date_is_relative_to_the_worlds_clock(api: Any) -> None:
    api.simulator.faults.add("clock_skew", seconds=-7200)
    assert (await api.get("/evses")).headers.getall("Date") == ["Mon, 05 Oct 2026 10:00:00 GMT"]


async def test_client_waits_as_long_as_a_date_asks_for(api: Any) -> None:
    simulator = api.simulator
    simulator.clock.advance(days=300)
    simulator.faults.add("rate_limited", seconds=90, as_date=True, count=1)
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    async with Client(auth, base_url=simulator.base_url, budget=None) as client:
        with pytest.raises(errors.RateLimitError) as caught:
            await client.with_options(retries=0).evses.list().first()
    assert caught.value.retry_after == timedelta(seconds=90).total_seconds()
