"""Home batteries and boundary meters: devices with a status log in quarter hours."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from ev_energy.simulator.home_energy._battery import Battery, Policy
from ev_energy.simulator.home_energy._home_energy import energy_totals, home_energy
from ev_energy.simulator.home_energy._quarter_hours import QUARTERS_PER_HOUR, sample_log
from ev_energy.simulator.http._routes import detail, listing, log
from ev_energy.simulator.resources.catalogues import filtered_list
from ev_energy.simulator.resources.catalogues.home_devices import (
    BATTERIES,
    METERS,
    add_device_catalogue,
    available_models,
    device_user_id,
    device_view,
    logo_url,
)
from ev_energy.simulator.world._rows import Link

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ev_energy.simulator.home_energy._home_energy import EnergyTotals, HomeEnergy
    from ev_energy.simulator.http._routes import Routes
    from ev_energy.simulator.resources.catalogues.home_devices import DeviceMaker, DeviceModel
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._series import TimeSeries
    from ev_energy.simulator.world._world import World

    #: Returns a sample of a home's device in one quarter hour.
    Sampler = Callable[[HomeEnergy, EnergyTotals, int], Row]


_HOME_BATTERIES: Final = "home_batteries"
_BOUNDARY_METERS: Final = "boundary_meters"
_LOG: Final = "status_logs"
_RESERVE_PERCENTS: Final = (5, 10, 10, 20)
#: One sample in this many is incomplete. The samples of the first user's devices never are.
_BATTERY_SAMPLES_PER_GAP: Final = 97
_METER_SAMPLES_PER_GAP: Final = 83


def add_batteries(world: World) -> None:
    """Open the tables of home batteries, their makes and models, and their logs."""

    def make(make_id: str, maker: DeviceMaker) -> Row:
        return {
            "icon": logo_url(BATTERIES, maker),
            "onboarding_url": None,  # the API does not offer onboarding of batteries yet
            "models": filtered_list(BATTERIES.models, make_id=make_id),
        }

    add_device_catalogue(
        world, BATTERIES, make=make, model_view=lambda row, _viewer: row | {"onboarding_url": None}
    )
    world.owned_table(
        _HOME_BATTERIES,
        "hoba",
        lambda template: template.home_batteries,
        functools.partial(_battery_row, world),
        view=functools.partial(device_view, world),
    )
    world.logs[f"{_HOME_BATTERIES}/{_LOG}"] = functools.partial(_battery_log, world)


def add_meters(world: World) -> None:
    """Open the tables of boundary meters, their makes and models, and their logs."""

    def make(_make_id: str, _maker: DeviceMaker) -> Row:
        return {}

    add_device_catalogue(world, METERS, make=make)
    world.owned_table(
        _BOUNDARY_METERS,
        "bmet",
        lambda template: template.boundary_meters,
        functools.partial(_meter_row, world),
        view=functools.partial(device_view, world),
    )
    world.logs[f"{_BOUNDARY_METERS}/{_LOG}"] = functools.partial(_meter_log, world)


def _battery_row(world: World, home: int, _slot: int, number: int) -> Row:
    random = world.random
    models = available_models(world, BATTERIES, world.homes.template(home).city.country)
    model = models[0] if number == 0 else random.pick(models, "battery", number)
    device: DeviceModel = model["_device"]
    battery = Battery(
        device.capacity_wh,
        device.watts,
        random.pick(_RESERVE_PERCENTS, "reserve", number),
        Policy.TIME_OF_USE if number == 0 else random.pick(tuple(Policy), "policy", number),
    )
    return {"model": Link(BATTERIES.models, model["id"]), "_battery": battery}


def _meter_row(world: World, home: int, _slot: int, number: int) -> Row:
    models = available_models(world, METERS, world.homes.template(home).city.country)
    model = world.random.pick(models, "meter", number)
    return {"model": Link(METERS.models, model["id"])}


def _status_log(
    world: World, row: Row, samples_per_gap: int, complete: Sampler, incomplete: Row
) -> TimeSeries:
    """Return a device's log of quarter hours, some of which have the members of *incomplete*."""
    user_id = device_user_id(row)
    home = home_energy(world, user_id)
    has_gaps = user_id != world.user_id(0)

    def sample(quarter: int, _sampled_at: datetime) -> Row:
        number = world.random.number("lost", row["id"], quarter)
        if has_gaps and number % samples_per_gap == 0:
            return dict(incomplete)
        return complete(home, energy_totals(home, quarter, quarter + 1), quarter)

    return sample_log(world, row, _LOG, sample)


