"""Runs an engine against a world that misbehaves, kills it, and compares the result with the truth.

``python -m tests.helpers.changes.driver 20`` runs 20 seeds and prints what it cost and found.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import attrs

from ev_energy._changes.batch import Batch, Change, Created, Ended, Gone
from ev_energy._changes.digest import Projection
from ev_energy._changes.engine import Engine
from ev_energy._changes.levels import Level
from ev_energy._changes.passes import Step
from ev_energy._changes.row_stores import MemoryRowStateStore
from ev_energy._changes.rows import mark_saved
from ev_energy._changes.saving import Saving
from ev_energy._changes.state import SubSessionState
from ev_energy._changes.stores import MemoryStateStore
from ev_energy.models import ChargingSubSession
from tests.helpers.changes.adversary import (
    EPOCH,
    HOUR,
    MINUTE,
    Adversary,
    Mailbox,
    Treatment,
)

PROJECTION: Final = Projection.of(ChargingSubSession)
HOST: Final = "api.ev.energy"
LEVELS: Final = (
    Level("tick", 2 * MINUTE, 5 * MINUTE),
    Level("hour", HOUR, 3 * HOUR),
    Level("deep", 6 * HOUR, 30 * HOUR),
)


class KilledError(Exception):
    """The process was killed."""


@attrs.frozen(kw_only=True)
class Plan:
    """How the process that reads the stream lives."""

    commit: Literal["together", "after"] = "together"
    """Whether hand-over and state are one transaction, or the state is saved after it."""
    webhooks: bool = True
    trust_webhooks: bool = True
    kill: float = 0.05
    """The probability of being killed at a batch."""
    levels: Sequence[Level] = LEVELS
    sweep_every: timedelta | None = timedelta(days=7)
    settling_days: float = 14
    """Days after the last sub-session until the kills stop."""
    resting_days: float = 9
    """Days after the last kill and the last change until the end, for a sweep."""
    on_step: Callable[[Process, Engine, Step], None] = lambda process, engine, step: None
    """Called after the hand-over of each step."""


@attrs.define
class Result:
    """What a run handed over, compared with the truth."""

    world: Adversary
    state: SubSessionState
    truth: dict[str, ChargingSubSession]
    got: dict[str, ChargingSubSession]
    missing: list[str]
    """Ids that were never handed over."""
    wrong: list[str]
    """Ids of which an older version was handed over last."""
    ghosts: list[str]
    """Ids that were deleted in time for a pass to notice, which was not handed over."""
    doubles: list[tuple[str, str]]
    """Ids and kinds of changes that were handed over again, except by sweeps."""
    disorder: int
    """Ends before their beginnings."""
    kills: int
    state_size: int
    """The largest size of the saved state in bytes."""
    kinds: Counter[tuple[str, str]]
    delays: list[float]
    """Seconds between an end's being readable and its hand-over, sorted."""
    gaps: list[str]


