"""What holds after each step of a stream, whatever the world does."""

from __future__ import annotations

from datetime import datetime

from ev_energy._changes.batch import Gone
from ev_energy._changes.engine import Engine
from ev_energy._changes.passes import Step
from ev_energy._changes.state import SubSessionState
from tests.helpers.changes.driver import HOST, PROJECTION, Process


class InvariantChecker:
    """Checks the state after the hand-over of each step."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._through: dict[str, datetime] = {}
        self.steps = 0

    def __call__(self, process: Process, engine: Engine, step: Step) -> None:
        """Raise `AssertionError` if an invariant does not hold."""
        self.steps += 1
        state = engine.state
        if engine is not self._engine:  # the first, or the next one after a kill
            self._engine, self._through = engine, dict(state.through)
        self._check_names(process, state)
        self._check_through(process, state, step)
        self._check_memory(state, step)
        for change in step.changes:
            if isinstance(change, Gone):
                session = process.world.sessions[change.id]
                assert session.shown <= process.world.now, "gone, but it never was readable"
        if self.steps % 20 == 0:
            loaded = SubSessionState.load(state.dump(), HOST, None, PROJECTION)
            assert loaded == state, "another process would continue differently"

    def _check_names(self, process: Process, state: SubSessionState) -> None:
        for id_, known in state.seen.items():
            assert id_ in process.handed_over, "the state names what was not handed over"
            # A process that was killed between hand-over and state has handed over more.
            if known.digest is not None and process.plan.commit == "together":
                assert known.digest == process.handed_over[id_], "another version was handed over"

    def _check_through(self, process: Process, state: SubSessionState, step: Step) -> None:
        for name, at in state.through.items():
            before = self._through.get(name)
            assert before is None or at >= before, "a pass went back in time"
            assert before == at or step.finished is not None, "moved before the last page"
            assert at <= process.world.now, "moved past the present"
        self._through = dict(state.through)

    def _check_memory(self, state: SubSessionState, step: Step) -> None:
        floor = state.floor.timestamp()
        if step.finished is not None and step.finished.name == "deep":
            for known in state.seen.values():
                can_be_listed = known.end is None or known.key > floor
                waits = not known.was_read or known.doubted_since
                assert can_be_listed or waits, "no pass lists it again"
