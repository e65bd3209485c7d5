"""Pages of lists with one entry for each half hour; only the entries of a page are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.simulator.clock._instants import HALF_HOUR, micros
from ev_energy.simulator.http._paging import numbered_page
from ev_energy.simulator.http._routes import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator.http._routes import Call
    from ev_energy.simulator.world._rows import Row


def half_hours_page(call: Call, known: range, entry: Callable[[int], Row]) -> Reply:
    """Return a numbered page of entries, newest first, for the half hours in *known*.

    Half hours are counted from 1970. The query may limit ``started_at``, both bounds included.
    """
    first, last = known.start, known.stop - 1
    if "started_at__gte" in call.query:
        first = max(first, -(-micros(call.query["started_at__gte"]) // HALF_HOUR))
    if "started_at__lte" in call.query:
        last = min(last, micros(call.query["started_at__lte"]) // HALF_HOUR)
    numbers: range = range(last, first - 1, -1)
    rows = ({"number": number} for number in numbers)
    shown, links = numbered_page(rows, f"{call.root}/{call.path}", call.query, call.raw_query)
    return Reply([entry(row["number"]) for row in shown], headers={"Link": links})
