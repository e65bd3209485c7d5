from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.sessions import at, everything, ongoing, query

if TYPE_CHECKING:
    from ev_energy.simulator import Clock


@pytest.fixture
async def api(start: Any, clock: Clock) -> Any:
    """A simulator whose clock stands still."""
    return await start(rate_limit=None, clock=clock)


async def part(api: Any, sub: dict[str, Any], name: str) -> dict[str, Any]:
    return (await api.get(f"{sub['url']}/{name}")).body


async def overdone(api: Any) -> dict[str, Any]:
    """A sub-session with readings of more than there can have been."""
    for sub in await everything(api, "/charging_sub_sessions?is_finished=true&page_size=100"):
        flags = (await part(api, sub, "flags"))["flags"]
        more = (await part(api, sub, "debug_metadata"))["uncapped_energy_delivered_watt_hours"]
        if (
            any(flag["name"] == "ENERGY_OVER_DELIVERY" for flag in flags)
            and (more or 0) > sub["energy_delivered_watt_hours"]
        ):
            return sub
    raise AssertionError("None")


@pytest.mark.slow
async def test_energy_can_be_worked_out_anew_with_and_without_the_cap(api: Any) -> None:
    sub = await overdone(api)
    before = sub["energy_delivered_watt_hours"]
    debug = await part(api, sub, "debug_metadata")
    assert debug["is_energy_delivered_capped"] is True
    more = debug["uncapped_energy_delivered_watt_hours"]
    url = f"{sub['url']}/recalculate_energy_usages"
    api.simulator.clock.advance(hours=1)

    dry = await api("POST", url, json={"dry_run": True, "cap_overages": False})
    assert dry.body == {
        "status": "dry_run_completed",
        "previous_energy_delivered_watt_hours": before,
        "new_energy_delivered_watt_hours": more,
    }
    assert (await api.get(sub["url"])).body == sub

    real = await api("POST", url, json={"cap_overages": False})
    assert real.status == 200
    assert real.body["status"] == "recalculation_triggered"
    assert real.body["new_energy_delivered_watt_hours"] == more
    after = (await api.get(sub["url"])).body
    assert after["energy_delivered_watt_hours"] == more
    usage = await part(api, sub, "energy_usage")
    assert sum(o["total_energy_delivered_watt_hours"] for o in usage["intervals"]) == more
    assert at(usage["last_updated_at"]) == api.simulator.clock()
    assert at((await part(api, sub, "assessment"))["updated_at"]) == api.simulator.clock()
    debug = await part(api, sub, "debug_metadata")
    assert debug["is_energy_delivered_capped"] is False
    assert debug["uncapped_energy_delivered_watt_hours"] is None
    exact = f"energy_delivered_watt_hours__gte={more}&energy_delivered_watt_hours__lte={more}"
    span = query(
        start__gt=sub["start"].replace(sub["start"][-4:], "000Z"), end__lt="2026-10-06T00:00:00Z"
    )
    found = (await api.get(f"/charging_sub_sessions?{exact}&{span}")).body
    assert sub["id"] in {one["id"] for one in found}

    back = await api("POST", url)
    assert back.body["previous_energy_delivered_watt_hours"] == more
    assert back.body["new_energy_delivered_watt_hours"] == before
    assert (await api.get(sub["url"])).body == sub


async def test_what_goes_on_is_not_worked_out_anew(api: Any) -> None:
    session = await ongoing(api)
    answer = await api("POST", f"{session['sub_sessions'][0]}/recalculate_energy_usages")
    assert answer.status == 400
    unknown = f"/charging_sub_sessions/csub{'0' * 26}/recalculate_energy_usages"
    assert (await api("POST", unknown)).status == 404
    bad = await api(
        "POST",
        f"{session['sub_sessions'][0]}/recalculate_energy_usages",
        json={"dry_run": "perhaps"},
    )
    assert bad.status == 400
