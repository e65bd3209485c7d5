"""Boundary meters, and the systems that put together what all of a home's devices tell."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from ev_energy.simulator.home_energy._home_energy import energy_totals, home_energy
from ev_energy.simulator.home_energy._quarter_hours import QUARTERS_PER_HOUR, sample_log
from ev_energy.simulator.http._routes import detail, listing, log
from ev_energy.simulator.resources.catalogues.home_devices import (
    METERS,
    add_device_catalogue,
    available_models,
    device_user_id,
    device_view,
    hide_user,
)
from ev_energy.simulator.world._rows import Link

if TYPE_CHECKING:
    from datetime import datetime

    from ev_energy.simulator.http._routes import Routes
    from ev_energy.simulator.resources.catalogues.home_devices import DeviceMaker
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._series import TimeSeries
    from ev_energy.simulator.world._world import World


_FOLDER: Final = "boundary_meters"
_LOG: Final = "status_logs"
#: One in so many samples is lost on its way; the first user's are not.
_LOST: Final = 83


def add_meters(world: World) -> None:
    """Open the tables of meters, their makes and models, and their logs; and of HEM systems."""

    def make(_make_id: str, _maker: DeviceMaker) -> Row:
        return {}

    add_device_catalogue(world, METERS, make=make)
    world.owned_table(
        _FOLDER,
        "bmet",
        lambda home: home.boundary_meters,
        functools.partial(_meter, world),
        view=functools.partial(device_view, world),
    )
    world.owned_table(
        "hem_systems",
        "hems",
        lambda home: home.hem_systems,
        lambda _home, _slot, _number: {},
        view=lambda row, _viewer: hide_user(row) | {"created_at": row["_made_at"]},
    )
    world.logs[f"{_FOLDER}/{_LOG}"] = functools.partial(_log, world)


def _meter(world: World, home: int, _slot: int, number: int) -> Row:
    sold = available_models(world, METERS, world.homes.template(home).city.country)
    model = world.random.pick(sold, "meter", number)
    return {"model": Link(METERS.models, model["id"])}


def _log(world: World, row: Row) -> TimeSeries:
    home = home_energy(world, device_user_id(row))
    first = world.user_id(0) == device_user_id(row)

    def tell(quarter: int, _at: datetime) -> Row:
        told = energy_totals(home, quarter, quarter + 1)
        watts: int | None = (told.imported - told.exported) * QUARTERS_PER_HOUR
        if not first and world.random.number("lost", row["id"], quarter) % _LOST == 0:
            watts = None
        return {"boundary_meter": row["url"], "power_watts": watts, "status": _status(watts)}

    return sample_log(world, row, _LOG, tell)


def _status(watts: int | None) -> str:
    if watts is None:
        return "UNKNOWN"
    return "IMPORTING" if watts > 0 else "EXPORTING" if watts < 0 else "IDLE"


ROUTES: Final[Routes] = {
    ("GET", "/boundary_meter_makes"): listing(),
    ("GET", "/boundary_meter_makes/{boundary_meter_make_id}"): detail(),
    ("GET", "/boundary_meter_models"): listing(),
    ("GET", "/boundary_meter_models/{boundary_meter_model_id}"): detail(),
    ("GET", "/boundary_meters"): listing(),
    ("GET", "/boundary_meters/{boundary_meter_id}"): detail(),
    ("GET", "/boundary_meters/{boundary_meter_id}/status_logs"): log("sampled_at"),
    ("GET", "/boundary_meters/{boundary_meter_id}/status_logs/{sampled_at}"): detail(),
}
