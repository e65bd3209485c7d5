"""Tables of rows that homes get periodically, such as notifications, computed by arithmetic."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import attrs

from ev_energy.simulator.world._rows import Link
from ev_energy.simulator.world._tables import GeneratedRows
from ev_energy.simulator.world._world import user_id_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._tables import Table
    from ev_energy.simulator.world._world import World


@attrs.frozen
class PeriodicNumbering:
    """The home and the round of row *n*: each round has a row for some homes, in order."""

    homes: int
    homes_with_rows: int
    """The number of homes that get rows; the first home is one of them."""
    rounds: int
    start: datetime
    round_length: timedelta

    @property
    def count(self) -> int:
        """The number of rows."""
        return self.homes_with_rows * self.rounds

    def home_of(self, number: int) -> tuple[int, int]:
        """Return the home and the round of a row."""
        round_number, index = divmod(number, self.homes_with_rows)
        return index * self.homes // self.homes_with_rows, round_number

    def of_home(self, home: int) -> range:
        """Return the numbers of the rows of a home."""
        index = -(-home * self.homes_with_rows // self.homes)
        if index < self.homes_with_rows and index * self.homes // self.homes_with_rows == home:
            return range(index, self.count, self.homes_with_rows)
        return range(0)


def periodic_table(
    world: World,
    folder: str,
    prefix: str,
    numbering: PeriodicNumbering,
    make: Callable[[int, int, int, datetime], Row],
    *,
    view: Callable[[Row, Viewer], Row],
    is_unowned: Callable[[int], bool] = lambda _number: False,
) -> Table:
    """Add a table of periodic rows.

    *make* returns a row from its home, its round, its number and its time of creation.
    """
    step = numbering.round_length / numbering.homes_with_rows

    def created_at(number: int) -> datetime:
        fraction = world.random.between(1, 999_983, folder, number) / 1_000_000
        return numbering.start + (number + fraction) * step

    @functools.lru_cache(8192)
    def key(number: int) -> str:
        return world.random.uid(prefix, created_at(number), number)

    def row(number: int) -> Row:
        home, round_number = numbering.home_of(number)
        user = None if is_unowned(number) else Link("users", world.user_id(home))
        return {"user": user, **make(home, round_number, number, created_at(number))}

    def numbers_of_user(user_id: str) -> list[int]:
        home = world.home_of_user(user_id)
        numbers = range(0) if home is None else numbering.of_home(home)
        return [number for number in numbers if not is_unowned(number)]

    generated = GeneratedRows(numbering.count, key, row, numbers_of_user)
    return world.table(folder, prefix, generated, view=view, owned_by=user_id_of)
