"""The work of a stream of sub-sessions, in pieces of at most one request; it waits for nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy._changes.batch import Change, id_of
from ev_energy._changes.levels import Level, due_level, next_due
from ev_energy._changes.passes import Passes, Step
from ev_energy._changes.records import Records, key_of
from ev_energy._changes.source import Source
from ev_energy._changes.state import DAY, SubSessionState
from ev_energy._changes.sweep import Sweep

if TYPE_CHECKING:
    from ev_energy.models.charging import ChargingSubSession

#: The sub-sessions of webhooks that wait to be looked at. More of them replace the oldest: a lost
#: webhook costs freshness only.
_MAX_WEBHOOKS: Final = 10_000
#: The time between two passes if a webhook made a sub-session doubtful, at least.
_EARLY_TICK: Final = timedelta(minutes=1)
#: The most that the time between ticks grows while webhooks tell everything first.
_MAX_STRETCH: Final = 4.0
_STRETCH_STEP: Final = 1.5

#: The passes between the most frequent and the deepest one.
_HOURLY: Final = Level("hour", timedelta(hours=1), timedelta(hours=3))
_TICK_LAG: Final = timedelta(minutes=5)
_DEEP_EVERY: Final = timedelta(hours=6)


def levels_for(freshness: timedelta, look_back: timedelta) -> tuple[Level, ...]:
    """Return the levels of a stream, from the most frequent to the deepest."""
    tick = Level("tick", freshness, _TICK_LAG)
    deep = Level("deep", max(freshness, min(_DEEP_EVERY, look_back / 5)), look_back)
    if freshness < _HOURLY.every < deep.every and _HOURLY.lag < look_back:
        return tick, _HOURLY, deep
    return tick, deep


class Engine:
    """Does what is due, one piece at a time, and keeps the state.

    The state names the changes of a step as handed over when `advance` returns it. The next call
    may only follow once they were handed over; otherwise a new engine with the saved state must.
    """

    def __init__(
        self,
        source: Source,
        state: SubSessionState,
        levels: Sequence[Level],
        *,
        sweep_every: timedelta | None = timedelta(days=7),
        horizon: timedelta = timedelta(days=35),
        trust_webhooks: bool = True,
        is_of_one_user: bool = False,
        seconds_for: Callable[[int], float] = lambda requests: 0.0,  # noqa: ARG005
    ) -> None:
        self.state, self.levels = state, tuple(levels)
        self.records = Records(state)
        self.passes = Passes(source, self.records, horizon)
        self.sweep = Sweep(source, self.records, sweep_every, horizon)
        self._trust_webhooks, self._is_of_one_user = trust_webhooks, is_of_one_user
        self._seconds_for = seconds_for
        self._freshness, self._stretch = levels[0].every, 1.0
        self._webhooks: deque[ChargingSubSession] = deque(maxlen=_MAX_WEBHOOKS)
        self._resting_until: datetime | None = None
        self._has_checked_places = False
        self.is_clock_doubtful = True
        """Whether the clock may be behind: then nothing would be due for a long time."""
        self._has_hint = False
        """Whether a webhook told of a sub-session that the next tick has to look for."""
        self._is_turn_of_others = False
        """Whether a tick has finished since the last piece of a deep pass or a sweep."""
        self.webhooks_received = 0
        self._told_by_webhooks = self._polled_before = 0
        self._polled_without_webhooks = 0
        """The number of beginnings and ends that polling found before the first webhook."""

    def offer(self, session: ChargingSubSession) -> None:
        """Take the sub-session of a webhook, at any time and in any thread.

        It only waits in a queue here: the state must not name what was not handed over.
        """
        if not self.webhooks_received:
            self._polled_without_webhooks = self.records.polled
        self._webhooks.append(session)
        self.webhooks_received += 1

    @property
    def webhooks_missed(self) -> int:
        """The number of beginnings and ends that polling found since the first webhook."""
        if not self.webhooks_received:
            return 0
        return self.records.polled - self._polled_without_webhooks

    @property
    def has_webhooks(self) -> bool:
        """Whether webhooks wait to be looked at."""
        return bool(self._webhooks)

    def is_idle(self, now: datetime) -> bool:
        """Return whether nothing is due."""
        return not self._webhooks and self._due(now) is None and not self.sweep.is_due(now)

    def next_due(self) -> datetime:
        """Return when something is due next, in the server's time."""
        state, tick = self.state, self.levels[0]
        at = next_due(self.levels, state.through, state.floor)
        if self._needs_early_tick():
            at = min(at, self.passes.passed(tick) + _EARLY_TICK)
        if self._resting_until is not None:
            at = max(at, self._resting_until)
        sweep = self.sweep.next_due()
        return at if sweep is None else min(at, sweep)

    async def advance(self, now: datetime) -> Step | None:
        """Do the next piece of what is due at *now*, an estimate of the server's time.

        None if nothing is due. After an error, the next call does the same piece again.
        """
        if not self._has_checked_places:
            self._has_checked_places = True
            self.passes.drop_old_places(now)
        if self._webhooks:
            return Step(self._take_webhooks(now))
        level = self._due(now)
        if level is None or self._sweeps_first(level, now):
            self._is_turn_of_others = False
            return await self.sweep.advance(now) if self.sweep.is_due(now) else None
        before = self.passes.passed(level)
        step = await self.passes.advance(level, self.levels, now)
        self._is_turn_of_others = step.finished is not None and level.name == self.levels[0].name
        if step.finished is not None:
            self._has_hint = self.is_clock_doubtful = False
            moved = self.passes.passed(level) - before
            if moved < min(level.every, DAY) and now - self.passes.passed(level) >= level.every:
                # The clocks differ, and the pass would be due again at once.
                self._resting_until = now + self.levels[0].every
            self._adapt()
        return step

    def _due(self, now: datetime) -> Level | None:
        if self._resting_until is not None and now < self._resting_until:
            return None
        self._resting_until = None
        state, tick, deepest = self.state, self.levels[0], self.levels[-1]
        level = due_level(self.levels, state.through, now, state.floor)
        if self.is_clock_doubtful and now < state.through.get(tick.name, now) - _EARLY_TICK:
            return tick  # the next reply shows the time
        if level is None:
            passed = self.passes.passed(tick)
            return tick if self._needs_early_tick() and now - passed >= _EARLY_TICK else None
        if level.name != deepest.name or self.passes.is_behind(deepest, now):
            return level
        # A deep pass has many pages: ticks that are due in the meantime go first. If requests are
        # slow, one is always due: so the deep pass gets a turn after each tick.
        is_tick_due = tick.name in state.through and (
            tick.name in state.walks
            or (now - self.passes.passed(tick) >= tick.every and not self._is_turn_of_others)
        )
        return tick if is_tick_due and deepest.name in state.walks else deepest

    def _sweeps_first(self, level: Level, now: datetime) -> bool:
        """Return whether a piece of a sweep that is due is done before the next tick begins."""
        state, tick = self.state, self.levels[0]
        return (
            self._is_turn_of_others
            and level.name == tick.name
            and tick.name not in state.walks
            and self.sweep.is_due(now)
        )

    def _needs_early_tick(self) -> bool:
        return self._has_hint or not self.records.doubtful.keys() <= self.records.tried

    def _take_webhooks(self, now: datetime) -> list[Change]:
        """Compare webhooks with what was handed over, and believe them where that is safe.

        An event may be late, doubled, lost, out of order, or ahead of the API's own listings. So it
        is believed only if it says what a pass would find by itself now: that a sub-session began
        or ended just now, or that one that is open ended.
        """
        changes: list[Change] = []
        tick, second = self.levels[0], self.levels[min(1, len(self.levels) - 1)]
        while self._webhooks:
            item = self._webhooks.popleft()
            if not (id_ := id_of(item)):
                continue
            known, ended = self.state.seen.get(id_), item.end is not None
            if known is None and self._is_of_one_user:
                # Webhooks tell of all users of the application; the listing has those of one.
                self._has_hint = True
                continue
            if known is not None and known.end is not None:
                if ended and not self.records.is_same(item, known):
                    # Which of the two is newer? Only the API can say.
                    self.records.doubt(id_, now + tick.lag)
                continue  # "created" after the end says nothing
            if known is not None and not ended:
                continue
            if self._is_believed(item, is_known=known is not None):
                found = self.records.take_or_note(item, "webhook")
                self._told_by_webhooks += len(found)
                changes += found
            else:
                self.records.doubt(id_, now + second.lag)
        return changes

    def _is_believed(self, item: ChargingSubSession, *, is_known: bool) -> bool:
        if not self._trust_webhooks:
            return False
        bound = self.passes.bound(self.levels[0]).timestamp()
        return is_known or key_of(item, bound) > bound

    def _adapt(self) -> None:
        """Set the time between ticks by what the latest pass cost and found."""
        polled = self.records.polled - self._polled_before
        if polled:
            self._stretch = 1.0
        elif self._told_by_webhooks:  # webhooks told all that there was
            self._stretch = min(self._stretch * _STRETCH_STEP, _MAX_STRETCH)
        self._polled_before, self._told_by_webhooks = self.records.polled, 0
        tick = self.levels[0]
        seconds = self._seconds_for(self.passes.pages_read.get(tick.name, 1))
        every = max(self._freshness * self._stretch, timedelta(seconds=seconds))
        self.levels = (attrs.evolve(tick, every=every), *self.levels[1:])
