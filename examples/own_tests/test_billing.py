"""Tests of an application, with a simulated fleet, a clock to move, faults, and webhooks.

Run them with ``pip install ev-energy pytest`` and ``pytest examples/own_tests``.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from billing import PRICE_OF_KWH, Bills, boost

from ev_energy.models import ChargingSession
from ev_energy.simulator import Simulator
from ev_energy.testing import RecordingReceiver
from ev_energy_sync import Client


def charged(client: Client, simulator: Simulator) -> ChargingSession:
    """Return a session that goes on, of a car that waits for a low price."""
    simulator.clock.advance(hours=7)  # it is 19:00: cars come home
    sessions = client.charging_sessions.list(expand=["sub_sessions"])
    return next(
        session
        for session in sessions
        if session.end is None
        and session.sub_sessions
        and session.sub_sessions[0].value.mode == "SMART"
    )


def test_bills_are_right_although_webhooks_are_lost_and_doubled(
    ev_energy_simulator: Simulator,
    ev_energy_sync_client: Client,
    ev_energy_webhook_receiver: RecordingReceiver,
) -> None:
    since = ev_energy_simulator.clock.now()
    ev_energy_simulator.webhooks.misdeliver(drop=0.3, duplicate=0.5)
    ev_energy_simulator.clock.advance(days=1)  # a night passes in a moment
    ev_energy_simulator.webhooks.block_until_settled()

    bills = Bills()
    for event in ev_energy_webhook_receiver.events:
        bills.handle(event)
    ended = ev_energy_sync_client.charging_sub_sessions.list(end__gt=since).collect()
    expected = sum(one.energy_delivered_watt_hours for one in ended) * PRICE_OF_KWH / 1000
    assert 0 < bills.total < expected
    bills.read(ev_energy_sync_client, since)
    assert bills.total == expected


@pytest.mark.parametrize("fault", ["server_error", "reset_after", "truncated", "rate_limited"])
def test_bills_are_right_although_a_request_fails(
    ev_energy_simulator: Simulator, ev_energy_sync_client: Client, fault: str
) -> None:
    since = ev_energy_simulator.clock.now() - timedelta(days=1)
    expected, bills = Bills(), Bills()
    expected.read(ev_energy_sync_client, since)
    details = {"seconds": 0} if fault == "rate_limited" else {}
    ev_energy_simulator.faults.add(fault, operation="/charging_sub_sessions", count=1, **details)
    bills.read(ev_energy_sync_client, since)
    assert bills.total == expected.total > 0


def test_driver_is_told_that_the_car_charges(
    ev_energy_simulator: Simulator, ev_energy_sync_client: Client
) -> None:
    session = charged(ev_energy_sync_client, ev_energy_simulator)
    assert boost(ev_energy_sync_client, session) == "Your car charges at once."
    assert boost(ev_energy_sync_client, session) == "Your car cannot charge at once now."


@pytest.mark.parametrize(
    ("fault", "told", "status"),
    [
        ("reset_after", "Your car may charge at once. Look at it in a minute.", None),
        ("problem", "That did not work. Please try again.", 403),
    ],
)
def test_driver_is_told_what_is_known_and_nothing_is_sent_twice(
    ev_energy_simulator: Simulator,
    ev_energy_sync_client: Client,
    fault: str,
    told: str,
    status: int | None,
) -> None:
    session = charged(ev_energy_sync_client, ev_energy_simulator)
    details = {} if status is None else {"status": status}
    ev_energy_simulator.faults.add(fault, operation="POST *", **details)
    assert boost(ev_energy_sync_client, session) == told
    sent = [seen for seen in ev_energy_simulator.requests if "boost_start" in seen.path]
    assert len(sent) == 1
