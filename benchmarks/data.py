"""Made-up replies that the server sends and the decoders read, the same in every run.

They have every field that the API sends.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

PAGE = 100
ITEMS = 20_000
HOST = "https://api.ev.energy/v2"
Json = dict[str, Any]

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_START = datetime(2026, 3, 1, tzinfo=UTC)
_STREETS = ("Mill Lane", "Quarry Road", "Orchard Way", "Station Parade", "Harbour Street")
_CITIES = ("Leeds", "Bristol", "Norwich", "Cardiff", "Dundee")
_REASONS = ("SCHEDULED_CHARGING", "STOP_CHARGE", "START_CHARGE", "API_TRIGGERED_COMMAND")


class Maker:
    """Makes resources. The same seed produces the same resources."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def id(self, prefix: str) -> str:
        return prefix + "01" + "".join(self.random.choices(_LETTERS, k=24))

    def timestamp(self) -> str:
        moment = _START + timedelta(microseconds=self.random.randrange(10**13))
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def uuid(self) -> str:
        digits = f"{self.random.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def maybe(self, value: object) -> object:
        return value if self.random.random() < 0.7 else None

    def evse(self, *, expanded: bool) -> Json:
        rng, id_ = self.random, self.id("evse")
        url = f"{HOST}/evses/{id_}"
        model, user, log = self.model(), self.user(), self.status_log(url)
        return {
            "id": id_,
            "url": url,
            "cpid": f"BX{rng.randrange(10**6):06}",
            "model": model if expanded else model["url"],
            "user": user if expanded else user["url"],
            "latest_status_log": log if expanded else log["url"],
            "ct_clamp": self.maybe(f"{HOST}/ct_clamps/{self.id('ctcl')}"),
            "lock_mode": rng.choice(("UNLOCKED", "SMART", "LOCKED")),
            "location": self.point(),
            "lifecycle_state": rng.choice(("INSTALLED", "COMMISSIONED", "ENROLLED")),
            "charging_sub_sessions": f"{HOST}/charging_sub_sessions?evse_id={id_}",
        }

    def model(self) -> Json:
        id_, name = self.id("emod"), f"Volta {self.random.randrange(3, 22)}"
        return {
            "id": id_,
            "url": f"{HOST}/evse_models/{id_}",
            "name": name,
            "make": self.make(),
            "display_name": self.maybe(name),
            "onboarding_url": f"{HOST}/evse_onboarding?model_id={id_}&client_id=benchmark",
        }

    def make(self) -> Json:
        id_, name = self.id("emak"), self.random.choice(("Amperon", "Kilo & Watt", "Steckdose"))
        return {
            "id": id_,
            "url": f"{HOST}/evse_makes/{id_}",
            "name": name,
            "display_name": self.maybe(name),
            "icon": f"https://icons.invalid/{id_}.png",
            "onboarding_url": self.maybe(f"{HOST}/evse_onboarding?make_id={id_}"),
            "is_beta": self.random.random() < 0.1,
            "evse_models": f"{HOST}/evse_models/?make_id={id_}",
        }

    def user(self) -> Json:
        id_ = self.id("user")
        return {
            "id": id_,
            "url": f"{HOST}/users/{id_}",
            "email": f"{id_[-8:].lower()}@mail.invalid",
            "full_name": f"Driver {id_[-5:]}",
            "joined_at": self.timestamp(),
            "terms_consent_datetime": self.maybe(self.timestamp()),
            "default_location": self.location(),
            "vehicles": [f"{HOST}/vehicles/{self.id('vhcl')}"],
            "evses": [f"{HOST}/evses/{self.id('evse')}"],
        }

    def location(self) -> Json:
        rng = self.random
        return {
            "address_1": f"{rng.randrange(1, 99)} {rng.choice(_STREETS)}",
            "address_2": None,
            "city": rng.choice(_CITIES),
            "state": None,
            "postal_code": f"ZZ{rng.randrange(1, 9)} {rng.randrange(1, 9)}AA",
            "country_code": "GB",
            "coordinates": self.point(),
            "tariff": self.maybe(f"{HOST}/tariffs/{self.id('tari')}"),
            "evse_site": None,
        }

    def point(self) -> Json:
        rng = self.random
        return {
            "latitude": round(rng.uniform(50, 58), 6),
            "longitude": round(rng.uniform(-5, 1), 6),
        }

    def status_log(self, evse: str) -> Json:
        rng, sampled_at = self.random, self.timestamp()
        return {
            "url": f"{evse}/status_logs/{sampled_at}/",
            "sampled_at": sampled_at,
            "logged_at": self.timestamp(),
            "evse": evse,
            "is_plugged_in": rng.random() < 0.5,
            "is_charging": rng.random() < 0.3,
            "charge_rate_watts": rng.randrange(7400),
            "export_power_watts": None,
            "control_pilot_status": rng.choice("ABC"),
            "meter_reading_watt_hours": rng.randrange(10**8),
            "is_enabled": True,
            "max_current_rating_milliamps": 32_000,
            "cable_current_rating_milliamps": self.maybe(32_000),
            "signal_strength_rssi_dbm": self.maybe(-rng.randrange(40, 90)),
            "inlet_power_watts": self.maybe(rng.randrange(9000)),
            "voltage_millivolts": rng.randrange(225_000, 250_000),
            "state_of_charge_percentage": None,
            "mode": rng.choice(("Idle", "Charge", "Delay")),
        }

    def command_log(self, evse: str) -> Json:
        rng, logged_at = self.random, self.timestamp()
        return {
            "url": f"{evse}/command_logs/{logged_at}/",
            "logged_at": logged_at,
            "evse": evse,
            "max_load_target_milliamps": self.maybe(rng.randrange(6000, 32_000)),
            "is_enabled_target": self.maybe(True),
            "always_enabled": False,
            "reason": rng.choice(_REASONS),
            "internal_command_id": self.uuid(),
        }


