"""The state of a stream of sub-sessions: what it has handed over, and how far it has read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self, cast

import msgspec

from ev_energy._changes.digest import Projection, weight
from ev_energy._changes.rows import Rows, StoredRows, check_rows, table_of
from ev_energy._changes.times import check_times
from ev_energy.errors import StateError

#: The version of the format. A state of another version is refused, never guessed at.
VERSION: Final = 1
_HOUR: Final = 3600
#: The sum of a bucket is kept within this many bits.
_SUM_BITS: Final = 48


class Remembered(msgspec.Struct, array_like=True, frozen=True):
    """What was handed over of one sub-session that a pass can list again."""

    end: int | None
    """The hand-over's end, in seconds since 1970; None while it is open."""
    key: int
    """The later of start and end, rounded up, in seconds since 1970."""
    digest: str | None
    """The digest of an ended one."""
    was_read: bool
    """Whether a reply of the API has contained it; otherwise only a webhook has."""
    listed_in: int = 0
    """The number of the latest deep pass that listed it."""
    projection: int = 0
    """The index of the projection of the digest in `SubSessionState.projections`."""
    doubted_since: int = 0
    """When a read by id first said that it does not exist or is open again, in seconds since 1970;
    0 if none did since."""


class Bucket(msgspec.Struct, array_like=True, frozen=True):
    """The number and the sum of the weights of the sub-sessions that ended within one hour."""

    count: int = 0
    sum: int = 0
    projection: int = 0
    """The projection of their digests; `MIXED` if they have several."""

    def plus(self, key: str, digest: str, projection: int) -> Bucket:
        """Return a bucket with the sub-session *key* as well."""
        is_mixed = self.count > 0 and self.projection != projection
        return Bucket(
            self.count + 1,
            (self.sum + weight(key, digest)) % 2**_SUM_BITS,
            MIXED if is_mixed else projection,
        )

    def matches(self, other: Bucket) -> bool:
        """Return whether both have the same sub-sessions with the same digests."""
        if self.count != other.count:
            return False
        return self.sum == other.sum or self.count == 0


#: The projection of a bucket with digests of several projections. It matches no other bucket.
MIXED: Final = -1


class Walk(msgspec.Struct):
    """The place of a pass that is not finished, so that another process can continue it."""

    level: str
    low: datetime
    """The bound T: what started or ended later is listed."""
    high: datetime | None
    """The end of a slice of a backfill; None for a pass that reads up to the present."""
    began: datetime | None = None
    """The server's time of its first page; None before that."""
    query: int = 0
    """The index of the query that is being read."""
    cursor: str | None = None
    """The cursor of the next page of that query; None for its first page."""
    read: datetime | None = None
    """The server's time of its latest page."""


class SweepPlace(msgspec.Struct):
    """The place of a sweep that is not finished."""

    day: datetime
    """The beginning of the day that is being read."""
    cursor: str | None = None
    found: dict[int, Bucket] = {}
    """What was read of that day, by hour since 1970."""
    differing: list[int] = []
    """The hours of the day that differ from what was handed over, and are to be read again."""


