"""Tests of users that mock aiohttp work, and faults that sockets cannot reproduce reliably."""

from __future__ import annotations

import aiohttp
import pytest
from aioresponses import CallbackResult, aioresponses
from yarl import URL

from ev_energy import Client, __version__, errors
from tests.helpers.support import TOKEN, FakeTime, MockableResponse

EVSE = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}
ONE = "https://api.ev.energy/v2/evses/evse01"


@pytest.fixture
def mocked():
    with aioresponses() as mock:
        yield mock


async def test_call_goes_to_the_live_api_with_the_token(mocked: aioresponses) -> None:
    mocked.get(ONE, payload=EVSE, response_class=MockableResponse)
    async with Client(TOKEN) as client:
        assert (await client.evses.get("evse01")).cpid == "SHIR1"
    [[sent]] = mocked.requests.values()
    assert mocked.requests.keys() == {("GET", URL(ONE))}
    assert sent.kwargs["headers"]["Authorization"] == f"Bearer {TOKEN}"
    assert sent.kwargs["headers"]["Accept"] == "application/json"
    assert sent.kwargs["headers"]["User-Agent"] == f"ev-energy-python/{__version__}"
    assert sent.kwargs["allow_redirects"] is False


async def test_servers_of_the_api_are_known_by_name(mocked: aioresponses) -> None:
    urls = {
        "live": "https://api.ev.energy/v2",
        "mock": "https://developers.ev.energy/_mock/ev.energy-api-v2",
        "staging": "https://api-staging.ev.energy/v2",
    }
    for name, url in urls.items():
        mocked.get(f"{url}/evses/evse01", payload=EVSE, response_class=MockableResponse)
        async with Client(TOKEN, base_url=name) as client:
            await client.evses.get("evse01")
    assert [str(url) for _, url in mocked.requests] == [f"{u}/evses/evse01" for u in urls.values()]


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        (aiohttp.ServerDisconnectedError(), True),
        (aiohttp.ClientOSError(104, "Connection reset by peer"), True),
        (aiohttp.ClientPayloadError("not all data"), True),
        (aiohttp.ServerTimeoutError("read"), True),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (aiohttp.ConnectionTimeoutError("connect"), False),
    ],
)
async def test_errors_of_aiohttp_become_errors_of_the_package(
    mocked: aioresponses, time: FakeTime, fault: Exception, sent: bool
) -> None:
    mocked.get(ONE, exception=fault, repeat=True)
    mocked.patch(ONE, exception=fault, repeat=True)
    async with Client(TOKEN, clock=time, sleep=time.sleep) as client:
        with pytest.raises(errors.TransportError if sent else errors.NotSentError):
            await client.evses.get("evse01")
        assert len(time.slept) == 2
        with pytest.raises(errors.UnconfirmedWriteError if sent else errors.NotSentError):
            await client.evses.update("evse01", location=None)
        assert len(time.slept) == (2 if sent else 4)


async def test_deadline_ends_a_call_that_keeps_failing(
    mocked: aioresponses, time: FakeTime
) -> None:
    def slow(*_: object, **__: object) -> CallbackResult:
        time.now += 40
        return CallbackResult(status=503, response_class=MockableResponse)

    mocked.get(ONE, callback=slow, repeat=True)
    async with Client(
        TOKEN, clock=time, sleep=time.sleep, deadline=100, retries=9, timeout=60
    ) as client:
        with pytest.raises((errors.ServerError, errors.DeadlineError)):
            await client.evses.get("evse01")
    [sent] = mocked.requests.values()
    assert len(sent) == 3
    assert sent[0].kwargs["timeout"].total == 60
    assert sent[-1].kwargs["timeout"].total < 25
