from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_energy.simulator import Clock
from ev_energy.simulator.clock._instants import ANCHOR
from ev_energy.simulator.home_energy._home_energy import (
    FLOWS,
    EnergyTotals,
    energy_totals,
    home_energy,
    solar_share,
)
from ev_energy.simulator.home_energy._quarter_hours import (
    QUARTERS_PER_HOUR,
    QUARTERS_PER_WEEK,
    quarter_at,
    quarter_start,
)
from ev_energy.simulator.resources._seed_world import build_world

if TYPE_CHECKING:
    from ev_energy.simulator.world._world import World

LONDON = ZoneInfo("Europe/London")
QUARTER = timedelta(minutes=15)
YESTERDAY = datetime(2026, 10, 3, 23, tzinfo=UTC)
MEASURED = ("generation", "consumption", "import", "export", "charge", "discharge")


def user_header(api: Any) -> dict[str, str]:
    return {"EvEnergy-User": api.simulator.user_id}


async def only_row(api: Any, folder: str) -> dict[str, Any]:
    """Return the only row of the first user in a collection."""
    (row,) = (await api.get(f"/{folder}", headers=user_header(api))).body
    return row


async def stats(
    api: Any, start: datetime, end: datetime, resolution: str, *, system: str = ""
) -> list[dict[str, Any]]:
    url = system or (await only_row(api, "hem_systems"))["url"]
    about = {"start": start.isoformat(), "end": end.isoformat(), "resolution": resolution}
    answer = await api.get(f"{url}/energy_stats", params=about)
    assert answer.status == 200, answer.body
    return answer.body["buckets"]


async def all_entries(api: Any, url: str, **query: str) -> list[dict[str, Any]]:
    """Return all entries of a log between two instants, from all pages."""
    answer = await api.get(url, params={"page_size": "100", **query})
    rows = answer.body
    while 'rel="next"' in answer.headers["Link"]:
        following = answer.headers["Link"].split(", ")[1].partition(">")[0][1:]
        if following == "about:blank":
            return rows
        answer = await api.get(following)
        rows += answer.body
    return rows


def parse(text: str) -> datetime:
    return datetime.fromisoformat(text)


def total(buckets: list[dict[str, Any]], name: str) -> int:
    return sum(bucket[f"{name}_wh"] for bucket in buckets)


async def test_meter_and_battery_logs_agree_with_the_statistics(api: Any) -> None:
    buckets = await stats(api, YESTERDAY, YESTERDAY + timedelta(days=1), "PT30M")
    # A sample describes the quarter hour before the one in which it is taken.
    span = {
        "sampled_at__gte": (YESTERDAY + QUARTER).isoformat(),
        "sampled_at__lte": (YESTERDAY + timedelta(days=1) + QUARTER).isoformat(),
    }
    meter = await all_entries(
        api, (await only_row(api, "boundary_meters"))["url"] + "/status_logs", **span
    )
    battery = await all_entries(
        api, (await only_row(api, "home_batteries"))["url"] + "/status_logs", **span
    )
    assert len(meter) == len(battery) == 96
    for number, bucket in enumerate(buckets):
        until = YESTERDAY + QUARTER + (number + 1) * 2 * QUARTER

        def energy(log: list[dict[str, Any]], name: str, end: datetime = until) -> float:
            """Return the watt-hours of the two samples before *end*."""
            entries = [row for row in log if end - 2 * QUARTER <= parse(row["sampled_at"]) < end]
            assert len(entries) == 2
            return sum(row[name] for row in entries) / 4

        assert energy(meter, "power_watts") == bucket["import_wh"] - bucket["export_wh"]
        assert energy(battery, "charge_rate_watts") == bucket["charge_wh"] - bucket["discharge_wh"]


