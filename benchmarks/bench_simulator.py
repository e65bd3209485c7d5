"""Compare the simulator with 100,000 vehicles to the simulator with 100 vehicles."""

from __future__ import annotations

import functools
import http.client
import json
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final

from harness import Ratio, Row, Settings, ratio, rounds

from ev_energy.simulator import Clock, Simulator
from ev_energy.simulator.http._contract import CONTRACT

_SMALL: Final = 100
_LARGE: Final = 100_000
_PAGE: Final = "page_size=25"
#: Lists with a mandatory parameter.
_EXCLUDED: Final = {"/dispatcher_logs"}

_START: Final = """
import asyncio, json, pathlib, re, sys, time
from ev_energy.simulator import Simulator

def peak():
    # Not getrusage: a child's ru_maxrss begins with the size of the process that started it.
    status = pathlib.Path("/proc/self/status")
    return int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) if status.exists() else 0

async def main():
    started = time.process_time()
    async with Simulator(vehicles=int(sys.argv[1])):
        cost = time.process_time() - started
    print(json.dumps([cost, peak()]))

asyncio.run(main())
"""


class _World:
    """A running simulator, with a connection to it."""

    def __init__(self, vehicles: int, stack: ExitStack) -> None:
        options: Any = {"vehicles": vehicles, "rate_limit": None, "clock": Clock(speed=0)}
        self._simulator = stack.enter_context(Simulator.in_thread(**options))
        address = urllib.parse.urlsplit(self._simulator.base_url)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port)
        stack.callback(self._connection.close)
        form = {
            "grant_type": "client_credentials",
            "client_id": self._simulator.client_id,
            "client_secret": self._simulator.client_secret,
        }
        self._headers = {"Content-Type": "application/x-www-form-urlencoded"}
        token = self._request("POST", "/o/token/", urllib.parse.urlencode(form))[0]["access_token"]
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, target: str) -> tuple[Any, str]:
        """Return the body of a reply, and the URL of the next page."""
        return self._request("GET", target, None)

    def _request(self, method: str, target: str, body: str | None) -> tuple[Any, str]:
        self._connection.request(method, target, body, self._headers)
        response = self._connection.getresponse()
        content = json.loads(response.read())
        if response.status >= 300:
            raise RuntimeError(f"{method} {target}: {response.status} {content}")
        links = re.search(r'<([^>]*)>; rel="next"', response.headers.get("Link") or "")
        return content, links[1] if links else "about:blank"


def rows(settings: Settings) -> Iterator[Row]:
    yield from _start_rows(settings)
    with ExitStack() as stack:
        small, large = _World(_SMALL, stack), _World(_LARGE, stack)
        costs: list[tuple[Ratio, str]] = []
        for path in _lists()[:: 7 if settings.quick else 1]:
            target = f"/v2{path}?{_PAGE}"
            costs.append((_compare(settings, small, large, target), path))
        costs.sort()
        median, slowest = costs[len(costs) // 2], costs[-1]
        yield median[0].row(f"a page of 25 items, median of {len(costs)} lists", note=median[1])
        for cost, path in costs[-3:-1]:
            yield cost.row("… one of the three slowest lists", note=path)
        yield slowest[0].row("… the slowest list", note=slowest[1])
        for name, target in _queries():
            yield _compare(settings, small, large, target).row(name)


def _lists() -> list[str]:
    """Return the paths of the top-level lists with `page_size`."""
    return sorted(
        path
        for (method, path), facts in CONTRACT.items()
        if method == "GET" and facts.paging and "{" not in path and not facts.required
        if path not in _EXCLUDED and "page_size" in facts.query
    )


def _queries() -> list[tuple[str, str]]:
    since = f"start__gt={urllib.parse.quote('2026-09-01T00:00:00Z')}"
    path = "/v2/charging_sub_sessions"
    parts = "expand=vehicle&expand=evse&expand=energy_usage"
    about = "expand=user&expand=trim.model.make&expand=latest_status_log"
    return [
        ("sub-sessions since a month ago", f"{path}?{_PAGE}&{since}"),
        ("the same with vehicle, EVSE and energy usage", f"{path}?{_PAGE}&{since}&{parts}"),
        ("vehicles with user, trim, model, make, latest log", f"/v2/vehicles?{_PAGE}&{about}"),
        ("the user with an e-mail address", "/v2/users?email=nobody.here.7@example.com"),
    ]


def _compare(settings: Settings, small: _World, large: _World, target: str) -> Ratio:
    cases = {
        "small": functools.partial(_repeat, small, target),
        "large": functools.partial(_repeat, large, target),
    }
    return ratio(rounds(cases, settings.rounds(9)), "large", "small")


def _repeat(world: _World, target: str) -> None:
    for _ in range(4):
        world.get(target)


def _start_rows(settings: Settings) -> Iterator[Row]:
    costs: dict[int, list[tuple[float, int]]] = {_SMALL: [], _LARGE: []}
    for _ in range(settings.rounds(5)):
        for vehicles, measured in costs.items():
            command = [sys.executable, "-c", _START, str(vehicles)]
            done = subprocess.run(command, capture_output=True, check=True, text=True)
            seconds, peak = json.loads(done.stdout)
            measured.append((seconds, peak))
    small, large = (sorted(costs[size])[len(costs[size]) // 2] for size in (_SMALL, _LARGE))
    note = f"{large[0] * 1000:,.0f} ms of CPU over {small[0] * 1000:,.0f}"
    yield Row("start with 100,000 vehicles over 100", large[0] / small[0], note=note)
    memory = "memory with 100,000 vehicles over 100"
    if not small[1]:
        yield Row(memory, None, note="skipped: needs Linux")
        return
    note = f"{large[1] / 1000:,.0f} MB resident over {small[1] / 1000:,.0f}"
    yield Row(memory, large[1] / small[1], note=note)
