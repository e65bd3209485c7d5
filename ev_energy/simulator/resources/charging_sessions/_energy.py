"""The energy of sub-sessions: by half hour, its cost, and its recalculation."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.clock._instants import instant_of, micros, write_instant
from ev_energy.simulator.resources.charging_sessions._unreliable_data import (
    UNRELIABLE_DATA,
    correction_of,
)
from ev_energy.simulator.world._rows import ApiPath

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.charging._sub_sessions import Usage, UsageInterval
    from ev_energy.simulator.resources.tariffs import Offer
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


_RECALCULATED: Final = "recalculations"
_HALF_HOUR_SECONDS: Final = 1800
#: Prices are hundredths of a minor unit per kWh, energies are watt-hours: this makes minor units.
_PRICE_SCALE: Final = 100_000
#: The loss between supply meter and device, in percent.
_LOSS_PERCENT: Final = 8
#: The percentage of sub-sessions whose readings exceed the energy that was delivered.
_OVERAGE_ODDS: Final = 4
_MAX_OVERAGE_PERCENT: Final = 6
_CURRENCIES: Final = {"GB": "GBP", "IE": "EUR", "US": "USD", "CA": "CAD"}


def tariff_of(world: World, episode: Episode) -> Row | None:
    """Return the tariff of an episode, or None for public charging and sites without one."""
    return None if episode.public else world.tables["tariffs"].get(episode.tariff.key)


def is_priced(tariff: Row | None) -> bool:
    """Return whether the prices of a tariff are known."""
    if tariff is None:
        return False
    offer: Offer = tariff["_offer"]
    return offer.is_priced


def currency_of(episode: Episode, tariff: Row | None) -> str:
    """Return the currency of a tariff, or without a tariff of the site's country."""
    if tariff is not None:
        return str(tariff["currency"])
    return _CURRENCIES.get(episode.site.country, "EUR")


def overage_of(world: World, key: str, episode: Episode, number: int, wh: int) -> int:
    """Return the watt-hours by which readings exceed the energy that was delivered."""
    finished = episode.periods[number].end_us is not None
    if not finished or episode.public or not world.random.odds(_OVERAGE_ODDS, key, "overdone"):
        return 0
    return wh * world.random.between(1, _MAX_OVERAGE_PERCENT, key, "by") // 100


def is_capped(world: World, key: str) -> bool:
    """Return whether overages are left out, as they are unless a recalculation includes them."""
    return bool(world.extra_state.get(_RECALCULATED, {}).get(key, {}).get("capped", True))


def updated_at(world: World, key: str, episode: Episode, number: int, now: datetime) -> str:
    """Return when the energy of a sub-session was last calculated."""
    recalculation = world.extra_state.get(_RECALCULATED, {}).get(key)
    end = episode.periods[number].end
    if recalculation:
        return str(recalculation["at"])
    correction = correction_of(world, episode, number, 0, now)
    if correction is not None:
        return write_instant(correction[1])
    return write_instant(now if end is None else end)


def recalculate(world: World, row: Row, *, capped: bool, keep: bool) -> tuple[int, int]:
    """Recalculate the energy of a finished sub-session, and return the old and the new watt-hours.

    The result is stored if *keep* is true.
    """
    key, episode, number = row["id"], row["_episode"], row["_number"]
    measured_wh = world.charging.usage(episode, number, row["_now"]).wh
    capped_wh = measured_wh + _correction(world, episode, number, measured_wh, row["_now"])
    overage = 0 if capped else overage_of(world, key, episode, number, measured_wh)
    before = delivered(world, episode, number, row["_now"])
    if keep:
        recalculation = {"at": write_instant(world.now), "capped": capped}
        world.extra_state.setdefault(_RECALCULATED, {})[key] = recalculation
    return before, capped_wh + overage


def delivered(world: World, episode: Episode, number: int, now: datetime) -> int:
    """Return the watt-hours of a period, without computing its intervals."""
    wh = episode.delivered(number, micros(now))
    if not (world.extra_state.get(_RECALCULATED) or UNRELIABLE_DATA in world.extra_state):
        return wh
    key = world.charging.sub_session_id(episode, number)
    return wh + _added_energy(world, key, episode, number, wh, now)


