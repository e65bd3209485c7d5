"""Dispatch coordinators, the events in which they limit charging power, and their power logs."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

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
_LOG_INTERVAL: Final = timedelta(minutes=10)
_CHUNK: Final = timedelta(hours=6)
_LIMIT_MEMBERS: Final = ("import_limit_watts", "export_limit_watts")
_TARGET_MEMBER: Final = "target_power_watts"
#: With more charging sites, the power is extrapolated from this many.
_MAX_SAMPLED_SITES: Final = 32
_MAX_SESSION: Final = timedelta(days=2)
_CONTRACT_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_PILOT_END: Final = datetime(2026, 7, 1, tzinfo=UTC)


@attrs.frozen
class Contract:
    """A coordinator's contract for a share of the charging sites in a city's group."""

    name: str
    code: str
    city: City
    offset: int = 0
    """The number of the first charging site in the group that belongs to the share."""
    step: int = 1
    """Every step-th charging site from there on belongs to the share."""
    start: datetime | None = None
    end: datetime | None = None

    def ranks(self, size: int) -> range:
        """Return the numbers of the charging sites in a group of *size* that are in the share."""
        return range(self.offset, size, self.step)

    def covers(self, start: datetime, end: datetime) -> bool:
        """Return whether the contract is in force from *start* to *end*."""
        return (self.start is None or self.start <= start) and (self.end is None or end <= self.end)


CONTRACTS: Final = (
    Contract("Northern Flexibility", "NFLEX-001", LEEDS, 0, 2, _CONTRACT_START),
    Contract("Thames Balancing", "THAMES-07", LONDON, 1, 2, None,
             datetime(2028, 1, 1, tzinfo=UTC)),
    Contract("Laagland Netbeheer", "NL-LAAG-2", UTRECHT, 0, 2, _CONTRACT_START,
             datetime(2027, 7, 1, tzinfo=UTC)),
    Contract("Elbe Regelenergie", "DE-ELBE-1", HAMBURG, 1, 2),
    Contract("Bay Ramp Relief", "CA-RAMP-3", OAKLAND, 0, 1, _CONTRACT_START),
    Contract("Bay Summer Pilot", "CA-PILOT-1", OAKLAND, 0, 1, _CONTRACT_START, _PILOT_END),
)  # fmt: skip


class _Coordinators(Table):
    """The table of coordinators. A user sees those of the country that the user lives in."""

    def __init__(self, world: World, made: GeneratedRows) -> None:
        super().__init__(COORDINATORS, "dc", made)
        self._world = world

    def parse_cursor(self, cursor: str) -> str:
        if not re.fullmatch(r"dc[0-9]{6}", cursor, re.ASCII):
            raise ValueError(cursor)
        return cursor

    def for_user(self, user_id: str) -> Collection:
        country = country_of(self._world, user_id)
        return Selection(self, (row for row in self if row["_contract"].city.country == country))


def add_dispatch(world: World) -> None:
    """Open the tables of coordinators and of their events, and the power logs."""
    rows = [
        {
            "id": f"dc{number:06}",
            "name": contract.name,
            "reference_code": contract.code,
            "contract_start": contract.start and write_instant(contract.start),
            "contract_end": contract.end and write_instant(contract.end),
            "timezone": contract.city.zone,
            "dispatch_logs": ApiPath(f"/{COORDINATORS}/dc{number:06}/{_LOG}"),
            "_contract": contract,
        }
        for number, contract in enumerate(CONTRACTS)
    ]
    world.tables[COORDINATORS] = _Coordinators(world, GeneratedRows.from_rows(rows))
    world.table(EVENTS, "devt")
    world.logs[f"{COORDINATORS}/{_LOG}"] = functools.partial(_log, world)


def add_event(world: World, coordinator: Row, members: Row) -> Row:
    """Add an event of a coordinator."""
    event_id = world.new_id(EVENTS)
    return world.tables[EVENTS].add({
        "id": event_id,
        "url": ApiPath(f"/{COORDINATORS}/{coordinator['id']}/{EVENTS}/{event_id}"),
        **members,
        "dispatch_coordinator": coordinator["url"],
        "_cancelled_at": None,
    })  # fmt: skip


def events_of(world: World, coordinator: Row) -> Iterator[Row]:
    """Return the events of a coordinator, including cancelled ones."""
    rows = world.tables[EVENTS].after(None)
    return (row for row in rows if row["dispatch_coordinator"] == coordinator["url"])


def _event_end(event: Row) -> datetime:
    """Return the end of an event, which is earlier if the event was cancelled."""
    end = read_instant(event["end_time"])
    cancelled: str | None = event["_cancelled_at"]
    return end if cancelled is None else min(end, read_instant(cancelled))


@attrs.frozen
class _PowerRequest:
    """The power limit and the target power of an event."""

    start: datetime
    end: datetime
    limit: int | None
    target: int | None

    @classmethod
    def of(cls, event: Row) -> _PowerRequest:
        """Return the request of an event's row."""
        return cls(
            read_instant(event["start_time"]),
            _event_end(event),
            event["import_limit_watts"],
            event["target_power_watts"],
        )

    def apply(self, watts: int, max_watts: int) -> int:
        """Return the power during the event, from the power without it and the possible power."""
        if self.target is not None:
            watts = max(0, min(self.target, max_watts))
        return watts if self.limit is None else min(watts, self.limit)


