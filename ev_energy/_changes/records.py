"""The comparison of what the API says with what was handed over."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from ev_energy._changes.batch import Change, Created, Ended, Gone, Updated, Via, id_of
from ev_energy._changes.state import Bucket, Remembered, SubSessionState, hour_of
from ev_energy._redaction.scrub import printable
from ev_energy._runtime.log_fields import log_fields

if TYPE_CHECKING:
    from ev_energy.models.charging import ChargingSubSession

_log: Final = logging.getLogger("ev_energy")

#: What is handed over later than this after its time is late.
LATE: Final = timedelta(hours=3)
#: The time between two reads that say that something is gone or open again.
CONFIRM_AFTER: Final = timedelta(hours=1)
#: The number of gaps that are kept for `SubSessionStream.status`.
_MAX_GAPS: Final = 100
#: The number of sub-sessions to be read by their ids that are kept. Others wait for a deep pass.
_MAX_DOUBTFUL: Final = 10_000


class Records:
    """What was handed over, and what of it is doubtful."""

    def __init__(self, state: SubSessionState) -> None:
        self.state = state
        self._projections = [*map(state.projection_of, range(len(state.projections)))]
        self.doubtful: dict[str, datetime] = {}
        """The ids of sub-sessions to be read, and until when to try. Losing one costs time only."""
        self.tried: set[str] = set()
        """Those of them that were read once, without an answer."""
        self.gaps: deque[str] = deque(maxlen=_MAX_GAPS)
        self.at = state.floor.timestamp()
        """The server's time of the latest reply, in seconds since 1970."""
        self.polled = 0
        """The number of beginnings and ends that polling found first."""

    def take(self, item: ChargingSubSession, via: Via) -> list[Change]:
        """Compare *item* with what was handed over; note the changes as handed over.

        The caller must hand them over before anything else happens.
        """
        id_, key, ended = id_of(item), key_of(item, self.at), item.end is not None
        known = self.state.seen.get(id_)
        if known is None:
            if ended and key <= self.state.floor.timestamp():
                return []  # sweeps compare these
            kinds: Sequence[type[Any]] = (Created, Ended) if ended else (Created,)
        elif known.end is None:
            kinds = (Ended,) if ended else ()
        elif not ended and via != "read":
            # An older copy of a replica, or the end was taken back. Reading it by its id decides.
            if not known.doubted_since:
                latest = max([self.state.floor, *self.state.through.values()])
                self.doubt(id_, latest + timedelta(days=2))
            return []
        elif not ended:
            if not self._is_confirmed(id_, known):
                return []
            kinds = (Updated,)
        else:
            kinds = () if self.is_same(item, known) else (Updated,)
        self._remember(id_, item, key, via, is_news=bool(kinds))
        if via != "webhook" and Updated not in kinds:
            self.polled += len(kinds)
        late = self.at - key > LATE.total_seconds()
        return [kind(item, via, late) for kind in kinds]

    def take_or_note(self, item: ChargingSubSession, via: Via) -> list[Change]:
        """Do the same as `take`, but note a gap if *item* cannot be compared.

        The others of its page are noted as handed over already, and would be lost with an error.
        """
        try:
            return self.take(item, via)
        except Exception as error:  # noqa: BLE001  (it is logged, and shown by `status`)
            _log.exception(
                "the sub-session %s cannot be compared",
                printable(str(item.id)),
                extra=log_fields("sub_session_skipped"),
            )
            self.note_gap(f"a sub-session was left out, since it cannot be compared: {error}")
            return []

    def gone(self, id_: str, via: Via) -> list[Change]:
        """Note that the API answers 404 for *id_*. Return the change, if it was ever readable."""
        known = self.state.seen.get(id_)
        if known is None or not (known.was_read or self._is_old(known)):
            return []  # only a webhook has told of it, and it may not be readable yet
        if not self._is_confirmed(id_, known):
            return []
        del self.state.seen[id_]
        self.resolve(id_)
        return [Gone(id_, via, self.at - known.key > LATE.total_seconds())]

    def to_confirm(self) -> list[str]:
        """Return the ids of which a read said some time ago that they are gone or open again."""
        latest = self.at - CONFIRM_AFTER.total_seconds()
        return [id_ for id_, known in self.state.seen.items() if 0 < known.doubted_since <= latest]

    def doubt(self, id_: str, until: datetime) -> None:
        """Have the next pass read *id_*, and try until then."""
        if id_ in self.doubtful or len(self.doubtful) < _MAX_DOUBTFUL:
            self.doubtful.setdefault(id_, until)

    def resolve(self, id_: str) -> None:
        """Read *id_* no more."""
        self.doubtful.pop(id_, None)
        self.tried.discard(id_)

    def note_listed(self, id_: str) -> None:
        """Note that the present deep pass has listed or read *id_*."""
        known, deep_passes = self.state.seen.get(id_), self.state.deep_passes
        if known is not None and known.listed_in != deep_passes:
            self.state.seen[id_] = replace(known, listed_in=deep_passes)

    def forget(self, floor: datetime) -> None:
        """Raise the floor, and move what no pass lists again to the buckets."""
        state = self.state
        state.floor = max(state.floor, floor)
        limit = state.floor.timestamp()
        for id_, known in list(state.seen.items()):
            # What was never read must not be forgotten: only a webhook has told of it.
            is_settled = known.was_read and not known.doubted_since
            if known.end is not None and is_settled and known.key <= limit:
                del state.seen[id_]
                hour = hour_of(known.end)
                bucket = state.buckets.get(hour, Bucket())
                state.buckets[hour] = bucket.plus(id_, known.digest or "", known.projection)

    def forget_buckets(self, horizon: timedelta) -> None:
        """Drop the buckets that no sweep compares again."""
        buckets = self.state.buckets
        oldest = hour_of((self.state.floor - horizon).timestamp())
        for hour in [hour for hour in buckets if hour < oldest]:
            del buckets[hour]

    def note_gap(self, text: str) -> None:
        """Note that something was, or may have been, handed over late or again."""
        self.gaps.append(f"{datetime.fromtimestamp(self.at, UTC):%Y-%m-%d %H:%M} UTC: {text}")

    def digest(self, item: ChargingSubSession, projection: int = 0) -> str:
        """Return the digest of *item* with the projection of that index."""
        return self._projections[projection].digest(item)

    def is_same(self, item: ChargingSubSession, known: Remembered) -> bool:
        """Return whether *item* is what was handed over."""
        return known.digest == self.digest(item, known.projection)

    def _is_confirmed(self, id_: str, known: Remembered) -> bool:
        """Return whether a second read says the same as one before; note the first one.

        A single one may have been answered by a replica that is not up to date.
        """
        if not known.doubted_since:
            self.state.seen[id_] = replace(known, doubted_since=int(self.at))
            return False
        return self.at - known.doubted_since >= CONFIRM_AFTER.total_seconds()

    def _is_old(self, known: Remembered) -> bool:
        """Return whether passes have gone on for longer than anything takes to be readable."""
        state = self.state
        return state.floor > state.since and known.key <= state.floor.timestamp()

    def _remember(
        self, id_: str, item: ChargingSubSession, key: int, via: Via, *, is_news: bool
    ) -> None:
        known = self.state.seen.get(id_)
        if known is not None:
            key = max(key, known.key)
        if is_news and via == "read" and self.at - key > LATE.total_seconds():
            # It was told late, so there may be more to come, which the lists of its time are not
            # read for any more: read it again as if it had happened now.
            key = int(self.at)
        ended = item.end is not None
        self.state.seen[id_] = Remembered(
            end=end_of(item, key) if ended else None,
            key=key,
            digest=self.digest(item) if ended else None,
            was_read=via != "webhook" or (known is not None and known.was_read),
            listed_in=0 if known is None else known.listed_in,
        )


def key_of(item: ChargingSubSession, default: float) -> int:
    """Return the later of start and end, rounded up, in seconds since 1970.

    *default* stands for both if the reply has neither.
    """
    times: list[Any] = [item.start, item.end]
    seconds = [at.timestamp() for at in times if isinstance(at, datetime)]
    return math.ceil(max(seconds, default=default))


def end_of(item: ChargingSubSession, default: int) -> int:
    """Return the end in seconds since 1970; *default* if the reply's end is not a time."""
    end: Any = item.end
    return int(end.timestamp()) if isinstance(end, datetime) else default
