"""The five uses of either client, and what there is to see of them afterwards."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Final

import attrs

from ev_energy.models import RoutePoint
from ev_energy.simulator import Simulator

FILE: Final = b"an invoice, as it were" * 100
PAGE_SIZE: Final = 4
HERE: Final = RoutePoint(latitude=51.5, longitude=-0.1, name="here")

#: What a fault is to strike, as the simulator has it, and how many requests it lets pass first.
STRUCK: Final = {
    "read": ("GET /vehicles/{vehicle_id}", 0),
    "write": ("POST /users/{user_id}/saved_routes", 0),
    "walk": ("GET /vehicles", 1),
    "token": ("token", 0),
    "upload": ("upload", 0),
}


@attrs.frozen
class World:
    """A simulator that serves many cells, and what is in it."""

    simulator: Simulator
    vehicles: list[str]
    """The ids of all of them, in the order of their list."""
    rebate: str
    evidence_type: str


@attrs.define
class Doing:
    """One use of a client: what it is to do, what was sent, and what came."""

    world: World
    use: str
    timeout: float
    name: str
    """One that nobody else gives to anything."""
    sent: list[tuple[str, str]] = attrs.field(factory=list)
    """Method and URL of every attempt, as the client tells of it."""
    items: list[str] = attrs.field(factory=list)

    def note(self, event: Any) -> None:
        self.sent.append((event.request.method, str(event.request.url)))

    async def do(self, client: Any) -> None:
        """Do it. The first thing a client does is to get a token."""
        sim = self.world.simulator
        if self.use in {"read", "token"}:
            vehicle = await done(client.vehicles.get(self.world.vehicles[0]))
            self.items.append(vehicle.id)
        elif self.use == "write":
            route = await done(
                client.users.create_saved_route(
                    sim.user_id,
                    name=self.name,
                    origin=HERE,
                    destination=HERE,
                    arrive_with_min_percent=20,
                )
            )
            self.items.append(route.id)
        elif self.use == "walk":
            async for vehicle in each(client.vehicles.list(page_size=PAGE_SIZE)):
                self.items.append(vehicle.id)
        else:
            kept = await done(
                client.acting_for(sim.user_id).rebates.upload_evidence(
                    FILE,
                    user_rebate=self.world.rebate,
                    rebate_evidence_type=self.world.evidence_type,
                    file_name=self.name,
                    timeout=self.timeout,
                )
            )
            self.items.append(kept.id)

    async def go_on(self, client: Any, error: Any) -> None:
        """Do the rest, where the error says how."""
        if self.use == "walk":
            pager = client.vehicles.list(page_size=PAGE_SIZE).resume(error.cursor)
            async for vehicle in each(pager):
                self.items.append(vehicle.id)
        elif self.use == "upload":
            kept = await done(
                client.acting_for(self.world.simulator.user_id).rebates.resume_upload(
                    error.upload, FILE
                )
            )
            self.items.append(kept.id)

    @property
    def attempts(self) -> int:
        """How often what is struck was sent; of a walk, its second page."""
        urls = [url for method, url in self.sent if self._is_it(method, url)]
        return urls.count(list(dict.fromkeys(urls))[1]) if self.use == "walk" else len(urls)

    @property
    def all_sent(self) -> int:
        return sum(self._is_it(method, url) for method, url in self.sent)

    @property
    def all_seen(self) -> int:
        """The same as `all_sent`, as the server saw it."""
        return sum(self._is_it(one.method, one.path) for one in self.world.simulator.requests)

    @property
    def carried_out(self) -> int:
        """How often what it was for was done: routes in the table, files in the storage."""
        tables = self.world.simulator._world.tables
        if self.use == "write":
            return sum(row["name"] == self.name for row in tables["saved_routes"])
        return sum(
            (row["_upload"] or {}).get("size") == len(FILE)
            for row in tables["rebate_evidence_files"]
            if row["file_name"] == self.name
        )

    def _is_it(self, method: str, url: str) -> bool:
        if self.use == "token":
            return url.endswith("/o/token/")
        if self.use == "upload":
            return method == "PUT"
        path = {"read": "/vehicles/", "write": "/saved_routes", "walk": "/vehicles"}[self.use]
        return method == ("POST" if self.use == "write" else "GET") and path in url

    def tidy(self) -> None:
        """Make room: a user can keep so many routes and no more."""
        table = self.world.simulator._world.tables["saved_routes"]
        for row in [row for row in table if row["name"] == self.name]:
            table.remove(row["id"])


async def done(value: Any) -> Any:
    """What either client answers."""
    return await value if inspect.isawaitable(value) else value


async def each(pager: Any) -> AsyncIterator[Any]:
    if hasattr(pager, "__aiter__"):
        async for item in pager:
            yield item
    else:
        for item in pager:
            yield item


def without_a_loop(work: Awaitable[None]) -> None:
    """Run what never waits, since a blocking client does the waiting."""
    step = work.__await__()
    try:
        next(step)
    except StopIteration:
        return
    raise AssertionError("the blocking client is not to be awaited")
