"""Each fault of the simulator in each use of both clients: the outcome and its effects."""

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
from tests.end_to_end.fault_matrix.uses import (
    AFFECTED,
    PAGE_SIZE,
    Setup,
    Use,
    result_of,
    without_a_loop,
)
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
def setup() -> Iterator[Setup]:
    with Simulator.in_thread(vehicles=12, rate_limit=1_000_000) as simulator:
        auth = credentials(simulator)
        with ev_energy_sync.Client(auth, base_url=simulator.base_url) as client:
            user = client.acting_for(simulator.user_id)
            kind = user.rebate_types.list().first()
            assert kind is not None
            found = Setup(
                simulator,
                vehicles=[one.id for one in client.vehicles.list(page_size=100)],
                rebate=user.user_rebates.create(rebate_type=kind).id,
                evidence_type=str(kind.required_evidence[0].url),
            )
        yield found


def credentials(simulator: Simulator) -> ClientCredentials:
    return ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)


def test_fault_kinds_have_rows_in_the_table() -> None:
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
def test_fault_has_the_expected_result(
    setup: Setup, kind: str, use: str, often: str, client: str
) -> None:
    sim, row = setup.simulator, ROWS[kind]
    action = Use(setup, use, row.timeout, f"{kind} {use} {next(_names)}")
    sim.faults.clear()
    sim.requests.clear()
    operation, after = AFFECTED[use]
    count = 1 if often == "once" else None
    fault = sim.faults.add(kind, operation=operation, after=after, count=count, **row.details)
    expected, _, always = getattr(row, use).partition(" | ")
    cell = Cell(action, kind, always if always and often == "always" else expected)
    try:
        if client == "async":
            asyncio.run(cell.run_async(row))
        else:
            without_a_loop(cell.run_blocking(row))
        assert fault.struck >= 1, "the fault affected no request"
    finally:
        sim.faults.clear()
        action.clean_up()


class Cell:
    def __init__(self, use: Use, kind: str, expected: str) -> None:
        self.use, self.kind, self.expected = use, kind, expected
        self.error: errors.EvEnergyError | None = None

    async def run_async(self, row: Row) -> None:
        async with ev_energy.Client(**self.settings(row)) as client:
            await self.run(client)

    async def run_blocking(self, row: Row) -> None:
        with ev_energy_sync.Client(**self.settings(row)) as client:
            await self.run(client)

    def settings(self, row: Row) -> dict[str, Any]:
        sim, clock = self.use.setup.simulator, FakeTime()
        return {
            "auth": credentials(sim),
            "base_url": sim.base_url,
            "timeout": row.timeout,
            "retries": row.retries,
            "on_request": self.use.note,
            "on_response": self.note_reply,
            "max_body": 2**20,
            "clock": clock,
            "sleep": clock.sleep,
        }

    def note_reply(self, event: Any) -> None:
        """Wait until the connection of an upload is closed before the next request.

        Storage and API are one server here. Otherwise, the next request, which is a write, might be
        sent on a connection that is being closed, and would be unconfirmed.
        """
        if self.kind != "connection_close" or event.request.method != "PUT":
            return
        runner, deadline = self.use.setup.simulator._runner, time.monotonic() + 10
        assert runner is not None
        assert runner.server is not None
        while runner.server.connections and time.monotonic() < deadline:
            time.sleep(0.001)

    async def run(self, client: Any) -> None:
        use = self.use
        try:
            await use.run(client)
        except errors.EvEnergyError as error:
            self.error = error
        self.check_outcome()
        self.check_effects()
        use.setup.simulator.faults.clear()
        if self.error is not None and use.kind in {"walk", "upload"}:
            await use.resume(client, self.error)
        if use.kind == "walk":
            assert use.items == use.setup.vehicles, "every item exactly once"
        if use.kind == "upload":
            assert use.carried_out == 1
        # The client stays usable.
        vehicle = await result_of(client.vehicles.get(use.setup.vehicles[1]))
        assert vehicle.id == use.setup.vehicles[1]

    def check_outcome(self) -> None:
        error, words = self.error, [type(self.error).__name__ if self.error else "ok"]
        status = getattr(error, "status", None)
        if status is not None:
            words.append(str(status))
            self.check_raw_body(error)
        words.append(str(self.use.attempts))
        assert " ".join(words) == self.expected, error
        seen, sent = self.use.all_received, self.use.all_sent
        # A request may be sent while the server closes the connection.
        assert seen == sent or (self.kind == "connection_close" and seen < sent)

    def check_raw_body(self, error: Any) -> None:
        if not isinstance(error, errors.TokenError | errors.LimitError):
            without_body = {"redirect", "empty_body"}
            assert (error.body == b"") == (self.kind in without_body), (
                "the error holds the raw reply"
            )

    def check_effects(self) -> None:
        use, error = self.use, self.error
        outcome = None if error is None else error.outcome
        assert (outcome is None) == (error is None)
        if use.kind in {"write", "upload"}:
            was_done = error is None or kinds()[self.kind]["handled"]
            assert use.carried_out == was_done, "neither lost nor doubled"
            assert not was_done or outcome in {None, "unknown"}
        elif use.kind == "token":
            assert outcome in {None, "not_sent"}
        if use.kind in {"read", "walk", "token"} and error is None:
            assert use.items == use.setup.vehicles[: None if use.kind == "walk" else 1]
        elif use.kind == "walk":
            assert len(use.items) in {PAGE_SIZE, 2 * PAGE_SIZE}


def test_table_in_the_docs_is_current() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert text == page.with_table(text), "run `python -m tests.end_to_end.fault_matrix.page`"
