"""The five uses of a client, asynchronous or blocking, with their requests and effects."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Final

import attrs

from ev_energy.models import RoutePoint
from ev_energy.simulator import Simulator

FILE: Final = b"an invoice" * 100
PAGE_SIZE: Final = 4
HERE: Final = RoutePoint(latitude=51.5, longitude=-0.1, name="here")

#: The operation that a fault affects in each use, and the number of earlier requests without it.
AFFECTED: Final = {
    "read": ("GET /vehicles/{vehicle_id}", 0),
    "write": ("POST /users/{user_id}/saved_routes", 0),
    "walk": ("GET /vehicles", 1),
    "token": ("token", 0),
    "upload": ("upload", 0),
}


@attrs.frozen
class Setup:
    """A simulator for many tests, with ids of its resources."""

    simulator: Simulator
    vehicles: list[str]
    """The ids of all vehicles in the order of the listing."""
    rebate: str
    evidence_type: str


@attrs.define
class Use:
    """One use of a client, with the requests that it sent and the items that it returned."""

    setup: Setup
    kind: str
    timeout: float
    name: str
    """A unique name for the route or the file."""
    sent: list[tuple[str, str]] = attrs.field(factory=list)
    """Method and URL of each attempt, recorded by a hook."""
    items: list[str] = attrs.field(factory=list)

    def note(self, event: Any) -> None:
        self.sent.append((event.request.method, str(event.request.url)))

    async def run(self, client: Any) -> None:
        """Run this use; the first call of a client gets a token."""
        sim = self.setup.simulator
        if self.kind in {"read", "token"}:
            vehicle = await result_of(client.vehicles.get(self.setup.vehicles[0]))
            self.items.append(vehicle.id)
        elif self.kind == "write":
            route = await result_of(
                client.users.create_saved_route(
                    sim.user_id,
                    name=self.name,
                    origin=HERE,
                    destination=HERE,
                    arrive_with_min_percent=20,
                )
            )
            self.items.append(route.id)
        elif self.kind == "walk":
            async for vehicle in each(client.vehicles.list(page_size=PAGE_SIZE)):
                self.items.append(vehicle.id)
        else:
            file = await result_of(
                client.acting_for(sim.user_id).rebates.upload_evidence(
                    FILE,
                    user_rebate=self.setup.rebate,
                    rebate_evidence_type=self.setup.evidence_type,
                    file_name=self.name,
                    timeout=self.timeout,
                )
            )
            self.items.append(file.id)

    async def resume(self, client: Any, error: Any) -> None:
        """Continue a listing or an upload with the data of *error*."""
        if self.kind == "walk":
            pager = client.vehicles.list(page_size=PAGE_SIZE).resume(error.cursor)
            async for vehicle in each(pager):
                self.items.append(vehicle.id)
        elif self.kind == "upload":
            file = await result_of(
                client.acting_for(self.setup.simulator.user_id).rebates.resume_upload(
                    error.upload, FILE
                )
            )
            self.items.append(file.id)

    @property
    def attempts(self) -> int:
        """The number of attempts of the affected request; of a listing, of its second page."""
        urls = [url for method, url in self.sent if self._is_affected(method, url)]
        return urls.count(list(dict.fromkeys(urls))[1]) if self.kind == "walk" else len(urls)

    @property
    def all_sent(self) -> int:
        return sum(self._is_affected(method, url) for method, url in self.sent)

    @property
    def all_received(self) -> int:
        """The same as `all_sent`, counted by the simulator."""
        return sum(self._is_affected(one.method, one.path) for one in self.setup.simulator.requests)

    @property
    def carried_out(self) -> int:
        """The number of times that the simulator carried out the write or the upload."""
        tables = self.setup.simulator._world.tables
        if self.kind == "write":
            return sum(row["name"] == self.name for row in tables["saved_routes"])
        return sum(
            (row["_upload"] or {}).get("size") == len(FILE)
            for row in tables["rebate_evidence_files"]
            if row["file_name"] == self.name
        )

    def _is_affected(self, method: str, url: str) -> bool:
        if self.kind == "token":
            return url.endswith("/o/token/")
        if self.kind == "upload":
            return method == "PUT"
        path = {"read": "/vehicles/", "write": "/saved_routes", "walk": "/vehicles"}[self.kind]
        return method == ("POST" if self.kind == "write" else "GET") and path in url

    def clean_up(self) -> None:
        """Delete the route, since the number of routes of a user is limited."""
        table = self.setup.simulator._world.tables["saved_routes"]
        for row in [row for row in table if row["name"] == self.name]:
            table.remove(row["id"])


async def result_of(value: Any) -> Any:
    """Return the result of an asynchronous or a blocking call."""
    return await value if inspect.isawaitable(value) else value


async def each(pager: Any) -> AsyncIterator[Any]:
    if hasattr(pager, "__aiter__"):
        async for item in pager:
            yield item
    else:
        for item in pager:
            yield item


def without_a_loop(work: Awaitable[None]) -> None:
    """Run a coroutine that never suspends, since the blocking client waits for it."""
    step = work.__await__()
    try:
        next(step)
    except StopIteration:
        return
    raise AssertionError("a call of the blocking client must not be awaited")
