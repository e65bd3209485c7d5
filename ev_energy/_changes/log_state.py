"""The state of a `LogStream`: a small text that another process can continue from."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Self, cast

import attrs

from ev_energy._changes.digest import Projection
from ev_energy._changes.rows import Rows, StoredRows, check_rows, table_of
from ev_energy._changes.times import check_times
from ev_energy._codec.text import timestamp
from ev_energy.errors import StateError

#: The format of the text. Older formats are read as long as there is code for them.
_VERSION: Final = 1
_KIND: Final = "log"
_HOUR: Final = 3600
#: Bytes of a digest; see `Projection.digest`.
_DIGEST_SIZE: Final = 6


@attrs.frozen
class LogPlace:
    """How far a pass that is not finished has read."""

    low: datetime
    """Everything before this time has been read and handed over."""
    began: datetime
    """When the server made its first page."""


@attrs.define(kw_only=True)
class LogState:
    """What a stream has read and handed over."""

    listing: str
    """The path and the filters of the listing, which a saved state must belong to."""
    projection: Projection
    """The fields of an entry that tell whether it was handed over."""
    floor: datetime
    """Entries before this time are no longer read: those that were handed over are forgotten."""
    through: dict[str, datetime] = attrs.field(factory=dict[str, datetime])
    """When the latest complete pass of each level began, in the server's time."""
    places: dict[str, LogPlace] = attrs.field(factory=dict[str, LogPlace])
    """The passes that are not finished, by the names of their levels."""
    latest: datetime | None = None
    """The greatest time of an entry that was handed over, except of those in the future."""
    writer: str = ""
    """A name of the stream that saved it, so that no two streams save equal states."""
    _digests: Rows[int, set[bytes]] = attrs.field(factory=Rows[int, set[bytes]], alias="digests")
    """The digests of the entries that were handed over, by the hour of their time."""

    @property
    def remembered(self) -> int:
        """The number of entries whose digests are kept."""
        return sum(map(len, self._digests.values()))

    def has(self, at: datetime, digest: str) -> bool:
        """Return whether an entry was handed over."""
        return bytes.fromhex(digest) in self._digests.get(_hour(at), ())

    def add(self, at: datetime, digest: str) -> None:
        """Remember that an entry was handed over."""
        hour = _hour(at)
        digests = self._digests.get(hour, set())
        digests.add(bytes.fromhex(digest))
        self._digests[hour] = digests

    def forget_before(self, floor: datetime) -> None:
        """Raise the floor, and forget entries before the hour of it."""
        self.floor = max(self.floor, floor)
        oldest = _hour(self.floor)
        for hour in [hour for hour in self._digests if hour < oldest]:
            del self._digests[hour]

    def dump(self) -> str:
        """Return the state as a text that `load` reads."""
        # Sorted, so that equal states are equal texts.
        digests = {str(hour): self.row(entry) for hour, entry in sorted(self._digests.items())}
        return self._text(digests, None)

    def head(self) -> str:
        """Return the text of all but the digests."""
        return self._text({}, len(self._digests))

    def tables(self) -> Mapping[str, Rows[Any, Any]]:
        """Return the digests, which a `RowStateStore` keeps in rows."""
        return {"hours": self._digests}

    def row(self, entry: set[bytes]) -> str:
        """Return the text of the digests of an hour."""
        return base64.b64encode(b"".join(sorted(entry))).decode()

    def _text(self, digests: Mapping[str, str], rows: int | None) -> str:
        content = {
            "v": _VERSION,
            "kind": _KIND,
            "listing": self.listing,
            "fields": self.projection.text(),
            "floor": _text(self.floor),
            "through": {name: _text(at) for name, at in self.through.items()},
            "places": {
                name: [_text(place.low), _text(place.began)] for name, place in self.places.items()
            },
            "latest": None if self.latest is None else _text(self.latest),
            "writer": self.writer,
            "digests": digests,
            **({} if rows is None else {"rows": rows}),
        }
        return json.dumps(content, separators=(",", ":"))

    @classmethod
    def load_rows(cls, stored: StoredRows, listing: str) -> Self:
        """Return the state in *stored*, as `load` does.

        Raises:
            StateError: As `load`.
        """
        head = cls._decode(stored.head, listing, stored)
        try:
            digests = table_of(stored.rows, "hours", lambda hour, text: (int(hour), _split(text)))
        except ValueError as error:
            raise StateError(f"a row of the state is damaged: {error!r:.200}") from None
        state = attrs.evolve(head, digests=digests)
        state.check()
        return state

    @classmethod
    def load(cls, text: str, listing: str) -> Self:
        """Return the state in *text*, which must be of the same *listing*.

        Raises:
            StateError: The text is not a state, or one of another listing or of a later version.
        """
        return cls._decode(text, listing, None)

    @classmethod
    def _decode(cls, text: str, listing: str, stored: StoredRows | None) -> Self:
        try:
            content: object = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise StateError("this text is not the state of a stream: pass batch.state, unchanged")
        members = cast("dict[str, Any]", content)
        if members.get("kind") != _KIND or members.get("v") != _VERSION:
            raise StateError(
                "this state is not one of follow(), or of another version of ev_energy: kind "
                f"{members.get('kind')!r:.40}, version {members.get('v')!r:.40}"
            )
        if members.get("listing") != listing:
            raise StateError(
                f"this state belongs to another listing, {members.get('listing')!r:.200}: "
                f"follow the log that it was saved for, or give {listing!r:.200} its own state"
            )
        check_rows(members.get("rows"), stored)
        try:
            state = cls._of(members)
        except (LookupError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise StateError(f"the state is damaged: {error!r:.200}") from None
        state.check()
        return state

    def check(self) -> None:
        """Raise `StateError` if a value is of the right type but cannot be used."""
        check_times([self.floor, *self.through.values()])
        check_times(at for place in self.places.values() for at in (place.low, place.began))

    @classmethod
    def _of(cls, members: Mapping[str, Any]) -> Self:
        latest = members["latest"]
        return cls(
            listing=members["listing"],
            projection=Projection.parse(members["fields"]),
            floor=_time(members["floor"]),
            through={str(name): _time(at) for name, at in members["through"].items()},
            places={
                str(name): LogPlace(*map(_time, times))
                for name, times in members.get("places", {}).items()
            },
            latest=None if latest is None else _time(latest),
            digests=Rows(
                {int(hour): _split(joined) for hour, joined in members["digests"].items()}
            ),
        )


def _hour(at: datetime) -> int:
    return int(at.timestamp() // _HOUR)


def _text(at: datetime) -> str:
    return timestamp("a time of the state", at)


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.utcoffset() is None:
        raise ValueError(f"the time {text} has no zone")
    return at.astimezone(UTC)


def _split(joined: str) -> set[bytes]:
    content = base64.b64decode(joined, validate=True)
    if len(content) % _DIGEST_SIZE:
        raise ValueError("a digest is incomplete")
    return {content[start : start + _DIGEST_SIZE] for start in range(0, len(content), _DIGEST_SIZE)}