class _CoordinatedSites:
    """The charging sites of a coordinator, or a sample of them."""

    def __init__(self, world: World, contract: Contract) -> None:
        self._world = world
        self._group = contract.city.group
        ranks = contract.ranks(world.fleet.groups[self._group].size)
        self._site_count = len(ranks)
        step = max(1, -(-self._site_count // _MAX_SAMPLED_SITES))
        self._sampled_ranks = ranks[::step]

    def power(self, instants: Sequence[datetime]) -> list[tuple[int, int]]:
        """Return for each instant the charging power, and that if all connected cars charged."""
        world, sums = self._world, [[0, 0] for _ in instants]
        first, last = instants[0] - _MAX_SESSION, instants[-1]
        for rank in self._sampled_ranks:
            site = world.fleet.site(self._group, rank)
            for episode in world.charging.episodes(site, now=world.now, after=first, before=last):
                self._add(episode, instants, sums)
        count, sampled = self._site_count, max(1, len(self._sampled_ranks))
        return [
            (watts * count // sampled, max_watts * count // sampled) for watts, max_watts in sums
        ]

    @staticmethod
    def _add(episode: Episode, instants: Sequence[datetime], sums: list[list[int]]) -> None:
        if episode.public:
            return
        for instant, totals in zip(instants, sums, strict=True):
            if episode.start <= instant and (episode.end is None or instant < episode.end):
                totals[0] += episode.power(micros(instant))
                totals[1] += episode.watts


def _log(world: World, row: Row) -> TimeSeries:
    contract: Contract = row["_contract"]
    sites = _CoordinatedSites(world, contract)
    requests = [_PowerRequest.of(event) for event in events_of(world, row)]
    log_start = max(contract.start or ORIGIN, ANCHOR - timedelta(days=400))
    delay = timedelta(microseconds=world.random.between(1, 999_999, "logged", contract.code))

    def dispatched_watts(instant: datetime, watts: int, max_watts: int) -> int:
        for request in requests:
            if request.start <= instant < request.end:
                watts = request.apply(watts, max_watts)
        return watts

    def entries(number: int) -> list[Entry]:
        start = ORIGIN + number * _CHUNK + delay
        instants = [start + step * _LOG_INTERVAL for step in range(_CHUNK // _LOG_INTERVAL)]
        return [
            (
                instant,
                {
                    "dispatch_coordinator": row["url"],
                    "total_charge_rate_watts": dispatched_watts(instant, watts, max_watts),
                },
            )
            for instant, (watts, max_watts) in zip(instants, sites.power(instants), strict=True)
        ]

    return TimeSeries(
        folder=f"{COORDINATORS}/{row['id']}/{_LOG}",
        member="logged_at",
        start=log_start,
        end=world.now if contract.end is None else min(world.now, contract.end),
        chunk=_CHUNK,
        make=functools.lru_cache(64)(entries),
    )


def _coordinator(call: Call) -> Row:
    """Return the coordinator in the path, or raise the 404 if it is of another country."""
    row = call.row(COORDINATORS, "dispatch_coordinator_id")
    contract: Contract = row["_contract"]
    user_id = call.viewer.user_id
    if user_id is not None and country_of(call.world, user_id) != contract.city.country:
        raise not_found()
    return row


def _for_visible_coordinator(handler: Handler) -> Handler:
    """Return *handler*, refusing coordinators that the caller must not see."""

    def wrapper(call: Call) -> Reply:
        _coordinator(call)
        return handler(call)

    return wrapper


def _power_members(call: Call) -> dict[str, int | None]:
    return {name: call.body.get(name) for name in (*_LIMIT_MEMBERS, _TARGET_MEMBER)}


def _event_errors(call: Call, coordinator: Row, start: datetime, end: datetime) -> FieldErrors:
    contract: Contract = coordinator["_contract"]
    errors: FieldErrors = {}
    if start < call.now:
        errors["start_time"] = ["Must not be in the past."]
    elif not contract.covers(start, end):
        errors["start_time"] = ["The event must be within the term of the contract."]
    if end <= start:
        errors["end_time"] = ["Must be after the start."]
    elif any(
        start < _event_end(event) and read_instant(event["start_time"]) < end
        for event in events_of(call.world, coordinator)
    ):
        errors.setdefault("start_time", ["The event overlaps another event."])
    members = _power_members(call)
    if all(value is None for value in members.values()):
        errors["import_limit_watts"] = ["A limit or a target power is required."]
    for name in _LIMIT_MEMBERS:
        if (members[name] or 0) < 0:
            errors[name] = ["Must not be negative."]
    target, limit = members[_TARGET_MEMBER], members["import_limit_watts"]
    if target is not None and limit is not None and target > limit:
        errors[_TARGET_MEMBER] = ["Must not exceed import_limit_watts."]
    return errors


def _create(call: Call) -> Reply:
    coordinator = _coordinator(call)
    start, end = (read_instant(call.body[name]) for name in ("start_time", "end_time"))
    if errors := _event_errors(call, coordinator, start, end):
        raise invalid(errors)
    times = {"start_time": write_instant(start), "end_time": write_instant(end)}
    event = add_event(call.world, coordinator, times | _power_members(call))
    return Reply(call.serialize(event), HTTPStatus.CREATED)


def _cancel(call: Call) -> Reply:
    coordinator = _coordinator(call)
    events = call.world.tables[EVENTS]
    event = events.get(call.params["dispatch_event_id"])
    if event is None or event["dispatch_coordinator"] != coordinator["url"]:
        raise not_found()
    if event["_cancelled_at"] is not None or _event_end(event) <= call.now:
        text = "The event has ended or was already cancelled."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "Too late", text)
    events.update(event["id"], {"_cancelled_at": write_instant(call.world.now)})
    return Reply({"status": "CANCELLED"})


_COORDINATOR_PATH: Final = f"/{COORDINATORS}/{{dispatch_coordinator_id}}"

ROUTES: Final[Routes] = {
    ("GET", f"/{COORDINATORS}"): listing(),
    ("GET", _COORDINATOR_PATH): _for_visible_coordinator(detail()),
    ("GET", f"{_COORDINATOR_PATH}/dispatch_logs"): _for_visible_coordinator(log("logged_at")),
    ("GET", f"{_COORDINATOR_PATH}/dispatch_logs/{{logged_at}}"): _for_visible_coordinator(detail()),
    ("POST", f"{_COORDINATOR_PATH}/dispatch_events"): _create,
    ("POST", f"{_COORDINATOR_PATH}/dispatch_events/{{dispatch_event_id}}/cancel"): _cancel,
}
