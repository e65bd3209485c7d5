"""Energy statistics of a home: what flowed in half-hours, days and months."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.clock._instants import read_instant, write_instant
from ev_energy.simulator.home_energy._home_energy import FLOWS, energy_totals, home_energy
from ev_energy.simulator.home_energy._quarter_hours import (
    QUARTERS_PER_HOUR,
    quarter_at,
    quarter_start,
)
from ev_energy.simulator.http._problems import invalid
from ev_energy.simulator.http._routes import Reply, detail, listing
from ev_energy.simulator.resources.catalogues.home_devices import device_user_id
from ev_energy.simulator.world._homes import midnight, next_month, zone_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from ev_energy.simulator.home_energy._home_energy import EnergyTotals, HomeEnergy
    from ev_energy.simulator.http._problems import FieldErrors
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


#: Calendars end, and so must what is asked for.
_YEARS: Final = range(1900, 3000)
_HALF_AN_HOUR: Final = timedelta(minutes=30)
#: Where an array has no inverter to tell what it gives, none of this can be known.
_NEED_SUN: Final = frozenset({"generation", "consumption", *FLOWS})


@attrs.frozen
class Resolution:
    """How long the parts are, and how long all of them may be together."""

    name: str
    most: timedelta

    def fits(self, local: datetime) -> bool:
        """Return whether a part may begin at a time of the system's own clock."""
        if self.name == "PT30M":
            return not (local.minute % 30 or local.second or local.microsecond)
        first = local.day == 1 or self.name == "P1D"
        return first and local.timetz().replace(tzinfo=None) == datetime.min.time()

    def parts(self, start: datetime, end: datetime, zone: tzinfo) -> Iterator[datetime]:
        """Return when the parts begin, and when the last one ends."""
        if self.name == "PT30M":
            while start <= end:
                yield start
                start += _HALF_AN_HOUR
            return
        day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
        while day <= last:
            yield midnight(day, zone).astimezone(UTC)
            day = next_month(day) if self.name == "P1M" else day + timedelta(days=1)


RESOLUTIONS: Final = {
    one.name: one
    for one in (
        Resolution("PT30M", timedelta(hours=24)),
        Resolution("P1D", timedelta(days=31)),
        Resolution("P1M", timedelta(days=366)),
    )
}


def faults(resolution: Resolution, start: datetime, end: datetime, zone: tzinfo) -> FieldErrors:
    """Return what is wrong with a stretch of time.

    Its length is measured on the wall, so that the longest day of the year is one, too.
    """
    errors: FieldErrors = {
        name: ["Nobody keeps statistics of that year."]
        for name, instant in (("start", start), ("end", end))
        if not _YEARS.start <= instant.year < _YEARS.stop
    }
    if errors:
        return errors
    local = {"start": start.astimezone(zone), "end": end.astimezone(zone)}
    for name, instant in local.items():
        if not resolution.fits(instant):
            errors[name] = [f"Nothing begins then in parts of {resolution.name}."]
    if end <= start:
        errors["end"] = ["It has to be after the start."]
    elif local["end"].replace(tzinfo=None) - local["start"].replace(tzinfo=None) > resolution.most:
        errors["end"] = [f"Too far from the start for parts of {resolution.name}."]
    return errors


@attrs.frozen
class System:
    """A home's devices, as far as they tell anything."""

    home: HomeEnergy
    since: int
    """The quarter from which on it is known what flowed."""
    sun_known: bool
    """Whether what the sun gives is measured; or there are no panels that could give anything."""
    has_sun: bool
    has_battery: bool

    @classmethod
    def of(cls, world: World, row: Row) -> System:
        """Return what a HEM system puts together."""
        user_id = device_user_id(row)
        home = home_energy(world, user_id)
        inverters = world.rows_of_user(user_id, "inverters")
        has_inverter = any(one.get("_reports", True) for one in inverters)
        return cls(
            home=home,
            since=quarter_at(read_instant(row["_made_at"])) + 1,
            sun_known=has_inverter or not home.has_panels,
            has_sun=has_inverter,
            has_battery=home.battery is not None,
        )

    def numbers(self, told: EnergyTotals) -> dict[str, int | None]:
        """Return measured energies and flows; what nothing tells, or what is not there, is None."""
        values: dict[str, int] = {
            "generation": told.generation,
            "consumption": told.consumption,
            "import": told.imported,
            "export": told.exported,
            "charge": told.charge,
            "discharge": told.discharge,
            **told.flows,
        }
        return {
            name: value if told.quarters and self._tells(name) else None
            for name, value in values.items()
        }

    def _tells(self, name: str) -> bool:
        if name in _NEED_SUN and not self.sun_known:
            return False
        if name == "generation" or name.startswith("solar"):
            return self.has_sun
        return self.has_battery or not ("charge" in name or "battery" in name)

    def percent(self, told: EnergyTotals) -> int | None:
        """Return how full the battery was on average, in percent."""
        battery = self.home.battery
        if battery is None or not told.quarters:
            return None
        return round(100 * told.mean_stored_wh / battery.capacity_wh)

    def bucket(self, start: datetime, end: datetime) -> dict[str, Any]:
        """Return what flowed between two instants."""
        told = energy_totals(self.home, max(quarter_at(start), self.since), quarter_at(end))
        return {
            "period_start": write_instant(start),
            "period_end": write_instant(end),
            **{f"{name}_wh": value for name, value in self.numbers(told).items()},
            "avg_battery_state_of_charge_percentage": self.percent(told),
        }

    def live(self) -> dict[str, Any]:
        """Return the power of the last quarter that is over."""
        last = self.home.current_quarter - 1
        told = energy_totals(self.home, max(last, self.since), last + 1)
        watts = {
            f"{name}_watts": None if value is None else value * QUARTERS_PER_HOUR
            for name, value in self.numbers(told).items()
        }
        return {
            "sampled_at": write_instant(quarter_start(last)),
            **watts,
            "battery_state_of_charge_percentage": self.percent(told),
        }

    @property
    def zone(self) -> tzinfo:
        """The time zone of the home."""
        return zone_of(self.home.city)


def _system(call: Call) -> System:
    row = call.row("hem_systems", "hem_system_id")
    return System.of(call.world, row)


def _energy_stats(call: Call) -> Reply:
    system = _system(call)
    start, end = call.query["start"].astimezone(UTC), call.query["end"].astimezone(UTC)
    resolution = RESOLUTIONS[call.query["resolution"]]
    if errors := faults(resolution, start, end, system.zone):
        raise invalid(errors)
    bounds = itertools.pairwise(resolution.parts(start, end, system.zone))
    return Reply({
        "resolution": resolution.name,
        "start": write_instant(start),
        "end": write_instant(end),
        "buckets": [system.bucket(begin, stop) for begin, stop in bounds],
    })  # fmt: skip


ROUTES: Final[Routes] = {
    ("GET", "/hem_systems"): listing(),
    ("GET", "/hem_systems/{hem_system_id}"): detail(),
    ("GET", "/hem_systems/{hem_system_id}/energy_stats"): _energy_stats,
    ("GET", "/hem_systems/{hem_system_id}/live_power"): lambda call: Reply(_system(call).live()),
}
