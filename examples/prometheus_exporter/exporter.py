"""The exporter: one cached reading of the fleet, shared by all scrapes."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ev_energy import Client
from ev_energy.errors import BudgetExceeded, EvEnergyError, RateLimitError

from .ledger import EnergyLedger

_log: Final = logging.getLogger(__name__)

#: An EVSE that has sent no status for so long counts as silent.
_SILENT: Final = timedelta(hours=1)
#: Failures whose messages say what happened; others are logged with a traceback.
_EXPECTED: Final = (EvEnergyError, TimeoutError, sqlite3.Error)
_BANDS: Final = ("0-19", "20-39", "40-59", "60-79", "80-100")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Reading:
    """What a refresh found: numbers of devices by their labels, and sums."""

    vehicles: Counter[str] = field(default_factory=Counter[str])
    bands: Counter[str] = field(default_factory=Counter[str])
    evses: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    watts: int = 0


class Exporter(Collector):
    """Reads the fleet when a scrape asks for it, and at most once in *max_age* seconds.

    Args:
        client: A client, which the exporter leaves open.
        ledger: The counter of energy.
        max_age: How old a reading may be, in seconds.
        patience: Seconds that a scrape waits for a reading. Then it gets the values of the last
            one, and the reading goes on for the next scrape.
        timeout: Seconds after which a reading is given up.
        now: The time from which a new ledger counts. It also stands in for the time of the API if
            a reply has no Date header.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        client: Client,
        ledger: EnergyLedger,
        *,
        max_age: float = 60,
        patience: float = 8,
        timeout: float = 60,
        now: Callable[[], datetime] = _utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # A scrape comes again, so it does not wait for the rate limit, and other calls go first.
        self._client = client.with_options(priority="batch", when_exhausted="raise")
        self._ledger, self._max_age, self._patience = ledger, max_age, patience
        self._timeout, self._now, self._since, self._clock = timeout, now, now(), clock
        self._reading: Reading | None = None
        self._read_at = self._next_at = clock()
        self._is_up = False
        self._refreshes: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Read the fleet if that is due; concurrent scrapes wait for the same reading."""
        if self._task is None or self._task.done():
            if self._clock() < self._next_at:
                return
            self._next_at = self._clock() + self._max_age
            self._task = asyncio.create_task(self._refresh())
        await asyncio.wait({self._task}, timeout=self._patience)

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                self._reading, self._read_at = await self._read(), self._clock()
                freshness = timedelta(seconds=max(self._max_age / 2, 1))
                await self._ledger.update(self._client, self._since, freshness)
        except Exception as error:  # noqa: BLE001  (such as a value of a type that the API never had)
            self._is_up = False
            self._refreshes[type(error).__name__] += 1
            self._next_at = max(self._next_at, self._clock() + _seconds_to_wait(error))
            _log.warning(
                "the values are old: %s: %s",
                type(error).__name__,
                error,
                exc_info=not isinstance(error, _EXPECTED),
            )
        else:
            self._is_up = True
            self._refreshes["success"] += 1

    async def _read(self) -> Reading:
        reading = Reading()
        async for vehicle in self._client.vehicles.list(expand=["latest_status_log"]):
            log = vehicle.latest_status_log.value if vehicle.latest_status_log else None
            if log is None or log.is_plugged_in is None:
                state = "unknown"
            elif log.is_charging:
                state = "charging"
            else:
                state = "plugged_in" if log.is_plugged_in else "unplugged"
            reading.vehicles[state] += 1
            if log is not None and log.state_of_charge_percentage is not None:
                reading.bands[_BANDS[min(log.state_of_charge_percentage // 20, 4)]] += 1
        async for page in self._client.evses.list(expand=["latest_status_log"]).pages():
            date = page.response.header("date")
            now = parsedate_to_datetime(date) if date else self._now()
            for evse in page.items:
                status = evse.latest_status_log.value if evse.latest_status_log else None
                if status is None or status.sampled_at is None or now - status.sampled_at > _SILENT:
                    reading.evses["silent", "unknown"] += 1
                    continue
                reading.evses["online", "true" if status.is_charging else "false"] += 1
                reading.watts += status.charge_rate_watts or 0
        return reading

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of the last reading, and those of the exporter itself."""
        yield InfoMetricFamily(
            "ev_energy_build", "Versions", value={"ev_energy": version("ev-energy")}
        )
        yield GaugeMetricFamily(
            "ev_energy_up", "Whether the last reading succeeded", value=self._is_up
        )
        refreshes = CounterMetricFamily(
            "ev_energy_refreshes", "Readings of the fleet by their outcome", labels=["outcome"]
        )
        for outcome, count in self._refreshes.items():
            refreshes.add_metric([outcome], count)
        yield refreshes
        if (rate_limit := self._client.rate_limit) is not None:
            for name, what, number in (
                ("limit", "Requests that the rate limit allows an hour", rate_limit.limit),
                ("remaining", "Requests that may be sent now", rate_limit.remaining),
                ("waiting", "Calls of this process that wait", rate_limit.waiting),
            ):
                yield GaugeMetricFamily(f"ev_energy_budget_{name}", what, value=number)
        energy = CounterMetricFamily(
            "ev_energy_delivered_watt_hours", "Energy of ended sub-sessions", labels=["mode"]
        )
        for mode, watt_hours in self._ledger.totals().items():
            energy.add_metric([mode], watt_hours)
        yield energy
        if self._reading is not None:
            yield from self._fleet(self._reading)

    def _fleet(self, reading: Reading) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "ev_energy_age_seconds", "Age of the reading", value=self._clock() - self._read_at
        )
        yield GaugeMetricFamily(
            "ev_energy_charging_watts", "Power of all EVSEs that are online", value=reading.watts
        )
        vehicles = GaugeMetricFamily("ev_energy_vehicles", "Vehicles", labels=["state"])
        for state in ("charging", "plugged_in", "unplugged", "unknown"):
            vehicles.add_metric([state], reading.vehicles[state])
        yield vehicles
        bands = GaugeMetricFamily(
            "ev_energy_vehicles_by_charge", "Vehicles by state of charge", labels=["percent"]
        )
        for band in _BANDS:
            bands.add_metric([band], reading.bands[band])
        yield bands
        evses = GaugeMetricFamily(
            "ev_energy_evses", "EVSEs by their status", labels=["connectivity", "charging"]
        )
        for labels in (("online", "true"), ("online", "false"), ("silent", "unknown")):
            evses.add_metric(labels, reading.evses[labels])
        yield evses

    async def close(self) -> None:
        """Cancel a reading that goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})


def _seconds_to_wait(error: Exception) -> float:
    """Return how long the API or the budget permits no request."""
    if isinstance(error, BudgetExceeded):
        return error.wait
    return (error.retry_after or 0) if isinstance(error, RateLimitError) else 0


def create_app(exporter: Exporter) -> web.Application:
    """Return a web application with the route ``/metrics``."""
    registry = CollectorRegistry()
    registry.register(exporter)
    render = make_aiohttp_handler(registry)

    async def metrics(request: web.Request) -> web.StreamResponse:
        await exporter.refresh()
        return await render(request)

    async def lifespan(_app: web.Application) -> AsyncGenerator[None]:
        yield
        await exporter.close()

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.cleanup_ctx.append(lifespan)
    return app
