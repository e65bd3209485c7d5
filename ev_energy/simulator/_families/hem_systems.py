"""HEM systems and their energy statistics."""

from __future__ import annotations

import itertools
from datetime import UTC
from typing import TYPE_CHECKING, Final

from ev_energy.simulator._api._problems import invalid
from ev_energy.simulator._api._routes import Reply, detail, listing
from ev_energy.simulator._content._energy_stats import RESOLUTIONS, System, faults
from ev_energy.simulator._store._instants import write_instant

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Call, Routes


def _system(call: Call) -> System:
    row = call.row("hem_systems", "hem_system_id")
    return System.of(call.world, row)


def _energy_stats(call: Call) -> Reply:
    system = _system(call)
    start, end = call.query["start"].astimezone(UTC), call.query["end"].astimezone(UTC)
    resolution = RESOLUTIONS[call.query["resolution"]]
    if errors := faults(resolution, start, end, system.zone):
        raise invalid(errors)
    bounds = itertools.pairwise(resolution.parts(start, end, system.zone))
    return Reply({
        "resolution": resolution.name,
        "start": write_instant(start),
        "end": write_instant(end),
        "buckets": [system.bucket(begin, stop) for begin, stop in bounds],
    })  # fmt: skip


HEM_SYSTEMS: Final[Routes] = {
    ("GET", "/hem_systems"): listing(),
    ("GET", "/hem_systems/{hem_system_id}"): detail(),
    ("GET", "/hem_systems/{hem_system_id}/energy_stats"): _energy_stats,
    ("GET", "/hem_systems/{hem_system_id}/live_power"): lambda call: Reply(_system(call).live()),
}
