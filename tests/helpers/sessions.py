"""What tests of charging do again and again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

#: All that a sub-session can show in full.
EXPANSIONS = (
    *("evse", "evse.latest_status_log", "evse.model", "evse.model.make", "evse.user"),
    *("vehicle", "vehicle.latest_status_log", "vehicle.trim", "vehicle.trim.model"),
    *("vehicle.trim.model.make", "vehicle.user", "energy_usage", "schedules", "assessment"),
    *("flags", "debug_metadata", "tariff", "tariff.supplier", "carbon_feed", "grid_feeds"),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def query(**parameters: Any) -> str:
    return "&".join(
        f"{name}={str(value).replace('+', '%2B')}"
        for name, values in parameters.items()
        for value in (values if isinstance(values, tuple) else (values,))
    )


def neighbours(answer: Any) -> list[str | None]:
    """The URLs of the pages before and after one."""
    links = [part.partition(">")[0].strip(" <") for part in answer.headers["Link"].split(",")]
    return [None if link == "about:blank" else link for link in links]


async def everything(api: Any, path: str, *, pages: int = 1000) -> list[dict[str, Any]]:
    """All items of a list, from page to page as the links lead."""
    found: list[dict[str, Any]] = []
    url: str | None = path
    for _ in range(pages):
        answer = await api.get(url)
        assert answer.status == 200, answer.body
        found += answer.body
        url = neighbours(answer)[1]
        if url is None:
            break
    return found


async def ongoing(api: Any, mode: str = "SMART", *, least_wh: int = 3000) -> dict[str, Any]:
    """A session that is in this mode, with much left to charge; the clock is moved to find it."""
    for _ in range(48):
        answer = await api.get(
            f"/charging_sub_sessions?is_finished=false&mode={mode}&page_size=100"
        )
        for sub in answer.body:
            plans = (await api.get(f"{sub['url']}/schedule_plans")).body["schedule_plans"]
            need = plans[-1]["watt_hours_to_charge"] if plans else 0
            if need - sub["energy_delivered_watt_hours"] >= least_wh:
                for session in (await api.get("/charging_sessions?page_size=100")).body:
                    if sub["url"] in session["sub_sessions"]:
                        return session
        api.simulator.clock.advance(timedelta(minutes=20))
    raise AssertionError(f"Nobody charges in mode {mode}")
