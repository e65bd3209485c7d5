from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.sessions import all_items, parse_time, query_string, running_session

if TYPE_CHECKING:
    from ev_energy.simulator import Clock

HALF_HOUR = timedelta(minutes=30)


@pytest.fixture
async def api(start: Any, clock: Clock) -> Any:
    """A simulator whose clock stands still."""
    return await start(rate_limit=None, clock=clock)


async def owned(api: Any, home: int = 0) -> list[dict[str, Any]]:
    """Return the newest sub-sessions of the user of a home."""
    user = (await api.get(f"/users?page_size={home + 1}")).body[home]["id"]
    return (await api.get(f"/charging_sub_sessions?user_id={user}&page_size=60")).body


async def part(api: Any, sub: dict[str, Any], name: str, **parameters: Any) -> dict[str, Any]:
    """Return a part of a sub-session, such as its energy usage."""
    answer = await api.get(f"{sub['url']}/{name}?{query_string(**parameters)}")
    assert answer.status == 200, answer.body
    return answer.body


async def test_parts_expand_their_sub_session(api: Any) -> None:
    for sub in (await owned(api))[:4]:
        for name in ("flags", "debug_metadata", "schedules", "schedule_plans", "assessment"):
            shown = await part(api, sub, name)
            assert shown["url"] == f"{sub['url']}/{name}"
            assert shown["charging_sub_session"] == sub["url"]
            shown = await part(api, sub, name, expand="charging_sub_session")
            assert shown["charging_sub_session"] == sub
        usage = await part(api, sub, "energy_usage", expand="charging_sub_session")
        assert usage["charging_sub_session"] == sub["url"]  # its schema allows a URL only
        for log in (await api.get(f"/dispatcher_logs?charging_sub_session_id={sub['id']}")).body:
            assert log["charging_sub_session"] == sub["url"]
        full = f"/dispatcher_logs?charging_sub_session_id={sub['id']}&expand=charging_sub_session"
        for log in (await api.get(full)).body:
            assert log["charging_sub_session"] == sub


@pytest.mark.parametrize(
    "name",
    ["energy_usage", "flags", "debug_metadata", "schedules", "schedule_plans", "assessment"],
)
async def test_parts_of_an_unknown_sub_session_are_a_404(api: Any, name: str) -> None:
    assert (await api.get(f"/charging_sub_sessions/csub{'0' * 26}/{name}")).status == 404


@pytest.mark.slow
async def test_energy_of_half_hours_adds_up_to_the_sub_session(api: Any) -> None:
    for sub in [one for home in range(4) for one in await owned(api, home=home)]:
        usage = await part(api, sub, "energy_usage")
        intervals = usage["intervals"]
        assert usage["currency"] == sub["currency"]
        total = [one["total_energy_delivered_watt_hours"] for one in intervals]
        assert sum(total) == sub["energy_delivered_watt_hours"]
        assert sum(one["alt_usage_watt_hours"] for one in intervals) == sum(total)
        starts = [parse_time(one["started_at"]) for one in intervals]
        assert starts == [starts[0] + n * HALF_HOUR for n in range(len(starts))]
        assert all(one.minute in {0, 30} and not one.second for one in starts)
        assert starts[0] <= parse_time(sub["start"]) < starts[0] + HALF_HOUR
        if sub["end"] is not None:
            assert starts[-1] < parse_time(sub["end"]) <= starts[-1] + HALF_HOUR
        assert {one["interval_seconds"] for one in intervals} == {1800}
        parts = sub["grid_energy_delivered_watt_hours"], sub["solar_energy_delivered_watt_hours"]
        assert sum(parts) == sub["energy_delivered_watt_hours"]
        assert Decimal(sub["grid_energy_delivered"]) == parts[0]