async def test_state_of_charge_follows_from_the_flows(api: Any) -> None:
    url = (await only_row(api, "home_batteries"))["url"]
    log = (await all_entries(api, f"{url}/status_logs", sampled_at__gte="2026-10-01T00:00:00Z"))[
        ::-1
    ]
    capacity = log[0]["capacity_watt_hours"]
    stored = log[0]["state_of_charge_percentage"] * capacity / 100
    drift = []
    for row in log[1:]:
        stored += row["charge_rate_watts"] / 4
        drift.append(stored * 100 / capacity - row["state_of_charge_percentage"])
        assert row["discharge_limit_percentage"] - 1 <= row["state_of_charge_percentage"] <= 100
    assert max(drift) - min(drift) <= 1.01  # percent are whole
    assert {row["status"] for row in log} >= {"CHARGING", "DISCHARGING", "IDLE"}


async def test_live_power_agrees_with_the_latest_samples(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock)
    clock.advance(minutes=1)  # devices are up to a minute late
    now = await api.get((await only_row(api, "hem_systems"))["url"] + "/live_power")
    assert now.status == 200
    live = now.body
    devices = {}
    for folder in ("boundary_meters", "home_batteries", "inverters"):
        answer = await api.get(f"/{folder}?expand=latest_status_log", headers=user_header(api))
        devices[folder] = answer.body[0]["latest_status_log"]
    battery = devices["home_batteries"]
    assert devices["boundary_meters"]["power_watts"] == live["import_watts"] - live["export_watts"]
    assert battery["charge_rate_watts"] == live["charge_watts"] - live["discharge_watts"]
    assert battery["state_of_charge_percentage"] == live["battery_state_of_charge_percentage"]
    assert devices["inverters"]["solar_power_watts"] == live["generation_watts"]


async def test_half_hours_add_up_to_days_and_days_to_months(api: Any) -> None:
    start, end = datetime(2026, 6, 1, tzinfo=LONDON), datetime(2026, 7, 1, tzinfo=LONDON)
    (month,) = await stats(api, start, end, "P1M")
    days = await stats(api, start, end, "P1D")
    assert len(days) == 30
    first = await stats(api, start, start + timedelta(days=1), "PT30M")
    assert len(first) == 48
    for name in (*MEASURED, *FLOWS):
        assert total(days, name) == month[f"{name}_wh"]
        assert total(first, name) == days[0][f"{name}_wh"]
    assert month["generation_wh"] > 300_000
    (winter,) = await stats(
        api, datetime(2026, 1, 1, tzinfo=LONDON), datetime(2026, 2, 1, tzinfo=LONDON), "P1M"
    )
    assert winter["generation_wh"] < month["generation_wh"] / 3


@pytest.mark.parametrize(("day", "half_hours"), [((2026, 3, 29), 46), ((2025, 10, 26), 50)])
async def test_days_of_clock_changes_are_shorter_or_longer(
    api: Any, day: tuple[int, int, int], half_hours: int
) -> None:
    start = datetime(*day, tzinfo=LONDON)
    end = start + timedelta(days=1)
    (whole,) = await stats(api, start, end, "P1D")
    parts = await stats(api, start, end, "PT30M")
    length = parse(whole["period_end"]) - parse(whole["period_start"])
    assert length == half_hours * timedelta(minutes=30)
    assert len(parts) == half_hours
    assert total(parts, "consumption") == whole["consumption_wh"]


async def test_months_are_local_months(api: Any) -> None:
    start, end = datetime(2025, 10, 1, tzinfo=LONDON), datetime(2026, 10, 1, tzinfo=LONDON)
    months = await stats(api, start, end, "P1M")
    bounds = [parse(month["period_start"]).astimezone(LONDON) for month in months]
    assert [(bound.month, bound.day, bound.hour) for bound in bounds] == [
        (month, 1, 0) for month in (10, 11, 12, *range(1, 10))
    ]
    assert all(month["consumption_wh"] > 100_000 for month in months)


