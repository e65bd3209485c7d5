"""The plans of sub-sessions, their schedules, and the commands that were sent to devices."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.models.charging import ChargingSubSessionMode as Mode
from ev_energy.models.schedules import DispatcherLogDeviceType as Device
from ev_energy.models.schedules import ScheduleIntervalScheduleType as Type
from ev_energy.models.schedules import SchedulePlanEstimatedChargeRateSource as Source
from ev_energy.simulator.charging._sub_sessions import instructions, plans_of, power_switches
from ev_energy.simulator.clock._instants import HALF_HOUR, SECOND, instant_of, micros, write_instant
from ev_energy.simulator.resources.charging_sessions._energy import is_priced, tariff_of
from ev_energy.simulator.world._rows import ApiPath
from ev_energy.simulator.world._series import avoid_full_second

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ev_energy.simulator.charging._episodes import Episode, Plan
    from ev_energy.simulator.charging._sub_sessions import Instruction
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


_HALF_HOUR_SECONDS: Final = 1800
#: The maximum power on one phase; more takes three.
_MAX_SINGLE_PHASE_WATTS: Final = 8_000
_VOLTS: Final = 230
#: Commands are logged at most this long after the switch that they are for.
_MAX_DELAY: Final = timedelta(seconds=4)
_HUNDREDTHS_PER_UNIT: Final = 100
_PLANNED_MODES: Final = frozenset({Mode.SMART, Mode.BOOST})


def plan_id(world: World, episode: Episode, plan: Plan) -> str:
    """Return the id of a plan."""
    return world.random.uid("scpl", instant_of(plan.made_us), episode.site.number, plan.made_us)


def _milliamps(episode: Episode, watts: int) -> int:
    volts = episode.point.volts if episode.point else _VOLTS
    return watts * 1000 // (volts * (3 if watts > _MAX_SINGLE_PHASE_WATTS else 1))


def _delayed(world: World, instant: datetime, *about: object) -> datetime:
    delay = world.random.between(40_000, 2_400_000, *about, micros(instant))
    return avoid_full_second(instant + timedelta(microseconds=delay))


def schedules(
    world: World,
    row: Row,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    plan: str | None = None,
    latest_only: bool = True,
) -> Row:
    """Return the schedule of a sub-session: its instructions by start."""
    episode: Episode = row["_episode"]
    selected = list(instructions(episode, row["_number"]))
    if latest_only:  # instructions of later plans come later, and replace the earlier ones
        selected = list({one.start_us: one for one in selected}.values())
    shown = [
        _instruction(world, row, one)
        for one in sorted(selected, key=lambda one: (one.start_us, one.plan.made_us))
        if (since is None or instant_of(one.start_us) >= since)
        and (until is None or instant_of(one.start_us) <= until)
        and (plan is None or plan_id(world, episode, one.plan) == plan)
    ]
    return {
        "url": ApiPath(f"{row['url'].path}/schedules"),
        "charging_sub_session": row["url"],
        "schedules": shown,
    }


def _instruction(world: World, row: Row, one: Instruction) -> Row:
    episode: Episode = row["_episode"]
    number: int = row["_number"]
    end, now = episode.periods[number].end, row["_now"]
    sent_at = _delayed(
        world, max(instant_of(one.start_us), instant_of(one.plan.made_us)), row["id"]
    )
    # An instruction for a time after the end of the sub-session is never sent.
    sent = sent_at <= now and (end is None or sent_at < end)
    return {
        "started_at": write_instant(instant_of(one.start_us)),
        "interval_seconds": None if one.lasts_us is None else one.lasts_us // SECOND,
        "current_milliamps": _milliamps(episode, one.plan.watts) if one.on else 0,
        "schedule_type": str(Type.BOOST if one.plan.mode is Mode.BOOST else Type.SMART),
        "dispatched_at": write_instant(sent_at) if sent else None,
        "created_at": write_instant(instant_of(one.plan.made_us)),
    }


def schedule_plans(
    world: World,
    row: Row,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    with_prices: bool = False,
) -> Row:
    """Return the plans of a sub-session, the oldest first."""
    episode: Episode = row["_episode"]
    shown = [
        _plan(world, episode, plan, with_prices=with_prices)
        for plan in plans_of(episode, row["_number"])
        if plan.mode in _PLANNED_MODES
        and (since is None or instant_of(plan.made_us) >= since)
        and (until is None or instant_of(plan.made_us) <= until)
    ]
    return {
        "url": ApiPath(f"{row['url'].path}/schedule_plans"),
        "charging_sub_session": row["url"],
        "schedule_plans": shown,
    }


def _plan(world: World, episode: Episode, plan: Plan, *, with_prices: bool) -> Row:
    car_known = episode.car is not None
    source = Source.MAX_EVSE_CHARGE_RATE if episode.point else Source.MAX_VEHICLE_CHARGE_RATE
    if plan.stored_wh > episode.arrival_wh:
        source = Source.CURRENT_SESSION_EVSE_DATA_LOGS
        if episode.point is None:
            source = Source.CURRENT_SESSION_VEHICLE_DATA_LOGS
    priced = is_priced(tariff_of(world, episode))
    return {
        "id": plan_id(world, episode, plan),
        "created_at": write_instant(instant_of(plan.made_us)),
        "ready_by_time": write_instant(instant_of(plan.deadline_us)),
        "price_threshold_minor_unit": plan.threshold if priced else None,
        "power_on_current_milliamps": _milliamps(episode, plan.watts),
        "power_off_current_milliamps": 0,
        "seconds_to_charge": -(-plan.charge_us // SECOND),
        "vehicle_charge_level_watt_hours": plan.stored_wh if car_known else None,
        "estimated_charge_rate_watts": plan.watts,
        "estimated_charge_rate_source": str(source) if car_known else None,
        "watt_hours_to_charge": plan.need_wh,
        "min_charge_limit_percent": 0,
        "max_charge_limit_percent": plan.limit,
        "price_data": list(_prices(world, episode, plan)) if with_prices and priced else None,
    }


def _prices(world: World, episode: Episode, plan: Plan) -> Iterator[Row]:
    """Yield the prices of each half hour from a plan to its deadline."""
    first, last = plan.made_us // HALF_HOUR, (plan.deadline_us - 1) // HALF_HOUR
    prices = world.charging.prices.run(episode.tariff, first, last)
    for number, price in enumerate(prices, first):
        yield {
            "started_at": write_instant(instant_of(number * HALF_HOUR)),
            "interval_seconds": _HALF_HOUR_SECONDS,
            "price_minor_units": (price + _HUNDREDTHS_PER_UNIT // 2) // _HUNDREDTHS_PER_UNIT,
        }


def dispatches(world: World, row: Row) -> list[Row]:
    """Return the commands for the devices of a sub-session, the newest first.

    A command that was sent has the same ``internal_command_id`` in the log of the device.
    """
    episode, period = row["_episode"], row["_episode"].periods[row["_number"]]
    due = [
        command
        for command in power_switches(episode, micros(row["_now"]))
        if command.plan.mode in _PLANNED_MODES
        and command.at_us >= period.start_us
        and (period.end_us is None or command.at_us < period.end_us)
    ]
    devices = (
        (Device.EVSE, world.fleet.evse(episode.site) if episode.point else None),
        (Device.VEHICLE, world.fleet.vehicle(episode.site) if episode.car else None),
    )
    logs: list[Row] = []
    for device_type, device in devices:
        if device is None:
            continue
        log = world.series(device, "command_logs")
        for command in due:
            at = instant_of(command.at_us)
            sent = next(iter(log.entries(at, at + _MAX_DELAY)), None)
            logged_at = _delayed(world, at, device["id"]) if sent is None else sent[0]
            members = {} if sent is None else sent[1]
            command_id = (members() if callable(members) else members).get("internal_command_id")
            slot = command.at_us // HALF_HOUR * HALF_HOUR
            if logged_at <= row["_now"]:
                logs.append(
                    {
                        "logged_at": write_instant(logged_at),
                        "charging_sub_session": row["url"],
                        "schedule_valid_period_start": write_instant(instant_of(slot)),
                        "schedule_created_at": write_instant(instant_of(command.plan.made_us)),
                        "internal_command_id": command_id
                        or world.random.uuid(device["id"], "dispatch", command.at_us),
                        "device_type": str(device_type),
                        "reason_not_sent": None if sent else "It was so already.",
                        "_at": logged_at,
                    }
                )
    return sorted(logs, key=lambda one: (one["_at"], one["device_type"]), reverse=True)