@pytest.mark.slow
async def test_costs_follow_from_the_prices_of_the_tariff(api: Any) -> None:
    checked = 0
    prices: dict[tuple[str, str], int] = {}
    for sub in [one for home in range(6) for one in (await owned(api, home=home))[:12]]:
        usage = await part(api, sub, "energy_usage")
        if sub["tariff"] is None:
            assert sub["cost"] is None
            assert {one["electricity_cost_sub_unit"] for one in usage["intervals"]} == {None}
            continue
        cost = Decimal()
        for one in usage["intervals"]:
            wh, share = one["total_energy_delivered_watt_hours"], one["percentage_import"]
            rate = Decimal(one["electricity_cost_sub_unit"])
            cost += rate * wh * share / 100_000
            assert one["energy_delivered_by_price"] == {
                "price": one["electricity_cost_sub_unit"], "energy_delivered_watt_hours": wh
            }  # fmt: skip
            key = (sub["tariff"], one["started_at"])
            if key not in prices:
                day = await api.get(f"{sub['tariff']}/prices?page_size=100")
                for price in day.body:
                    prices[sub["tariff"], price["started_at"]] = price["price_minor_units"]
            if key in prices:
                assert abs(prices[key] - rate) <= Decimal("0.5")
                checked += 1
        assert abs(sub["cost"] - cost) <= 1
        if sub["energy_delivered_watt_hours"]:
            average = cost * 1000 / sub["energy_delivered_watt_hours"]
            assert abs(sub["cost_per_kilowatt_hour"] - average) <= 2
        else:
            assert sub["cost_per_kilowatt_hour"] is None
    assert checked > 50


async def test_carbon_follows_from_the_intensities_of_the_feed(api: Any) -> None:
    checked = 0
    for sub in [one for home in range(5) for one in (await owned(api, home=home))[:6]]:
        intervals = (await part(api, sub, "energy_usage"))["intervals"]
        after = intervals[-1]["started_at"].replace(".000000Z", ".000001Z")
        page = await api.get(
            f"{sub['carbon_feed']}/carbon_intensities?page_size=100&page_after={after}"
        )
        known = {
            parse_time(one["started_at"]): one["co2_intensity_grams_per_kilowatt_hour"]
            for one in page.body["carbon_intensities"]
        }
        grams = sum(
            known[parse_time(one["started_at"])]
            * one["total_energy_delivered_watt_hours"]
            * one["percentage_import"]
            for one in intervals
        )
        assert abs(sub["total_co2_grams"] - grams / 100_000) <= len(intervals)
        checked += grams > 0
    assert checked > 15


async def test_merged_intervals_alternate_between_energy_and_none(api: Any) -> None:
    with_several_prices = 0
    for sub in await owned(api):
        fine = (await part(api, sub, "energy_usage"))["intervals"]
        merged = (await part(api, sub, "energy_usage", merge_consecutive_intervals="true"))[
            "intervals"
        ]
        energies = [one["total_energy_delivered_watt_hours"] for one in merged]
        assert sum(energies) == sub["energy_delivered_watt_hours"]
        assert sum(one["interval_seconds"] for one in merged) == 1800 * len(fine)
        flows = [energy > 0 for energy in energies]
        assert all(one != other for one, other in pairwise(flows))
        for one in merged:
            by_price = one.get("energy_delivered_by_price")
            assert ("energy_delivered_by_price" in one) == (sub["tariff"] is not None)
            if isinstance(by_price, list):
                with_several_prices += 1
                assert (
                    sum(entry["energy_delivered_watt_hours"] for entry in by_price)
                    == (one["total_energy_delivered_watt_hours"])
                )
                rates = {Decimal(entry["price"]) for entry in by_price}
                assert len(rates) == len(by_price)
                assert Decimal(one["electricity_cost_sub_unit"]) == sum(rates)
        only = await part(
            api, sub, "energy_usage", merge_consecutive_intervals="true",
            energy_delivered_watt_hours__gt=0,
        )  # fmt: skip
        assert only["intervals"] == [
            one for one, energy in zip(merged, energies, strict=True) if energy > 0
        ]
        above = await part(api, sub, "energy_usage", energy_delivered_watt_hours__gt=2000)
        assert above["intervals"] == [
            one for one in fine if one["total_energy_delivered_watt_hours"] > 2000
        ]
    assert with_several_prices


