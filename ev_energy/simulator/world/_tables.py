"""Collections of rows: most rows are generated on demand, some are created by requests."""

from __future__ import annotations

import bisect
import functools
import heapq
import re
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from ev_energy.simulator._bounded_cache import BoundedCache
from ev_energy.simulator.world._rows import Link, Row, Viewer, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


#: Generated rows that a table caches.
_CACHED_ROWS: Final = 4096
#: Ids whose number a table caches.
_CACHED_KEYS: Final = 8192


class Collection(Protocol):
    """Rows in the order in which the API lists them.

    Positions sort like the rows of the list, and stay valid after their row is deleted.
    """

    def get(self, key: str) -> Row | None:
        """Return the row with this key."""
        ...

    def after(self, position: Any) -> Iterator[Row]:
        """Return the rows after *position* in list order; all rows for None."""
        ...

    def before(self, position: Any) -> Iterator[Row]:
        """Return the rows before *position*, the nearest first; all rows from the end for None."""
        ...

    def position(self, row: Row) -> Any:
        """Return the position of a row."""
        ...

    def cursor(self, row: Row) -> str:
        """Return the cursor of a row, as it stands in the links of a page."""
        ...

    def parse_cursor(self, cursor: str) -> Any:
        """Return the position of a cursor.

        Raises:
            ValueError: If *cursor* is not a cursor of this collection.
        """
        ...

    def view_for(self, row: Row, viewer: Viewer) -> Row:
        """Return a row as *viewer* sees it."""
        ...

    def owner_id(self, row: Row) -> str | None:
        """Return the id of the user that a row belongs to, or None if all users see it."""
        ...

    def for_user(self, user_id: str) -> Collection:
        """Return the part of the collection that a user may see."""
        ...


@attrs.frozen
class GeneratedRows:
    """Rows that are computed from their number. Ids increase with the number."""

    count: int
    key: Callable[[int], str]
    make: Callable[[int], Row]
    numbers_of_user: Callable[[str], Iterable[int]] | None = None
    """Return the numbers of the rows of a user; None if the rows do not belong to users."""
    _numbers: BoundedCache[str, int] = attrs.field(
        init=False, eq=False, repr=False, factory=lambda: BoundedCache(_CACHED_KEYS)
    )

    @classmethod
    def from_rows(cls, rows: Iterable[Row]) -> GeneratedRows:
        """Wrap rows that exist already; each has an ``id``."""
        ordered = sorted(rows, key=lambda row: str(row["id"]))
        return cls(len(ordered), lambda n: str(ordered[n]["id"]), ordered.__getitem__)

    def number(self, key: str) -> int | None:
        """Return the number of the row with this id, or None if there is none."""
        number = self._numbers.get(key)
        if number is not None:
            return number
        number = self.first_at_or_after(key)
        if number == self.count or self.key(number) != key:
            return None
        return self._numbers.put(key, number)

    def first_at_or_after(self, key: str) -> int:
        """Return the number of the first row whose id is *key* or greater."""
        return bisect.bisect_left(range(self.count), key, key=self.key)


_NO_ROWS: Final = GeneratedRows(0, str, lambda _number: {})


def _unchanged(row: Row, _viewer: Viewer) -> Row:
    return row


def _no_owner(_row: Row) -> str | None:
    return None


