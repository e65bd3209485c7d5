"""Collections of rows with ids: most are made when they are asked for, some by requests."""

from __future__ import annotations

import bisect
import functools
import heapq
import re
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from ev_energy.simulator.world._rows import Link, Row, Viewer, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


_KEPT_AT_HAND = 4096


class Collection(Protocol):
    """Rows in the order the API lists them.

    A position is whatever sorts like the list does; it outlives the row it was taken from.
    """

    def get(self, key: str) -> Row | None:
        """Return the row with this key."""
        ...

    def after(self, position: Any) -> Iterator[Row]:
        """Return the rows behind a position in list order; from the first one for None."""
        ...

    def before(self, position: Any) -> Iterator[Row]:
        """Return the rows in front of a position, the nearest first; from the last one for None."""
        ...

    def position(self, row: Row) -> Any:
        """Return where a row stands."""
        ...

    def cursor(self, row: Row) -> str:
        """Return what a page link calls this row."""
        ...

    def parse_cursor(self, cursor: str) -> Any:
        """Return the position a cursor means; `ValueError` if it means none."""
        ...

    def view_for(self, row: Row, viewer: Viewer) -> Row:
        """Return the row as this viewer sees it."""
        ...

    def owner_id(self, row: Row) -> str | None:
        """Return the id of the user the row belongs to, None if to everybody."""
        ...

    def for_user(self, user_id: str) -> Collection:
        """Return the part of the collection that this user may see."""
        ...


@attrs.frozen
class GeneratedRows:
    """Rows that follow from their number. Ids grow with the number."""

    count: int
    key: Callable[[int], str]
    make: Callable[[int], Row]
    of_owner: Callable[[str], Iterable[int]] | None = None
    """The numbers of the rows of a user; None if the rows belong to nobody."""

    @classmethod
    def from_rows(cls, rows: Iterable[Row]) -> GeneratedRows:
        """Return rows that are there already; each has its ``id``."""
        ordered = sorted(rows, key=lambda row: str(row["id"]))
        return cls(len(ordered), lambda n: str(ordered[n]["id"]), ordered.__getitem__)

    def number(self, key: str) -> int | None:
        """Return the number of the row with this id."""
        at = self.first_at_or_after(key)
        return at if at < self.count and self.key(at) == key else None

    def first_at_or_after(self, key: str) -> int:
        """Return the number of the first row whose id is not below ``key``."""
        return bisect.bisect_left(range(self.count), key, key=self.key)


_NOTHING = GeneratedRows(0, str, lambda _number: {})


def _same(row: Row, _viewer: Viewer) -> Row:
    return row


def _nobody(_row: Row) -> str | None:
    return None


