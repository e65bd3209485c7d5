"""The energy of sub-sessions: when it flowed, what it cost, and what working it out anew gives."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.clock._instants import instant_of, micros, write_instant
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
#: Hundredths of a minor unit for a kWh, times watt-hours, in a minor unit.
_MINOR_UNIT: Final = 100_000
#: What is lost on the way from the supply meter, of 100.
_LOSSES: Final = 8
#: So many of a hundred sub-sessions have readings of more than there can have been.
_OVERDONE: Final = 4
_MOST_OVERDONE: Final = 6
_CURRENCIES: Final = {"GB": "GBP", "IE": "EUR", "US": "USD", "CA": "CAD"}


def tariff_of(world: World, episode: Episode) -> Row | None:
    """Return the tariff that charging was paid by; None on the go, and where there is none."""
    return None if episode.public else world.tables["tariffs"].get(episode.tariff.key)


def is_priced(tariff: Row | None) -> bool:
    """Return whether anybody knows what a tariff's electricity costs."""
    if tariff is None:
        return False
    offer: Offer = tariff["_offer"]
    return offer.is_priced


def currency_of(episode: Episode, tariff: Row | None) -> str:
    """Return the currency of a tariff, or of the place."""
    if tariff is not None:
        return str(tariff["currency"])
    return _CURRENCIES.get(episode.site.country, "EUR")


def overage_of(world: World, key: str, episode: Episode, number: int, wh: int) -> int:
    """Return the watt-hours that readings told of beside what there can have been."""
    over = episode.periods[number].end_us is not None
    if not over or episode.public or not world.random.odds(_OVERDONE, key, "overdone"):
        return 0
    return wh * world.random.between(1, _MOST_OVERDONE, key, "by") // 100


def is_capped(world: World, key: str) -> bool:
    """Return whether only what there can have been is counted: yes, unless told otherwise."""
    return bool(world.extra_state.get(_RECALCULATED, {}).get(key, {}).get("capped", True))


def updated_at(world: World, key: str, episode: Episode, number: int, now: datetime) -> str:
    """Return when the energy of a sub-session was last worked out."""
    done = world.extra_state.get(_RECALCULATED, {}).get(key)
    end = episode.periods[number].end
    return str(done["at"]) if done else write_instant(now if end is None else end)


def recalculate(world: World, row: Row, *, capped: bool, keep: bool) -> tuple[int, int]:
    """Work out the energy of a finished sub-session anew; return what it was and what it is."""
    key, episode, number = row["id"], row["_episode"], row["_number"]
    real = world.charging.usage(episode, number, row["_now"]).wh
    anew = real if capped else real + overage_of(world, key, episode, number, real)
    before = delivered(world, episode, number, row["_now"])
    if keep:
        done = {"at": write_instant(world.now), "capped": capped}
        world.extra_state.setdefault(_RECALCULATED, {})[key] = done
    return before, anew


def delivered(world: World, episode: Episode, number: int, now: datetime) -> int:
    """Return the watt-hours of a period, without a look at when they flowed."""
    wh = episode.delivered(number, micros(now))
    if not world.extra_state.get(_RECALCULATED):
        return wh
    key = world.charging.sub_session_id(episode, number)
    return wh if is_capped(world, key) else wh + overage_of(world, key, episode, number, wh)


def usage_of(world: World, key: str, episode: Episode, number: int, now: datetime) -> Usage:
    """Return what a period delivered, as it was last worked out."""
    usage = world.charging.usage(episode, number, now)
    if is_capped(world, key):
        return usage
    more = overage_of(world, key, episode, number, usage.wh)
    return usage if not more else _with_more(usage, more)


def _with_more(usage: Usage, wh: int) -> Usage:
    """Return a usage whose last charging delivered more."""
    intervals = list(usage.intervals)
    last = max(index for index, one in enumerate(intervals) if one.wh)
    one = intervals[last]
    intervals[last] = attrs.evolve(one, wh=one.wh + wh)
    cost = usage.cost_exact + Decimal(wh * one.price) / _MINOR_UNIT
    return attrs.evolve(
        usage,
        intervals=tuple(intervals),
        wh=usage.wh + wh,
        cost_exact=cost,
        cost=round(cost),
        co2_grams=usage.co2_grams + round(Decimal(wh * one.co2) / 1000),
    )


def energy_usage(world: World, row: Row, *, merged: bool = False, above: int | None = None) -> Row:
    """Return the half-hours of a sub-session, or runs of them with and without energy."""
    key, episode, number, now = row["id"], row["_episode"], row["_number"], row["_now"]
    tariff = tariff_of(world, episode)
    usage = usage_of(world, key, episode, number, now)
    groups: Iterable[Sequence[UsageInterval]] = ([one] for one in usage.intervals)
    if merged:
        groups = (list(same) for _, same in groupby(usage.intervals, lambda one: one.wh > 0))
    intervals = [_interval(group, priced=is_priced(tariff)) for group in groups]
    if above is not None:
        intervals = [one for one in intervals if one["total_energy_delivered_watt_hours"] > above]
    return {
        "url": ApiPath(f"{row['url'].path}/energy_usage"),
        "currency": currency_of(episode, tariff),
        "charging_sub_session": ApiPath(row["url"].path),
        "intervals": intervals,
        "last_updated_at": updated_at(world, key, episode, number, now),
    }


def _interval(group: Sequence[UsageInterval], *, priced: bool) -> Row:
    wh, grid = sum(one.wh for one in group), sum(one.grid_wh for one in group)
    by_price: dict[Decimal, int] = {}
    for one in group:
        by_price[one.price_minor_units] = by_price.get(one.price_minor_units, 0) + one.wh
    entries = [
        {"price": _decimal(price), "energy_delivered_watt_hours": energy}
        for price, energy in by_price.items()
    ]
    told: Any = entries if len(entries) > 1 else entries[0]
    shown: Row = {
        "interval_seconds": len(group) * _HALF_HOUR_SECONDS,
        "started_at": write_instant(instant_of(group[0].slot_us)),
        "total_energy_delivered_watt_hours": wh,
        "meter_usage_watt_hours": wh * (100 + _LOSSES) // 100,
        "alt_usage_watt_hours": sum(one.alt_wh for one in group),
        "percentage_import": round(100 * grid / wh) if wh else 100,
        "electricity_cost_sub_unit": _decimal(sum(by_price, Decimal())) if priced else None,
    }
    # Its schema has no null, unlike those of its neighbours.
    return shown | {"energy_delivered_by_price": told} if priced else shown


def _decimal(number: Decimal) -> str:
    return f"{number:f}"
