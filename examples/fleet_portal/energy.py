"""Energy, cost and carbon of the last seven days, as the bars of charts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Final

from ev_energy.models import ChargingSubSession

from .fleet import Fleet

_DAYS: Final = 7
#: Currencies whose amounts are not in hundredths.
_NO_MINOR_UNIT: Final = frozenset({"JPY", "KRW", "ISK"})


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One day."""

    day: date
    parts: tuple[float, ...]
    """One value for each name in `Chart.parts`."""

    @property
    def name(self) -> str:
        """The day, such as ``Mon 5 Oct``."""
        return day_name(self.day)

    @property
    def total(self) -> float:
        """The sum of the parts."""
        return sum(self.parts)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A bar for each day, from six days ago until today."""

    id: str
    title: str
    unit: str
    digits: int
    """Digits behind the decimal point."""
    parts: tuple[str, ...]
    """The names of the parts that each bar consists of, from the bottom to the top."""
    bars: tuple[Bar, ...]

    @property
    def total(self) -> float:
        """The sum over all days."""
        return sum(bar.total for bar in self.bars)

    @property
    def top(self) -> float:
        """The upper end of the axis: a round number."""
        highest = max(bar.total for bar in self.bars)
        if highest <= 0:
            return 1.0
        power = 10.0 ** math.floor(math.log10(highest))
        return next(step * power for step in (1, 2, 3, 4, 6, 8, 10) if step * power >= highest)


def charts_of(fleet: Fleet) -> Iterator[Chart]:
    """Yield the charts of the last seven days. A session counts on the day when it began."""
    today = fleet.now.date()
    days = [today - timedelta(days=ago) for ago in reversed(range(_DAYS))]
    by_day: dict[date, list[ChargingSubSession]] = {day: [] for day in days}
    for session in fleet.sessions:
        day = session.start.astimezone(fleet.now.tzinfo).date()
        if day in by_day:
            by_day[day].append(session)

    def bars(*parts: Callable[[ChargingSubSession], float]) -> tuple[Bar, ...]:
        return tuple(
            Bar(day=day, parts=tuple(_sum(part, sessions) for part in parts))
            for day, sessions in by_day.items()
        )

    has_solar = any(_solar_kwh(session) for each in by_day.values() for session in each)
    yield Chart(
        id="energy",
        title="Energy",
        unit="kWh",
        digits=1,
        parts=("Grid", "Solar") if has_solar else ("Grid",),
        bars=bars(_grid_kwh, _solar_kwh) if has_solar else bars(_grid_kwh),
    )
    for currency in sorted({session.currency for each in by_day.values() for session in each}):
        yield Chart(
            id=f"cost-{currency}",
            title="Cost",
            unit=currency,
            digits=0 if currency in _NO_MINOR_UNIT else 2,
            parts=("Cost",),
            bars=bars(partial(_cost, currency=currency)),
        )
    yield Chart(
        id="carbon",
        title="Carbon",
        unit="kg CO₂",
        digits=2,
        parts=("Carbon",),
        bars=bars(lambda session: (session.total_co2_grams or 0) / 1000),
    )


def day_name(day: date) -> str:
    """Return a day as text that is not broken, such as ``Mon 5 Oct``."""
    return f"{day:%a}\N{NO-BREAK SPACE}{day.day}\N{NO-BREAK SPACE}{day:%b}"


def energy(session: ChargingSubSession) -> str:
    """Return the energy of a session as text, such as ``7.4 kWh``."""
    return f"{session.energy_delivered_watt_hours / 1000:.1f} kWh"


def amount(session: ChargingSubSession) -> str:
    """Return the cost of a session as text, such as ``0.84 GBP``."""
    if session.cost is None:
        return "unknown"
    digits = 0 if session.currency in _NO_MINOR_UNIT else 2
    return f"{_cost(session, session.currency):.{digits}f} {session.currency}"


def _sum(
    part: Callable[[ChargingSubSession], float], sessions: Iterable[ChargingSubSession]
) -> float:
    return math.fsum(part(session) for session in sessions)


def _grid_kwh(session: ChargingSubSession) -> float:
    return session.energy_delivered_watt_hours / 1000 - _solar_kwh(session)


def _solar_kwh(session: ChargingSubSession) -> float:
    return (session.solar_energy_delivered_watt_hours or 0) / 1000


def _cost(session: ChargingSubSession, currency: str) -> float:
    if session.cost is None or session.currency != currency:
        return 0.0
    return session.cost if currency in _NO_MINOR_UNIT else session.cost / 100
