"""Every fault of the simulator in every use of both clients: what comes, and what it did."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

import ev_energy
import ev_energy_sync
from ev_energy import ClientCredentials, errors
from ev_energy.simulator import Simulator
from ev_energy.simulator.faults import kinds
from tests.end_to_end.fault_matrix import page
from tests.end_to_end.fault_matrix.expected import ROWS, USES, Row
from tests.end_to_end.fault_matrix.uses import PAGE_SIZE, STRUCK, Doing, World, done, without_a_loop
from tests.helpers.names import assert_same_names
from tests.helpers.support import FakeTime

_names: Final = itertools.count(1)
_CELLS: Final = [
    pytest.param(kind, use, often, client, id=f"{kind}-{use}-{often}-{client}")
    for kind, row in ROWS.items()
    for use in USES
    if not getattr(row, use).startswith("(")
    for often in ("once", "always")
    for client in ("async", "blocking")
]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Simulator.in_thread(vehicles=12, rate_limit=1_000_000) as simulator:
        auth = credentials(simulator)
        with ev_energy_sync.Client(auth, base_url=simulator.base_url) as client:
            user = client.acting_for(simulator.user_id)
            kind = user.rebate_types.list().first()
            assert kind is not None
            found = World(
                simulator,
                vehicles=[one.id for one in client.vehicles.list(page_size=100)],
                rebate=user.user_rebates.create(rebate_type=kind).id,
                evidence_type=str(kind.required_evidence[0].url),
            )
        yield found


def credentials(simulator: Simulator) -> ClientCredentials:
    return ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)


def test_every_kind_of_fault_has_its_row() -> None:
    assert_same_names(
        ROWS,
        kinds(),
        missing="add its row to ROWS in expected.py, then run "
        "`python -m tests.end_to_end.fault_matrix.page`",
        unexpected="the simulator has no such fault; take its row out of ROWS in expected.py",
    )
    assert list(ROWS) == list(kinds()), "put the rows in the order of the kinds"


@pytest.mark.matrix("kind", "use")
@pytest.mark.parametrize(("kind", "use", "often", "client"), _CELLS)
def test_a_fault(world: World, kind: str, use: str, often: str, client: str) -> None:
    sim, row = world.simulator, ROWS[kind]
    doing = Doing(world, use, row.timeout, f"{kind} {use} {next(_names)}")
    sim.faults.clear()
    sim.requests.clear()
    operation, after = STRUCK[use]
    count = 1 if often == "once" else None
    fault = sim.faults.add(kind, operation=operation, after=after, count=count, **row.details)
    expected, _, always = getattr(row, use).partition(" | ")
    cell = Cell(doing, kind, always if always and often == "always" else expected)
    try:
        if client == "async":
            asyncio.run(cell.run_async(row))
        else:
            without_a_loop(cell.run_blocking(row))
        assert fault.struck >= 1, "there was nothing to strike"
    finally:
        sim.faults.clear()
        doing.tidy()


class Cell:
    def __init__(self, doing: Doing, kind: str, expected: str) -> None:
        self.doing, self.kind, self.expected = doing, kind, expected
        self.error: errors.EvEnergyError | None = None

    async def run_async(self, row: Row) -> None:
        async with ev_energy.Client(**self.settings(row)) as client:
            await self.run(client)

    async def run_blocking(self, row: Row) -> None:
        with ev_energy_sync.Client(**self.settings(row)) as client:
            await self.run(client)

    def settings(self, row: Row) -> dict[str, Any]:
        sim, clock = self.doing.world.simulator, FakeTime()
        return {
            "auth": credentials(sim),
            "base_url": sim.base_url,
            "timeout": row.timeout,
            "retries": row.retries,
            "on_request": self.doing.note,
            "on_response": self.note_reply,
            "max_body": 2**20,
            "clock": clock,
            "sleep": clock.sleep,
        }

    def note_reply(self, event: Any) -> None:
        """Let a connection that is closed after the upload be closed before the next request.

        Storage and API are one server here. Else the request might be on its way by then, and of
        that one, which is a write, nobody would know what became.
        """
        if self.kind != "connection_close" or event.request.method != "PUT":
            return
        runner, until = self.doing.world.simulator._runner, time.monotonic() + 10
        assert runner is not None
        assert runner.server is not None
        while runner.server.connections and time.monotonic() < until:
            time.sleep(0.001)

    async def run(self, client: Any) -> None:
        doing = self.doing
        try:
            await doing.do(client)
        except errors.EvEnergyError as error:
            self.error = error
        self.check_what_came()
        self.check_what_was_done()
        doing.world.simulator.faults.clear()
        if self.error is not None and doing.use in {"walk", "upload"}:
            await doing.go_on(client, self.error)
        if doing.use == "walk":
            assert doing.items == doing.world.vehicles, "every item exactly once"
        if doing.use == "upload":
            assert doing.carried_out == 1
        # And the client is none the worse for it.
        vehicle = await done(client.vehicles.get(doing.world.vehicles[1]))
        assert vehicle.id == doing.world.vehicles[1]

    def check_what_came(self) -> None:
        error, words = self.error, [type(self.error).__name__ if self.error else "ok"]
        status = getattr(error, "status", None)
        if status is not None:
            words.append(str(status))
            self.check_raw_body(error)
        words.append(str(self.doing.attempts))
        assert " ".join(words) == self.expected, error
        seen, sent = self.doing.all_seen, self.doing.all_sent
        # A request may be on its way while the server closes the connection.
        assert seen == sent or (self.kind == "connection_close" and seen < sent)

    def check_raw_body(self, error: Any) -> None:
        if not isinstance(error, errors.TokenError | errors.LimitError):
            bare = {"redirect", "empty_body"}
            assert (error.body == b"") == (self.kind in bare), "the error holds the raw reply"

    def check_what_was_done(self) -> None:
        doing = self.doing
        if doing.use in {"write", "upload"}:
            was_done = self.error is None or kinds()[self.kind]["handled"]
            assert doing.carried_out == was_done, "neither lost nor doubled"
        elif self.error is None:
            assert doing.items == doing.world.vehicles[: None if doing.use == "walk" else 1]
        elif doing.use == "walk":
            assert len(doing.items) in {PAGE_SIZE, 2 * PAGE_SIZE}


def test_the_docs_have_the_same_table() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert text == page.written(text), "run `python -m tests.end_to_end.fault_matrix.page`"
