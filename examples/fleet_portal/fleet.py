"""What a user sees: vehicles, chargers and the charging of the last week."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ev_energy import Client
from ev_energy.errors import EvEnergyError, SignInRequiredError
from ev_energy.models import EVSE, ChargingSubSession, Vehicle

_log: Final = logging.getLogger(__name__)

#: Users whose latest reading is kept.
_KEPT_READINGS: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The vehicles and chargers of a user, at one time."""

    vehicles: tuple[Vehicle, ...]
    chargers: tuple[EVSE, ...]
    sessions: tuple[ChargingSubSession, ...]
    """Those of the last eight days, and those that have not ended. The newest comes first."""
    now: datetime
    """When they were read, in the time zone of the latest session."""
    read_at: float
    """The same by ``time.monotonic()``."""
    is_stale: bool = False
    """Whether the API could not be read again since."""

    @property
    def names(self) -> dict[str, str]:
        """The names of all vehicles and chargers, by their ids."""
        names = {vehicle.id: vehicle.description for vehicle in self.vehicles}
        return names | {charger.id: charger_name(charger) for charger in self.chargers}

    @property
    def open_sessions(self) -> tuple[ChargingSubSession, ...]:
        """The sessions that have not ended."""
        return tuple(session for session in self.sessions if session.end is None)

    def vehicle_of(self, session: ChargingSubSession) -> Vehicle | None:
        """Return the vehicle of a session, or None if it is not one of the user's."""
        wanted = None if session.vehicle is None else session.vehicle.id
        return next((vehicle for vehicle in self.vehicles if vehicle.id == wanted), None)

    def charger_of(self, session: ChargingSubSession) -> EVSE | None:
        """Return the charger of a session, or None if it is not one of the user's."""
        wanted = None if session.evse is None else session.evse.id
        return next((charger for charger in self.chargers if charger.id == wanted), None)


def charger_name(charger: EVSE) -> str:
    """Return the make and model of a charger."""
    if charger.model is None:
        return "Charger"
    model = charger.model.value
    if model.display_name or model.make is None:
        return model.display_name or model.name
    return f"{model.make.value.name} {model.name}"


async def read_fleet(client: Client, now: datetime) -> Fleet:
    """Read the fleet of the user of *client*. It takes three requests, or a few more."""
    read_at = time.monotonic()
    week = now - timedelta(days=8)
    vehicles, chargers, recent, unfinished = await asyncio.gather(
        client.vehicles.list(expand=["latest_status_log"]).collect(),
        client.evses.list(expand=["latest_status_log", "model.make"]).collect(),
        client.charging_sub_sessions.list(start__gt=week).collect(),
        client.charging_sub_sessions.list(is_finished=False).collect(),
    )
    sessions = {session.id: session for session in (*recent, *unfinished)}
    newest_first = sorted(sessions.values(), key=lambda session: session.start, reverse=True)
    return Fleet(
        vehicles=tuple(vehicles),
        chargers=tuple(chargers),
        sessions=tuple(newest_first),
        now=now.astimezone(_zone_of(newest_first)),
        read_at=read_at,
    )


def _zone_of(sessions: list[ChargingSubSession]) -> ZoneInfo:
    """Return the time zone of the latest session that has one; else UTC."""
    for session in sessions:
        if session.location.timezone:
            try:
                return ZoneInfo(session.location.timezone)
            except (ZoneInfoNotFoundError, ValueError):
                continue
    return ZoneInfo("UTC")


@dataclass
class _Reading:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    fleet: Fleet | None = None


class Fleets:
    """The latest reading of each user, which all pages of the user share."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._readings: OrderedDict[str, _Reading] = OrderedDict()

    async def read(self, account: str, client: Client, *, newer_than: float) -> Fleet:
        """Return the user's fleet as it was after *newer_than*, a time of ``time.monotonic()``.

        If the API cannot be read, return the latest reading, marked as stale; or raise if there is
        none. `SignInRequiredError` if the user has signed out.
        """
        reading = self._readings.setdefault(account, _Reading())
        self._readings.move_to_end(account)
        if len(self._readings) > _KEPT_READINGS:
            self._readings.popitem(last=False)
        async with reading.lock:
            if reading.fleet is not None and reading.fleet.read_at > newer_than:
                return reading.fleet
            try:
                reading.fleet = await read_fleet(client, self._now())
            except SignInRequiredError:
                self._readings.pop(account, None)
                raise
            except EvEnergyError as error:
                _log.warning("a fleet could not be read: %s", error)
                if reading.fleet is None:
                    raise
                # Its time is that of the attempt, so that other pages do not try again at once.
                reading.fleet = replace(reading.fleet, read_at=time.monotonic(), is_stale=True)
            return reading.fleet
