"""Requests that tests of charging share: lists over all pages, and running sessions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

#: All expansions of a sub-session.
EXPANSIONS = (
    *("evse", "evse.latest_status_log", "evse.model", "evse.model.make", "evse.user"),
    *("vehicle", "vehicle.latest_status_log", "vehicle.trim", "vehicle.trim.model"),
    *("vehicle.trim.model.make", "vehicle.user", "energy_usage", "schedules", "assessment"),
    *("flags", "debug_metadata", "tariff", "tariff.supplier", "carbon_feed", "grid_feeds"),
)


def parse_time(text: str) -> datetime:
    """Return the time that a timestamp of the API stands for."""
    return datetime.fromisoformat(text)


def query_string(**parameters: Any) -> str:
    """Return a query string; a tuple gives a parameter for each of its values."""
    return "&".join(
        f"{name}={str(value).replace('+', '%2B')}"
        for name, values in parameters.items()
        for value in (values if isinstance(values, tuple) else (values,))
    )


def page_links(answer: Any) -> list[str | None]:
    """Return the URLs of the previous and the next page; None at an end of the list."""
    links = [part.partition(">")[0].strip(" <") for part in answer.headers["Link"].split(",")]
    return [None if link == "about:blank" else link for link in links]


async def all_items(api: Any, path: str, *, pages: int = 1000) -> list[dict[str, Any]]:
    """Return the items of at most *pages* pages of a list."""
    items: list[dict[str, Any]] = []
    url: str | None = path
    for _ in range(pages):
        answer = await api.get(url)
        assert answer.status == 200, answer.body
        items += answer.body
        url = page_links(answer)[1]
        if url is None:
            break
    return items


async def running_session(api: Any, mode: str = "SMART", *, least_wh: int = 3000) -> dict[str, Any]:
    """Return a running session in *mode* that has at least *least_wh* left to charge.

    Advances the clock until there is one.
    """
    for _ in range(48):
        answer = await api.get(
            f"/charging_sub_sessions?is_finished=false&mode={mode}&page_size=100"
        )
        for sub in answer.body:
            plans = (await api.get(f"{sub['url']}/schedule_plans")).body["schedule_plans"]
            planned_wh = plans[-1]["watt_hours_to_charge"] if plans else 0
            if planned_wh - sub["energy_delivered_watt_hours"] >= least_wh:
                for session in (await api.get("/charging_sessions?page_size=100")).body:
                    if sub["url"] in session["sub_sessions"]:
                        return session
        api.simulator.clock.advance(timedelta(minutes=20))
    raise AssertionError(f"no session charges in mode {mode}")