@pytest.mark.parametrize(
    ("begin", "end", "resolution", "member"),
    [
        ("2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z", "P1D", "start"),
        ("2026-05-31T23:00:00Z", "2026-06-02T00:00:00Z", "P1D", "end"),
        ("2026-06-02T00:00:00+01:00", "2026-07-01T00:00:00+01:00", "P1M", "start"),
        ("2026-06-01T00:10:00Z", "2026-06-01T01:00:00Z", "PT30M", "start"),
        ("2026-06-01T00:00:00Z", "2026-06-01T01:00:00.000001Z", "PT30M", "end"),
        ("2026-06-01T00:00:00Z", "2026-06-02T00:30:00Z", "PT30M", "end"),
        ("2026-06-01T00:00:00+01:00", "2026-07-03T00:00:00+01:00", "P1D", "end"),
        ("2025-06-01T00:00:00+01:00", "2026-07-01T00:00:00+01:00", "P1M", "end"),
        ("2026-06-02T00:00:00Z", "2026-06-01T00:00:00Z", "PT30M", "end"),
        ("2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z", "PT30M", "end"),
        ("9999-12-31T23:30:00Z", "9999-12-31T23:59:00Z", "PT30M", "start"),
        ("2026-06-01T00:00:00", "2026-06-01T01:00:00Z", "PT30M", "start"),
        ("2026-06-01T00:00:00Z", "2026-06-01T01:00:00Z", "P1W", "resolution"),
    ],
)
async def test_statistics_of_invalid_times_are_refused(
    api: Any, begin: str, end: str, resolution: str, member: str
) -> None:
    url = (await only_row(api, "hem_systems"))["url"]
    about = {"start": begin, "end": end, "resolution": resolution}
    answer = await api.get(f"{url}/energy_stats", params=about)
    assert answer.status == 400
    assert member in answer.body["field_errors"]
    assert (await api.get(f"{url}/energy_stats")).status == 400


async def test_future_buckets_are_null_and_the_current_one_grows(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock)
    day = datetime(2026, 10, 5, tzinfo=LONDON)
    today, tomorrow = await stats(api, day, day + timedelta(days=2), "P1D")
    assert {tomorrow[f"{name}_wh"] for name in (*MEASURED, *FLOWS)} == {None}
    assert tomorrow["avg_battery_state_of_charge_percentage"] is None
    clock.advance(hours=3)
    await api.log_in()
    later, _ = await stats(api, day, day + timedelta(days=2), "P1D")
    assert later["consumption_wh"] > today["consumption_wh"]
    assert later["generation_wh"] > today["generation_wh"]
    clock.advance(hours=24)
    await api.log_in()
    _, then = await stats(api, day, day + timedelta(days=2), "P1D")
    assert then["consumption_wh"] > 0


async def test_buckets_before_the_system_was_created_are_null(api: Any) -> None:
    start = datetime(2020, 1, 1, tzinfo=LONDON)
    (bucket,) = await stats(api, start, start + timedelta(days=1), "P1D")
    assert bucket["import_wh"] is None


async def test_energies_of_missing_devices_are_null(api: Any) -> None:
    systems = (await api.get("/hem_systems")).body
    seen = []
    for row in systems:
        answer = await api.get(f"{row['url']}/live_power")
        assert answer.status == 200
        live = answer.body
        if live["generation_watts"] is None:
            assert live["charge_watts"] is None
            assert live["battery_to_home_watts"] is None
            assert live["consumption_watts"] == live["import_watts"] == live["grid_to_home_watts"]
            assert live["export_watts"] == 0
            seen.append(row["url"])
        else:
            assert live["battery_state_of_charge_percentage"] is not None
    assert 0 < len(seen) < len(systems)


async def test_statistics_of_other_homes_are_a_404(api: Any) -> None:
    other = (await api.get("/hem_systems")).body[1]
    api.token = api.simulator.sign_in(api.simulator.user_id).access_token
    assert len((await api.get("/hem_systems")).body) == 1
    for path in (
        "",
        "/live_power",
        "/energy_stats?start=2026-06-01T00:00:00Z&end=2026-06-01T01:00:00Z&resolution=PT30M",
    ):
        assert (await api.get(other["url"] + path)).status == 404


