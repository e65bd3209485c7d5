"""Each piece of the algorithm is needed: without it, the tests for exactness fail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from ev_energy._changes.engine import Engine
from ev_energy._changes.passes import Passes
from ev_energy._changes.records import Records
from tests.helpers.changes.adversary import HOUR, Treatment
from tests.helpers.changes.driver import LEVELS, Plan, run
from tests.helpers.changes.invariants import InvariantChecker

Mutation = Callable[[pytest.MonkeyPatch], None]
#: Corrections, late things and kills are frequent, so that few seeds notice a broken piece.
HARSH = Treatment(days=1.2, per_day=60, page_size=10, late=0.15, very_late=0.1, odd=0.1)
SEEDS = range(802, 808)


def newest_item_as_watermark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Continue where the newest item is, as a simple poller does."""
    finish = Passes._finish

    def finish_at_newest(self: Passes, level: Any, levels: Any, walk: Any, **kind: Any) -> Any:
        keys = [known.key for known in self._state.seen.values()]
        if keys and walk.began is not None:
            newest = max(keys) - walk.began.timestamp()
            walk.began += timedelta(seconds=newest)
        return finish(self, level, levels, walk, **kind)

    monkeypatch.setattr(Passes, "_finish", finish_at_newest)


def no_listing_by_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """List what started since, and not what ended since."""
    queries = Passes._queries
    monkeypatch.setattr(
        Passes,
        "_queries",
        lambda self, walk, *, is_deep: [
            query for query in queries(self, walk, is_deep=is_deep) if "end__gt" not in query
        ],
    )


def through_moves_at_the_first_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a pass for done when its first page was read."""
    read_page = Passes._read_page

    async def read_and_move(self: Passes, level: Any, walk: Any, query: Any, **kind: Any) -> Any:
        step = await read_page(self, level, walk, query, **kind)
        self._state.through[level.name] = max(walk.began, self.passed(level))
        return step

    monkeypatch.setattr(Passes, "_read_page", read_and_move)


def ended_ones_are_forgotten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remember only what is open."""
    remember = Records._remember

    def remember_open(self: Records, id_: str, item: Any, *args: Any, **kwargs: Any) -> None:
        remember(self, id_, item, *args, **kwargs)
        if item.end is not None:
            del self.state.seen[id_]

    monkeypatch.setattr(Records, "_remember", remember_open)


def webhooks_are_always_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take each webhook for the latest version."""

    def take_all(self: Engine, now: Any) -> Any:
        changes: list[Any] = []
        while self._webhooks:
            changes += self.records.take(self._webhooks.popleft(), "webhook")
        return changes

    monkeypatch.setattr(Engine, "_take_webhooks", take_all)


def offered_webhooks_change_the_state_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare a webhook when it arrives, and hand its changes over later."""
    waiting: list[Any] = []
    take_webhooks = Engine._take_webhooks

    def offer(self: Engine, session: Any) -> None:
        self._webhooks.append(session)
        waiting.extend(take_webhooks(self, self.state.floor))

    def take_waiting(self: Engine, now: Any) -> Any:
        changes, waiting[:] = list(waiting), []
        return changes

    monkeypatch.setattr(Engine, "offer", offer)
    monkeypatch.setattr(Engine, "_take_webhooks", take_waiting)
    monkeypatch.setattr(Engine, "has_webhooks", property(lambda self: bool(waiting)))


def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Change nothing."""


SHORT_LOOK_BACK = (LEVELS[0], *(attrs.evolve(level, lag=HOUR) for level in LEVELS[1:]))
MUTATIONS: dict[str, tuple[Mutation, Plan]] = {
    "newest item as watermark": (newest_item_as_watermark, Plan()),
    "no listing by end": (no_listing_by_end, Plan()),
    "look-back of an hour": (nothing, Plan(levels=SHORT_LOOK_BACK)),
    "through moves at the first page": (through_moves_at_the_first_page, Plan()),
    "ended ones are forgotten at once": (ended_ones_are_forgotten_at_once, Plan()),
    "webhooks are always believed": (webhooks_are_always_believed, Plan()),
    "offered webhooks change the state": (offered_webhooks_change_the_state_at_once, Plan()),
    "no sweep": (nothing, Plan(sweep_every=None)),
}


async def faults(plan: Plan, seed: int, *, check_invariants: bool) -> list[str]:
    """Return what a run reveals."""
    if check_invariants:
        plan = attrs.evolve(plan, on_step=InvariantChecker())
    # Without sweeps to mend it, a broken piece shows in what was handed over.
    treatment = HARSH if plan.sweep_every is None else attrs.evolve(HARSH, bounded=True)
    if plan.sweep_every is not None:
        plan = attrs.evolve(plan, sweep_every=timedelta(days=999))
        treatment = attrs.evolve(treatment, very_late=0.0)
    try:
        result = await run(seed, plan, treatment)
    except AssertionError as error:
        return [str(error).partition("\n")[0]]
    kinds = {
        "missing": result.missing,
        "wrong": result.wrong,
        "doubles": len(result.doubles) > 5,
        "disorder": result.disorder,
    }
    return [kind for kind, found in kinds.items() if found]


@pytest.mark.parametrize("name", MUTATIONS)
async def test_broken_piece_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation, plan = MUTATIONS[name]
    mutation(monkeypatch)
    for seed in SEEDS:
        if await faults(plan, seed, check_invariants=True):
            return
    pytest.fail(f"{len(SEEDS)} worlds did not show that the piece is broken")


async def test_whole_algorithm_shows_no_faults() -> None:
    for seed in SEEDS[:1]:
        assert await faults(Plan(), seed, check_invariants=True) == []
