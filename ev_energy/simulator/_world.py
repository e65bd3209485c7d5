"""The state behind the API: rows of JSON members in collections, and links between them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from ev_energy.simulator._chance import Chance
from ev_energy.simulator._instants import micros, read_instant, write_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

#: Members as they go over the wire, but with `Link` and `Address` in place of URLs.
#: A member whose name starts with ``_`` is known to the world alone.
Row = dict[str, Any]

_FAR: Final = 10**17


@attrs.frozen
class Address:
    """A URL below the API's root that is never expanded."""

    path: str


@attrs.frozen
class Link:
    """A reference to a row of a collection."""

    folder: str
    key: str

    @property
    def path(self) -> str:
        """Where the row is, below the API's root; entries of logs end in a slash."""
        return f"/{self.folder}/{self.key}" + ("/" if "/" in self.folder else "")


@attrs.frozen
class Viewer:
    """Who looks: some rows are not the same for everybody."""

    client_id: str | None = None
    user_id: str | None = None


class Collection(Protocol):
    """Rows in the order the API lists them."""

    def rows(self) -> Sequence[Row]:
        """Return all rows, in list order."""
        ...

    def get(self, key: str) -> Row | None:
        """Return the row with this key."""
        ...

    def position(self, row: Row) -> str:
        """Return a text that sorts like the list does."""
        ...

    def cursor(self, row: Row) -> str:
        """Return what a page link calls this row."""
        ...

    def position_at(self, cursor: str) -> str:
        """Return the position a cursor means, its row being there or not."""
        ...

    def seen_by(self, row: Row, viewer: Viewer) -> Row:
        """Return the row as this viewer sees it."""
        ...

    def owner(self, row: Row) -> str | None:
        """Return the id of the user the row belongs to, None if to everybody."""
        ...


def _same(row: Row, _viewer: Viewer) -> Row:
    return row


def _nobody(_row: Row) -> str | None:
    return None


@attrs.define
class Table:
    """Rows with an id; listed by it, oldest first."""

    folder: str
    prefix: str
    view: Callable[[Row, Viewer], Row] = _same
    owned_by: Callable[[Row], str | None] = _nobody
    _rows: dict[str, Row] = attrs.Factory(dict[str, Row])
    _sorted: list[Row] | None = None

    def add(self, row: Row) -> Row:
        """Keep a row, and return it as it is kept: it knows its place."""
        key = row["id"]
        row = self._rows[key] = {"id": key, "url": Link(self.folder, key), **row}
        self._sorted = None
        return row

    def remove(self, key: str) -> None:
        """Forget a row."""
        del self._rows[key]
        self._sorted = None

    def rows(self) -> Sequence[Row]:
        """Return all rows by id."""
        if self._sorted is None:
            self._sorted = [self._rows[key] for key in sorted(self._rows)]
        return self._sorted

    def get(self, key: str) -> Row | None:
        """Return the row with this id."""
        return self._rows.get(key)

    def position(self, row: Row) -> str:
        """Return the id: its letters sort by age."""
        return str(row["id"])

    def cursor(self, row: Row) -> str:
        """Return the id."""
        return str(row["id"])

    def position_at(self, cursor: str) -> str:
        """Return the id, if it can be one; the row itself may be gone."""
        if not re.fullmatch(self.prefix + "[A-Z0-9]{26}", cursor):
            raise ValueError(cursor)
        return cursor

    def seen_by(self, row: Row, viewer: Viewer) -> Row:
        """Return the row as this viewer sees it."""
        return self.view(row, viewer)

    def owner(self, row: Row) -> str | None:
        """Return the id of the user the row belongs to."""
        return self.owned_by(row)


