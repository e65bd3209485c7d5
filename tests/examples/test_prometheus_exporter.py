"""The Prometheus exporter, scraped over a socket, with a simulator as the API."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
import pytest
from aiohttp import web

import ev_energy
from ev_energy import Client, ClientCredentials, MemoryBudget
from ev_energy.simulator import Clock, Simulator

if TYPE_CHECKING:
    from examples.prometheus_exporter.ledger import EnergyLedger

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
INSTALL = "pip install -r examples/prometheus_exporter/requirements.txt"


@pytest.fixture(autouse=True)
def prometheus() -> None:
    pytest.importorskip("prometheus_client", reason=f"needs prometheus-client: {INSTALL}")


@attrs.define
class Running:
    """A running exporter, its simulator, and the clock of its cache."""

    url: str
    sim: Simulator
    client: Client
    ledger: EnergyLedger
    seconds: float = 0.0

    async def scrape(self) -> dict[str, float]:
        """Return the values by the names and labels of the samples."""
        return await scrape(self.url)

    async def scrape_after(self, seconds: float) -> dict[str, float]:
        """Scrape when the cache is older by *seconds*."""
        self.seconds += seconds
        return await self.scrape()

    def requests(self) -> Counter[str]:
        """Return the numbers of the requests that count for the rate limit."""
        return Counter(seen.path for seen in self.sim.requests if seen.path.startswith("/v2/"))


async def scrape(url: str) -> dict[str, float]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
        assert response.content_type == "text/plain"
        return values_of(await response.text())


def values_of(text: str) -> dict[str, float]:
    samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in samples}


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """Serve *app* on a free port, and yield its address."""
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running(
    sim: Simulator, state: Path, *, patience: float = 30, timeout: float = 30
) -> AsyncIterator[Running]:
    from examples.prometheus_exporter.exporter import Exporter, create_app
    from examples.prometheus_exporter.ledger import EnergyLedger

    clock = sim.service_clock
    auth = ClientCredentials(client_id=sim.client_id, client_secret=sim.client_secret)
    async with Client(
        auth,
        base_url=sim.base_url,
        retries=0,
        budget=MemoryBudget(clock=clock.monotonic, sleep=clock.sleep),
        wall_clock=lambda: sim.clock.now().timestamp(),
    ) as client:
        ledger = EnergyLedger(state)
        found = Running("", sim, client, ledger)
        exporter = Exporter(
            client,
            ledger,
            patience=patience,
            timeout=timeout,
            now=sim.clock.now,
            clock=lambda: found.seconds,
        )
        async with served(create_app(exporter)) as address:
            found.url = f"{address}/metrics"
            yield found
        ledger.close()


@pytest.fixture
async def exporter(tmp_path: Path) -> AsyncIterator[Running]:
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(Simulator(vehicles=130, clock=Clock(speed=0)))
        yield await stack.enter_async_context(running(sim, tmp_path / "state.sqlite3"))


def energy(values: dict[str, float]) -> dict[str, float]:
    pattern = re.compile(r'ev_energy_delivered_watt_hours_total\{mode="(\w+)"\}')
    found = ((pattern.fullmatch(name), value) for name, value in values.items())
    return {match[1]: value for match, value in found if match}


async def energy_of_api(exporter: Running, since: object) -> dict[str, float]:
    """Return the energy of all sub-sessions that have ended since then, by mode."""
    total: Counter[str] = Counter()
    async for session in exporter.client.charging_sub_sessions.list(end__gt=since):  # type: ignore[arg-type]
        total[session.mode] += session.energy_delivered_watt_hours
    return dict(total)


async def test_gauges_have_the_numbers_of_the_api(exporter: Running) -> None:
    exporter.sim.clock.advance(hours=14)
    values = await exporter.scrape()
    vehicles = await exporter.client.vehicles.list(expand=["latest_status_log"]).collect()
    logs = [one.latest_status_log.value for one in vehicles if one.latest_status_log]
    charging = sum(log.is_charging is True for log in logs)
    assert charging > 0
    assert values['ev_energy_vehicles{state="charging"}'] == charging
    states = [value for name, value in values.items() if name.startswith("ev_energy_vehicles{")]
    assert sum(states) == len(vehicles) == 130
    full = sum((log.state_of_charge_percentage or 0) >= 80 for log in logs)
    assert values['ev_energy_vehicles_by_charge{percent="80-100"}'] == full > 0
    evses = await exporter.client.evses.list(expand=["latest_status_log"]).collect()
    counts = [value for name, value in values.items() if name.startswith("ev_energy_evses{")]
    assert sum(counts) == len(evses)
    busy = values['ev_energy_evses{charging="true",connectivity="online"}']
    assert busy > 0
    assert values["ev_energy_charging_watts"] > 1000 * busy
    assert values["ev_energy_up"] == 1
    assert values["ev_energy_age_seconds"] == 0
    assert values[f'ev_energy_build_info{{ev_energy="{ev_energy.__version__}"}}'] == 1


async def test_budget_is_shown_as_the_client_counts_it(exporter: Running) -> None:
    values = await exporter.scrape()
    rate_limit = exporter.client.rate_limit
    assert rate_limit is not None
    assert values["ev_energy_budget_limit"] == rate_limit.limit == 1000
    assert values["ev_energy_budget_remaining"] == rate_limit.remaining < 1000
    assert values["ev_energy_budget_waiting"] == 0


async def test_scrapes_share_one_reading_while_it_is_fresh(exporter: Running) -> None:
    results = await asyncio.gather(*(exporter.scrape() for _ in range(10)))
    assert all(values == results[0] for values in results)
    assert exporter.requests()["/v2/vehicles"] == 2  # pages
    first = exporter.requests()
    values = await exporter.scrape_after(59)
    assert values["ev_energy_age_seconds"] == 59
    assert exporter.requests() == first
    values = await exporter.scrape_after(1)
    assert values["ev_energy_age_seconds"] == 0
    assert exporter.requests()["/v2/vehicles"] == 4


async def test_energy_counts_each_sub_session_once(exporter: Running) -> None:
    sim, since = exporter.sim, exporter.sim.clock.now()
    assert energy(await exporter.scrape()) == {}
    last: dict[str, float] = {}
    for _ in range(6):
        sim.clock.advance(hours=5)
        values = energy(await exporter.scrape_after(60))
        assert all(values[mode] >= total for mode, total in last.items())
        last = values
    assert sum(last.values()) > 0
    assert last == await energy_of_api(exporter, since)


async def test_energy_is_neither_lost_nor_doubled_by_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite3"
    async with Simulator(vehicles=130, clock=Clock(speed=0)) as sim:
        since = sim.clock.now()
        async with running(sim, state) as exporter:
            await exporter.scrape()
            sim.clock.advance(hours=12)
            before = energy(await exporter.scrape_after(60))
        sim.clock.advance(hours=12)
        async with running(sim, state) as exporter:
            after = energy(await exporter.scrape())
            assert after == await energy_of_api(exporter, since)
        assert sum(after.values()) > sum(before.values()) > 0


async def test_correction_downwards_does_not_let_the_counter_fall(exporter: Running) -> None:
    session = await exporter.client.charging_sub_sessions.list(is_finished=True).first()
    assert session is not None
    assert session.end is not None
    totals = []
    for watt_hours in (5000, 5000, 4000, 4500, 6000):
        corrected = attrs.evolve(session, energy_delivered_watt_hours=watt_hours)
        exporter.ledger._count(corrected, session.end)
        totals.append(exporter.ledger.totals()[session.mode])
    assert totals == [5000, 5000, 5000, 5000, 6000]


async def test_old_values_and_their_age_are_served_when_the_api_fails(exporter: Running) -> None:
    fresh = await exporter.scrape()
    fault = exporter.sim.faults.add("server_error", operation="/vehicles", status=503)
    values = await exporter.scrape_after(60)
    assert values["ev_energy_up"] == 0
    assert values["ev_energy_age_seconds"] == 60
    assert values['ev_energy_refreshes_total{outcome="ServerError"}'] == 1
    charging = 'ev_energy_vehicles{state="charging"}'
    assert values[charging] == fresh[charging]
    sent = exporter.requests()
    await exporter.scrape_after(30)  # a failure is cached, too
    assert exporter.requests() == sent
    exporter.sim.faults.remove(fault)
    values = await exporter.scrape_after(30)
    assert values["ev_energy_up"] == 1
    assert values["ev_energy_age_seconds"] == 0


async def test_nothing_is_sent_while_the_budget_is_exhausted(tmp_path: Path) -> None:
    async with (
        Simulator(vehicles=130, clock=Clock(speed=0), rate_limit=8) as sim,
        running(sim, tmp_path / "state.sqlite3") as exporter,
    ):
        await exporter.scrape()
        values = await exporter.scrape_after(60)
        assert values["ev_energy_up"] == 0
        assert values['ev_energy_refreshes_total{outcome="BudgetExceeded"}'] == 1
        assert values["ev_energy_budget_limit"] == 8
        assert values["ev_energy_budget_remaining"] == 0
        sent = exporter.requests()
        await exporter.scrape_after(600)  # the budget said when to come again
        assert exporter.requests() == sent
        assert {seen.status for seen in sim.requests} == {200}


async def test_slow_api_does_not_keep_scrapes_waiting(tmp_path: Path) -> None:
    async with Simulator(vehicles=30, clock=Clock(speed=0)) as sim:
        fault = sim.faults.add("hang", operation="/vehicles")
        async with running(sim, tmp_path / "state.sqlite3", patience=0.05) as exporter:
            values = await exporter.scrape()
            assert values["ev_energy_up"] == 0
            assert "ev_energy_age_seconds" not in values  # there is no reading yet
            await exporter.scrape_after(600)
            assert exporter.requests()["/v2/vehicles"] == 1  # the reading that goes on
        sim.faults.remove(fault)


async def test_reading_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    async with (
        Simulator(vehicles=30, clock=Clock(speed=0), rate_limit=3) as sim,
        running(sim, tmp_path / "state.sqlite3", timeout=0.5) as exporter,
    ):
        values = await exporter.scrape()  # the rate limit suffices for the gauges only
        assert values['ev_energy_refreshes_total{outcome="TimeoutError"}'] == 1
        assert values["ev_energy_up"] == 0
        assert values["ev_energy_age_seconds"] == 0


NOW = datetime(2026, 10, 5, 12, tzinfo=UTC)
STAMP = "2026-10-05T11:50:00Z"


class OddApi:
    """An API with one vehicle, one EVSE and one sub-session, whose members a test changes."""

    def __init__(self) -> None:
        self.charge: Any = 80
        self.energy: Any = 5000
        self.mode: Any = "SMART"
        self.date: str | None = "Mon, 05 Oct 2026 12:00:00 GMT"

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v2/{collection}", self._list)
        app.on_response_prepare.append(self._set_date)
        return app

    async def _list(self, request: web.Request) -> web.Response:
        link = f"{request.url.origin()}/v2"
        log: dict[str, Any] = {"url": f"{link}/log", "sampled_at": STAMP, "is_charging": True}
        vehicle = {**log, "is_plugged_in": True, "state_of_charge_percentage": self.charge}
        session = {
            "id": "s1",
            "url": f"{link}/charging_sub_sessions/s1",
            "mode": self.mode,
            "start": "2026-10-05T10:00:00Z",
            "end": STAMP,
            "is_finished": True,
            "energy_delivered_watt_hours": self.energy,
        }
        found = {
            "vehicles": {"id": "v1", "url": f"{link}/vehicles/v1", "latest_status_log": vehicle},
            "evses": {"id": "e1", "url": f"{link}/evses/e1", "latest_status_log": log},
            "charging_sub_sessions": session,
        }
        return web.json_response([found[request.match_info["collection"]]])

    async def _set_date(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers.popall("Date", None)
        if self.date is not None:
            response.headers["Date"] = self.date


@asynccontextmanager
async def exporter_of(api: OddApi, state: Path) -> AsyncIterator[str]:
    """Yield the address of the metrics of *api*; each scrape is a reading."""
    from examples.prometheus_exporter.exporter import Exporter, create_app
    from examples.prometheus_exporter.ledger import EnergyLedger

    async with (
        served(api.app()) as address,
        Client("t", base_url=f"{address}/v2", wall_clock=NOW.timestamp) as client,
    ):
        ledger = EnergyLedger(state)
        since = datetime(2026, 10, 1, tzinfo=UTC)
        times = iter([since])
        exporter = Exporter(client, ledger, max_age=0, now=lambda: next(times, NOW))
        async with served(create_app(exporter)) as own:
            yield f"{own}/metrics"
        ledger.close()


@pytest.mark.parametrize(("member", "value"), [("charge", "80"), ("energy", None)])
async def test_value_of_a_wrong_type_is_a_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, member: str, value: object
) -> None:
    api = OddApi()
    usual = getattr(api, member)
    setattr(api, member, value)
    async with exporter_of(api, tmp_path / "state.sqlite3") as url:
        values = await scrape(url)
        assert values["ev_energy_up"] == 0
        assert values['ev_energy_refreshes_total{outcome="TypeError"}'] == 1
        (record,) = [one for one in caplog.records if one.name.startswith("examples.")]
        assert record.getMessage().startswith("the values are old: TypeError: unsupported operand")
        assert record.exc_info
        setattr(api, member, usual)
        values = await scrape(url)
        assert values["ev_energy_up"] == 1
        assert values['ev_energy_refreshes_total{outcome="success"}'] == 1


async def test_reply_without_a_date_is_read_with_the_time_of_this_machine(tmp_path: Path) -> None:
    api = OddApi()
    api.date = None
    async with exporter_of(api, tmp_path / "state.sqlite3") as url:
        values = await scrape(url)
        assert values["ev_energy_up"] == 1
        assert values['ev_energy_evses{charging="true",connectivity="online"}'] == 1


async def test_energy_without_a_mode_is_counted(tmp_path: Path) -> None:
    api = OddApi()
    api.mode = None
    async with exporter_of(api, tmp_path / "state.sqlite3") as url:
        assert energy(await scrape(url)) == {"unknown": 5000}


async def test_process_serves_and_stops_when_it_is_told_to(tmp_path: Path) -> None:
    async with Simulator(clock=Clock(speed=0)) as sim:
        environment = {
            "EV_ENERGY_CLIENT_ID": sim.client_id,
            "EV_ENERGY_CLIENT_SECRET": sim.client_secret,
            "EV_ENERGY_BASE_URL": sim.base_url,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-u", "-m", "examples.prometheus_exporter", "--port", "0"),
            *("--state", str(tmp_path / "state.sqlite3")),
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            line = (await process.stdout.readline()).decode()
            found = re.search(r"http://\S+?:\d+", line)
            assert found, line
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{found[0]}/metrics") as response,
            ):
                values = values_of(await response.text())
            assert values["ev_energy_up"] == 1
            process.send_signal(signal.SIGTERM)
            _, log = await asyncio.wait_for(process.communicate(), 10)
            assert process.returncode == 0
            assert b"Traceback" not in log
            assert sim.client_secret.encode() not in log
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
