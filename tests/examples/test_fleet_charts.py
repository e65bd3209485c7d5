"""What the fleet portal computes and says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

pytest.importorskip("jinja2", reason="needs jinja2: pip install -e '.[test]'")

from ev_energy.models import (
    EVSE,
    ChargingSubSession,
    ChargingSubSessionLocation,
    ChargingSubSessionMode,
    Ref,
)
from examples.fleet_portal.announcements import announce
from examples.fleet_portal.energy import Chart, amount, charts_of
from examples.fleet_portal.fleet import Fleet
from examples.fleet_portal.views import at, mode_of, render, state_of

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 10, 5, 13, tzinfo=LONDON)
CHARGER = EVSE(id="evse01", url="https://api.example/v2/evses/evse01", cpid="WB1")


def session(number: int, **fields: Any) -> ChargingSubSession:
    values = {
        "id": f"csub{number}",
        "url": f"https://api.example/v2/charging_sub_sessions/csub{number}",
        "start": NOW - timedelta(hours=2),
        "end": NOW,
        "mode": ChargingSubSessionMode.SMART,
        "energy_delivered_watt_hours": 7500,
        "cost": 84,
        "location": ChargingSubSessionLocation(timezone="Europe/London"),
        "currency": "GBP",
        "total_co2_grams": 900,
        "co2_intensity_grams_per_kilowatt_hour": 120,
        "co2_intensity_classification": None,
        "duration_minutes": 60,
        "grid_energy_delivered_watt_hours": None,
        "solar_energy_delivered_watt_hours": None,
        "evse": Ref("https://api.example/v2/evses/evse01", EVSE),
    }
    return ChargingSubSession(**{**values, **fields})


def fleet(*sessions: ChargingSubSession) -> Fleet:
    return Fleet(vehicles=(), chargers=(CHARGER,), sessions=sessions, now=NOW, read_at=0.0)


def charts(*sessions: ChargingSubSession) -> dict[str, Chart]:
    return {chart.id: chart for chart in charts_of(fleet(*sessions))}


def test_session_counts_on_the_day_it_began_where_it_is() -> None:
    late = session(1, start=datetime(2026, 10, 3, 23, 30, tzinfo=UTC))  # 00:30 in London
    too_old = session(2, start=datetime(2026, 9, 28, 22, 59, tzinfo=UTC))
    bars = charts(late, too_old)["energy"].bars
    assert [bar.day for bar in bars] == [date(2026, 9, 29) + timedelta(days=n) for n in range(7)]
    assert [bar.total for bar in bars] == [0, 0, 0, 0, 0, 7.5, 0]


def test_energy_has_parts_only_with_solar_power() -> None:
    assert charts(session(1))["energy"].parts == ("Grid",)
    chart = charts(session(1, solar_energy_delivered_watt_hours=2500))["energy"]
    assert chart.parts == ("Grid", "Solar")
    assert chart.bars[-1].parts == (5.0, 2.5)


def test_each_currency_has_a_chart_of_its_cost() -> None:
    found = charts(session(1), session(2, currency="JPY", cost=310), session(3, cost=None))
    assert list(found) == ["energy", "cost-GBP", "cost-JPY", "carbon"]
    assert found["cost-GBP"].total == pytest.approx(0.84)
    assert (found["cost-JPY"].total, found["cost-JPY"].digits) == (310, 0)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "0.84 GBP"),
        ({"cost": None}, "unknown"),
        ({"cost": 310, "currency": "JPY"}, "310 JPY"),
    ],
)
def test_cost_is_shown_in_the_unit_of_its_currency(fields: dict[str, Any], text: str) -> None:
    assert amount(session(1, **fields)) == text


@pytest.mark.parametrize(
    ("watt_hours", "top"), [(0, 1), (900, 1), (1100, 2), (9000, 10), (25_000, 30)]
)
def test_axis_ends_at_a_round_number(watt_hours: int, top: float) -> None:
    chart = charts(session(1, energy_delivered_watt_hours=watt_hours))["energy"]
    assert chart.top == pytest.approx(top)


def test_beginnings_and_ends_are_announced_and_nothing_else() -> None:
    running, done = session(1, end=None), session(1, energy_delivered_watt_hours=9000)
    assert announce(None, fleet(running)) == ""
    assert announce(fleet(), fleet(running)) == "A session began: Vehicle at WB1."
    grown = session(1, end=None, energy_delivered_watt_hours=9000)
    assert announce(fleet(running), fleet(grown)) == ""
    assert announce(fleet(running), fleet(done)) == "A session ended: Vehicle at WB1."


def test_times_are_local_and_have_a_day_unless_it_is_today() -> None:
    assert at(datetime(2026, 10, 5, 8, 5, tzinfo=UTC), fleet()) == "09:05"
    assert (
        at(datetime(2026, 10, 3, 23, 30, tzinfo=UTC), fleet())
        == "Sun\N{NO-BREAK SPACE}4\N{NO-BREAK SPACE}Oct, 00:30"
    )


def test_mode_that_is_new_is_shown_as_it_is() -> None:
    new: Any = ChargingSubSessionMode("FLEX_EVENT")
    assert mode_of(session(1, mode=new)) == "Flex event"


def test_charger_without_a_report_and_text_that_is_markup_are_shown() -> None:
    assert state_of(CHARGER) == ("unknown", "No report yet")
    odd = EVSE(id="evse02", url="https://api.example/v2/evses/evse02", cpid="<script>")
    shown = Fleet(vehicles=(), chargers=(odd,), sessions=(), now=NOW, read_at=0.0)
    html = render("_fleet.html", fleet=shown, announcement="")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "There were no sessions." in html
