"""The stream of a simulated fleet, over a socket and with webhooks."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from ev_energy._changes.digest import Projection
from ev_energy.changes import Change, Created, Ended, Gone, SubSessionStream, WebhookEvent
from ev_energy.models import ChargingSubSession
from ev_energy.simulator import UnreliableData
from tests.helpers.changes.fleet import Fleet, receiving_webhooks, running_fleet

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
PROJECTION = Projection.of(ChargingSubSession)


class Consumer:
    """Reads the stream of a fleet, is killed now and then, and begins again from its state."""

    def __init__(self, fleet: Fleet, since: datetime, kill: float, **settings: Any) -> None:
        self.fleet, self.since, self.kill, self.settings = fleet, since, kill, settings
        self.random = random.Random(7)
        self.state: str | None = None
        self.stream = self._stream()
        self.got: dict[str, ChargingSubSession] = {}
        self.log: Counter[tuple[str, str, str]] = Counter()
        self.vias: Counter[str] = Counter()
        self.delays: list[float] = []
        """Seconds between an end and its hand-over."""
        self.kills = 0
        self.requests_by_hour: Counter[int] = Counter()

    def offer(self, event: WebhookEvent) -> None:
        """Take an event for the process that lives now."""
        self.stream.offer(event)

    async def read_until(self, at: datetime) -> None:
        """Read until the simulated time *at*."""
        while self.fleet.now() < at:
            async for batch in self.stream.batches():
                if self.random.random() < self.kill:  # before hand-over and state
                    self.kills += 1
                    self.stream = self._stream()
                    break
                for change in batch:
                    self._receive(change)
                self.state = batch.state
                await batch.commit()
                if self.fleet.now() >= at:
                    return

    def _receive(self, change: Change) -> None:
        self.vias[change.via] += 1
        if isinstance(change, Gone):
            del self.got[change.id]
            return
        if change.via != "sweep":
            key = type(change).__name__, change.id, PROJECTION.digest(change.session)
            self.log[key] += 1
        assert isinstance(change, Created) or change.id in self.got or change.via == "sweep"
        if isinstance(change, Ended) and change.session.end is not None:
            self.delays.append((self.fleet.now() - change.session.end).total_seconds())
        self.got[change.id] = change.session

    def _stream(self) -> SubSessionStream:
        return self.fleet.client.charging_sub_sessions.changes(
            since=self.since, state=self.state, **self.settings
        )


def differences(
    got: dict[str, Any], truth: dict[str, Any], before: datetime
) -> dict[str, list[str]]:
    """Compare what ended *before* a time, after which things may still change."""
    settled = {id_ for id_, one in truth.items() if one.end is not None and one.end < before}
    handed_over = {id_ for id_, one in got.items() if one.end is not None and one.end < before}
    return {
        "missing": sorted(settled - got.keys()),
        "ghosts": sorted(handed_over - truth.keys()),
        "wrong": [
            id_
            for id_ in settled & got.keys()
            if PROJECTION.digest(got[id_]) != PROJECTION.digest(truth[id_])
        ],
    }


@pytest.mark.slow
async def test_stream_is_exact_although_the_simulator_misbehaves() -> None:
    async with running_fleet(vehicles=25, seed=1, rate_limit=None) as fleet:
        begin = fleet.now()
        fleet.step = 10 * MINUTE
        unreliable = UnreliableData(
            late=0.1,
            late_end=0.1,
            withdrawn_end=0.05,
            corrected=0.2,
            deleted=0.02,
            stale_reads=0.05,
            fragile_cursors=True,
            since=begin,
        )
        fleet.simulator.unreliable_data = unreliable
        fleet.simulator.webhooks.misdeliver(
            drop=0.3, duplicate=0.2, reorder=0.2, delay=0.2, max_delay=24 * HOUR
        )
        fleet.loss = 0.1
        consumer = Consumer(fleet, begin - 20 * HOUR, kill=0.04, freshness=HOUR, sweep=24 * HOUR)
        fleet.on_event = consumer.offer
        async with receiving_webhooks(fleet):
            await consumer.read_until(begin + timedelta(days=5))
            fleet.on_event = None
        consumer.kill = 0.0
        # What was late is readable after 26 hours, and sweeps find it on the next day.
        fleet.step = HOUR
        await consumer.read_until(begin + timedelta(days=9))
        fleet.simulator.unreliable_data = attrs.evolve(unreliable, stale_reads=0.0)
        await consumer.read_until(fleet.now() + 25 * HOUR)
        truth = await fleet.truth(consumer.since)
        # Corrections come up to 26 hours after the end, and are read within six.
        found = differences(consumer.got, truth, fleet.now() - 36 * HOUR)
        assert found == {"missing": [], "ghosts": [], "wrong": []}
        assert consumer.kills > 0
        assert fleet.events > 0
        assert {"poll", "webhook"} <= {*consumer.vias}


async def cost(
    vehicles: int, *, freshness: timedelta, webhooks: bool, hours: int = 30
) -> dict[str, float]:
    """Return what *hours* of a steady fleet cost."""
    async with running_fleet(vehicles=vehicles) as fleet:
        begin = fleet.now()
        consumer = Consumer(fleet, begin, kill=0.0, freshness=freshness)
        fleet.loss = 0.02
        if not webhooks:
            await consumer.read_until(begin + hours * HOUR)
        else:
            fleet.on_event = consumer.offer
            async with receiving_webhooks(fleet):
                await consumer.read_until(begin + hours * HOUR)
                fleet.on_event = None
        requests = fleet.requests
        truth = await fleet.truth(begin)
        settled = differences(consumer.got, truth, fleet.now() - freshness * 5)
        assert settled == {"missing": [], "ghosts": [], "wrong": []}
        ended, delays = len(consumer.delays), sorted(consumer.delays)
        return {
            "ended": ended,
            "requests": requests,
            "requests per 1,000": 1000 * requests / ended,
            "requests an hour": requests / hours,
            "p50": delays[ended // 2],
            "p99": delays[ended * 99 // 100],
        }


@pytest.mark.measurement
async def test_polling_every_five_minutes_takes_at_most_750_requests_per_thousand() -> None:
    found = await cost(1000, freshness=5 * MINUTE, webhooks=False)
    assert found["requests per 1,000"] <= 750, found
    assert found["p99"] <= 10 * 60, found


@pytest.mark.measurement
async def test_webhooks_take_at_most_310_requests_per_thousand_and_tell_within_seconds() -> None:
    found = await cost(1000, freshness=15 * MINUTE, webhooks=True)
    assert found["requests per 1,000"] <= 310, found
    assert found["p50"] <= 30, found


@pytest.mark.slow
async def test_webhooks_make_the_stream_faster_with_fewer_requests() -> None:
    fast, slow = [
        await cost(40, freshness=freshness, webhooks=webhooks, hours=8)
        for freshness, webhooks in ((15 * MINUTE, True), (5 * MINUTE, False))
    ]
    assert fast["requests"] < slow["requests"] / 2
    assert fast["p50"] < slow["p50"] / 2


if __name__ == "__main__":
    for case in ((5, False), (15, True), (60, True)):
        print(case, asyncio.run(cost(1000, freshness=case[0] * MINUTE, webhooks=case[1])))
