"""Home energy management (HEM) systems: energy statistics and live power of a home."""

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
from ev_energy.simulator.resources.catalogues.home_devices import device_user_id, hide_user
from ev_energy.simulator.world._homes import midnight, next_month, zone_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from ev_energy.simulator.home_energy._home_energy import EnergyTotals, HomeEnergy
    from ev_energy.simulator.http._problems import FieldErrors
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


#: The years that statistics can be requested for; others are near the limits of `datetime`.
_YEARS: Final = range(1900, 3000)
_HALF_HOUR: Final = timedelta(minutes=30)
#: The energies that are unknown while a home's solar panels have no inverter that reports.
_NEED_SOLAR_DATA: Final = frozenset({"generation", "consumption", *FLOWS})


def add_hem_systems(world: World) -> None:
    """Open the table of HEM systems."""
    world.owned_table(
        "hem_systems",
        "hems",
        lambda template: template.hem_systems,
        lambda _home, _slot, _number: {},
        view=lambda row, _viewer: hide_user(row) | {"created_at": row["_made_at"]},
    )


@attrs.frozen
class Resolution:
    """The length of the buckets of statistics."""

    name: str
    """An ISO 8601 duration."""
    max_span: timedelta
    """The longest span of time that can be requested, in local time."""

    def is_boundary(self, local: datetime) -> bool:
        """Return whether a bucket can start at a local time."""
        if self.name == "PT30M":
            return not (local.minute % 30 or local.second or local.microsecond)
        is_first_day = local.day == 1 or self.name == "P1D"
        return is_first_day and local.timetz().replace(tzinfo=None) == datetime.min.time()

    def boundaries(self, start: datetime, end: datetime, zone: tzinfo) -> Iterator[datetime]:
        """Yield the start of each bucket, and the end of the last one."""
        if self.name == "PT30M":
            while start <= end:
                yield start
                start += _HALF_HOUR
            return
        day, last_day = start.astimezone(zone).date(), end.astimezone(zone).date()
        while day <= last_day:
            yield midnight(day, zone).astimezone(UTC)
            day = next_month(day) if self.name == "P1M" else day + timedelta(days=1)


RESOLUTIONS: Final = {
    resolution.name: resolution
    for resolution in (
        Resolution("PT30M", timedelta(hours=24)),
        Resolution("P1D", timedelta(days=31)),
        Resolution("P1M", timedelta(days=366)),
    )
}


def _span_errors(
    resolution: Resolution, start: datetime, end: datetime, zone: tzinfo
) -> FieldErrors:
    """Return the errors in a requested span of time.

    The span is measured in local time, so the 25 hours of a day on which clocks go back are valid.
    """
    instants = {"start": start, "end": end}
    errors: FieldErrors = {
        name: [f"The year must be from {_YEARS.start} to {_YEARS.stop - 1}."]
        for name, instant in instants.items()
        if not _YEARS.start <= instant.year < _YEARS.stop
    }
    if errors:
        return errors
    local = {name: instant.astimezone(zone) for name, instant in instants.items()}
    for name, local_time in local.items():
        if not resolution.is_boundary(local_time):
            errors[name] = [f"Must be a time at which a bucket of {resolution.name} starts."]
    local_span = local["end"].replace(tzinfo=None) - local["start"].replace(tzinfo=None)
    if end <= start:
        errors["end"] = ["Must be after the start."]
    elif local_span > resolution.max_span:
        days, hours = resolution.max_span.days, resolution.max_span // timedelta(hours=1)
        longest = f"{days} days" if days > 1 else f"{hours} hours"
        errors["end"] = [f"The span must not exceed {longest} for {resolution.name}."]
    return errors


