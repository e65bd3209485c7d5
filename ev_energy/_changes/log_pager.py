"""Listings of logs, which can be followed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from ev_energy._api.paging import Pager
from ev_energy._arguments import require_text
from ev_energy._changes.log_source import ListedLog
from ev_energy.models._base import Model

if TYPE_CHECKING:
    from ev_energy._api.caller import ApiCaller
    from ev_energy._changes.follow import LogStream
    from ev_energy._changes.rows import RowStateStore
    from ev_energy._changes.stores import StateStore

M = TypeVar("M", bound=Model)

_SUFFIX: Final = "__gte"
#: Parameters that do not change which entries a listing has.
_PRESENTATION: Final = frozenset({"expand", "page_size"})


class LogPager(Pager[M]):
    """A listing of a log, newest first, which can be followed in the order of time."""

    def __init__(self, pager: Pager[M], log: ListedLog[M]) -> None:
        self._fetcher = pager._fetcher  # noqa: SLF001  (of the base class)
        self._log = log

    def follow(
        self,
        *,
        since: datetime,
        state: str | None = None,
        store: StateStore | RowStateStore | None = None,
        hold: timedelta = timedelta(0),
        interval: timedelta = timedelta(minutes=15),
        look_back: timedelta = timedelta(hours=26),
        sweep: timedelta | None = timedelta(days=7),
        horizon: timedelta = timedelta(days=35),
        budget: float = 0.5,
    ) -> LogStream[M]:
        """Return the entries since a time in the order of time, each once, and then new ones.

        Nothing is sent until the stream is iterated. All times are those of the entries and of the
        server's clock; the clock of this machine only measures intervals.

        Args:
            since: The time of the earliest entry. Ignored if there is a saved state.
            state: The state to continue from: ``batch.state`` of an earlier stream of this log.
            store: A store to continue from and to save each committed state in. If it has a state,
                *state* is ignored. Each log needs its own.
            hold: How long to wait before an entry is handed over, counted from its time. With 0,
                entries are handed over at once, and one that the server shows late is flagged as
                late. With a duration, entries that appear within it are in the strict order of
                time.
            interval: The time between two requests for new entries, at least. It is longer if
                *budget* demands it.
            look_back: The longest delay between the time of an entry and its appearing in the log
                that the stream notices soon: every six hours, it reads this far back.
            sweep: The time between two passes that read back to *horizon*, for entries that appear
                later than that. None for no such passes: then the entries are missed.
            horizon: How far back these passes read. The state remembers the entries since then:
                about 10 bytes of its text each.
            budget: The share of the client's requests per hour that this stream may use, more than
                0 and at most 1. Each stream has its own share.

        Raises:
            ValueError: An argument is out of range, or the listing has bounds of its own or starts
                at a cursor.
            TypeError: An argument has a wrong type.
        """
        from ev_energy._changes.digest import Projection
        from ev_energy._changes.follow import FollowOptions, LogStream, Timing
        from ev_energy._changes.log_state import LogState
        from ev_energy._changes.pace import Pace, checked_share
        from ev_energy._changes.saving import require_store
        from ev_energy._changes.server_clock import ServerClock
        from ev_energy._changes.times import checked_duration, checked_since

        self._require_whole_listing()
        zero, shortest = timedelta(0), timedelta(seconds=1)
        for name, duration, least in (
            ("hold", hold, zero),
            ("look_back", look_back, zero),
            ("interval", interval, shortest),
            ("sweep", sweep, shortest),
            ("horizon", horizon, zero),
        ):
            if not (name == "sweep" and duration is None):
                checked_duration(name, duration, least)
        if sweep is not None and horizon < look_back:
            raise ValueError(f"horizon must be look_back ({look_back}) or more, not {horizon}")
        if state is not None:
            require_text("state", state)
        if store is not None:
            require_store(store)
        checked_share(budget)
        client = self._log.caller.state
        fresh = LogState(
            listing=self._identity(),
            projection=Projection.of(self._log.model),
            floor=checked_since(since),
        )
        if state is not None:
            LogState.load(state, fresh.listing)

        def limit() -> int | None:
            known = client.rate_limit
            return None if known is None else known.limit

        timing = Timing(
            clock=client.http.clock,
            pause=client.http.pause,
            server=ServerClock(client.wall_clock),
            pace=Pace(budget, limit, client.http.clock, client.http.pause),
        )
        options = FollowOptions(
            hold=hold,
            interval=interval,
            look_back=look_back,
            sweep=sweep,
            horizon=horizon,
            state=state,
            store=store,
        )
        return LogStream(self._log, fresh, options, timing)

    def _require_whole_listing(self) -> None:
        log, fetcher = self._log, self._fetcher
        for name in (log.low_name, log.high_name):
            if log.query.get(name) is not None:
                raise ValueError(f"follow() sets {name} itself: pass since= instead")
        if fetcher.start != fetcher.listing.start or fetcher.direction != "next":
            raise ValueError(
                "follow() cannot start at a cursor: call it on the listing itself, and pass "
                "state= or store= to continue"
            )

    def _identity(self) -> str:
        """Return a text that is the same for listings with the same entries.

        It has the path, for error messages, and a digest of the host, of the filters, and of the
        user, which may be personal data.
        """
        listing = self._fetcher.listing
        query = [pair for pair in listing.start.query.items() if pair[0] not in _PRESENTATION]
        content = json.dumps([listing.start.authority, sorted(query), listing.user]).encode()
        digest = hashlib.blake2b(content, digest_size=8).hexdigest()
        return f"{listing.start.path}#{digest}"

    def _evolve(self, **changes: Any) -> Pager[M]:
        pager = cast("LogPager[M]", super()._evolve(**changes))
        pager._log = self._log  # noqa: SLF001  (of this class)
        return pager


def log_pager(
    caller: ApiCaller,
    model: type[M],
    path: str,
    ids: tuple[object, ...],
    scope: str | None,
    query: Mapping[str, object],
    envelope_key: str | None,
) -> LogPager[M]:
    """Return the listing of a log. Its key is the field that the filter ``...__gte`` is about."""
    name = next(name for name in query if name.endswith(_SUFFIX))
    log = ListedLog(
        caller=caller,
        model=model,
        path=path,
        ids=ids,
        scope=scope,
        query=query,
        envelope_key=envelope_key,
        key=name.removesuffix(_SUFFIX),
    )
    return LogPager(log.pager(caller), log)