def usage_of(world: World, key: str, episode: Episode, number: int, now: datetime) -> Usage:
    """Return the usage of a period, as it was last calculated."""
    usage = world.charging.usage(episode, number, now)
    added = _added_energy(world, key, episode, number, usage.wh, now)
    return _with_added_energy(usage, added) if added else usage


def _added_energy(
    world: World, key: str, episode: Episode, number: int, wh: int, now: datetime
) -> int:
    """Return the watt-hours that a recalculation and a correction added to *wh*."""
    correction = _correction(world, episode, number, wh, now)
    if is_capped(world, key):
        return correction
    return correction + overage_of(world, key, episode, number, wh)


def _correction(world: World, episode: Episode, number: int, wh: int, now: datetime) -> int:
    correction = correction_of(world, episode, number, wh, now)
    return 0 if correction is None else correction[0]


def _with_added_energy(usage: Usage, wh: int) -> Usage:
    """Add *wh* to the last interval of a usage in which energy was delivered."""
    intervals = list(usage.intervals)
    index = max(index for index, interval in enumerate(intervals) if interval.wh)
    last = intervals[index]
    intervals[index] = attrs.evolve(last, wh=last.wh + wh)
    cost = usage.cost_exact + Decimal(wh * last.price) / _PRICE_SCALE
    return attrs.evolve(
        usage,
        intervals=tuple(intervals),
        wh=usage.wh + wh,
        cost_exact=cost,
        cost=round(cost),
        co2_grams=usage.co2_grams + round(Decimal(wh * last.co2) / 1000),
    )


def energy_usage(world: World, row: Row, *, merged: bool = False, above: int | None = None) -> Row:
    """Return the usage of a sub-session by half hour, with energies greater than *above* only.

    If *merged*, consecutive half hours are one interval as long as energy flows, or does not.
    """
    key, episode, number, now = row["id"], row["_episode"], row["_number"], row["_now"]
    tariff = tariff_of(world, episode)
    usage = usage_of(world, key, episode, number, now)
    groups: Iterable[Sequence[UsageInterval]] = ([interval] for interval in usage.intervals)
    if merged:
        groups = (
            list(run) for _, run in groupby(usage.intervals, lambda interval: interval.wh > 0)
        )
    intervals = [_interval(group, priced=is_priced(tariff)) for group in groups]
    if above is not None:
        intervals = [
            interval
            for interval in intervals
            if interval["total_energy_delivered_watt_hours"] > above
        ]
    return {
        "url": ApiPath(f"{row['url'].path}/energy_usage"),
        "currency": currency_of(episode, tariff),
        "charging_sub_session": ApiPath(row["url"].path),
        "intervals": intervals,
        "last_updated_at": updated_at(world, key, episode, number, now),
    }


def _interval(group: Sequence[UsageInterval], *, priced: bool) -> Row:
    wh = sum(interval.wh for interval in group)
    grid_wh = sum(interval.grid_wh for interval in group)
    by_price: dict[Decimal, int] = {}
    for interval in group:
        price = interval.price_minor_units
        by_price[price] = by_price.get(price, 0) + interval.wh
    entries = [
        {"price": _decimal(price), "energy_delivered_watt_hours": energy}
        for price, energy in by_price.items()
    ]
    by_price_or_single: Any = entries if len(entries) > 1 else entries[0]
    row: Row = {
        "interval_seconds": len(group) * _HALF_HOUR_SECONDS,
        "started_at": write_instant(instant_of(group[0].slot_us)),
        "total_energy_delivered_watt_hours": wh,
        "meter_usage_watt_hours": wh * (100 + _LOSS_PERCENT) // 100,
        "alt_usage_watt_hours": sum(interval.alt_wh for interval in group),
        "percentage_import": round(100 * grid_wh / wh) if wh else 100,
        "electricity_cost_sub_unit": _decimal(sum(by_price, Decimal())) if priced else None,
    }
    # This member cannot be null in the vendor's description, unlike the others.
    return row | {"energy_delivered_by_price": by_price_or_single} if priced else row


def _decimal(number: Decimal) -> str:
    return f"{number:f}"