async def test_schedules_follow_from_plans_and_charging_from_schedules(api: Any) -> None:
    counts: Counter[str] = Counter()
    for sub in await owned(api):
        plans = (await part(api, sub, "schedule_plans"))["schedule_plans"]
        shown = (await part(api, sub, "schedules"))["schedules"]
        plan_by_creation = {plan["created_at"]: plan for plan in plans}
        counts[sub["mode"]] += len(shown)
        for one in shown:
            plan = plan_by_creation[one["created_at"]]
            assert one["current_milliamps"] in {0, plan["power_on_current_milliamps"]}
            assert one["schedule_type"] == sub["mode"]
            assert parse_time(one["started_at"]).minute in {0, 30}
            assert one["interval_seconds"] == (None if sub["mode"] == "BOOST" else 1800)
            if one["dispatched_at"] is not None:
                assert (
                    parse_time(one["created_at"])
                    < parse_time(one["dispatched_at"])
                    <= api.simulator.clock()
                )
        if sub["mode"] == "SMART":
            on = {parse_time(one["started_at"]) for one in shown if one["current_milliamps"]}
            usage = (await part(api, sub, "energy_usage"))["intervals"]
            for one in usage:
                if one["total_energy_delivered_watt_hours"]:
                    assert parse_time(one["started_at"]) in on
    assert counts["SMART"] > 100
    assert counts["BOOST"]
    assert not counts["UNMANAGED_OTG"]


async def test_schedules_of_a_new_plan_replace_those_of_the_old_plan(api: Any) -> None:
    session = await running_session(api)
    while session["vehicle"] is None:
        api.simulator.clock.advance(minutes=30)
        session = await running_session(api)
    api.simulator.clock.advance(minutes=3)
    await api("PATCH", session["vehicle"], json={"maximum_charge_limit_percentage": 100})
    sub = (await api.get(session["sub_sessions"][0])).body
    api.simulator.clock.advance(minutes=3)
    first, second = (await part(api, sub, "schedule_plans"))["schedule_plans"]
    assert first["created_at"] < second["created_at"]
    assert second["max_charge_limit_percent"] == 100
    assert second["watt_hours_to_charge"] > first["watt_hours_to_charge"]
    latest = (await part(api, sub, "schedules"))["schedules"]
    every = (await part(api, sub, "schedules", only_most_recently_created="false"))["schedules"]
    starts = [one["started_at"] for one in latest]
    assert len(set(starts)) == len(starts)
    assert len(every) > len(latest)
    assert {one["created_at"] for one in every} == {first["created_at"], second["created_at"]}
    newest: dict[str, Any] = {}
    for one in every:
        newest[one["started_at"]] = one
    assert latest == list(newest.values())
    of_first = await part(
        api, sub, "schedules", schedule_plan_id=first["id"], only_most_recently_created="false"
    )
    assert of_first["schedules"] == [o for o in every if o["created_at"] == first["created_at"]]
    unknown = await part(api, sub, "schedules", schedule_plan_id=f"scpl{'0' * 26}")
    assert unknown["schedules"] == []

    cut = starts[3]
    later = await part(api, sub, "schedules", started_at__gte=cut)
    assert [one["started_at"] for one in later["schedules"]] == starts[3:]
    sooner = await part(api, sub, "schedules", started_at__lte=cut)
    assert [one["started_at"] for one in sooner["schedules"]] == starts[:4]
    for bound, plan in (("created_at__gte", second), ("created_at__lte", first)):
        shown = await part(api, sub, "schedule_plans", **{bound: plan["created_at"]})
        assert [one["id"] for one in shown["schedule_plans"]] == [plan["id"]]


async def test_schedule_plans_expand_their_prices(api: Any) -> None:
    seen = 0
    for sub in (await owned(api))[:12]:
        for plan in (await part(api, sub, "schedule_plans"))["schedule_plans"]:
            assert plan["price_data"] is None
        shown = await part(api, sub, "schedule_plans", expand="price_data")
        for plan in shown["schedule_plans"]:
            starts = [parse_time(price["started_at"]) for price in plan["price_data"]]
            assert starts[0] <= parse_time(plan["created_at"]) < starts[0] + HALF_HOUR
            assert starts[-1] < parse_time(plan["ready_by_time"]) <= starts[-1] + HALF_HOUR
            if plan["price_threshold_minor_unit"] is not None:
                dearest = plan["price_threshold_minor_unit"]
                cheaper = [p for p in plan["price_data"] if p["price_minor_units"] * 100 <= dearest]
                assert len(cheaper) * 1800 >= plan["seconds_to_charge"] - 1800
            seen += 1
    assert seen