class SubSessionState(msgspec.Struct, forbid_unknown_fields=True):
    """The state: small, versioned, and JSON. All times are the server's, in UTC.

    It names nothing that was not handed over.
    """

    since: datetime
    host: str
    """The host of the API that it was read from."""
    user: str | None
    """The user that was acted for."""
    floor: datetime
    """Nothing that ended before is in `seen`, and nothing that ended later is in `buckets`."""
    swept: datetime
    """When the latest sweep was finished."""
    projections: list[str]
    """The projections of the digests; the first is that of new ones."""
    through: dict[str, datetime] = {}
    """When the latest finished pass of each level began."""
    seen: dict[str, Remembered] = {}
    buckets: dict[int, Bucket] = {}
    """What was handed over and cannot be listed by a pass again, by the hour of its end."""
    deep_passes: int = 0
    walks: dict[str, Walk] = {}
    """The passes that are not finished, by the names of their levels."""
    sweep: SweepPlace | None = None
    writer: str = ""
    """A name of the stream that saved it, so that no two streams save equal states."""
    rows: int | None = None
    """In the part without rows, the number of rows that belong to it; otherwise None."""
    v: int = VERSION

    def __post_init__(self) -> None:
        # Not a type of msgspec; it is encoded as the dictionary that it is.
        self.seen, self.buckets = Rows(self.seen), Rows(self.buckets)

    @classmethod
    def new(cls, since: datetime, host: str, user: str | None, projection: Projection) -> Self:
        """Return the state of a stream that has read nothing."""
        since = since.astimezone(UTC)
        return cls(
            since=since,
            host=host,
            user=user,
            floor=since,
            swept=since,
            projections=[projection.text()],
        )

    def dump(self) -> str:
        """Return the text of which `load` makes an equal state."""
        return msgspec.json.encode(self).decode()

    def head(self) -> str:
        """Return the text of all but the tables."""
        rows = len(self.seen) + len(self.buckets)
        return msgspec.structs.replace(self, seen={}, buckets={}, rows=rows).dump()

    def tables(self) -> Mapping[str, Rows[Any, Any]]:
        """Return the parts that grow, which a `RowStateStore` keeps in rows."""
        return {"seen": cast("Any", self.seen), "buckets": cast("Any", self.buckets)}

    def row(self, entry: Remembered | Bucket) -> str:
        """Return the text of an entry of a table."""
        return msgspec.json.encode(entry).decode()

    @classmethod
    def load(cls, text: str, host: str, user: str | None, projection: Projection) -> Self:
        """Return the state in *text*, with *projection* as that of new digests.

        Raises:
            StateError: *text* is not a state, has another version, or is of another API or user.
        """
        state = cls._decode(text)
        check_rows(state.rows, None)
        state.check(host, user)
        state.set_projection(projection)
        return state

    @classmethod
    def _decode(cls, text: str) -> Self:
        try:
            version = msgspec.json.decode(text, type=_Version).v
        except msgspec.MsgspecError:
            raise StateError(
                "the state is not one of a stream of sub-sessions; pass the text that "
                "batch.state returned, unchanged"
            ) from None
        if version != VERSION:
            raise StateError(
                f"the state has version {version}, and this release of ev_energy reads version "
                f"{VERSION}: continue with the release that saved it, or begin a new state"
            )
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise StateError(f"the state is damaged: {error}. Restore a backup") from None

    @classmethod
    def load_rows(
        cls, stored: StoredRows, host: str, user: str | None, projection: Projection
    ) -> Self:
        """Return the state in *stored*, as `load` does.

        Raises:
            StateError: As `load`.
        """
        state = cls._decode(stored.head)
        check_rows(state.rows, stored)
        state.rows = None
        try:
            state.seen = table_of(
                stored.rows,
                "seen",
                lambda id_, text: (id_, msgspec.json.decode(text, type=Remembered)),
            )
            state.buckets = table_of(
                stored.rows,
                "buckets",
                lambda hour, text: (int(hour), msgspec.json.decode(text, type=Bucket)),
            )
        except (ValueError, msgspec.MsgspecError) as error:
            raise StateError(f"a row of the state is damaged: {error}. Restore a backup") from None
        state.check(host, user)
        state.set_projection(projection)
        return state

    def projection_of(self, index: int) -> Projection:
        """Return the projection with *index*."""
        return Projection.parse(self.projections[index])

    def check(self, host: str, user: str | None) -> None:
        """Raise `StateError` if it is of another API or user, or if a value cannot be used."""
        for name, saved, given in (("API", self.host, host), ("user", self.user, user)):
            if saved != given:
                raise StateError(
                    f"the state belongs to the {name} {saved!r}, and this client has the {name} "
                    f"{given!r}: use a separate state for each"
                )
        times = [self.since, self.floor, self.swept, *self.through.values()]
        for walk in self.walks.values():
            times += [at for at in (walk.low, walk.high, walk.began, walk.read) if at is not None]
        if self.sweep is not None:
            times.append(self.sweep.day)
            try:
                times += map(time_of_hour, self.sweep.differing)
            except (ValueError, OverflowError, OSError):
                raise StateError(
                    "the state is damaged: an hour is impossible. Restore a backup"
                ) from None
        check_times(times)
        indexes = {entry.projection for entry in self.seen.values()}
        indexes |= {bucket.projection for bucket in self.buckets.values()}
        if not indexes <= {MIXED, *range(len(self.projections))}:
            raise StateError("the state is damaged: a projection is missing. Restore a backup")

    def set_projection(self, projection: Projection) -> None:
        """Make *projection* the first of the projections, and drop those that are not used."""
        current = projection.text()
        if self.projections == [current]:
            return
        used = {entry.projection for entry in self.seen.values()}
        used |= {bucket.projection for bucket in self.buckets.values()} - {MIXED}
        kept = [self.projections[index] for index in sorted(used)]
        projections = list(dict.fromkeys([current, *kept]))
        new_index = {index: projections.index(self.projections[index]) for index in used}
        replace = msgspec.structs.replace
        for id_, entry in self.seen.items():
            self.seen[id_] = replace(entry, projection=new_index[entry.projection])
        for hour, bucket in self.buckets.items():
            index = new_index.get(bucket.projection, MIXED)
            self.buckets[hour] = replace(bucket, projection=index)
        self.projections = projections
        self.sweep = None  # its sums are of the former projection; it begins again


class _Version(msgspec.Struct):
    v: int


def hour_of(seconds: float) -> int:
    """Return the hour since 1970 that has *seconds* since 1970."""
    return int(seconds) // _HOUR


def time_of_hour(hour: int) -> datetime:
    """Return when the *hour* since 1970 begins."""
    return datetime.fromtimestamp(hour * _HOUR, UTC)


def start_of_hour(at: datetime) -> datetime:
    """Return the beginning of the hour that has *at*."""
    return time_of_hour(hour_of(at.timestamp()))


#: The length of a slice of a backfill, and of a sweep.
DAY: Final = timedelta(days=1)