class Table:
    """Rows with an id, listed by id, oldest first.

    Generated rows are not stored, only the members that requests changed. Do not change rows in
    place.
    """

    def __init__(
        self,
        folder: str,
        prefix: str,
        generated: GeneratedRows = _NO_ROWS,
        *,
        view: Callable[[Row, Viewer], Row] = _unchanged,
        owned_by: Callable[[Row], str | None] = _no_owner,
    ) -> None:
        self.folder = folder
        self.prefix = prefix
        self.generated = generated
        self._view = view
        self._owned_by = owned_by
        self._changed: dict[str, Row] = {}
        self._added: dict[str, Row] = {}
        self._removed: set[str] = set()
        self.seeded: Callable[[int], Row] = functools.lru_cache(_CACHED_ROWS)(self._make)
        """Return the generated row with this number, without what requests changed."""

    def _make(self, number: int) -> Row:
        key = self.generated.key(number)
        return {"id": key, "url": Link(self.folder, key), **self.generated.make(number)}

    def _by_number(self, number: int) -> Row:
        row = self.seeded(number)
        changes = self._changed.get(row["id"])
        return row if changes is None else row | changes

    def add(self, row: Row) -> Row:
        """Store a row, and return it with its ``id`` and ``url``."""
        key = row["id"]
        row = self._added[key] = {"id": key, "url": Link(self.folder, key), **row}
        return row

    def update(self, key: str, members: Row) -> Row:
        """Set members of a row, and return the updated row."""
        if key in self._added:
            row = self._added[key] = self._added[key] | members
            return row
        number = self.generated.number(key)
        if number is None or key in self._removed:
            raise KeyError(key)
        self._changed[key] = self._changed.get(key, {}) | members
        return self._by_number(number)

    def remove(self, key: str) -> None:
        """Delete a row."""
        if self._added.pop(key, None) is None:
            if self.get(key) is None:
                raise KeyError(key)
            self._removed.add(key)
            self._changed.pop(key, None)

    def get(self, key: str) -> Row | None:
        """Return the row with this id, or None if there is none."""
        if key in self._added:
            return self._added[key]
        if key in self._removed:
            return None
        number = self.generated.number(key)
        return None if number is None else self._by_number(number)

    def by_number(self, number: int) -> Row | None:
        """Return the generated row with this number, or None if it was deleted."""
        row = self._by_number(number)
        return None if row["id"] in self._removed else row

    def modified_rows(self) -> Iterator[Row]:
        """Yield the rows that requests added or changed, in no order."""
        yield from self._added.values()
        yield from filter(None, (self.get(key) for key in self._changed))

    def candidates(self, number: int | None) -> list[Row]:
        """Return the rows that may have a name from which *number* was read.

        These are generated row *number*, and all rows that requests added or changed: their
        names say nothing about numbers.
        """
        rows = {row["id"]: row for row in self.modified_rows()}
        if number is not None and number < self.generated.count:
            row = self.by_number(number)
            if row is not None:
                rows[row["id"]] = row
        return list(rows.values())

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.generated.count - len(self._removed) + len(self._added)

    def __iter__(self) -> Iterator[Row]:
        """Yield all rows by id; a large world has millions."""
        return self.after(None)

    def after(self, position: Any) -> Iterator[Row]:
        """Return the rows with ids greater than *position*."""
        start = 0
        if position is not None:
            start = self.generated.first_at_or_after(position)
            start += start < self.generated.count and self.generated.key(start) == position
        generated = self._existing(range(start, self.generated.count))
        if not self._added:
            return generated
        added = (self._added[key] for key in sorted(self._added) if not key <= (position or ""))
        return heapq.merge(generated, added, key=self.position)

    def before(self, position: Any) -> Iterator[Row]:
        """Return the rows with ids smaller than *position*, the greatest first."""
        end = (
            self.generated.count if position is None else self.generated.first_at_or_after(position)
        )
        generated = self._existing(range(end - 1, -1, -1))
        if not self._added:
            return generated
        keys = sorted(self._added, reverse=True)
        added = (self._added[key] for key in keys if position is None or key < position)
        return heapq.merge(generated, added, key=self.position, reverse=True)

    def _existing(self, numbers: Iterable[int]) -> Iterator[Row]:
        for number in numbers:
            row = self._by_number(number)
            if row["id"] not in self._removed:
                yield row

    def position(self, row: Row) -> str:
        """Return the id; ids sort by age."""
        return str(row["id"])

    def cursor(self, row: Row) -> str:
        """Return the id."""
        return str(row["id"])

    def parse_cursor(self, cursor: str) -> str:
        """Return the cursor, which is an id; its row may have been deleted.

        Raises:
            ValueError: If *cursor* is not an id of this table.
        """
        if not re.fullmatch(self.prefix + "[A-Z0-9]{26}", cursor):
            raise ValueError(cursor)
        return cursor

    def view_for(self, row: Row, viewer: Viewer) -> Row:
        """Return a row as *viewer* sees it."""
        return self._view(row, viewer)

    def owner_id(self, row: Row) -> str | None:
        """Return the id of the user that a row belongs to."""
        return self._owned_by(row)

    def for_user(self, user_id: str) -> Collection:
        """Return the rows of a user, and those that all users see."""
        if self.generated.numbers_of_user is None:
            rows = [row for row in self if self.owner_id(row) in {None, user_id}]
        else:
            rows = list(self._existing(self.generated.numbers_of_user(user_id)))
            rows += [row for row in self._added.values() if self.owner_id(row) == user_id]
        return Selection(self, rows)

    def dump(self) -> Row:
        """Return the changes that requests made to the table, as JSON."""
        return {
            "added": to_json(list(self._added.values())),
            "changed": to_json(self._changed),
            "gone": sorted(self._removed),
        }

    def load(self, state: Row) -> None:
        """Replace the changes to the table by *state*, which `dump` returned.

        Raises:
            ValueError: If *state* does not fit the table.
        """
        added: dict[str, Row] = {row["id"]: row for row in from_json(state["added"])}
        changed: dict[str, Row] = dict(from_json(state["changed"]))
        removed = frozenset[str](state["gone"])
        for key in added:
            self.parse_cursor(key)
        for key in (*changed, *removed):
            if self.generated.number(key) is None:
                raise ValueError(f"{self.folder} has no row {key!r}")
        if any("id" in members or "url" in members for members in changed.values()):
            raise ValueError(f"the ids and URLs of {self.folder} cannot change")
        self._added, self._changed, self._removed = added, changed, set(removed)