async def test_dispatches_that_were_sent_are_in_the_command_logs(api: Any) -> None:
    sent, unsent = Counter[str](), 0
    for sub in await owned(api):
        path = f"/dispatcher_logs?charging_sub_session_id={sub['id']}"
        logs = (await api.get(path)).body
        times = [one["logged_at"] for one in logs]
        assert times == sorted(times, reverse=True)
        created = {
            plan["created_at"]
            for plan in (await part(api, sub, "schedule_plans"))["schedule_plans"]
        }
        for one in logs:
            assert one["schedule_created_at"] in created
            assert one["schedule_valid_period_start"] <= one["logged_at"]
            if one["reason_not_sent"] is not None:
                unsent += 1
                continue
            device = sub["evse"] if one["device_type"] == "EVSE" else sub["vehicle"]
            entry = (await api.get(f"{device}/command_logs/{one['logged_at']}")).body
            assert entry["internal_command_id"] == one["internal_command_id"]
            sent[one["device_type"]] += 1
        if len(logs) > 2:
            low = f"&{query_string(logged_at__gte=times[1])}"
            assert [one["logged_at"] for one in (await api.get(path + low)).body] == times[:2]
            high = f"&{query_string(logged_at__lte=times[1])}"
            assert [one["logged_at"] for one in (await api.get(path + high)).body] == times[1:]
    assert sent["EVSE"] > 20
    assert sent["VEHICLE"] > 5
    assert unsent


async def test_dispatches_of_other_users_are_not_listed(api: Any) -> None:
    assert (await api.get("/dispatcher_logs")).status == 400
    unknown = f"/dispatcher_logs?charging_sub_session_id=csub{'0' * 26}"
    assert ((await api.get(unknown)).status, (await api.get(unknown)).body) == (200, [])
    of_other = next(one for one in await owned(api, home=1) if one["mode"] == "SMART")
    path = f"/dispatcher_logs?charging_sub_session_id={of_other['id']}"
    assert (await api.get(path)).body
    token = api.simulator.sign_in().access_token
    assert (await api.get(path, token=token)).body == []


async def test_assessments_are_of_ended_sub_sessions(api: Any) -> None:
    session = await running_session(api)
    sub = (await api.get(session["sub_sessions"][0])).body
    shown = await part(api, sub, "assessment")
    assert shown["energy_delivery_percentage"] is None
    assert shown["ratings"] == {"overall": "NOT_APPLICABLE"}
    assert "updated_at" not in shown
    rated: Counter[str] = Counter()
    for sub in await owned(api):
        shown = await part(api, sub, "assessment")
        rated[shown["ratings"]["overall"]] += 1
        if sub["energy_delivered_watt_hours"]:
            assert shown["average_charge_rate_watts"] <= shown["max_charge_rate_watts"]
        assert parse_time(shown["updated_at"]) > parse_time(sub["end"])
        duration = (parse_time(sub["end"]) - parse_time(sub["start"])).total_seconds()
        assert abs(shown["metrics"]["session_duration"] - duration) < 1
    assert len(rated) > 1


async def test_finish_reasons_are_the_start_reasons_of_the_next_sub_session(api: Any) -> None:
    sessions = await all_items(api, "/charging_sessions?page_size=100", pages=3)
    for session in sessions:
        reasons = [
            (await api.get(f"{url}/debug_metadata")).body for url in session["sub_sessions"][::-1]
        ]
        assert reasons[0]["start_reason"] in {"EVSE_CONNECT", "VEHICLE_LOG_CONNECT"}
        for before, after in pairwise(reasons):
            assert before["finish_reason"] == after["start_reason"]
        assert (reasons[-1]["finish_reason"] is None) == (session["end"] is None)
        for one in reasons:
            assert (one["solar_integration_type"] is None) == (session["evse"] is None)


async def test_sub_sessions_cover_all_kinds(api: Any) -> None:
    await running_session(api)  # advances the clock
    api.simulator.clock.advance(days=1)
    await api.log_in()
    found = await all_items(api, "/charging_sub_sessions?page_size=100", pages=8)
    assert {one["mode"] for one in found} == {"SMART", "BOOST", "UNMANAGED_HOME", "UNMANAGED_OTG"}
    assert {one["currency"] for one in found} == {"GBP", "EUR", "USD"}
    assert len({one["co2_intensity_classification"] for one in found}) > 3
    for name in ("vehicle", "evse", "cost", "labels", "solar_mode_type", "incentive_earned"):
        assert {one[name] is None for one in found} == {True, False}, name
    assert {one["location"]["name"] for one in found} == {"Home", "On the go"}
    assert any(one["savings_cost"] for one in found)
