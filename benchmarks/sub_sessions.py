"""Made-up charging sub-sessions: with links only, with vehicle and EVSE, and fully expanded.

They have every field that the API sends.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from data import HOST, PAGE, Json, Maker

#: The ``expand`` of a request, by shape.
EXPAND: Final = {
    "sub-sessions": (),
    "sub-sessions with vehicle and EVSE": ("vehicle", "evse"),
    "expanded sub-sessions": (
        "evse",
        "evse.model",
        "evse.model.make",
        "evse.user",
        "evse.latest_status_log",
        "vehicle",
        "vehicle.trim",
        "vehicle.trim.model",
        "vehicle.trim.model.make",
        "energy_usage",
        "schedules",
        "assessment",
        "flags",
        "tariff",
        "tariff.supplier",
        "carbon_feed",
        "grid_feeds",
    ),
}
#: Half-hours of energy usage, and of each schedule.
_INTERVALS: Final = 8
_SCHEDULES: Final = 6
_RATINGS: Final = ("overall", "vehicle_data_uptime", "schedule_quality", "session_duration")
_PERCENTAGES: Final = (
    "vehicle_data_uptime",
    "vehicle_location_uptime",
    "vehicle_error_rate",
    "vehicle_command_adherence",
    "evse_data_uptime",
    "evse_command_adherence",
    "schedule_quality",
    "charge_outside_of_schedule",
    "energy_delivered_vs_required",
    "savings_attainment_rate",
    "vehicle_data_frequency_below_threshold",
    "evse_data_frequency_below_threshold",
)
_COUNTS: Final = (
    "session_duration",
    "session_savings_range",
    "charge_energy_added_oscillation_count",
    "charge_level_oscillation_count",
    "charge_location_data_at_session_start_minutes",
    "last_location_update_implied_velocity_kmh",
    "distance_from_home_meters",
    "vehicle_median_data_gap_duration_minutes",
    "vehicle_max_data_gap_duration_minutes",
    "evse_median_data_gap_duration_minutes",
    "evse_max_data_gap_duration_minutes",
    "charge_rate_max_mad_score",
    "charge_rate_max_median_ratio",
)


class SubSessionMaker(Maker):
    """Makes sub-sessions in one of the shapes of `EXPAND`."""

    def sub_session(self, shape: str) -> Json:
        rng, id_ = self.random, self.id("csub")
        url, expand, start = f"{HOST}/charging_sub_sessions/{id_}", EXPAND[shape], self.timestamp()
        watt_hours = rng.randrange(40_000)

        def link(name: str, inside: Json) -> object:
            return inside if name in expand else inside["url"]

        evse = self.evse(expanded="evse.model" in expand)
        vehicle = self.vehicle(expanded="vehicle.trim" in expand)
        return {
            "id": id_,
            "url": url,
            "start": start,
            "end": self.timestamp(),
            "mode": rng.choice(("SMART", "BOOST", "UNMANAGED_HOME")),
            "vehicle": link("vehicle", vehicle),
            "evse": link("evse", evse),
            "energy_delivered_watt_hours": watt_hours,
            "cost": rng.randrange(2000),
            "location": self.place(),
            "percentage_added": round(rng.uniform(1, 90), 1),
            "currency": "GBP",
            "savings_cost": self.maybe(rng.randrange(500)),
            "savings_co2_grams": self.maybe(rng.randrange(3000)),
            "incentive_earned": self.maybe(rng.randrange(100)),
            "total_co2_grams": rng.randrange(9000),
            "co2_intensity_grams_per_kilowatt_hour": rng.randrange(50, 400),
            "co2_intensity_classification": rng.choice(("very low", "moderate", "high")),
            "cost_per_kilowatt_hour": rng.randrange(7, 35),
            "total_points": rng.randrange(100),
            "total_points_missed": self.maybe(rng.randrange(20)),
            "duration_minutes": rng.randrange(600),
            "grid_energy_delivered_watt_hours": watt_hours,
            "solar_energy_delivered_watt_hours": 0,
            "labels": ["OFF_PEAK"],
            "energy_usage": link("energy_usage", self.energy_usage(url, start)),
            "schedules": link("schedules", self.schedules(url, start)),
            "assessment": link("assessment", self.assessment(url)),
            "flags": link("flags", self.flags(url)),
            "debug_metadata": f"{url}/debug_metadata",
            "tariff": link("tariff", self.tariff(expanded="tariff.supplier" in expand)),
            "carbon_feed": link("carbon_feed", self.carbon_feed()),
            "grid_feeds": [link("grid_feeds", self.grid_feed())],
            "solar_mode_type": self.maybe("OFF"),
            "grid_energy_delivered": f"{watt_hours / 1000:.3f}",
            "solar_energy_delivered": "0.000",
        }

    def place(self) -> Json:
        location = self.location()
        kept = {name: location[name] for name in ("coordinates", "postal_code", "address_1")}
        return {"name": "Home", **kept, "timezone": "Europe/London"}

    def vehicle(self, *, expanded: bool) -> Json:
        rng, id_ = self.random, self.id("vhcl")
        url, size = f"{HOST}/vehicles/{id_}", 10 * rng.randrange(3000, 10_000)
        trim = self.trim(size)
        return {
            "id": id_,
            "url": url,
            "trim": trim if expanded else trim["url"],
            "user": f"{HOST}/users/{self.id('user')}",
            "latest_status_log": f"{url}/status_logs/{self.timestamp()}/",
            "charging_sub_sessions": f"{HOST}/charging_sub_sessions?vehicle_id={id_}",
            "integrated": rng.choice(("ACTIVE", "INACTIVE", "UNINTEGRATED")),
            "battery_size_watt_hours": size,
            "effective_battery_size_watt_hours": size - 1000,
            "maximum_charge_limit_percentage": rng.randrange(50, 101, 5),
            "description": f"Number {rng.randrange(1000)}",
            "disabled": False,
            "smart_charging_enabled": rng.random() < 0.9,
            "vehicle_class": self.maybe("PASSENGER"),
        }

    def trim(self, size: int) -> Json:
        id_ = self.id("trim")
        return {
            "id": id_,
            "url": f"{HOST}/vehicle_trims/{id_}",
            "name": f"Long Range {size // 1000}",
            "model": self.vehicle_model(size),
            "battery_size_watt_hours": size,
            "onboarding_url": f"{HOST}/vehicle_onboarding?trim_id={id_}&client_id=benchmark",
        }

    def vehicle_model(self, size: int) -> Json:
        id_ = self.id("vmod")
        return {
            "id": id_,
            "url": f"{HOST}/vehicle_models/{id_}",
            "name": f"Model {self.random.randrange(2, 900)}",
            "make": self.vehicle_make(),
            "onboarding_url": f"{HOST}/vehicle_onboarding?model_id={id_}&client_id=benchmark",
            "vehicle_trims": f"{HOST}/vehicle_trims?model_id={id_}",
            "default_battery_size_watt_hours": size,
            "default_connector_type": self.maybe("CCS"),
        }

    def vehicle_make(self) -> Json:
        id_ = self.id("vmak")
        return {
            "id": id_,
            "url": f"{HOST}/vehicle_makes/{id_}",
            "name": self.random.choice(("Mirabel", "Otto & Sons", "Nordwind")),
            "icon": f"https://icons.invalid/{id_}.png",
            "onboarding_url": self.maybe(f"{HOST}/vehicle_onboarding?make_id={id_}"),
            "models": f"{HOST}/vehicle_models?make_id={id_}",
            "subscription_name": None,
            "subscription_package": None,
        }

    def energy_usage(self, sub_session: str, start: str) -> Json:
        return {
            "url": f"{sub_session}/energy_usage",
            "currency": "GBP",
            "charging_sub_session": sub_session,
            "intervals": [self.interval(moment) for moment in _half_hours(start, _INTERVALS)],
            "last_updated_at": self.timestamp(),
        }

    def interval(self, started_at: str) -> Json:
        rng = self.random
        watt_hours, price = rng.randrange(3500), f"{rng.uniform(7, 35):.2f}"
        return {
            "interval_seconds": 1800,
            "started_at": started_at,
            "total_energy_delivered_watt_hours": watt_hours,
            "meter_usage_watt_hours": self.maybe(watt_hours + rng.randrange(100)),
            "alt_usage_watt_hours": self.maybe(rng.randrange(3500)),
            "percentage_import": 100,
            "electricity_cost_sub_unit": price,
            "energy_delivered_by_price": [
                {"price": price, "energy_delivered_watt_hours": watt_hours}
            ],
        }

    def schedules(self, sub_session: str, start: str) -> Json:
        return {
            "url": f"{sub_session}/schedules",
            "charging_sub_session": sub_session,
            "schedules": [
                {
                    "started_at": moment,
                    "interval_seconds": 1800,
                    "current_milliamps": self.random.choice((0, 32_000)),
                    "schedule_type": "SMART",
                    "dispatched_at": self.maybe(self.timestamp()),
                    "created_at": self.timestamp(),
                }
                for moment in _half_hours(start, _SCHEDULES)
            ],
        }

    def assessment(self, sub_session: str) -> Json:
        rng = self.random
        return {
            "url": f"{sub_session}/assessment",
            "charging_sub_session": sub_session,
            "energy_delivered_to_capacity_percentage": rng.randrange(100),
            "energy_delivery_percentage": rng.randrange(100),
            "average_charge_rate_watts": rng.randrange(7000),
            "max_charge_rate_watts": rng.randrange(7000, 11_000),
            "metrics": {
                **{name: self.maybe(rng.randrange(101)) for name in _PERCENTAGES},
                **{name: self.maybe(rng.randrange(9000)) for name in _COUNTS},
                "charge_energy_added_meter_reset": False,
                "missing_location": self.maybe(value=False),
            },
            "ratings": {name: rng.choice(("RED", "AMBER", "GREEN")) for name in _RATINGS},
            "updated_at": self.timestamp(),
        }

    def flags(self, sub_session: str) -> Json:
        flag = {"name": "DATA_GAP", "root_cause": "PROVIDER_OUTAGE"}
        return {
            "url": f"{sub_session}/flags",
            "charging_sub_session": sub_session,
            "flags": [flag] if self.random.random() < 0.3 else [],
        }

    def tariff(self, *, expanded: bool) -> Json:
        id_, supplier = self.id("tari"), self.supplier()
        return {
            "id": id_,
            "url": f"{HOST}/tariffs/{id_}",
            "supplier": supplier if expanded else supplier["url"],
            "name": f"Night Owl {self.random.randrange(20)}",
            "currency": "GBP",
            "highlighted": False,
            "type": "DUAL_RATE",
            "daily_prices": {
                "peak": {"price": "0.31", "times": [{"start": "05:30:00", "end": "23:30:00"}]},
                "off_peak": {"price": "0.08", "times": [{"start": "23:30:00", "end": "05:30:00"}]},
            },
            "timezone_name": "Europe/London",
            "price_chart_url": None,
            "gsp_group": "_K",
            "valid_from": "2025-10-01",
            "valid_until": self.maybe("2026-09-30"),
            "scheduler_tariff": None,
        }

    def supplier(self) -> Json:
        id_ = self.id("supl")
        return {
            "id": id_,
            "url": f"{HOST}/suppliers/{id_}",
            "name": self.random.choice(("Lumen Light", "Penny Power", "Windmill Street")),
            "icon": f"https://icons.invalid/{id_}.png",
            "highlighted": self.random.random() < 0.2,
        }

    def carbon_feed(self) -> Json:
        id_ = self.id("cabf")
        return {"id": id_, "url": f"{HOST}/carbon_feeds/{id_}", "name": "Northern mix"}

    def grid_feed(self) -> Json:
        id_ = self.id("grfd")
        return {
            "id": id_,
            "url": f"{HOST}/grid_feeds/{id_}",
            "name": "Evening peak",
            "reference_code": "EVENING_PEAK",
            "priority": self.random.randrange(1, 11),
        }


def _half_hours(start: str, count: int) -> list[str]:
    first = datetime.fromisoformat(start).replace(minute=0, second=0, microsecond=0)
    moments = (first + timedelta(minutes=30 * number) for number in range(count))
    return [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in moments]


def sub_sessions(shape: str, count: int = PAGE, seed: int = 1) -> list[Json]:
    maker = SubSessionMaker(seed)
    return [maker.sub_session(shape) for _ in range(count)]