def evses(count: int = PAGE, *, expanded: bool, seed: int = 1) -> list[Json]:
    maker = Maker(seed)
    return [maker.evse(expanded=expanded) for _ in range(count)]


def command_logs(count: int = PAGE, seed: int = 2) -> list[Json]:
    maker = Maker(seed)
    evse = f"{HOST}/evses/{maker.id('evse')}"
    return [maker.command_log(evse) for _ in range(count)]


def body(data: object) -> bytes:
    """Return *data* as JSON without spaces, as servers write it."""
    return json.dumps(data, separators=(",", ":")).encode()


def _with_unknown_field(items: list[Json]) -> list[Json]:
    return [{**item, "brand_new": 1} for item in items]


def _with_unlisted_value(items: list[Json]) -> list[Json]:
    name = next(name for name in ("reason", "lock_mode", "mode") if name in items[0])
    return [{**item, name: "BRAND_NEW"} for item in items]


def _with_one_bad_item(items: list[Json]) -> list[Json]:
    name = next(name for name in ("logged_at", "cpid", "currency") if name in items[0])
    return [*items[:-1], {**items[-1], name: 5}]


#: Deviations of a page from the models.
DEVIATIONS: dict[str, Callable[[list[Json]], list[Json]]] = {
    "unknown field in each": _with_unknown_field,
    "unlisted enum value in each": _with_unlisted_value,
    "one bad item": _with_one_bad_item,
}


@functools.cache
def pages() -> dict[str, tuple[str, bytes]]:
    """Return pages of 100 items by name: the model and the bytes."""
    from sub_sessions import EXPAND, sub_sessions  # imports this module

    kinds = {
        "command logs": ("EVSECommandLog", command_logs()),
        "EVSEs": ("EVSE", evses(expanded=False)),
        "expanded EVSEs": ("EVSE", evses(expanded=True)),
        **{shape: ("ChargingSubSession", sub_sessions(shape)) for shape in EXPAND},
    }
    made = {name: (model, body(items)) for name, (model, items) in kinds.items()}
    del kinds["sub-sessions with vehicle and EVSE"]  # would deviate as the other two do
    for name, (model, items) in kinds.items():
        for deviation, change in DEVIATIONS.items():
            made[f"{name}, {deviation}"] = (model, body(change(items)))
    return made