class Selection:
    """Some rows of a collection, or its rows in another order."""

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
        self._rows: Sequence[Row] = sorted(rows, key=self._sort_key, reverse=reverse)

    def _sort_key(self, row: Row) -> Any:
        position = self._source.position(row)
        return position if self._order is None else (self._order(row), position)

    def get(self, key: str) -> Row | None:
        """Return a row of the whole collection."""
        return self._source.get(key)

    def after(self, position: Any) -> Iterator[Row]:
        """Return the rows after *position*."""
        rows = iter(self._rows)
        if position is None:
            return rows
        if self._reverse:
            return (row for row in rows if self._sort_key(row) < position)
        return (row for row in rows if self._sort_key(row) > position)

    def before(self, position: Any) -> Iterator[Row]:
        """Return the rows before *position*, the nearest first."""
        rows = reversed(self._rows)
        if position is None:
            return rows
        if self._reverse:
            return (row for row in rows if self._sort_key(row) > position)
        return (row for row in rows if self._sort_key(row) < position)

    def position(self, row: Row) -> Any:
        """Return the position of a row in this order."""
        return self._sort_key(row)

    def cursor(self, row: Row) -> str:
        """Return the cursor that a row has in the whole collection."""
        return self._source.cursor(row)

    def parse_cursor(self, cursor: str) -> Any:
        """Return the position of a cursor; in another order, its row must exist.

        Raises:
            ValueError: If it does not, or *cursor* is not a cursor of the collection.
        """
        position = self._source.parse_cursor(cursor)
        if self._order is None:
            return position
        row = self._source.get(cursor)
        if row is None:
            raise ValueError(cursor)
        return (self._order(row), position)

    def view_for(self, row: Row, viewer: Viewer) -> Row:
        """Return a row as *viewer* sees it."""
        return self._source.view_for(row, viewer)

    def owner_id(self, row: Row) -> str | None:
        """Return the id of the user that a row belongs to."""
        return self._source.owner_id(row)

    def for_user(self, user_id: str) -> Collection:
        """Return the rows of a user, and those that all users see."""
        rows = [row for row in self._rows if self.owner_id(row) in {None, user_id}]
        return Selection(self._source, rows, self._order, reverse=self._reverse)