class Process:
    """The process that reads the stream, from one kill to the next."""

    def __init__(self, seed: int, plan: Plan, treatment: Treatment | None = None) -> None:
        self.rng, self.world, self.plan = (
            random.Random(seed * 7 + 1),
            Adversary(seed, treatment),
            plan,
        )
        self.skew = timedelta(seconds=self.rng.uniform(-300, 300))
        """How far the clock of this machine is wrong."""
        self.since = EPOCH - self.rng.random() * 24 * HOUR
        # Both kinds of stores must bring back the same state.
        self.store = MemoryRowStateStore() if seed % 2 else MemoryStateStore()
        self.saving = Saving(self.store)
        self.engine: Engine | None = None
        self.kill = plan.kill
        self.got: dict[str, ChargingSubSession] = {}
        self.log: Counter[tuple[str, str, str]] = Counter()
        self.kinds: Counter[tuple[str, str]] = Counter()
        self.begun: set[str] = set()
        self.handed_over: dict[str, str] = {}
        """The digest of each sub-session that was handed over last."""
        self.saved: set[str] = set()
        """The ids that the state was saved with. What was handed over, and deleted before the state
        was saved, is known to the consumer only."""
        self.ends: dict[str, float] = {}
        self.disorder = self.kills = self.state_size = 0
        self.gaps: list[str] = []
        mailbox = Mailbox(self.world, self._offer)
        if plan.webhooks:
            self.world.deliver = mailbox.deliver

    async def start(self) -> Engine:
        """Return the engine; begin again from the saved state after a kill."""
        if self.engine is None:
            self.saving = Saving(self.store)
            state = await self.saving.load(
                lambda text: SubSessionState.load(text, HOST, None, PROJECTION),
                lambda rows: SubSessionState.load_rows(rows, HOST, None, PROJECTION),
            )
            self.engine = Engine(
                self.world,
                state or SubSessionState.new(self.since, HOST, None, PROJECTION),
                self.plan.levels,
                sweep_every=self.plan.sweep_every,
                trust_webhooks=self.plan.trust_webhooks,
            )
        return self.engine

    async def work(self) -> None:
        """Do all that is due, or be killed."""
        engine = await self.start()
        try:
            while (step := await engine.advance(self.world.now + self.skew)) is not None:
                if not step.changes and not step.has_moved:
                    continue
                self._survive()
                if self.plan.commit == "together":
                    self._survive()
                self._receive(step.changes)
                self.plan.on_step(self, engine, step)
                if self.plan.commit == "after":
                    self._survive()
                batch = Batch(step.changes, engine.state, self.saving, caught_up=False)
                self.state_size = max(self.state_size, len(batch.state))
                await batch.commit()
                self.saved.update(change.id for change in step.changes)
        except KilledError:
            self._die()

    def _die(self) -> None:
        assert self.engine is not None
        self.kills += 1
        self.gaps += self.engine.records.gaps
        self.engine = None

    def _survive(self) -> None:
        if self.rng.random() < self.kill / 3:
            raise KilledError

    def _offer(self, session: ChargingSubSession) -> None:
        if self.engine is not None:  # while the process is dead, webhooks are lost
            self.engine.offer(session)

    def _receive(self, changes: Sequence[Change]) -> None:
        for change in changes:
            kind = type(change).__name__
            self.kinds[kind, change.via] += 1
            digest = "" if isinstance(change, Gone) else PROJECTION.digest(change.session)
            self.handed_over[change.id] = digest
            if change.via != "sweep":
                self.log[change.id, kind, digest] += 1
            self.disorder += isinstance(change, Ended) and change.id not in self.begun
            if isinstance(change, Created):
                self.begun.add(change.id)
            if isinstance(change, Ended) and change.id not in self.ends:
                shown = self.world.sessions[change.id].end_shown
                self.ends[change.id] = (self.world.now - shown).total_seconds()
            if isinstance(change, Gone):
                self.got.pop(change.id, None)
            else:
                self.got[change.id] = change.session

    async def result(self) -> Result:
        """Compare what was handed over with the truth."""
        world, got, engine = self.world, self.got, await self.start()
        truth = world.truth(self.since)
        sessions = world.sessions
        return Result(
            world=world,
            state=engine.state,
            truth=truth,
            got=got,
            missing=[id_ for id_ in truth if id_ not in got],
            wrong=[
                id_
                for id_, view in truth.items()
                if id_ in got and (view.end is not None or got[id_].end is not None)
                if PROJECTION.digest(got[id_]) != PROJECTION.digest(view)
            ],
            ghosts=[
                id_
                for id_ in self.saved & got.keys()
                if sessions[id_].view(world.now) is None
                and sessions[id_].gone < sessions[id_].end + 30 * HOUR
            ],
            doubles=[
                (id_, kind) for (id_, kind, _), count in self.log.items() for _ in range(count - 1)
            ],
            disorder=self.disorder,
            kills=self.kills,
            state_size=self.state_size,
            kinds=self.kinds,
            delays=sorted(self.ends.values()),
            gaps=[*self.gaps, *engine.records.gaps],
        )


