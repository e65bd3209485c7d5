"""The code that the demo runs, and prints next to its results.

`source` returns the statements of a function, so that what is printed is what was run. The last
statement, which hands the results to the demo, is left out.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from ev_energy import Client, Id, Page
from ev_energy.models import (
    EVSE,
    ChargingSubSession,
    EVSEStatusLog,
    OnboardingLink,
    UsageInterval,
    User,
    Vehicle,
)


def source(function: Callable[..., Any]) -> str | None:
    """Return the statements of *function* without the last one; None without its source file."""
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except OSError:
        return None
    [definition] = ast.parse(text).body
    if not isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    _docstring, first, *_, last = definition.body
    return textwrap.dedent("\n".join(text.splitlines()[first.lineno - 1 : last.lineno - 1]))


async def list_sessions(client: Client, since: datetime) -> Sequence[ChargingSubSession]:
    """List the sub-sessions that ended after *since*, with their cars."""
    ended = client.charging_sub_sessions.list(end__gt=since, expand=["vehicle"])
    sessions = await ended.collect(limit=500)
    return sessions  # noqa: RET504  (a statement of its own is not shown)


async def list_devices(client: Client, user: Id[User]) -> tuple[Sequence[Vehicle], Sequence[EVSE]]:
    """List the cars and chargers of a user."""
    home = client.acting_for(user)
    listing = home.vehicles.list(expand=["latest_status_log"])
    cars = await listing.collect(limit=8)
    chargers = await home.evses.list(expand=["model.make"]).collect(limit=8)
    return cars, chargers


def add_up(sessions: Sequence[ChargingSubSession]) -> tuple[float, int, int, float]:
    """Return the sums of the kWh, the cost, the savings and the kilograms of CO2."""
    kwh = sum(each.energy_delivered_watt_hours for each in sessions) / 1000
    cost = sum(each.cost or 0 for each in sessions)  # presumably pence or cents
    saved = sum(each.savings_cost or 0 for each in sessions)
    kg_co2 = sum(each.total_co2_grams or 0 for each in sessions) / 1000
    return kwh, cost, saved, kg_co2


async def read_usage(
    client: Client, session: Id[ChargingSubSession]
) -> tuple[Sequence[UsageInterval], Sequence[int | None], Sequence[Decimal | None]]:
    """Read the energy of a sub-session by interval, and its prices."""
    usage = await client.charging_sub_sessions.energy_usage(session)
    parts = usage.intervals or ()
    watt_hours = [part.total_energy_delivered_watt_hours for part in parts]
    prices = [part.electricity_cost_sub_unit for part in parts]
    return parts, watt_hours, prices


async def read_log(
    client: Client, charger: Id[EVSE]
) -> tuple[Page[EVSEStatusLog], str | None, Page[EVSEStatusLog] | None]:
    """Read two pages of a log, the second one with the cursor of the first."""
    log = client.evses.status_logs(charger, page_size=25)
    page = await log.page()
    cursor = page.next_cursor
    older = await log.resume(cursor).page() if cursor else None
    return page, cursor, older


async def read_entry(client: Client, charger: Id[EVSE], page: Page[EVSEStatusLog]) -> EVSEStatusLog:
    """Read the first entry of a page again, by its timestamp."""
    entry = await client.evses.status_log(charger, page.items[0])
    return entry  # noqa: RET504  (a statement of its own is not shown)


async def get_link(client: Client, user: Id[User], client_id: str) -> OnboardingLink:
    """Return the link on which a user connects a charger."""
    link = await client.evse_onboarding.get(user_id=user, client_id=client_id)
    return link  # noqa: RET504  (a statement of its own is not shown)