async def test_larger_array_changes_only_future_generation(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock)
    clock.advance(hours=17)  # before dawn
    await api.log_in()
    days = (datetime(2026, 10, 5, tzinfo=LONDON), datetime(2026, 10, 7, tzinfo=LONDON))
    before = await stats(api, *days, "P1D")
    array = await only_row(api, "solar_arrays")
    twice = {"capacity_watts": 2 * array["capacity_watts"]}
    assert (await api("PATCH", array["url"], json=twice)).body["capacity_watts"] == 11_340
    assert await stats(api, *days, "P1D") == before
    clock.advance(hours=20)
    await api.log_in()
    changed = await stats(api, *days, "P1D")
    assert changed[0] == before[0]
    other = await start(rate_limit=None, clock=Clock(speed=0))
    other.simulator.clock.advance(hours=37)
    await other.log_in()
    unchanged = await stats(other, *days, "P1D")
    assert changed[1]["generation_wh"] == pytest.approx(2 * unchanged[1]["generation_wh"], rel=0.03)


async def test_vehicle_commands_do_not_change_past_meter_samples(start: Any, clock: Clock) -> None:
    api = await start(rate_limit=None, clock=clock)
    clock.advance(hours=9)
    await api.log_in()
    url = (await only_row(api, "boundary_meters"))["url"] + "/status_logs?page_size=100"
    before = (await api.get(url)).body
    for car in (await api.get("/vehicles", headers=user_header(api))).body:
        body = {"maximum_charge_limit_percentage": 100, "smart_charging_enabled": False}
        assert (await api("PATCH", car["url"], json=body)).status == 200
    assert (await api.get(url)).body == before
    clock.advance(hours=3)
    await api.log_in()
    after = (await api.get(f"{url}&sampled_at__lte={before[0]['sampled_at']}")).body
    assert after == before


@functools.cache
def world(seed: int, vehicles: int) -> World:
    return build_world(seed, vehicles, Clock(speed=0))


def numbers(totals: EnergyTotals) -> list[int]:
    """Return all numbers of energy totals, to compare them."""
    return [*totals.flows.values(), totals.mean_stored_wh, totals.quarters]


#: A seed, a home, how many hours ago the span starts, and its number of quarter hours.
any_span = given(
    st.integers(1, 3),
    st.integers(0, 11),
    st.integers(1, 24 * 400),
    st.integers(1, 60),
)


@settings(deadline=None, max_examples=40)
@any_span
def test_energy_is_conserved(seed: int, home: int, hours: int, span: int) -> None:
    made = world(seed, 100_000 if seed == 3 else 30)
    energy = home_energy(made, made.user_id(home))
    first = energy.current_quarter - hours * QUARTERS_PER_HOUR
    end = min(energy.current_quarter, first + span)
    totals = energy_totals(energy, first, end)
    assert totals.consumption + totals.exported + totals.charge == (
        totals.generation + totals.imported + totals.discharge
    )
    assert min(totals.flows.values()) >= 0
    charged = used = 0
    for week in energy.weeks(first, end):
        part = week.part(first, end)
        charged += sum(week.cars[part])
        used += sum(week.load[part])
    assert totals.consumption == used + charged
    sites = made.fleet.sites_of_user(made.user_id(home))
    model = sum(
        made.charging.energy_between(site, quarter_start(first), quarter_start(end))
        for site in sites
    )
    assert charged == model
    if energy.battery is not None:
        before = energy_totals(energy, first - 1, first).mean_stored_wh
        after = energy_totals(energy, end - 1, end).mean_stored_wh
        assert after - before == totals.charge - totals.discharge
        assert 0 <= after <= energy.battery.capacity_wh
    else:
        assert totals.charge == totals.discharge == 0