@attrs.frozen
class HemSystem:
    """The measurements of a home's devices, combined."""

    home: HomeEnergy
    first_quarter: int
    """The first quarter hour with measurements."""
    is_solar_known: bool
    """Whether generation is measured, or known to be zero because there are no panels."""
    has_inverter: bool
    has_battery: bool

    @classmethod
    def of(cls, world: World, row: Row) -> HemSystem:
        """Return the HEM system of a row."""
        user_id = device_user_id(row)
        home = home_energy(world, user_id)
        inverters = world.rows_of_user(user_id, "inverters")
        has_inverter = any(inverter.get("_reports", True) for inverter in inverters)
        return cls(
            home=home,
            first_quarter=quarter_at(read_instant(row["_made_at"])) + 1,
            is_solar_known=has_inverter or not home.has_panels,
            has_inverter=has_inverter,
            has_battery=home.battery is not None,
        )

    @property
    def zone(self) -> tzinfo:
        """The time zone of the home."""
        return zone_of(self.home.city)

    def bucket(self, start: datetime, end: datetime) -> dict[str, Any]:
        """Return the statistics between two instants."""
        first = max(quarter_at(start), self.first_quarter)
        totals = energy_totals(self.home, first, quarter_at(end))
        return {
            "period_start": write_instant(start),
            "period_end": write_instant(end),
            **{f"{name}_wh": value for name, value in self._watt_hours(totals).items()},
            "avg_battery_state_of_charge_percentage": self._battery_percentage(totals),
        }

    def live_power(self) -> dict[str, Any]:
        """Return the mean power in the last complete quarter hour."""
        last = self.home.current_quarter - 1
        totals = energy_totals(self.home, max(last, self.first_quarter), last + 1)
        watts = {
            f"{name}_watts": None if value is None else value * QUARTERS_PER_HOUR
            for name, value in self._watt_hours(totals).items()
        }
        return {
            "sampled_at": write_instant(quarter_start(last)),
            **watts,
            "battery_state_of_charge_percentage": self._battery_percentage(totals),
        }

    def _watt_hours(self, totals: EnergyTotals) -> dict[str, int | None]:
        """Return energies and flows, None where no device measures them."""
        values: dict[str, int] = {
            "generation": totals.generation,
            "consumption": totals.consumption,
            "import": totals.imported,
            "export": totals.exported,
            "charge": totals.charge,
            "discharge": totals.discharge,
            **totals.flows,
        }
        return {
            name: value if totals.quarters and self._is_measured(name) else None
            for name, value in values.items()
        }

    def _is_measured(self, name: str) -> bool:
        if name in _NEED_SOLAR_DATA and not self.is_solar_known:
            return False
        if name == "generation" or name.startswith("solar"):
            return self.has_inverter
        return self.has_battery or not ("charge" in name or "battery" in name)

    def _battery_percentage(self, totals: EnergyTotals) -> int | None:
        """Return the battery's mean state of charge, or None without a battery or measurements."""
        battery = self.home.battery
        if battery is None or not totals.quarters:
            return None
        return round(100 * totals.mean_stored_wh / battery.capacity_wh)


def _system(call: Call) -> HemSystem:
    row = call.row("hem_systems", "hem_system_id")
    return HemSystem.of(call.world, row)


def _energy_stats(call: Call) -> Reply:
    system = _system(call)
    start, end = call.query["start"].astimezone(UTC), call.query["end"].astimezone(UTC)
    resolution = RESOLUTIONS[call.query["resolution"]]
    if errors := _span_errors(resolution, start, end, system.zone):
        raise invalid(errors)
    boundaries = resolution.boundaries(start, end, system.zone)
    return Reply({
        "resolution": resolution.name,
        "start": write_instant(start),
        "end": write_instant(end),
        "buckets": [system.bucket(first, last) for first, last in itertools.pairwise(boundaries)],
    })  # fmt: skip


def _live_power(call: Call) -> Reply:
    return Reply(_system(call).live_power())


ROUTES: Final[Routes] = {
    ("GET", "/hem_systems"): listing(),
    ("GET", "/hem_systems/{hem_system_id}"): detail(),
    ("GET", "/hem_systems/{hem_system_id}/energy_stats"): _energy_stats,
    ("GET", "/hem_systems/{hem_system_id}/live_power"): _live_power,
}