def _battery_log(world: World, row: Row) -> TimeSeries:
    battery: Battery = row["_battery"]

    def sample(home: HomeEnergy, totals: EnergyTotals, quarter: int) -> Row:
        watts = (totals.charge - totals.discharge) * QUARTERS_PER_HOUR
        is_faulty = home.is_battery_outage(quarter)
        status = "CHARGING" if watts > 0 else "DISCHARGING" if watts < 0 else "IDLE"
        return {
            "home_battery": row["url"],
            "capacity_watt_hours": battery.capacity_wh,
            "state_of_charge_percentage": round(100 * totals.mean_stored_wh / battery.capacity_wh),
            "charge_rate_watts": watts,
            "discharge_limit_percentage": battery.reserve_percent,
            "status": "FAULT" if is_faulty else status,
            "operation_mode": "IDLE" if is_faulty else str(battery.policy),
        }

    incomplete: Row = {
        "home_battery": row["url"],
        "capacity_watt_hours": None,
        "state_of_charge_percentage": None,
        "charge_rate_watts": None,
        "discharge_limit_percentage": None,
        "status": "UNKNOWN",
        "operation_mode": "UNKNOWN",
    }
    return _status_log(world, row, _BATTERY_SAMPLES_PER_GAP, sample, incomplete)


def _meter_log(world: World, row: Row) -> TimeSeries:
    def sample(_home: HomeEnergy, totals: EnergyTotals, _quarter: int) -> Row:
        watts = (totals.imported - totals.exported) * QUARTERS_PER_HOUR
        status = "IMPORTING" if watts > 0 else "EXPORTING" if watts < 0 else "IDLE"
        return {"boundary_meter": row["url"], "power_watts": watts, "status": status}

    incomplete: Row = {"boundary_meter": row["url"], "power_watts": None, "status": "UNKNOWN"}
    return _status_log(world, row, _METER_SAMPLES_PER_GAP, sample, incomplete)


ROUTES: Final[Routes] = {
    ("GET", "/home_battery_makes"): listing(),
    ("GET", "/home_battery_makes/{home_battery_make_id}"): detail(),
    ("GET", "/home_battery_models"): listing(),
    ("GET", "/home_battery_models/{home_battery_model_id}"): detail(),
    ("GET", "/home_batteries"): listing(),
    ("GET", "/home_batteries/{home_battery_id}"): detail(),
    ("GET", "/home_batteries/{home_battery_id}/status_logs"): log("sampled_at"),
    ("GET", "/home_batteries/{home_battery_id}/status_logs/{sampled_at}"): detail(),
    ("GET", "/boundary_meter_makes"): listing(),
    ("GET", "/boundary_meter_makes/{boundary_meter_make_id}"): detail(),
    ("GET", "/boundary_meter_models"): listing(),
    ("GET", "/boundary_meter_models/{boundary_meter_model_id}"): detail(),
    ("GET", "/boundary_meters"): listing(),
    ("GET", "/boundary_meters/{boundary_meter_id}"): detail(),
    ("GET", "/boundary_meters/{boundary_meter_id}/status_logs"): log("sampled_at"),
    ("GET", "/boundary_meters/{boundary_meter_id}/status_logs/{sampled_at}"): detail(),
}
