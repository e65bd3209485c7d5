"""Digests of models."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from ev_energy._changes.digest import Projection, weight
from ev_energy.errors import StateError
from ev_energy.models import ChargingSubSession, EVSEStatusLog

ITEM: dict[str, Any] = {
    "id": "csub01",
    "url": "https://api.ev.energy/v2/charging_sub_sessions/csub01",
    "start": "2026-07-01T10:00:00Z",
    "end": "2026-07-01T12:00:00.500000Z",
    "mode": "SMART",
    "energy_delivered_watt_hours": 9000,
    "cost": None,
    "location": {"name": "Home", "coordinates": {"latitude": 51.5, "longitude": 0}},
    "currency": "GBP",
    "total_co2_grams": 10,
    "co2_intensity_grams_per_kilowatt_hour": None,
    "co2_intensity_classification": None,
    "duration_minutes": 120,
    "grid_energy_delivered_watt_hours": 9000,
    "solar_energy_delivered_watt_hours": 0,
    "vehicle": "https://api.ev.energy/v2/vehicles/vehi01",
    "labels": ["OFF_PEAK", "HOME"],
    "grid_energy_delivered": "9.00",
}
PROJECTION = Projection.of(ChargingSubSession)


def digest(projection: Projection = PROJECTION, **changes: Any) -> str:
    return projection.digest(ChargingSubSession.from_dict({**ITEM, **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"percentage_added": None},
        {"url": "http://127.0.0.1:8080/v2/charging_sub_sessions/csub01/"},
        {"vehicle": "http://127.0.0.1:8080/v2/vehicles/vehi01/"},
        {"vehicle": {"id": "vehi01", "url": "https://api.ev.energy/v2/vehicles/vehi01"}},
        {"start": "2026-07-01T11:00:00+01:00"},
        {"end": "2026-07-01T12:00:00.5Z"},
        {"grid_energy_delivered": "9"},
        {"location": {"coordinates": {"longitude": 0.0, "latitude": 51.5}, "name": "Home"}},
        {"a_field_of_next_year": 7},
    ],
    ids=repr,
)
def test_digest_is_independent_of_the_form_of_the_reply(changes: dict[str, Any]) -> None:
    assert digest(**changes) == digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"end": None},
        {"end": "2026-07-01T12:00:00.600000Z"},
        {"cost": 0},
        {"energy_delivered_watt_hours": 9001},
        {"mode": "BOOST"},
        {"mode": "A_MODE_OF_NEXT_YEAR"},
        {"vehicle": None},
        {"vehicle": "https://api.ev.energy/v2/vehicles/vehi02"},
        {"assessment": "https://api.ev.energy/v2/charging_sub_sessions/csub01/assessment"},
        {"labels": ["OFF_PEAK"]},
        {"location": {"name": "Work", "coordinates": {"latitude": 51.5, "longitude": 0}}},
        {"location": {"name": "Home", "coordinates": {"latitude": 51.6, "longitude": 0}}},
        {"grid_energy_delivered": "9.01"},
        {"cost": "a value of a wrong type"},
        {"cost": 10**30},
        {"cost": [1e400, {"nested": ["\ud800", None]}]},
        {"currency": "\ud800"},
    ],
    ids=repr,
)
def test_digest_differs_after_each_change(changes: dict[str, Any]) -> None:
    assert digest(**changes) != digest()


def test_digest_of_an_earlier_projection_ignores_fields_that_are_newer() -> None:
    names = tuple(name for name in PROJECTION.names if name not in {"cost", "location.name"})
    earlier = Projection.parse(Projection(names).text())
    location = {"name": "Work", "coordinates": {"latitude": 51.5, "longitude": 0}}
    assert digest(earlier, cost=5, location=location) == digest(earlier)
    assert digest(earlier, total_co2_grams=11) != digest(earlier)
    assert digest(earlier) != digest()


def test_digest_of_a_later_projection_reads_unknown_fields() -> None:
    later = Projection((*PROJECTION.names, "a_field_of_next_year"))
    assert digest(later, a_field_of_next_year=7) != digest(later)
    assert digest(later) == digest()


def test_projection_has_the_fields_of_the_model() -> None:
    known = {field.name for field in attrs.fields(ChargingSubSession)} - {"url", "_extra"}
    assert {name.partition(".")[0] for name in PROJECTION.names} == known
    assert {"location.name", "location.coordinates.latitude"} <= {*PROJECTION.names}
    assert Projection.parse(PROJECTION.text()) == PROJECTION
    assert "sampled_at" in Projection.of(EVSEStatusLog).names


@pytest.mark.parametrize("text", ["", "cost  end", "cost ../end", "cost\nend", "__class__()"])
def test_unreadable_projection_is_refused(text: str) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        Projection.parse(text)


def test_weight_depends_on_resource_and_digest() -> None:
    weights = {weight(key, mark) for key in ("a", "b") for mark in ("1", "2")}
    assert len(weights) == 4
    assert all(0 <= number < 2**48 for number in weights)
