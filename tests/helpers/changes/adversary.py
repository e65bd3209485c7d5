"""A world in memory that treats a stream worse than the simulator does, as the real API might."""

from __future__ import annotations

import bisect
import random
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Self

import attrs

from ev_energy._changes.source import ListedPage
from ev_energy.models import ChargingSubSession, ChargingSubSessionMode
from ev_energy.models.charging import ChargingSubSessionLocation

EPOCH: Final = datetime(2026, 10, 5, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
NO_TIME: Final = timedelta()
_HOME: Final = ChargingSubSessionLocation(name="Home")

Order = Literal["start", "id", "shown"]


@attrs.frozen(kw_only=True)
class Treatment:
    """How badly the world treats a stream. Numbers are probabilities unless they say otherwise."""

    days: float = 8
    per_day: float = 40
    """Sub-sessions a day."""
    page_size: int | None = None
    """None for 3, 10 or 100 by seed."""
    order: Order | None = None
    cursor: Literal["place", "member"] | None = None
    """What a cursor is: a place in the order, or an item, with which the listing ends if the item
    has left it. None for either by seed."""
    stale: float = 0.0
    """Of a reply from a replica that is up to 20 minutes old."""
    slow: float = 3.0
    """Seconds that a request takes, at most."""
    late: float = 0.05
    """Of a sub-session that becomes readable up to 29 hours after it began."""
    very_late: float = 0.02
    """Of one that becomes readable, or changes, days after its time."""
    odd: float = 0.03
    """Of a clock that is fast, a start that is corrected, and an end that is taken back."""
    bounded: bool = False
    """Whether nothing changes later than 29 hours after the end."""


@attrs.define(eq=False)
class SubSession:
    """A sub-session, and when what of it becomes readable."""

    id: str
    start: datetime
    end: datetime
    shown: datetime
    end_shown: datetime
    rank: int
    """Decides the order of equal times."""
    fixes: list[tuple[datetime, dict[str, Any]]] = attrs.field(factory=list)
    """Corrections, with the time from which on they are readable."""
    gone: datetime = NEVER

    def view(self, now: datetime) -> ChargingSubSession | None:
        """Return what can be read at *now*."""
        return self.view_of(now) if self.shown <= now < self.gone else None

    def times(self, now: datetime) -> tuple[datetime, datetime | None]:
        """Return start and end as they can be read at *now*."""
        start, end = self.start, self.end if self.end_shown <= now else None
        for at, change in self.fixes:
            if at <= now:
                start, end = change.get("start", start), change.get("end", end)
        return start, end

    @property
    def is_taken_back(self) -> bool:
        """Whether its end is withdrawn once."""
        return any("end" in change for _, change in self.fixes)

    def latest(self) -> datetime:
        """Return the latest time that its start or end ever has."""
        times = [at for _, change in self.fixes for at in change.values()]
        return max(self.start, self.end, *(at for at in times if isinstance(at, datetime)))

    def view_of(self, now: datetime) -> ChargingSubSession:
        """Return what can be read at *now*, whether or not anything can."""
        is_over = self.end_shown <= now
        elapsed = int((now - self.start).total_seconds() // 10)
        fields: dict[str, Any] = {
            "start": self.start,
            "end": self.end if is_over else None,
            "energy_delivered_watt_hours": 9000 if is_over else max(0, elapsed),
        }
        for at, change in self.fixes:
            if at <= now:
                fields |= change
        return make_session(self.id, **fields)


def make_session(id_: str, **fields: Any) -> ChargingSubSession:
    """Return a sub-session with plain values for all that *fields* does not have."""
    values: dict[str, Any] = {
        "start": EPOCH,
        "end": None,
        "mode": ChargingSubSessionMode.SMART,
        "energy_delivered_watt_hours": 0,
        "cost": None,
        "location": _HOME,
        "currency": "GBP",
        "total_co2_grams": None,
        "co2_intensity_grams_per_kilowatt_hour": None,
        "co2_intensity_classification": None,
        "duration_minutes": 0,
        "grid_energy_delivered_watt_hours": None,
        "solar_energy_delivered_watt_hours": None,
        **fields,
    }
    url = f"https://api.ev.energy/v2/charging_sub_sessions/{id_}"
    return ChargingSubSession(id=id_, url=url, **values)


def session(id_: str = "csub1", **times: Any) -> SubSession:
    """Return a sub-session of an hour from `EPOCH` on, readable at once, unless *times* differ."""
    start = times.pop("start", EPOCH)
    end = times.pop("end", start + HOUR)
    shown = times.pop("shown", start)
    values = {"end_shown": max(end, shown), "rank": 1, **times}
    return SubSession(id_, start, end, shown, **values)


@attrs.frozen(order=True)
class Delivery:
    """A webhook: when it arrives, and what it says."""

    arrives: datetime
    id: str
    happened: datetime


class Adversary:
    """Serves listings and single sub-sessions as of each request; time goes on meanwhile."""

    def __init__(self, seed: int, treatment: Treatment | None = None) -> None:
        self.treatment = treatment = treatment or Treatment()
        self.rng = rng = random.Random(seed)
        self.now, self.requests, self.ended_early = EPOCH, 0, 0
        self.order: Order = treatment.order or rng.choice(("start", "id", "shown"))
        self.cursor = treatment.cursor or rng.choice(("place", "member"))
        self.page_size = treatment.page_size or rng.choice((3, 10, 100))
        self.sessions: dict[str, SubSession] = {}
        self.deliveries: list[Delivery] = []
        at = EPOCH - 3 * DAY
        while at < EPOCH + timedelta(days=treatment.days):
            at += timedelta(days=rng.expovariate(treatment.per_day))
            if rng.random() < 0.2:
                at = at.replace(microsecond=0)
            for _ in range(rng.choice((1, 1, 1, 4))):  # some have equal times
                self._add(at)
        self.deliveries.sort()
        self._by_latest: list[SubSession] = sorted(self.sessions.values(), key=SubSession.latest)
        self.deliver: Callable[[], None] = lambda: None
        """Called while a request is under way."""

    @classmethod
    def with_sessions(cls, *sessions: SubSession, page_size: int = 100) -> Self:
        """Return a world with *sessions* only, which sends no webhooks and answers at once."""
        treatment = Treatment(days=-9, page_size=page_size, order="start", cursor="place", slow=0)
        world = cls(0, treatment)
        world.sessions = {session.id: session for session in sessions}
        world._by_latest = sorted(sessions, key=SubSession.latest)
        return world

    def truth(self, since: datetime) -> dict[str, ChargingSubSession]:
        """Return all that a stream from *since* on must have handed over by now."""
        views = ((id_, session.view(self.now)) for id_, session in self.sessions.items())
        return {
            id_: view
            for id_, view in views
            if view is not None and max(view.start, view.end or view.start) > since
        }

    def latest_change(self) -> datetime:
        """Return when the last change of all becomes readable."""
        sessions = self.sessions.values()
        times = [session.end_shown for session in sessions]
        times += [at for session in sessions for at, _ in session.fixes]
        return max(times, default=self.now)

    def event(self, delivery: Delivery) -> ChargingSubSession | None:
        """Return the sub-session in a webhook: as it was when it happened."""
        return self.sessions[delivery.id].view(delivery.happened)

    def pages(
        self, query: Mapping[str, Any], cursor: str | None, *, urgent: bool
    ) -> AsyncIterator[ListedPage]:
        """Return the pages of a listing."""
        return _Pages(self, query, cursor)

    def page(self, query: Mapping[str, Any], cursor: str | None) -> ListedPage:
        """Answer a request for one page."""
        now = self._request()
        found = self._listed(query, now)
        if cursor is not None:
            last = self.sessions[cursor]
            if self.cursor == "member" and last not in found:
                self.ended_early += 1
                found = []
            place = self._place(last)
            found = [session for session in found if self._place(session) < place]
        page, is_last = found[: self.page_size], len(found) <= self.page_size
        items = [session.view_of(now) for session in page]
        return ListedPage(
            items, self.now.replace(microsecond=0), None if is_last else page[-1].id, is_last
        )

    async def get(self, id_: str, *, urgent: bool) -> ChargingSubSession | None:
        """Return one sub-session."""
        return self.sessions[id_].view(self._request())

    def _request(self) -> datetime:
        """Return the time of the replica that answers."""
        self.requests += 1
        self.deliver()
        self.now += timedelta(seconds=self.rng.random() * self.treatment.slow)
        if self.rng.random() < self.treatment.stale:
            return self.now - 20 * MINUTE * self.rng.random()
        return self.now

    def _listed(self, query: Mapping[str, Any], now: datetime) -> list[SubSession]:
        low = query.get("start__gt") or query.get("end__gt") or datetime.min.replace(tzinfo=UTC)
        first = bisect.bisect_left(self._by_latest, low, key=SubSession.latest)
        found = [
            session
            for session in self._by_latest[first:]
            if session.shown <= now < session.gone and _fits(session.times(now), query)
        ]
        return sorted(found, key=self._place, reverse=True)

    def _place(self, session: SubSession) -> Any:
        if self.order == "id":
            return session.id
        return (session.start if self.order == "start" else session.shown, session.rank)

    def _add(self, at: datetime) -> None:
        rng, treatment = self.rng, self.treatment
        delay = rng.choice((NO_TIME, timedelta(seconds=rng.random() * 90), rng.random() * 3 * HOUR))
        if rng.random() < treatment.late:
            delay = rng.random() * 29 * HOUR
        if rng.random() < treatment.very_late:
            delay = (30 + rng.random() * 200) * HOUR
        end = at + timedelta(hours=rng.choice((0, 0.01, 1, 10, 10, rng.random() * 60)))
        end_delay = rng.choice(
            (NO_TIME, timedelta(seconds=rng.random() * 90), rng.random() * 28 * HOUR)
        )
        session = SubSession(
            f"csub{rng.getrandbits(64):016X}",
            at,
            end,
            at + delay,
            max(end, at + delay) + end_delay,
            rng.getrandbits(30),
        )
        self._correct(session)
        if rng.random() < 0.02:
            session.gone = session.shown + rng.random() * 40 * HOUR
        self.sessions[session.id] = session
        for happened in (session.shown, session.end_shown):
            while rng.random() < 0.7:  # three of ten are lost, some come twice
                slow = rng.choice((NO_TIME, 10 * MINUTE * rng.random(), 24 * HOUR * rng.random()))
                early = rng.random() * MINUTE if rng.random() < 0.1 else NO_TIME
                self.deliveries.append(Delivery(happened + slow - early, session.id, happened))
                if rng.random() < 0.8:
                    break

    def _correct(self, session: SubSession) -> None:
        rng, treatment, fixes = self.rng, self.treatment, session.fixes
        if rng.random() < 0.2:
            fix = {"energy_delivered_watt_hours": 9100, "cost": 5}
            fixes.append((session.end_shown + rng.random() * 26 * HOUR, fix))
        if rng.random() < treatment.very_late:
            fixes.append((session.end_shown + rng.random() * 300 * HOUR, {"total_points": 3}))
        if rng.random() < treatment.odd:  # the clock of the device is fast
            session.start += rng.random() * rng.choice((1, 2, 2, 100)) * HOUR
            session.end = max(session.end, session.start)
        if rng.random() < treatment.odd:
            fixes.append((session.end_shown, {"start": session.start - rng.random() * HOUR}))
        if rng.random() < treatment.odd:  # the end is taken back, and comes again
            back = session.end_shown + rng.random() * 6 * HOUR
            again = back + rng.random() * 6 * HOUR
            fixes += [(back, {"end": None}), (again, {"end": session.end + 9 * HOUR})]
        if treatment.bounded:
            latest = max(session.shown, session.end + 28 * HOUR)
            session.end_shown = min(session.end_shown, latest)
            fixes[:] = [(min(at, session.end + 29 * HOUR), change) for at, change in fixes]
        fixes.sort(key=lambda fix: fix[0])


class _Pages(AsyncIterator[ListedPage]):
    def __init__(self, world: Adversary, query: Mapping[str, Any], cursor: str | None) -> None:
        self._world, self._query, self._cursor = world, query, cursor
        self._is_over = False

    async def __anext__(self) -> ListedPage:
        if self._is_over:
            raise StopAsyncIteration
        page = self._world.page(self._query, self._cursor)
        self._cursor, self._is_over = page.next_cursor, page.is_last
        return page


def _fits(times: tuple[datetime, datetime | None], query: Mapping[str, Any]) -> bool:
    start, end = times
    return (
        ("start__gt" not in query or start > query["start__gt"])
        and ("start__lt" not in query or start < query["start__lt"])
        and ("end__gt" not in query or (end is not None and end > query["end__gt"]))
        and ("end__lt" not in query or (end is not None and end < query["end__lt"]))
        and ("is_finished" not in query or (end is not None) is query["is_finished"])
    )


class Mailbox:
    """Hands the deliveries of a world to a stream when their time has come."""

    def __init__(self, world: Adversary, offer: Callable[[ChargingSubSession], None]) -> None:
        self._world, self._offer = world, offer
        self._position = bisect.bisect_right(
            world.deliveries, EPOCH, key=lambda delivery: delivery.arrives
        )

    def deliver(self) -> None:
        """Hand over what has arrived by now."""
        deliveries = self._world.deliveries
        while self._position < len(deliveries):
            delivery = deliveries[self._position]
            if delivery.arrives > self._world.now:
                return
            self._position += 1
            if (session := self._world.event(delivery)) is not None:
                self._offer(session)
