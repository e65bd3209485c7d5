"""One home of a fleet, and how its cars charged."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from ev_energy import Ref
from ev_energy.models import (
    EVSE,
    ChargingSubSession,
    ChargingSubSessionMode,
    UsageInterval,
    User,
    Vehicle,
)

_SLOT: Final = timedelta(minutes=30)
#: More half-hours would not fit a line of 80 characters.
_MAX_SLOTS: Final = 32
#: The longest time before the first charging that is shown.
_MAX_LEAD: Final = timedelta(hours=8)
_AT_HOME: Final = frozenset(
    {
        ChargingSubSessionMode.SMART,
        ChargingSubSessionMode.BOOST,
        ChargingSubSessionMode.UNMANAGED_HOME,
    }
)
#: Currencies without a minor unit.
_WHOLE: Final = frozenset({"JPY", "KRW", "ISK"})
_MINOR_UNITS: Final = {"GBP": "pence", **dict.fromkeys(("EUR", "USD", "CAD", "AUD"), "cents")}


@attrs.frozen
class ChargedCar:
    """A car, and the sub-sessions in which it charged at home, the newest first."""

    vehicle: Vehicle
    sessions: list[ChargingSubSession]

    @property
    def watt_hours(self) -> int:
        """The energy of all sub-sessions."""
        return sum(session.energy_delivered_watt_hours for session in self.sessions)


@attrs.frozen
class Home:
    """The home of a user, and the cars that charged there, that with the most energy first."""

    user: Ref[User]
    cars: Sequence[ChargedCar]

    @property
    def sessions(self) -> list[ChargingSubSession]:
        """The sub-sessions of all cars."""
        return [session for car in self.cars for session in car.sessions]

    @property
    def charger(self) -> Ref[EVSE] | None:
        """The charger of the first car; None if it charged at a socket."""
        return self.cars[0].sessions[0].evse

    @property
    def currency(self) -> str:
        """The currency of the latest sub-session."""
        return self.cars[0].sessions[0].currency

    @property
    def zone(self) -> tzinfo:
        """The time zone of the home; UTC if this machine does not know it."""
        try:
            return ZoneInfo(self.cars[0].sessions[0].location.timezone or "UTC")
        except (ZoneInfoNotFoundError, ValueError):
            return UTC


def choose_home(sessions: Iterable[ChargingSubSession]) -> Home | None:
    """Return the home where the most cars charged; of several, the one that paid the least.

    None if no car charged at home. The vehicles of *sessions* must be expanded.
    """
    users: dict[str, Ref[User]] = {}
    homes: dict[str, dict[str, ChargedCar]] = defaultdict(dict)
    for session in sessions:
        link = session.vehicle
        charged = session.mode in _AT_HOME and session.energy_delivered_watt_hours > 0
        if charged and link is not None and link.is_expanded:
            vehicle = link.value
            if vehicle.user is not None:
                users[vehicle.user.id] = vehicle.user
                cars = homes[vehicle.user.id]
                cars.setdefault(vehicle.id, ChargedCar(vehicle, [])).sessions.append(session)
    candidates = [
        Home(users[user_id], sorted(cars.values(), key=lambda car: -car.watt_hours))
        for user_id, cars in homes.items()
    ]
    return min(candidates, key=lambda home: (-len(home.cars), _unit_cost(home)), default=None)


def _unit_cost(home: Home) -> float:
    """Return the average cost of a watt-hour; infinity if a cost is unknown."""
    costs = [session.cost for session in home.sessions if session.cost is not None]
    if len(costs) < len(home.sessions):
        return math.inf
    return sum(costs) / sum(car.watt_hours for car in home.cars)


def amount(minor_units: float, currency: str) -> str:
    """Return an amount of money, such as ``0.84 GBP``."""
    if currency in _WHOLE:
        return f"{minor_units:.0f} {currency}"
    return f"{minor_units / 100:.2f} {currency}"


def minor_unit(currency: str) -> str:
    """Return the unit that prices are in, such as ``pence``."""
    if currency in _WHOLE:
        return currency
    return _MINOR_UNITS.get(currency, f"hundredths of {currency}")


@attrs.frozen
class _Part:
    """An interval of a sub-session whose times are known."""

    start: datetime
    end: datetime
    watt_hours: int
    price: Decimal | None

    def watt_hours_within(self, start: datetime, end: datetime) -> float:
        """Return the energy between two times, as if the power had been constant."""
        overlap = min(end, self.end) - max(start, self.start)
        return self.watt_hours * max(overlap / (self.end - self.start), 0)


@attrs.frozen
class Night:
    """Consecutive half-hours, with the power of each car and the price of electricity."""

    times: Sequence[datetime]
    """The beginnings of the half-hours."""
    power: Sequence[Sequence[float]]
    """For each car, the average watts of each half-hour."""
    prices: Sequence[float | None]
    """Minor units for one kWh; None where no car was plugged in, or the price is unknown."""

    @property
    def end(self) -> datetime:
        """The end of the last half-hour."""
        return self.times[-1] + _SLOT


def night_of(usage: Iterable[Iterable[UsageInterval]]) -> Night | None:
    """Return the night of some cars, from the intervals of energy of each.

    It begins when the first car is plugged in, but at most 8 hours before the first one charges,
    and has at most 16 hours. None if no car charged.
    """
    cars = [list(_parts(intervals)) for intervals in usage]
    parts = [part for each in cars for part in each]
    charging = [part.start for part in parts if part.watt_hours]
    if not charging:
        return None
    start = max(min(part.start for part in parts), min(charging) - _MAX_LEAD)
    start = start.replace(minute=0, second=0, microsecond=0)
    count = min(math.ceil((max(part.end for part in parts) - start) / _SLOT), _MAX_SLOTS)
    times = [start + number * _SLOT for number in range(count)]
    return Night(
        times=times,
        power=[[_power(each, time) for time in times] for each in cars],
        prices=[_price(parts, time) for time in times],
    )


def _parts(intervals: Iterable[UsageInterval]) -> Iterator[_Part]:
    for interval in intervals:
        if interval.started_at is not None and interval.interval_seconds:
            yield _Part(
                interval.started_at,
                interval.started_at + timedelta(seconds=interval.interval_seconds),
                interval.total_energy_delivered_watt_hours or 0,
                interval.electricity_cost_sub_unit,
            )


def _power(parts: Iterable[_Part], time: datetime) -> float:
    """Return the average watts of the half-hour from *time*."""
    watt_hours = sum(part.watt_hours_within(time, time + _SLOT) for part in parts)
    return watt_hours * (timedelta(hours=1) / _SLOT)


def _price(parts: Iterable[_Part], time: datetime) -> float | None:
    """Return the price at *time*."""
    for part in parts:
        if part.start <= time < part.end and part.price is not None:
            return float(part.price)
    return None
