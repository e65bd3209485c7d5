"""The templates, and how they show values."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ev_energy.models import EVSE, ChargingSubSession, ChargingSubSessionMode, Vehicle

from .announcements import name_of
from .energy import amount, charts_of, day_name, energy
from .fleet import Fleet, charger_name

_MODES: Final = {
    ChargingSubSessionMode.SMART: "Smart",
    ChargingSubSessionMode.BOOST: "Boost",
    ChargingSubSessionMode.UNMANAGED_HOME: "Unmanaged",
    ChargingSubSessionMode.UNMANAGED_OTG: "On the go",
    ChargingSubSessionMode.MANAGED_OTG: "On the go, smart",
}


def render(template: str, **values: object) -> str:
    """Return the text of a template. All values are escaped."""
    return _templates.get_template(template).render(_FUNCTIONS, **values)


def state_of(device: Vehicle | EVSE) -> tuple[str, str]:
    """Return the state of a vehicle or charger: a word for the style sheet, and one for people."""
    if device.latest_status_log is None:
        return "unknown", "No report yet"
    log = device.latest_status_log.value
    if log.is_charging:
        watts = log.charge_rate_watts
        return "charging", f"Charging, {watts / 1000:.1f} kW" if watts else "Charging"
    if log.is_plugged_in:
        return "plugged-in", "Plugged in"
    return "idle", "Not plugged in"


def mode_of(session: ChargingSubSession) -> str:
    """Return the mode of a session. The API may have new ones."""
    return _MODES.get(session.mode) or session.mode.value.replace("_", " ").capitalize()


def at(time: datetime, fleet: Fleet) -> str:
    """Return a time in the zone of the fleet, with the day unless it is today."""
    local = time.astimezone(fleet.now.tzinfo)
    if local.date() == fleet.now.date():
        return f"{local:%H:%M}"
    return f"{day_name(local)}, {local:%H:%M}"


#: What the templates may call.
_FUNCTIONS: Final = {
    "amount": amount,
    "at": at,
    "charger_name": charger_name,
    "charts_of": charts_of,
    "energy": energy,
    "mode_of": mode_of,
    "name_of": name_of,
    "state_of": state_of,
}
_templates: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