@attrs.define
class Series:
    """Entries of a log, newest first; each is made when it is first asked for."""

    folder: str
    member: str
    """The member whose instant is the key of an entry."""
    count: int
    instant: Callable[[int], datetime]
    """When entry number n happened; 0 is the newest, and no two are the same."""
    make: Callable[[int, datetime], Row]
    """The members of entry number n, besides its key and its URL."""
    _rows: list[Row] | None = None
    _by_instant: dict[int, Row] = attrs.Factory(dict[int, Row])

    def _entry(self, number: int) -> Row:
        instant = self.instant(number)
        text = write_instant(instant)
        row = {"url": Link(self.folder, text), self.member: text, **self.make(number, instant)}
        row["_instant"] = micros(instant)
        return row

    def latest(self) -> Link | None:
        """Return a link to the newest entry, without making any."""
        return Link(self.folder, write_instant(self.instant(0))) if self.count else None

    def rows(self) -> Sequence[Row]:
        """Return all entries, newest first."""
        if self._rows is None:
            self._rows = [self._entry(number) for number in range(self.count)]
            self._by_instant = {row["_instant"]: row for row in self._rows}
        return self._rows

    def get(self, key: str) -> Row | None:
        """Return the entry of an instant, however it is spelt."""
        try:
            instant = micros(read_instant(key))
        except ValueError:
            return None
        if self._rows is None and self.count and instant == micros(self.instant(0)):
            return self._entry(0)  # the one most often asked for, in lists of owners
        self.rows()
        return self._by_instant.get(instant)

    def position(self, row: Row) -> str:
        """Return a text that is the greater the older the entry is."""
        return f"{_FAR - row['_instant']:020}"

    def cursor(self, row: Row) -> str:
        """Return the instant."""
        return str(row[self.member])

    def position_at(self, cursor: str) -> str:
        """Return where an instant would stand."""
        return f"{_FAR - micros(read_instant(cursor)):020}"

    def seen_by(self, row: Row, viewer: Viewer) -> Row:  # noqa: ARG002 - all see the same
        """Return the entry."""
        return row

    def owner(self, row: Row) -> str | None:  # noqa: ARG002 - entries are found by their owner
        """Return None: an entry belongs to whatever it is below."""
        return None


class World:
    """All collections, by the path they have in the API."""

    def __init__(self, seed: int) -> None:
        self.chance = Chance(seed)
        self.tables: dict[str, Table] = {}
        self.logs: dict[str, Callable[[Row], Series]] = {}
        """How to make the log of a row, by ``folder/log``."""
        self._series: dict[str, Series] = {}
        self._made = 0

    def table(
        self,
        folder: str,
        prefix: str,
        *,
        view: Callable[[Row, Viewer], Row] = _same,
        owned_by: Callable[[Row], str | None] = _nobody,
    ) -> Table:
        """Open a table."""
        table = self.tables[folder] = Table(folder, prefix, view, owned_by)
        return table

    def new_id(self, folder: str, made_at: datetime) -> str:
        """Return an id for a row that a request makes."""
        self._made += 1
        return self.chance.uid(self.tables[folder].prefix, made_at, "made", self._made)

    def series(self, owner: Row, log: str) -> Series:
        """Return a log of a row."""
        home: Link = owner["url"]
        folder = f"{home.folder}/{home.key}/{log}"
        if folder not in self._series:
            self._series[folder] = self.logs[f"{home.folder}/{log}"](owner)
        return self._series[folder]

    def collection(self, folder: str) -> Collection | None:
        """Return the collection at a path, None if it belongs to a row that is not there."""
        if folder in self.tables:
            return self.tables[folder]
        home, _, log = folder.rpartition("/")
        owners, _, key = home.rpartition("/")
        if f"{owners}/{log}" not in self.logs:
            return None
        owner = self.tables[owners].get(key)
        return None if owner is None else self.series(owner, log)

    def find(self, link: Link) -> tuple[Collection, Row] | None:
        """Return the row a link leads to, and where it is from."""
        collection = self.collection(link.folder)
        row = None if collection is None else collection.get(link.key)
        return None if collection is None or row is None else (collection, row)

    def forget(self, folder: str, key: str) -> None:
        """Remove a row, and its logs with it."""
        self.tables[folder].remove(key)
        gone = f"{folder}/{key}/"
        self._series = {
            path: series for path, series in self._series.items() if not path.startswith(gone)
        }
