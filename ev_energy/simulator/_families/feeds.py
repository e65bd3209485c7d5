"""Carbon feeds and grid feeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator._api._paging import numbered_page
from ev_energy.simulator._api._routes import Reply, detail, listing, log
from ev_energy.simulator._content._feeds import constant_level, half_hours_with_level, level_of
from ev_energy.simulator._content._half_hours import half_hours_page

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Call, Handler, Routes

_INTENSITIES: Final[Handler] = log("started_at")


def _intensities(call: Call) -> Reply:
    """Answer a page in a wrapper; what is in it has no URLs."""
    feed = call.row("carbon_feeds", "carbon_feed_id")
    page = _INTENSITIES(call)
    return Reply(
        {
            "url": f"{call.root}/{call.path}",
            "carbon_feed": f"{call.root}{feed['url'].path}",
            "carbon_intensities": [
                {name: value for name, value in entry.items() if name != "url"}
                for entry in page.body
            ],
        },
        headers=page.headers,
    )


def _levels(call: Call) -> Reply:
    feed = call.row("grid_feeds", "grid_feed_id")
    constant = constant_level(feed)
    if constant is None:
        known = half_hours_with_level(call.now)
        return half_hours_page(call, known, lambda number: level_of(call.world, feed, number))
    bounded = call.query.keys() & {"started_at__gte", "started_at__lte"}
    levels = iter(() if bounded else (constant,))  # it did not start before or after anything
    shown, links = numbered_page(levels, f"{call.root}/{call.path}", call.query, call.pairs)
    return Reply(list(shown), headers={"Link": links})


FEEDS: Final[Routes] = {
    ("GET", "/carbon_feeds"): listing(),
    ("GET", "/carbon_feeds/{carbon_feed_id}"): detail(),
    ("GET", "/carbon_feeds/{carbon_feed_id}/carbon_intensities"): _intensities,
    ("GET", "/grid_feeds"): listing(),
    ("GET", "/grid_feeds/{grid_feed_id}"): detail(),
    ("GET", "/grid_feeds/{grid_feed_id}/levels"): _levels,
}
