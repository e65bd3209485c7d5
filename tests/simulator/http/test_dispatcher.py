"""The routes of the simulator and the operations of its contract are the same."""

from __future__ import annotations

from typing import Any

import pytest

from ev_energy._contract.facts import MissingFactsError
from ev_energy.simulator import Simulator, _simulator
from ev_energy.simulator.http._contract import CONTRACT
from ev_energy.simulator.resources._operations import OPERATIONS
from tests.helpers.names import assert_same_names

TIMEZONES = ("GET", "/timezones")


def test_every_operation_of_the_contract_has_a_route() -> None:
    assert_same_names(
        map(" ".join, OPERATIONS),
        map(" ".join, CONTRACT),
        missing="it is in the contract but has no route: add it to ROUTES in "
        "ev_energy/simulator/resources/<family>.py",
        unexpected="it has a route but is not in the contract: correct the route, or run "
        "`python tests/contract/write_facts.py DESCRIPTION`",
    )


async def test_operation_without_a_route_answers_501_and_says_what_to_add(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = {key: handler for key, handler in OPERATIONS.items() if key != TIMEZONES}
    monkeypatch.setattr(_simulator, "OPERATIONS", routes)
    # The reply is not one that the description declares, so it must not be checked against it.
    monkeypatch.setattr(Simulator, "_middlewares", ())
    api = await start()
    answer = await api.get("/timezones")
    assert answer.status == 501
    assert answer.body["detail"] == (
        "GET /timezones is in the contract but has no route: add it to ROUTES in "
        "ev_energy/simulator/resources/<family>.py."
    )
    assert (await api.get("/users")).status == 200


def test_route_that_the_contract_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = {**OPERATIONS, ("GET", "/firmware_logs"): OPERATIONS[TIMEZONES]}
    monkeypatch.setattr(_simulator, "OPERATIONS", routes)
    with pytest.raises(MissingFactsError, match=r"no facts about GET /firmware_logs\. If .*run"):
        Simulator()
