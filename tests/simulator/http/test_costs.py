"""What requests cost, as calls of the simulator's functions: unlike times, always the same."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ev_energy.simulator
from ev_energy.simulator import Clock
from ev_energy.simulator.http._contract import CONTRACT

if TYPE_CHECKING:
    from types import FrameType

pytestmark = pytest.mark.slow

_SIMULATOR = str(Path(ev_energy.simulator.__file__).parent)
#: The largest world costs at most this many times as many calls as a small one.
_MAX_GROWTH = 1.25
#: The calls that a request may take: a twentieth more than when this was written.
_MAX_CALLS = {
    "/vehicles/{id}": 132,
    "/charging_sub_sessions/{id}": 465,
    "/vehicles": 1290,
    "/vehicles?expand=user&expand=trim.model.make&expand=latest_status_log": 8670,
    "/charging_sub_sessions": 7380,
}


async def _calls(api: Any, path: str) -> int:
    """Return how many functions of the simulator the second request for *path* calls."""
    assert (await api.get(path)).status == 200
    calls = 0

    def count(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename.startswith(_SIMULATOR)

    sys.setprofile(count)
    try:
        await api.get(path)
    finally:
        sys.setprofile(None)
    return calls


async def test_page_of_a_list_does_not_depend_on_the_size_of_the_world(start: Any) -> None:
    lists = [
        path
        for (method, path), facts in CONTRACT.items()
        if method == "GET" and facts.paging and "{" not in path and not facts.required
    ]
    assert len(lists) > 30
    small, large = [
        await start(vehicles=vehicles, rate_limit=None, clock=Clock(speed=0))
        for vehicles in (100, 100_000)
    ]
    growth = {path: await _calls(large, path) / await _calls(small, path) for path in lists}
    assert {path: ratio for path, ratio in growth.items() if ratio > _MAX_GROWTH} == {}


@pytest.mark.parametrize("path", _MAX_CALLS)
async def test_requests_take_no_more_calls_than_before(start: Any, path: str) -> None:
    api = await start(rate_limit=None, clock=Clock(speed=0))
    folder = path.removesuffix("/{id}")
    first = (await api.get(folder)).body[0]["id"]
    assert await _calls(api, path.format(id=first)) <= _MAX_CALLS[path]