@settings(deadline=None, max_examples=25)
@any_span
def test_energy_of_a_span_is_the_sum_of_its_parts(
    seed: int, home: int, hours: int, span: int
) -> None:
    made = world(seed, 30)
    energy = home_energy(made, made.user_id(home))
    first = energy.current_quarter - hours * QUARTERS_PER_HOUR
    whole = energy_totals(energy, first, first + 5 * span)
    parts = [energy_totals(energy, first + n * span, first + (n + 1) * span) for n in range(5)]
    for name in FLOWS:
        assert whole.flows[name] == sum(part.flows[name] for part in parts)
    assert whole.quarters == sum(part.quarters for part in parts)


@settings(deadline=None, max_examples=25)
@any_span
def test_past_energy_does_not_change(seed: int, home: int, hours: int, span: int) -> None:
    early = build_world(seed, 30, Clock(speed=0))
    late = world(seed, 30)
    clock = Clock(speed=0, start=ANCHOR - timedelta(hours=hours, minutes=7))
    early.clock = clock
    energy = home_energy(early, early.user_id(home))
    first = energy.current_quarter - span
    totals = energy_totals(energy, first, energy.current_quarter)
    assert numbers(totals) == numbers(
        energy_totals(home_energy(late, late.user_id(home)), first, energy.current_quarter)
    )


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 3), st.integers(0, 11), st.integers(1, 24 * 400))
def test_battery_respects_its_power_and_is_full_once_a_week(
    seed: int, home: int, hours: int
) -> None:
    made = world(seed, 30)
    energy = home_energy(made, made.user_id((0, 3, 7, 12)[home % 4]))
    assert energy.battery is not None
    quarter = energy.current_quarter - (hours + 168) * QUARTERS_PER_HOUR
    (week,) = energy.weeks(quarter, quarter + 1)
    assert len(week.stored) == QUARTERS_PER_WEEK
    assert week.stored[-1] == energy.battery.capacity_wh
    steps = zip(week.stored, week.stored[1:], strict=False)
    assert max(abs(after - before) for before, after in steps) <= energy.battery.max_wh
    assert min(week.stored) >= energy.battery.reserve_wh


@settings(deadline=None, max_examples=25)
@any_span
def test_solar_share_of_charging_is_at_most_the_surplus(
    seed: int, home: int, hours: int, span: int
) -> None:
    made = world(seed, 30)
    user_id = made.user_id(home)
    energy = home_energy(made, user_id)
    first = energy.current_quarter - hours * QUARTERS_PER_HOUR
    start, end = quarter_start(first), quarter_start(first + span)
    sites = list(made.fleet.sites_of_user(user_id))
    shares = [solar_share(made, site, start, end) for site in sites]
    totals = energy_totals(energy, first, first + span)
    assert sum(shares) <= totals.flows["solar_to_home"]
    for site, share in zip(sites, shares, strict=True):
        assert 0 <= share <= made.charging.energy_between(site, start, end)


def test_homes_depend_on_the_seed_only() -> None:
    one, other = build_world(7, 50, Clock(speed=0)), build_world(7, 50, Clock(speed=0))
    end = quarter_at(ANCHOR)
    homes = [home_energy(made, made.user_id(3)) for made in (one, other)]
    results = [numbers(energy_totals(home, end - 900, end)) for home in homes]
    assert results[0] == results[1]
    different = build_world(8, 50, Clock(speed=0))
    home = home_energy(different, different.user_id(3))
    assert numbers(energy_totals(home, end - 900, end)) != results[0]


def test_only_batteries_of_some_policies_export() -> None:
    made = world(1, 400)
    end = quarter_at(ANCHOR)
    exported = dict[str, int]()
    for number in range(120):
        home = home_energy(made, made.user_id(number))
        if home.battery is not None:
            totals = energy_totals(home, end - QUARTERS_PER_WEEK, end)
            policy = str(home.battery.policy)
            exported[policy] = exported.get(policy, 0) + totals.flows["battery_to_grid"]
    assert exported.pop("EXPORT_FOCUS") > 10_000
    assert set(exported.values()) == {0}
    assert len(exported) == 3