class Table:
    """Rows with an id; listed by it, oldest first.

    What is made is never kept, only what requests changed of it; rows are not to be changed in
    place.
    """

    def __init__(
        self,
        folder: str,
        prefix: str,
        made: GeneratedRows = _NOTHING,
        *,
        view: Callable[[Row, Viewer], Row] = _same,
        owned_by: Callable[[Row], str | None] = _nobody,
    ) -> None:
        self.folder = folder
        self.prefix = prefix
        self.generated = made
        self._view = view
        self._owned_by = owned_by
        self._changed: dict[str, Row] = {}
        self._added: dict[str, Row] = {}
        self._gone: set[str] = set()
        self._of_number = functools.lru_cache(_KEPT_AT_HAND)(self._make)

    def _make(self, number: int) -> Row:
        key = self.generated.key(number)
        row = {"id": key, "url": Link(self.folder, key), **self.generated.make(number)}
        return row | self._changed.get(key, {})

    def add(self, row: Row) -> Row:
        """Keep a row, and return it as it is kept: it knows its place."""
        key = row["id"]
        row = self._added[key] = {"id": key, "url": Link(self.folder, key), **row}
        return row

    def update(self, key: str, members: Row) -> Row:
        """Set members of a row, and return the row as it is then."""
        if key in self._added:
            row = self._added[key] = self._added[key] | members
            return row
        number = self.generated.number(key)
        if number is None or key in self._gone:
            raise KeyError(key)
        self._changed[key] = self._changed.get(key, {}) | members
        self._of_number.cache_clear()
        return self._of_number(number)

    def remove(self, key: str) -> None:
        """Forget a row."""
        if self._added.pop(key, None) is None:
            if self.get(key) is None:
                raise KeyError(key)
            self._gone.add(key)
            self._changed.pop(key, None)

    def get(self, key: str) -> Row | None:
        """Return the row with this id."""
        if key in self._added:
            return self._added[key]
        if key in self._gone:
            return None
        number = self.generated.number(key)
        return None if number is None else self._of_number(number)

    def by_number(self, number: int) -> Row | None:
        """Return the row that was made with this number, None if it is gone."""
        row = self._of_number(number)
        return None if row["id"] in self._gone else row

    def modified_rows(self) -> Iterator[Row]:
        """Return the rows that requests made or changed, in no order."""
        yield from self._added.values()
        yield from filter(None, (self.get(key) for key in self._changed))

    def candidates(self, number: int | None) -> list[Row]:
        """Return the few rows to look through for one that tells its number by what it is called.

        What requests made or changed may be called anything.
        """
        rows = {row["id"]: row for row in self.modified_rows()}
        made = None if number is None or number >= self.generated.count else self.by_number(number)
        if made is not None:
            rows[made["id"]] = made
        return list(rows.values())

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self.generated.count - len(self._gone) + len(self._added)

    def __iter__(self) -> Iterator[Row]:
        """Return all rows by id. Of large tables there may be very many."""
        return self.after(None)

    def after(self, position: Any) -> Iterator[Row]:
        """Return the rows with greater ids."""
        start = 0
        if position is not None:
            start = self.generated.first_at_or_after(position)
            start += start < self.generated.count and self.generated.key(start) == position
        made = self._there(range(start, self.generated.count))
        added = (self._added[key] for key in sorted(self._added) if not key <= (position or ""))
        return heapq.merge(made, added, key=self.position)

    def before(self, position: Any) -> Iterator[Row]:
        """Return the rows with smaller ids, the greatest first."""
        end = (
            self.generated.count if position is None else self.generated.first_at_or_after(position)
        )
        made = self._there(range(end - 1, -1, -1))
        keys = sorted(self._added, reverse=True)
        added = (self._added[key] for key in keys if position is None or key < position)
        return heapq.merge(made, added, key=self.position, reverse=True)

    def _there(self, numbers: Iterable[int]) -> Iterator[Row]:
        for number in numbers:
            row = self._of_number(number)
            if row["id"] not in self._gone:
                yield row

    def position(self, row: Row) -> str:
        """Return the id: its letters sort by age."""
        return str(row["id"])

    def cursor(self, row: Row) -> str:
        """Return the id."""
        return str(row["id"])

    def parse_cursor(self, cursor: str) -> str:
        """Return the id, if it can be one; the row itself may be gone."""
        if not re.fullmatch(self.prefix + "[A-Z0-9]{26}", cursor):
            raise ValueError(cursor)
        return cursor

    def view_for(self, row: Row, viewer: Viewer) -> Row:
        """Return the row as this viewer sees it."""
        return self._view(row, viewer)

    def owner_id(self, row: Row) -> str | None:
        """Return the id of the user the row belongs to."""
        return self._owned_by(row)

    def for_user(self, user_id: str) -> Collection:
        """Return the rows of one user, and those of everybody."""
        if self.generated.of_owner is None:
            rows = [row for row in self if self.owner_id(row) in {None, user_id}]
        else:
            rows = list(self._there(self.generated.of_owner(user_id)))
            rows += [row for row in self._added.values() if self.owner_id(row) == user_id]
        return Selection(self, rows)

    def dump(self) -> Row:
        """Return what requests did to the table, as JSON."""
        return {
            "added": to_json(list(self._added.values())),
            "changed": to_json(self._changed),
            "gone": sorted(self._gone),
        }

    def load(self, state: Row) -> None:
        """Do to the table what `dump` told of another one like it."""
        added: dict[str, Row] = {row["id"]: row for row in from_json(state["added"])}
        changed: dict[str, Row] = dict(from_json(state["changed"]))
        gone = frozenset[str](state["gone"])
        for key in added:
            self.parse_cursor(key)
        for key in (*changed, *gone):
            if self.generated.number(key) is None:
                raise ValueError(f"{self.folder} never had {key!r}")
        if any("id" in members or "url" in members for members in changed.values()):
            raise ValueError(f"the ids of {self.folder} do not change")
        self._added, self._changed, self._gone = added, changed, set(gone)
        self._of_number.cache_clear()


class Selection:
    """A few rows of a collection, or rows of one in another order."""

    def __init__(
        self,
        source: Collection,
        rows: Iterable[Row],
        order: Callable[[Row], Any] | None = None,
        *,
        reverse: bool = False,
    ) -> None:
        self._source = source
        self._order = order
        self._reverse = reverse
        self._rows: Sequence[Row] = sorted(rows, key=self._sorted_by, reverse=reverse)

    def _sorted_by(self, row: Row) -> Any:
        place = self._source.position(row)
        return place if self._order is None else (self._order(row), place)

    def get(self, key: str) -> Row | None:
        """Return the row of the whole collection."""
        return self._source.get(key)

    def after(self, position: Any) -> Iterator[Row]:
        """Return the rows behind a position."""
        rows = iter(self._rows)
        if position is None:
            return rows
        if self._reverse:
            return (row for row in rows if self._sorted_by(row) < position)
        return (row for row in rows if self._sorted_by(row) > position)

    def before(self, position: Any) -> Iterator[Row]:
        """Return the rows in front of a position, the nearest first."""
        rows = reversed(self._rows)
        if position is None:
            return rows
        if self._reverse:
            return (row for row in rows if self._sorted_by(row) > position)
        return (row for row in rows if self._sorted_by(row) < position)

    def position(self, row: Row) -> Any:
        """Return where a row stands in this order."""
        return self._sorted_by(row)

    def cursor(self, row: Row) -> str:
        """Return what the whole collection calls the row."""
        return self._source.cursor(row)

    def parse_cursor(self, cursor: str) -> Any:
        """Return the position a cursor means; in another order its row must be there."""
        place = self._source.parse_cursor(cursor)
        if self._order is None:
            return place
        row = self._source.get(cursor)
        if row is None:
            raise ValueError(cursor)
        return (self._order(row), place)

    def view_for(self, row: Row, viewer: Viewer) -> Row:
        """Return the row as this viewer sees it."""
        return self._source.view_for(row, viewer)

    def owner_id(self, row: Row) -> str | None:
        """Return the id of the user the row belongs to."""
        return self._source.owner_id(row)

    def for_user(self, user_id: str) -> Collection:
        """Return the rows of one user, and those of everybody."""
        mine = [row for row in self._rows if self.owner_id(row) in {None, user_id}]
        return Selection(self._source, mine, self._order, reverse=self._reverse)
