"""Dispatch coordinators: who may ask a part of the fleet to hold back, and what it draws."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.clock._instants import ANCHOR, micros, read_instant, write_instant
from ev_energy.simulator.http._problems import ProblemError, invalid, not_found
from ev_energy.simulator.http._routes import Reply, detail, listing, log
from ev_energy.simulator.resources.catalogues import country_of
from ev_energy.simulator.world._homes import HAMBURG, LEEDS, LONDON, OAKLAND, UTRECHT
from ev_energy.simulator.world._rows import ApiPath
from ev_energy.simulator.world._series import ORIGIN, TimeSeries
from ev_energy.simulator.world._tables import GeneratedRows, Selection, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.http._problems import FieldErrors
    from ev_energy.simulator.http._routes import Call, Handler, Routes
    from ev_energy.simulator.world._homes import City
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._series import Entry
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World


COORDINATORS: Final = "dispatch_coordinators"
EVENTS: Final = "dispatch_events"
_LOG: Final = "dispatch_logs"
_EVERY: Final = timedelta(minutes=10)
_CHUNK: Final = timedelta(hours=6)
#: The power of larger fleets is estimated from as many places of theirs.
_COUNTED: Final = 32
_LONGEST_STAY: Final = timedelta(days=2)
_NEW_YEAR: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SUMMER: Final = datetime(2026, 7, 1, tzinfo=UTC)


@attrs.frozen
class Coordinator:
    """Somebody with a contract for a part of the fleet in one zone group."""

    name: str
    code: str
    city: City
    part: int = 0
    parts: int = 1
    """It has every so many-th place, from number ``part`` on."""
    start: datetime | None = None
    end: datetime | None = None

    def ranks(self, size: int) -> range:
        """Return the places it has of a group with so many."""
        return range(self.part, size, self.parts)

    def holds(self, start: datetime, end: datetime) -> bool:
        """Return whether the contract covers a stretch of time."""
        return (self.start is None or self.start <= start) and (self.end is None or end <= self.end)


WHO: Final = (
    Coordinator("Northern Flexibility", "NFLEX-001", LEEDS, 0, 2, _NEW_YEAR),
    Coordinator("Thames Balancing", "THAMES-07", LONDON, 1, 2, None,
                datetime(2028, 1, 1, tzinfo=UTC)),
    Coordinator("Laagland Netbeheer", "NL-LAAG-2", UTRECHT, 0, 2, _NEW_YEAR,
                datetime(2027, 7, 1, tzinfo=UTC)),
    Coordinator("Elbe Regelenergie", "DE-ELBE-1", HAMBURG, 1, 2),
    Coordinator("Bay Ramp Relief", "CA-RAMP-3", OAKLAND, 0, 1, _NEW_YEAR),
    Coordinator("Bay Summer Pilot", "CA-PILOT-1", OAKLAND, 0, 1, _NEW_YEAR, _SUMMER),
)  # fmt: skip


class _Coordinators(Table):
    """Coordinators; a user sees those of the own country."""

    def __init__(self, world: World, made: GeneratedRows) -> None:
        super().__init__(COORDINATORS, "dc", made)
        self._world = world

    def parse_cursor(self, cursor: str) -> str:
        if not re.fullmatch(r"dc[0-9]{6}", cursor, re.ASCII):
            raise ValueError(cursor)
        return cursor

    def for_user(self, user_id: str) -> Collection:
        country = country_of(self._world, user_id)
        return Selection(self, (row for row in self if row["_who"].city.country == country))


def add_dispatch(world: World) -> None:
    """Open the tables of coordinators and of the events they made, and the logs."""
    rows = [
        {
            "id": f"dc{number:06}",
            "name": who.name,
            "reference_code": who.code,
            "contract_start": who.start and write_instant(who.start),
            "contract_end": who.end and write_instant(who.end),
            "timezone": who.city.zone,
            "dispatch_logs": ApiPath(f"/{COORDINATORS}/dc{number:06}/{_LOG}"),
            "_who": who,
        }
        for number, who in enumerate(WHO)
    ]
    world.tables[COORDINATORS] = _Coordinators(world, GeneratedRows.from_rows(rows))
    world.table(EVENTS, "devt")
    world.logs[f"{COORDINATORS}/{_LOG}"] = functools.partial(_log, world)


def add_event(world: World, coordinator: Row, members: Row) -> Row:
    """Keep an event of a coordinator."""
    event_id = world.new_id(EVENTS)
    return world.tables[EVENTS].add({
        "id": event_id,
        "url": ApiPath(f"/{COORDINATORS}/{coordinator['id']}/{EVENTS}/{event_id}"),
        **members,
        "dispatch_coordinator": coordinator["url"],
        "_cancelled_at": None,
    })  # fmt: skip


def cancel_event(world: World, event: Row) -> None:
    """End an event, or keep it from beginning."""
    world.tables[EVENTS].update(event["id"], {"_cancelled_at": write_instant(world.now)})


def events_of(world: World, coordinator: Row) -> Iterator[Row]:
    """Return the events of a coordinator, cancelled ones too."""
    rows = world.tables[EVENTS].after(None)
    return (row for row in rows if row["dispatch_coordinator"] == coordinator["url"])


def event_ends(event: Row) -> datetime:
    """Return when an event ends, or ended because it was cancelled."""
    end = read_instant(event["end_time"])
    cancelled: str | None = event["_cancelled_at"]
    return end if cancelled is None else min(end, read_instant(cancelled))


@attrs.frozen
class _Order:
    """What an event asks for."""

    start: datetime
    end: datetime
    limit: int | None
    target: int | None

    @classmethod
    def of(cls, event: Row) -> _Order:
        """Read an event."""
        return cls(
            read_instant(event["start_time"]),
            event_ends(event),
            event["import_limit_watts"],
            event["target_power_watts"],
        )

    def watts(self, wanted: int, possible: int) -> int:
        """Return what the fleet draws that would draw so much, and could draw more."""
        if self.target is not None:
            wanted = max(0, min(self.target, possible))
        return wanted if self.limit is None else min(wanted, self.limit)


class _Fleet:
    """What the cars of a coordinator draw."""

    def __init__(self, world: World, who: Coordinator) -> None:
        self._world = world
        self._group = who.city.group
        ranks = who.ranks(world.fleet.groups[self._group].size)
        self._size = len(ranks)
        step = max(1, -(-self._size // _COUNTED))
        self._ranks = ranks[::step]

    def power(self, instants: Sequence[datetime]) -> list[tuple[int, int]]:
        """Return the watts drawn at some instants, and those of all cars that are plugged in."""
        world, drawn = self._world, [[0, 0] for _ in instants]
        first, last = instants[0] - _LONGEST_STAY, instants[-1]
        for rank in self._ranks:
            site = world.fleet.site(self._group, rank)
            for episode in world.charging.episodes(site, now=world.now, after=first, before=last):
                self._add(episode, instants, drawn)
        scale = max(1, len(self._ranks))
        return [(now * self._size // scale, most * self._size // scale) for now, most in drawn]

    def _add(self, episode: Episode, instants: Sequence[datetime], drawn: list[list[int]]) -> None:
        if episode.public:
            return
        for instant, sums in zip(instants, drawn, strict=True):
            if episode.start <= instant and (episode.end is None or instant < episode.end):
                sums[0] += episode.power(micros(instant))
                sums[1] += episode.watts


def _log(world: World, row: Row) -> TimeSeries:
    who: Coordinator = row["_who"]
    fleet = _Fleet(world, who)
    orders = [_Order.of(event) for event in events_of(world, row)]
    began = max(who.start or ORIGIN, ANCHOR - timedelta(days=400))
    late = timedelta(microseconds=world.random.between(1, 999_999, "logged", who.code))

    def watts(at: datetime, drawn: int, possible: int) -> int:
        for order in orders:
            if order.start <= at < order.end:
                drawn = order.watts(drawn, possible)
        return drawn

    def of_chunk(number: int) -> list[Entry]:
        start = ORIGIN + number * _CHUNK + late
        instants = [start + step * _EVERY for step in range(_CHUNK // _EVERY)]
        power = zip(instants, fleet.power(instants), strict=True)
        return [
            (at, {**members, "total_charge_rate_watts": watts(at, *both)}) for at, both in power
        ]

    members: dict[str, Any] = {"dispatch_coordinator": row["url"]}
    return TimeSeries(
        folder=f"{COORDINATORS}/{row['id']}/{_LOG}",
        member="logged_at",
        start=began,
        end=world.now if who.end is None else min(world.now, who.end),
        chunk=_CHUNK,
        make=functools.lru_cache(64)(of_chunk),
    )


_LIMITS: Final = ("import_limit_watts", "export_limit_watts")
_TARGET: Final = "target_power_watts"


def _coordinator(call: Call) -> Row:
    """Return the coordinator of the path; a user may see those of the own country."""
    row = call.row(COORDINATORS, "dispatch_coordinator_id")
    who: Coordinator = row["_who"]
    user_id = call.viewer.user_id
    if user_id is not None and country_of(call.world, user_id) != who.city.country:
        raise not_found()
    return row


def _guarded(handler: Handler) -> Handler:
    def answer(call: Call) -> Reply:
        _coordinator(call)
        return handler(call)

    return answer


def _faults(call: Call, coordinator: Row, start: datetime, end: datetime) -> FieldErrors:
    who: Coordinator = coordinator["_who"]
    errors: FieldErrors = {}
    if start < call.now:
        errors["start_time"] = ["That is over."]
    elif not who.holds(start, end):
        errors["start_time"] = ["The contract does not cover that."]
    if end <= start:
        errors["end_time"] = ["It has to be after the start."]
    elif any(
        start < event_ends(event) and read_instant(event["start_time"]) < end
        for event in events_of(call.world, coordinator)
    ):
        errors.setdefault("start_time", ["Another event runs then."])
    given = {name: call.body.get(name) for name in (*_LIMITS, _TARGET)}
    if all(value is None for value in given.values()):
        errors["import_limit_watts"] = ["One of the limits or a target is needed."]
    for name in _LIMITS:
        if (given[name] or 0) < 0:
            errors[name] = ["It cannot be less than nothing."]
    target, most = given[_TARGET], given["import_limit_watts"]
    if target is not None and most is not None and target > most:
        errors[_TARGET] = ["It is more than may be drawn."]
    return errors


def _create(call: Call) -> Reply:
    coordinator = _coordinator(call)
    start, end = (read_instant(call.body[name]) for name in ("start_time", "end_time"))
    if errors := _faults(call, coordinator, start, end):
        raise invalid(errors)
    limits = {name: call.body.get(name) for name in (*_LIMITS, _TARGET)}
    times = {"start_time": write_instant(start), "end_time": write_instant(end)}
    return Reply(call.serialize(add_event(call.world, coordinator, times | limits)), 201)


def _cancel(call: Call) -> Reply:
    coordinator = _coordinator(call)
    event = call.world.tables[EVENTS].get(call.params["dispatch_event_id"])
    if event is None or event["dispatch_coordinator"] != coordinator["url"]:
        raise not_found()
    if event["_cancelled_at"] is not None or event_ends(event) <= call.now:
        raise ProblemError(400, "Too late", "The event is over, or was cancelled before.")
    cancel_event(call.world, event)
    return Reply({"status": "CANCELLED"})


_ONE: Final = f"/{COORDINATORS}/{{dispatch_coordinator_id}}"

ROUTES: Final[Routes] = {
    ("GET", f"/{COORDINATORS}"): listing(),
    ("GET", _ONE): _guarded(detail()),
    ("GET", f"{_ONE}/dispatch_logs"): _guarded(log("logged_at")),
    ("GET", f"{_ONE}/dispatch_logs/{{logged_at}}"): _guarded(detail()),
    ("POST", f"{_ONE}/dispatch_events"): _create,
    ("POST", f"{_ONE}/dispatch_events/{{dispatch_event_id}}/cancel"): _cancel,
}
