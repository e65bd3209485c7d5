"""An application that bills charging. ``test_billing.py`` tests it with the pytest plugin."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from ev_energy.errors import ConflictError, EvEnergyError
from ev_energy.models import ChargingSession, ChargingSubSession
from ev_energy.webhooks import ChargingSubSessionEnded, Event
from ev_energy_sync import Client

PRICE_OF_KWH = Decimal("0.30")


class Bills:
    """The sub-sessions to bill. One that is added again replaces its earlier figures."""

    def __init__(self) -> None:
        self._sessions: dict[str, ChargingSubSession] = {}

    def handle(self, event: Event) -> None:
        """Take the event of a webhook. It may be lost, or come twice."""
        if isinstance(event, ChargingSubSessionEnded):
            self._add(event.data)

    def read(self, client: Client, since: datetime) -> None:
        """Read what ended after *since*, and so find what no webhook told."""
        for session in client.charging_sub_sessions.list(end__gt=since):
            self._add(session)

    def _add(self, session: ChargingSubSession) -> None:
        self._sessions[session.id] = session

    @property
    def total(self) -> Decimal:
        """The sum of all bills, in pounds."""
        watt_hours = sum(one.energy_delivered_watt_hours for one in self._sessions.values())
        return Decimal(watt_hours) / 1000 * PRICE_OF_KWH


def boost(client: Client, session: ChargingSession) -> str:
    """Have a car charge at once, and return what to tell its driver."""
    try:
        client.charging_sessions.boost_start(session)
    except ConflictError:
        return "Your car cannot charge at once now."
    except EvEnergyError as error:
        if error.outcome == "unknown":
            return "Your car may charge at once. Look at it in a minute."
        return "That did not work. Please try again."
    return "Your car charges at once."
