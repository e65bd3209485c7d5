"""The stream hands over exactly what the API says, whatever the API and the process do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from tests.helpers.changes.adversary import Treatment
from tests.helpers.changes.driver import Plan, Result, run
from tests.helpers.changes.invariants import InvariantChecker
from tests.helpers.tiers import examples

#: A day with everything but what becomes readable after days.
SHORT = Treatment(days=1, per_day=30, very_late=0.0)
BRIEFLY = Plan(settling_days=2, resting_days=5, sweep_every=timedelta(days=1))

WORLDS: dict[str, tuple[Plan, Treatment]] = {
    "all": (Plan(), Treatment()),
    "no webhooks": (Plan(webhooks=False), Treatment()),
    "doubted webhooks": (Plan(trust_webhooks=False), Treatment()),
    "state after hand-over": (Plan(commit="after"), Treatment()),
    "stale replicas": (Plan(), Treatment(stale=0.2)),
    "slow pages": (Plan(), Treatment(slow=90, page_size=3)),
    "dying cursors": (Plan(), Treatment(cursor="member", page_size=3, odd=0.1)),
    "many kills": (Plan(kill=0.6), Treatment(page_size=3)),
    "very late": (Plan(), Treatment(very_late=0.2)),
}


def assert_exact(result: Result, plan: Plan) -> None:
    assert (result.missing, result.wrong, result.ghosts, result.disorder) == ([], [], [], 0)
    assert result.truth
    if plan.commit == "together":
        taken_back = {id_ for id_, one in result.world.sessions.items() if one.is_taken_back}
        for id_, kind in result.doubles:
            # A webhook that is later than the withdrawal of the end it tells is believed, and a
            # replica may show an earlier version again.
            assert id_ in taken_back or (result.world.treatment.stale and kind == "Updated")


def first_seed(name: str) -> int:
    return 100 * sorted(WORLDS).index(name)


@examples(fast=1, slow=2)
@pytest.mark.parametrize("name", WORLDS)
async def test_stream_is_exact(name: str, examples: int) -> None:
    plan, treatment = WORLDS[name]
    if examples == 1:
        plan = attrs.evolve(
            plan,
            settling_days=BRIEFLY.settling_days,
            resting_days=BRIEFLY.resting_days,
            sweep_every=BRIEFLY.sweep_every,
        )
        treatment = attrs.evolve(treatment, days=1, per_day=15)
    seed = first_seed(name) + examples - 1
    checker = InvariantChecker()
    result = await run(seed, attrs.evolve(plan, on_step=checker), treatment)
    assert_exact(result, plan)
    assert checker.steps > 100
    assert result.kills > 0


@examples(fast=1, slow=2)
async def test_stream_is_the_same_without_webhooks(examples: int) -> None:
    for seed in range(500, 500 + examples):
        found: list[dict[str, Any]] = []
        for webhooks in (True, False):
            plan = attrs.evolve(BRIEFLY, webhooks=webhooks, kill=0.0)
            result = await run(seed, plan, SHORT)
            ended = {id_: one for id_, one in result.got.items() if one.end is not None}
            found.append({id_: ended[id_] for id_ in result.truth if id_ in ended})
        assert found[0] == found[1]


@examples(fast=1, slow=2)
async def test_nothing_is_handed_over_again_without_kills(examples: int) -> None:
    for seed in range(600, 600 + examples):
        treatment = attrs.evolve(SHORT, odd=0.0)
        result = await run(seed, attrs.evolve(BRIEFLY, kill=0.0, commit="after"), treatment)
        assert_exact(result, BRIEFLY)
        assert (result.doubles, result.kills) == ([], 0)
