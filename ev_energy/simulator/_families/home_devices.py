"""Home batteries and boundary meters, their makes, models and logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator._api._routes import detail, listing, log

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Routes

HOME_BATTERIES: Final[Routes] = {
    ("GET", "/home_battery_makes"): listing(),
    ("GET", "/home_battery_makes/{home_battery_make_id}"): detail(),
    ("GET", "/home_battery_models"): listing(),
    ("GET", "/home_battery_models/{home_battery_model_id}"): detail(),
    ("GET", "/home_batteries"): listing(),
    ("GET", "/home_batteries/{home_battery_id}"): detail(),
    ("GET", "/home_batteries/{home_battery_id}/status_logs"): log("sampled_at"),
    ("GET", "/home_batteries/{home_battery_id}/status_logs/{sampled_at}"): detail(),
}

BOUNDARY_METERS: Final[Routes] = {
    ("GET", "/boundary_meter_makes"): listing(),
    ("GET", "/boundary_meter_makes/{boundary_meter_make_id}"): detail(),
    ("GET", "/boundary_meter_models"): listing(),
    ("GET", "/boundary_meter_models/{boundary_meter_model_id}"): detail(),
    ("GET", "/boundary_meters"): listing(),
    ("GET", "/boundary_meters/{boundary_meter_id}"): detail(),
    ("GET", "/boundary_meters/{boundary_meter_id}/status_logs"): log("sampled_at"),
    ("GET", "/boundary_meters/{boundary_meter_id}/status_logs/{sampled_at}"): detail(),
}
