"""Home batteries, and what they tell of themselves."""

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
    add_device_catalogue,
    available_models,
    device_user_id,
    device_view,
    logo_url,
)
from ev_energy.simulator.world._rows import Link

if TYPE_CHECKING:
    from datetime import datetime

    from ev_energy.simulator.http._routes import Routes
    from ev_energy.simulator.resources.catalogues.home_devices import DeviceMaker, DeviceModel
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._series import TimeSeries
    from ev_energy.simulator.world._world import World


_FOLDER: Final = "home_batteries"
_LOG: Final = "status_logs"
_RESERVES: Final = (5, 10, 10, 20)
#: One in so many samples is lost on its way; the first user's are not.
_LOST: Final = 97


def add_batteries(world: World) -> None:
    """Open the tables of home batteries, their makes and models, and their logs."""

    def make(make_id: str, maker: DeviceMaker) -> Row:
        return {
            "icon": logo_url(BATTERIES, maker),
            "onboarding_url": None,  # the API's onboarding of batteries is no part of it yet
            "models": filtered_list(BATTERIES.models, make_id=make_id),
        }

    add_device_catalogue(
        world, BATTERIES, make=make, model_view=lambda row, _viewer: row | {"onboarding_url": None}
    )
    world.owned_table(
        _FOLDER,
        "hoba",
        lambda home: home.home_batteries,
        functools.partial(_battery, world),
        view=functools.partial(device_view, world),
    )
    world.logs[f"{_FOLDER}/{_LOG}"] = functools.partial(_log, world)


def _battery(world: World, home: int, _slot: int, number: int) -> Row:
    random = world.random
    sold = available_models(world, BATTERIES, world.homes.template(home).city.country)
    model = sold[0] if number == 0 else random.pick(sold, "battery", number)
    device: DeviceModel = model["_device"]
    battery = Battery(
        device.capacity_wh,
        device.watts,
        random.pick(_RESERVES, "reserve", number),
        Policy.TIME_OF_USE if number == 0 else random.pick(tuple(Policy), "policy", number),
    )
    return {"model": Link(BATTERIES.models, model["id"]), "_battery": battery}


def _log(world: World, row: Row) -> TimeSeries:
    home = home_energy(world, device_user_id(row))
    battery: Battery = row["_battery"]
    first = world.user_id(0) == device_user_id(row)

    def tell(quarter: int, _at: datetime) -> Row:
        told = energy_totals(home, quarter, quarter + 1)
        rate = (told.charge - told.discharge) * QUARTERS_PER_HOUR
        out = home.is_battery_outage(quarter)
        lost = not first and world.random.number("lost", row["id"], quarter) % _LOST == 0
        return {
            "home_battery": row["url"],
            "capacity_watt_hours": None if lost else battery.capacity_wh,
            "state_of_charge_percentage": None
            if lost
            else round(100 * told.mean_stored_wh / battery.capacity_wh),
            "charge_rate_watts": None if lost else rate,
            "discharge_limit_percentage": None if lost else battery.reserve_percent,
            "status": "UNKNOWN" if lost else "FAULT" if out else _status(rate),
            "operation_mode": "UNKNOWN" if lost else "IDLE" if out else str(battery.policy),
        }

    return sample_log(world, row, _LOG, tell)


def _status(rate: int) -> str:
    return "CHARGING" if rate > 0 else "DISCHARGING" if rate < 0 else "IDLE"


ROUTES: Final[Routes] = {
    ("GET", "/home_battery_makes"): listing(),
    ("GET", "/home_battery_makes/{home_battery_make_id}"): detail(),
    ("GET", "/home_battery_models"): listing(),
    ("GET", "/home_battery_models/{home_battery_model_id}"): detail(),
    ("GET", "/home_batteries"): listing(),
    ("GET", "/home_batteries/{home_battery_id}"): detail(),
    ("GET", "/home_batteries/{home_battery_id}/status_logs"): log("sampled_at"),
    ("GET", "/home_batteries/{home_battery_id}/status_logs/{sampled_at}"): detail(),
}
