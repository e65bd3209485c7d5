from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.sessions import all_items, parse_time, query_string, running_session

if TYPE_CHECKING:
    from ev_energy.simulator import Clock


@pytest.fixture
async def api(start: Any, clock: Clock) -> Any:
    """A simulator whose clock stands still."""
    return await start(rate_limit=None, clock=clock)


async def part(api: Any, sub: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a part of a sub-session, such as its energy usage."""
    return (await api.get(f"{sub['url']}/{name}")).body


async def capped_sub_session(api: Any) -> dict[str, Any]:
    """Return a sub-session whose measured energy exceeds what it can have been, and is capped."""
    for sub in await all_items(api, "/charging_sub_sessions?is_finished=true&page_size=100"):
        flags = (await part(api, sub, "flags"))["flags"]
        if not any(flag["name"] == "ENERGY_OVER_DELIVERY" for flag in flags):
            continue
        uncapped = (await part(api, sub, "debug_metadata"))["uncapped_energy_delivered_watt_hours"]
        if (uncapped or 0) > sub["energy_delivered_watt_hours"]:
            return sub
    raise AssertionError("no sub-session is capped")


@pytest.mark.slow
async def test_recalculation_with_and_without_the_cap(api: Any) -> None:
    sub = await capped_sub_session(api)
    before = sub["energy_delivered_watt_hours"]
    debug = await part(api, sub, "debug_metadata")
    assert debug["is_energy_delivered_capped"] is True
    uncapped = debug["uncapped_energy_delivered_watt_hours"]
    url = f"{sub['url']}/recalculate_energy_usages"
    api.simulator.clock.advance(hours=1)

    dry_run = await api("POST", url, json={"dry_run": True, "cap_overages": False})
    assert dry_run.body == {
        "status": "dry_run_completed",
        "previous_energy_delivered_watt_hours": before,
        "new_energy_delivered_watt_hours": uncapped,
    }
    assert (await api.get(sub["url"])).body == sub

    recalculated = await api("POST", url, json={"cap_overages": False})
    assert recalculated.status == 200
    assert recalculated.body["status"] == "recalculation_triggered"
    assert recalculated.body["new_energy_delivered_watt_hours"] == uncapped
    after = (await api.get(sub["url"])).body
    assert after["energy_delivered_watt_hours"] == uncapped
    usage = await part(api, sub, "energy_usage")
    assert sum(o["total_energy_delivered_watt_hours"] for o in usage["intervals"]) == uncapped
    assert parse_time(usage["last_updated_at"]) == api.simulator.clock()
    assert parse_time((await part(api, sub, "assessment"))["updated_at"]) == api.simulator.clock()
    debug = await part(api, sub, "debug_metadata")
    assert debug["is_energy_delivered_capped"] is False
    assert debug["uncapped_energy_delivered_watt_hours"] is None
    exact = (
        f"energy_delivered_watt_hours__gte={uncapped}&energy_delivered_watt_hours__lte={uncapped}"
    )
    span = query_string(
        start__gt=sub["start"].replace(sub["start"][-4:], "000Z"), end__lt="2026-10-06T00:00:00Z"
    )
    found = (await api.get(f"/charging_sub_sessions?{exact}&{span}")).body
    assert sub["id"] in {one["id"] for one in found}

    capped = await api("POST", url)
    assert capped.body["previous_energy_delivered_watt_hours"] == uncapped
    assert capped.body["new_energy_delivered_watt_hours"] == before
    assert (await api.get(sub["url"])).body == sub


async def test_recalculation_of_a_running_sub_session_is_a_400(api: Any) -> None:
    session = await running_session(api)
    answer = await api("POST", f"{session['sub_sessions'][0]}/recalculate_energy_usages")
    assert answer.status == 400
    unknown = f"/charging_sub_sessions/csub{'0' * 26}/recalculate_energy_usages"
    assert (await api("POST", unknown)).status == 404
    invalid = await api(
        "POST",
        f"{session['sub_sessions'][0]}/recalculate_energy_usages",
        json={"dry_run": "perhaps"},
    )
    assert invalid.status == 400