async def run(seed: int, plan: Plan | None = None, treatment: Treatment | None = None) -> Result:
    """Read the stream of one world from its beginning to its end."""
    process = Process(seed, plan or Plan(), treatment)
    world, rng = process.world, process.rng
    stop = EPOCH + timedelta(days=world.treatment.days + process.plan.settling_days)
    # The last sweep comes after the last change.
    end = max(stop, world.latest_change()) + timedelta(days=process.plan.resting_days)
    while world.now < end:
        await process.start()
        world.deliver()
        if world.now > stop:
            process.kill = 0.0  # a process that is killed all the time gets nowhere
        await process.work()
        pauses = (MINUTE, 2 * MINUTE, 10 * MINUTE, HOUR, 5 * HOUR * rng.random())
        world.now += rng.choice(pauses)
        if rng.random() < 0.005:
            world.now += rng.random() * 60 * HOUR  # an outage
    return await process.result()


class Reader:
    """Reads the stream of a world whose time passes evenly, without kills."""

    def __init__(self, world: Adversary, since: datetime = EPOCH, **settings: Any) -> None:
        self.world, self._settings = world, {"levels": LEVELS, **settings}
        self.changes: list[Change] = []
        self.engine = self._engine(SubSessionState.new(since, HOST, None, PROJECTION))

    def restart(self) -> None:
        """Begin again from the saved state."""
        self.restart_with(PROJECTION)

    def restart_with(self, projection: Projection) -> None:
        """Begin again from the saved state, as a release with *projection* does."""
        text = self.engine.state.dump()
        self.engine = self._engine(SubSessionState.load(text, HOST, None, projection))

    async def read_until(self, at: datetime, every: timedelta = 10 * MINUTE) -> list[str]:
        """Read until *at*; return the changes since the last call, as ``"Ended csub1 poll"``."""
        before = len(self.changes)
        while self.world.now < at:
            self.world.now = min(self.world.now + every, at)
            await self.read()
        return [_text(change) for change in self.changes[before:]]

    async def read(self) -> None:
        """Do all that is due."""
        while (step := await self.engine.advance(self.world.now)) is not None:
            self.changes += step.changes
            mark_saved(self.engine.state)

    def _engine(self, state: SubSessionState) -> Engine:
        return Engine(self.world, state, **self._settings)


def _text(change: Change) -> str:
    return f"{type(change).__name__} {change.id} {change.via}"


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """Return the sums over *results*."""
    delays = sorted(delay for result in results for delay in result.delays)
    kinds = sum((result.kinds for result in results), Counter())
    return {
        "sub-sessions": sum(len(result.truth) for result in results),
        "missing": sum(len(result.missing) for result in results),
        "wrong": sum(len(result.wrong) for result in results),
        "ghosts": sum(len(result.ghosts) for result in results),
        "doubles": sum(len(result.doubles) for result in results),
        "disorder": sum(result.disorder for result in results),
        "kills": sum(result.kills for result in results),
        "requests": sum(result.world.requests for result in results),
        "listings that ended early": sum(result.world.ended_early for result in results),
        "largest state": max(result.state_size for result in results),
        "gaps": sum(len(result.gaps) for result in results),
        "kinds": {" ".join(kind): count for kind, count in sorted(kinds.items())},
        "end told after, s (p50, p99)": [
            round(delays[int(len(delays) * part)]) for part in (0.5, 0.99)
        ],
    }


async def main(runs: int, first: int = 0) -> None:
    """Run *runs* seeds from *first* on, and print the sums."""
    results = []
    for seed in range(first, first + runs):
        result = await run(seed)
        results.append(result)
        if result.missing or result.wrong or result.ghosts:
            print("seed", seed, result.missing[:3], result.wrong[:3], result.ghosts[:3], flush=True)
    for name, value in summary(results).items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:3])))
