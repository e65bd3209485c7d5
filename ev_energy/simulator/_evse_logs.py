"""What charge points and clamps report.

Every entry follows from the seed, the owner and the entry's number alone, so that none depends on
which ones were asked for before.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.models.evse_logs import EVSECommandLogReason as Reason
from ev_energy.models.evses import EVSEStatusLogMode as Mode
from ev_energy.simulator._instants import ANCHOR, write_instant
from ev_energy.simulator._ocpp import ocpp_call
from ev_energy.simulator._world import Row, Series, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator._catalogue import Product
    from ev_energy.simulator._chance import Chance

_DAY: Final = 86400
_BEGAN: Final = datetime(2024, 1, 1, tzinfo=UTC)
_REASONS: Final = (
    *(Reason.SCHEDULED_CHARGING,) * 4,
    *(Reason.REFRESH_SCHEDULES,) * 2,
    *(Reason.START_CHARGE, Reason.STOP_CHARGE, Reason.API_TRIGGERED_COMMAND),
    *(Reason.MAINTAIN_EVSE_STATE, Reason.SMART_CHARGE_ENABLED, Reason.LOCKED_MODE),
)
_OFF: Final = frozenset({Reason.STOP_CHARGE, Reason.LOCKED_MODE})
#: Nothing happened in the last microseconds, so that nothing was logged in the future.
_LATEST: Final = 5_000_000
_ERRORS: Final = (
    (504, "TIMEOUT", "Timeout", "The charge point did not answer in time."),
    (401, "AUTH", "Unauthorized", "The maker's API no longer accepts the driver's account."),
    (None, None, None, None),
    (409, "REJECTED", "Rejected", "The charge point refused the command."),
)


@attrs.frozen
class _Habit:
    """A day in the life of a charge point: plugged in, waiting, charging, full, gone."""

    plugged_at: int
    plugged_for: int
    waits: int
    charges_for: int
    watts: int
    meter: int

    @classmethod
    def of(cls, chance: Chance, evse_id: str, product: Product) -> _Habit:
        return cls(
            plugged_at=chance.between(0, _DAY - 1, evse_id, "plugged"),
            plugged_for=chance.between(10, 16, evse_id, "stays") * 3600,
            waits=chance.between(30, 240, evse_id, "waits") * 60,
            charges_for=chance.between(90, 300, evse_id, "charges") * 60,
            watts=product.watts,
            meter=chance.between(20_000, 4_000_000, evse_id, "meter"),
        )

    def at(self, instant: datetime) -> tuple[bool, bool, int, int]:
        """Return whether it is plugged in, whether it charges, its meter, percent charged."""
        days, second = divmod(int((instant - _BEGAN).total_seconds()) - self.plugged_at, _DAY)
        charged = min(max(0, second - self.waits), self.charges_for)
        energy = self.watts * (days * self.charges_for + charged) // 3600
        charging = self.waits <= second < self.waits + self.charges_for
        percent = 25 + 65 * charged // self.charges_for
        return second < self.plugged_for, charging, self.meter + energy, percent


def _backwards(
    chance: Chance, spacing: timedelta, jitter: timedelta, *about: object
) -> Callable[[int], datetime]:
    """Return when entry number n happened: ``spacing`` apart, give or take less than that."""
    most = jitter // timedelta(microseconds=1)

    def instant(number: int) -> datetime:
        back = number * spacing + timedelta(
            microseconds=chance.between(_LATEST, most, *about, number)
        )
        at = ANCHOR - back
        # A clock that shows full seconds would hide a client that loses the microseconds.
        return at if at.microsecond else at - timedelta(microseconds=1)

    return instant


def _status(world: World, evse: Row) -> Series:
    chance, evse_id, product = world.chance, str(evse["id"]), evse["_product"]
    habit = _Habit.of(chance, evse_id, product)
    sees = product.telemetry

    def make(number: int, instant: datetime) -> Row:
        plugged, charging, meter, percent = habit.at(instant)
        waiver = chance.between(-150, 150, evse_id, "rate", number)
        watts = habit.watts + waiver if charging else 0
        late = timedelta(milliseconds=chance.between(200, 4000, evse_id, "late", number))
        return {
            "logged_at": write_instant(instant + late),
            "evse": evse["url"],
            "is_plugged_in": plugged,
            "is_charging": charging,
            "charge_rate_watts": watts,
            "export_power_watts": 0 if product.bidirectional else None,
            "control_pilot_status": ("C" if charging else "B" if plugged else "A")
            if sees
            else None,
            "meter_reading_watt_hours": meter,
            "is_enabled": charging,
            "max_current_rating_milliamps": 32000,
            "cable_current_rating_milliamps": 32000 if sees else None,
            "signal_strength_rssi_dbm": -chance.between(51, 89, evse_id, "rssi", number)
            if sees
            else None,
            "inlet_power_watts": watts + chance.between(150, 900, evse_id, "home", number)
            if sees
            else None,
            "voltage_millivolts": product.volts * 1000
            + chance.between(-4000, 4000, evse_id, number)
            if sees
            else None,
            "state_of_charge_percentage": percent if product.bidirectional and plugged else None,
            "mode": str(Mode.CHARGE if charging else Mode.DELAY if plugged else Mode.IDLE),
        }

    return Series(
        folder=f"evses/{evse_id}/status_logs",
        member="sampled_at",
        count=300 if evse["_reports"] else 0,
        instant=_backwards(chance, timedelta(minutes=15), timedelta(minutes=9), evse_id, "s"),
        make=make,
    )


def _command_instant(world: World, evse_id: str) -> Callable[[int], datetime]:
    return _backwards(world.chance, timedelta(hours=2), timedelta(minutes=100), evse_id, "c")


def _commands(world: World, evse: Row) -> Series:
    chance, evse_id = world.chance, str(evse["id"])

    def make(number: int, _instant: datetime) -> Row:
        reason = chance.pick(_REASONS, evse_id, "reason", number)
        states = reason is not Reason.REFRESH_SCHEDULES
        return {
            "evse": evse["url"],
            "max_load_target_milliamps": (0 if reason in _OFF else 32000) if states else None,
            "is_enabled_target": reason not in _OFF if states else None,
            "always_enabled": False if states else None,
            "reason": str(reason),
            "internal_command_id": chance.uuid(evse_id, "command", number),
        }

    return Series(
        folder=f"evses/{evse_id}/command_logs",
        member="logged_at",
        count=120 if evse["_reports"] else 0,
        instant=_command_instant(world, evse_id),
        make=make,
    )


def _errors(world: World, evse: Row) -> Series:
    chance, evse_id = world.chance, str(evse["id"])
    every = chance.between(9, 30, evse_id, "failures")  # one command in so many fails
    sent = _command_instant(world, evse_id)

    def make(number: int, _instant: datetime) -> Row:
        status_code, code, kind, text = chance.pick(_ERRORS, evse_id, "error", number)
        return {
            "evse": evse["url"],
            "status_code": status_code,
            "controller": "OCPP" if evse["_product"].telemetry else "CLOUD",
            "error_code": code,
            "error_type": kind,
            "error_detail": text,
            "external_request_id": None
            if code is None
            else chance.uuid(evse_id, "ext", number)[:8],
            "internal_command_id": chance.uuid(evse_id, "command", number * every),
        }

    return Series(
        folder=f"evses/{evse_id}/error_logs",
        member="sampled_at",
        count=120 // every if evse["_reports"] else 0,
        instant=lambda number: sent(number * every) + timedelta(milliseconds=1500),
        make=make,
    )


def _ocpp(world: World, evse: Row) -> Series:
    evse_id = str(evse["id"])
    habit = _Habit.of(world.chance, evse_id, evse["_product"])

    def make(number: int, instant: datetime) -> Row:
        _, charging, meter, _ = habit.at(instant)
        call = ocpp_call(world.chance, (evse_id, number), instant, meter, charging=charging)
        return {"evse": evse["url"], **call}

    return Series(
        folder=f"evses/{evse_id}/ocpp_logs",
        member="sampled_at",
        count=150 if evse["_reports"] else 0,
        instant=_backwards(world.chance, timedelta(minutes=4), timedelta(minutes=3), evse_id, "o"),
        make=make,
    )


def _clamp(world: World, clamp: Row) -> Series:
    chance, clamp_id = world.chance, str(clamp["id"])
    peak = chance.between(8000, 22000, clamp_id, "panels")

    def make(number: int, instant: datetime) -> Row:
        home = chance.between(600, 6000, clamp_id, "home", number)
        noon = abs(instant.hour * 60 + instant.minute - 720)
        sun = max(0, peak - peak * noon // 400)
        late = timedelta(milliseconds=chance.between(200, 2000, clamp_id, "late", number))
        return {
            "logged_at": write_instant(instant + late),
            "ct_clamp": clamp["url"],
            "current_milliamps": home - sun,
        }

    return Series(
        folder=f"ct_clamps/{clamp_id}/logs",
        member="sampled_at",
        count=200,
        instant=_backwards(chance, timedelta(minutes=10), timedelta(minutes=6), clamp_id),
        make=make,
    )


def add_logs(world: World) -> None:
    """Make the logs of charge points and clamps known."""
    makers: dict[str, Callable[[World, Row], Series]] = {
        "evses/status_logs": _status,
        "evses/command_logs": _commands,
        "evses/error_logs": _errors,
        "evses/ocpp_logs": _ocpp,
        "ct_clamps/logs": _clamp,
    }
    for path, maker in makers.items():
        world.logs[path] = functools.partial(maker, world)
