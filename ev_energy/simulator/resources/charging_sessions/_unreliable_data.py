"""Unreliable data: sub-sessions that are shown late, wrongly or not at all, as an API may do.

A layer between the charging, which stays as it is, and the rows. What happens to a sub-session
follows from the seed, its episode and its number, so the order of requests does not matter.
"""

from __future__ import annotations

import functools
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from ev_energy.simulator.clock._instants import (
    MINUTE,
    Micros,
    instant_of,
    micros,
    micros_of,
    read_instant,
    write_instant,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from ev_energy.simulator.charging._episodes import Episode, Period
    from ev_energy.simulator.charging._fleet_events import SubSessionEvent
    from ev_energy.simulator.world._world import World


#: The kind of `World.extra_state`.
UNRELIABLE_DATA: Final = "unreliable_data"
#: The number of reads for which staleness was drawn, beside the options in the state.
_READS: Final = "reads"
#: Draws are 16-bit numbers; seven fit into one number of the seed.
_DRAW_BITS: Final = 16
_DRAW_RANGE: Final = 1 << _DRAW_BITS
#: How many times longer the delays of very late sub-sessions are.
_VERY_LATE_FACTOR: Final = 10
#: An end that is withdrawn is too early by up to this percentage of the duration.
_WITHDRAWN_PERCENT: Final = 30
_MAX_CORRECTION_PERCENT: Final = 3
#: A shorter sub-session has no time at which its end could be unknown.
_MIN_LENGTH: Final = 4
_LONGEST_DELAY: Final = timedelta(days=36)
_LONGEST_STALENESS: Final = timedelta(days=1)


def _probability(_: object, attribute: attrs.Attribute[float], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{attribute.name}: must be a probability from 0 to 1, not {value!r}")


def _at_most(longest: timedelta) -> Any:
    def check(_: object, attribute: attrs.Attribute[timedelta], value: object) -> None:
        if not isinstance(value, timedelta) or not timedelta() <= value <= longest:
            raise ValueError(f"{attribute.name}: must be from 0 to {longest}, not {value!r}")

    return check


def _aware(_: object, attribute: attrs.Attribute[datetime | None], value: datetime | None) -> None:
    if value is not None and value.utcoffset() is None:
        raise ValueError(f"{attribute.name}: must have a time zone, such as UTC, not {value}")


@attrs.frozen(kw_only=True)
class UnreliableData:
    """How unreliable the sub-sessions are that the simulator shows. The default is reliable.

    Webhooks agree with what is shown: those of late things are sent when they become readable, or
    up to a minute before. `ValueError` names an invalid argument.
    """

    late: float = attrs.field(default=0.0, validator=_probability)
    """The probability that a sub-session becomes readable only some time after its start."""
    late_end: float = attrs.field(default=0.0, validator=_probability)
    """The probability that its end is shown only later, backdated; its figures stand still."""
    withdrawn_end: float = attrs.field(default=0.0, validator=_probability)
    """The probability that an end which is too early is shown and withdrawn, before the right one
    is shown."""
    corrected: float = attrs.field(default=0.0, validator=_probability)
    """The probability that energy, cost and carbon rise by up to 3 percent after the end."""
    deleted: float = attrs.field(default=0.0, validator=_probability)
    """The probability that the sub-session is deleted; then it is not found (404)."""
    max_delay: timedelta = attrs.field(
        default=timedelta(hours=26), validator=_at_most(_LONGEST_DELAY)
    )
    """The longest time from the start to its appearance and to its deletion, and from the end to
    the last change of end and figures; at most 36 days."""
    very_late: float = attrs.field(default=0.0, validator=_probability)
    """The probability that `max_delay` is ten times as long for a sub-session."""
    stale_reads: float = attrs.field(default=0.0, validator=_probability)
    """The probability that a GET of sub-sessions shows an earlier state, as a replica might."""
    max_staleness: timedelta = attrs.field(
        default=timedelta(minutes=20), validator=_at_most(_LONGEST_STALENESS)
    )
    """The greatest age of that state; at most a day."""
    fragile_cursors: bool = False
    """Whether a page is empty, and the last one, if the row of its cursor is not in the list."""
    since: datetime | None = attrs.field(default=None, validator=_aware)
    """Sub-sessions that started before are reliable. None means the time at which this is set."""

    @property
    def is_active(self) -> bool:
        """Whether anything is unreliable."""
        kinds = (self.late, self.late_end, self.withdrawn_end, self.corrected, self.deleted)
        return any(kinds) or bool(self.stale_reads) or self.fragile_cursors

    @property
    def longest_delay(self) -> timedelta:
        """The longest time from an end to the last change."""
        return self.max_delay * (_VERY_LATE_FACTOR if self.very_late else 1)

    def as_json(self) -> dict[str, Any]:
        """Return all options as JSON, durations in seconds."""
        return {_json_name(name): _to_json(value) for name, value in attrs.asdict(self).items()}

    @classmethod
    def from_json(cls, options: Mapping[str, Any]) -> Self:
        """Return the options that `as_json` returned; `ValueError` names an invalid one."""
        fields = {_json_name(field.name): field.name for field in attrs.fields(cls)}
        arguments: dict[str, Any] = {}
        for json_name, value in options.items():
            name = fields.get(json_name)
            if name is None:
                raise ValueError(f"{json_name}: unknown; known: {', '.join(fields)}")
            arguments[name] = _from_json(json_name, name, value)
        try:
            return cls(**arguments)
        except ValueError as error:
            name, _, reason = str(error).partition(": ")
            raise ValueError(f"{_json_name(name)}: {reason}") from None


_DURATIONS: Final = frozenset({"max_delay", "max_staleness"})


def _json_name(name: str) -> str:
    return f"{name}_seconds" if name in _DURATIONS else name


def _to_json(value: Any) -> Any:
    match value:
        case timedelta():
            return value.total_seconds()
        case datetime():
            return write_instant(value)
        case _:
            return value


def _from_json(json_name: str, name: str, value: Any) -> Any:
    if name in _DURATIONS and isinstance(value, bool):
        raise ValueError(f"{json_name}: must be a number of seconds, not {value!r}")
    try:
        if name in _DURATIONS:
            return timedelta(seconds=value)
        if name == "since" and value is not None:
            return read_instant(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{json_name}: {error}") from None
    if name == "fragile_cursors" and not isinstance(value, bool):
        raise ValueError(f"{json_name}: must be true or false, not {value!r}")
    return value


def unreliable_data(world: World) -> UnreliableData | None:
    """Return what is unreliable, or None if nothing is; `ValueError` if the state is damaged."""
    stored = world.extra_state.get(UNRELIABLE_DATA)
    return None if stored is None else _parsed(tuple(stored["options"].items()))


@functools.lru_cache(16)
def _parsed(options: tuple[tuple[str, Any], ...]) -> UnreliableData:
    return UnreliableData.from_json(dict(options))


def set_unreliable_data(world: World, options: UnreliableData) -> None:
    """Make data unreliable, or reliable again."""
    previous = world.extra_state.get(UNRELIABLE_DATA)
    if not options.is_active:
        world.extra_state.pop(UNRELIABLE_DATA, None)
        return
    if options.since is None:
        before = unreliable_data(world)
        options = attrs.evolve(options, since=world.now if before is None else before.since)
    reads = 0 if previous is None else previous[_READS]
    world.extra_state[UNRELIABLE_DATA] = {"options": options.as_json(), _READS: reads}


def verify_unreliable_data(world: World) -> None:
    """Raise `ValueError` or `TypeError` if the options in the state are damaged."""
    stored = world.extra_state.get(UNRELIABLE_DATA)
    if stored is None:
        return
    options, reads = unreliable_data(world), stored[_READS]
    if options is None or options.since is None:
        raise ValueError(f"{UNRELIABLE_DATA} has no beginning")
    if not isinstance(reads, int) or isinstance(reads, bool) or reads < 0:
        raise ValueError(f"the number of reads is {reads!r}")


def read_time(world: World, now: datetime) -> datetime:
    """Return the instant whose state the next read of sub-sessions shows, and count the read."""
    options = unreliable_data(world)
    if options is None or not options.stale_reads:
        return now
    stored = world.extra_state[UNRELIABLE_DATA]
    stored[_READS] += 1
    draws = _Draws.of(world, "stale read", stored[_READS])
    if not draws.happens(0, options.stale_reads):
        return now
    return now - timedelta(microseconds=draws.part(1, micros_of(options.max_staleness)))


@attrs.frozen
class _Draws:
    """Random numbers of one subject, each with an index from 0 to 7."""

    bits: int

    @classmethod
    def of(cls, world: World, *key: object) -> _Draws:
        return cls(world.random.number(UNRELIABLE_DATA, *key))

    def _draw(self, index: int) -> int:
        return self.bits >> (index * _DRAW_BITS) & (_DRAW_RANGE - 1)

    def happens(self, index: int, probability: float) -> bool:
        """Return True with a probability."""
        return self._draw(index) < probability * _DRAW_RANGE

    def part(self, index: int, whole: int) -> int:
        """Return a random part of *whole*, more than 0 unless it is small."""
        return whole * (self._draw(index) + 1) // _DRAW_RANGE


@attrs.frozen
class _ShownEnds:
    """When the end of a sub-session is shown; all in microseconds since 1970."""

    first_shown: Micros
    first_end: Micros
    """The end that is shown first: the right one, unless it is withdrawn."""
    withdrawn: Micros | None
    shown_again: Micros
    """When the right end is shown; the same as `first_shown` if it is not withdrawn."""
    corrected: Micros | None


@attrs.frozen
class _Fate:
    """What happens to one sub-session."""

    options: UnreliableData
    start: Micros
    kinds: _Draws
    amounts: _Draws

    @classmethod
    def of(cls, world: World, episode: Episode, number: int) -> _Fate | None:
        """Return the fate of a period of an episode, or None if the sub-session is reliable."""
        options = unreliable_data(world)
        if options is None or options.since is None:
            return None
        start = episode.periods[number].start_us
        if start < micros(options.since):
            return None
        key = (episode.site.number, episode.start_us, number)
        kinds, amounts = (_Draws.of(world, name, *key) for name in ("kinds", "amounts"))
        return cls(options, start, kinds, amounts)

    @property
    def span(self) -> Micros:
        very_late = self.kinds.happens(5, self.options.very_late)
        return micros_of(self.options.max_delay) * (_VERY_LATE_FACTOR if very_late else 1)

    @property
    def is_late(self) -> bool:
        return self.kinds.happens(0, self.options.late)

    @property
    def appears(self) -> Micros:
        """When the sub-session becomes readable."""
        return self.start + (self.amounts.part(0, self.span) if self.is_late else 0)

    @property
    def deleted(self) -> Micros | None:
        """When it is deleted; None if it is not."""
        if not self.kinds.happens(4, self.options.deleted):
            return None
        appears = self.appears
        return appears + self.amounts.part(5, self.start + self.span - appears)

    def ends(self, end: Micros) -> _ShownEnds | None:
        """Return when the end is shown, or None if that is regular."""
        kinds, amounts, options = self.kinds, self.amounts, self.options
        late = kinds.happens(1, options.late_end)
        withdrawn = kinds.happens(2, options.withdrawn_end)
        corrected = kinds.happens(3, options.corrected)
        if not (late or withdrawn or corrected) or end - self.start < _MIN_LENGTH:
            return None
        latest = end + self.span
        first_shown = end + (amounts.part(1, self.span) if late else 0)
        first_end, withdrawn_at, shown_again = end, None, first_shown
        if withdrawn:
            too_early = amounts.part(6, (end - self.start) * _WITHDRAWN_PERCENT // 100)
            first_end = end - max(1, too_early)
            withdrawn_at = first_shown + amounts.part(2, latest - first_shown)
            shown_again = withdrawn_at + amounts.part(3, latest - withdrawn_at)
        corrected_at = None
        if corrected:
            corrected_at = shown_again + amounts.part(4, latest - shown_again)
        return _ShownEnds(first_shown, first_end, withdrawn_at, shown_again, corrected_at)

    def correction(self, wh: int) -> int:
        """Return the watt-hours that a correction adds."""
        percent = 1 + self.amounts.part(7, _MAX_CORRECTION_PERCENT - 1)
        return max(1, wh * percent // 100) if wh else 0


@attrs.frozen
class View:
    """What is shown of a sub-session: a period of an episode, as known at an instant."""

    episode: Episode
    now: datetime


def view_of(world: World, episode: Episode, number: int, now: datetime) -> View | None:
    """Return what is shown at *now* of a period of an episode, or None if it is not readable.

    *episode* is as seen at *now*.
    """
    fate = _Fate.of(world, episode, number)
    if fate is None:
        return View(episode, now)
    at, deleted = micros(now), fate.deleted
    if at < fate.appears or (deleted is not None and at >= deleted):
        return None
    period = episode.periods[number]
    ends = None if period.end_us is None else fate.ends(period.end_us)
    if period.end_us is None or ends is None or at >= ends.shown_again:
        return View(episode, now)
    if ends.withdrawn is not None and ends.first_shown <= at < ends.withdrawn:
        shown = _ended_early(episode, number, period, ends.first_end)
        return View(shown, instant_of(ends.first_end))
    just_before = period.end_us - 1
    return View(episode.seen(just_before), instant_of(just_before))


def _ended_early(episode: Episode, number: int, period: Period, end: Micros) -> Episode:
    seen = episode.seen(end)
    periods = list(seen.periods)
    periods[number] = attrs.evolve(period, end_us=end)
    return attrs.evolve(seen, periods=tuple(periods))


def correction_of(
    world: World, episode: Episode, number: int, wh: int, now: datetime
) -> tuple[int, datetime] | None:
    """Return the watt-hours that were added to a sub-session by *now*, and when; None if none."""
    fate, end = _Fate.of(world, episode, number), episode.periods[number].end_us
    ends = None if fate is None or end is None else fate.ends(end)
    if fate is None or ends is None or ends.corrected is None or micros(now) <= ends.corrected:
        return None
    return fate.correction(wh), instant_of(ends.corrected)


@attrs.frozen
class Announcement:
    """A webhook that differs in time or content from the event of the charging."""

    send_at: datetime
    shown_at: datetime
    """When the API shows what the webhook says."""
    kind: Literal["created", "ended"]


def announcements(world: World, event: SubSessionEvent) -> list[Announcement] | None:
    """Return the webhooks of an event instead of the usual one; None for the usual one."""
    fate = _Fate.of(world, event.episode, event.number)
    if fate is None:
        return None
    if event.kind == "created":
        shown = [fate.appears] if fate.is_late else None
    else:
        ends = fate.ends(event.at_us)
        shown = _times_of_ends(fate, ends, event.at_us)
    if shown is None:
        return None
    deleted = fate.deleted
    draws = _Draws.of(world, "ahead", event.kind, fate.kinds.bits)
    return [
        Announcement(
            instant_of(max(event.at_us, at - _time_ahead(draws, index))), instant_of(at), event.kind
        )
        for index, at in enumerate(shown)
        if deleted is None or at < deleted
    ]


def _times_of_ends(fate: _Fate, ends: _ShownEnds | None, end: Micros) -> list[Micros] | None:
    """Return when ends become readable; None if only the right one does, at once."""
    appears, deleted = fate.appears, fate.deleted
    if ends is None or (ends.withdrawn is None and ends.first_shown == end):
        is_usual = appears <= end and (deleted is None or deleted > end)
        return None if is_usual else [max(appears, end)]
    times = [max(appears, ends.first_shown)]
    if ends.withdrawn is not None:
        again = max(appears, ends.shown_again)
        times = [again] if times[0] >= ends.withdrawn else [times[0], again]
    return times


def _time_ahead(draws: _Draws, index: int) -> Micros:
    """Return how long a webhook is sent before its content is readable; often not at all."""
    return draws.part(2 * index, MINUTE) if draws.happens(2 * index + 1, 0.5) else 0
