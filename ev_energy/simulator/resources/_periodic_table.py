"""Things that come to homes time and again, one home after the other: a table without a list."""

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
    """Which home has thing number n: each round goes through the homes that have any, in order."""

    homes: int
    some: int
    """How many of the homes have any; the first one does."""
    rounds: int
    began: datetime
    length: timedelta
    """Of a round."""

    @property
    def count(self) -> int:
        """How many things there are."""
        return self.some * self.rounds

    def home_of(self, number: int) -> tuple[int, int]:
        """Return whose number n is, and of which round."""
        which, place = divmod(number, self.some)
        return place * self.homes // self.some, which

    def of_home(self, home: int) -> range:
        """Return the numbers of a home's things."""
        place = -(-home * self.some // self.homes)
        mine = place < self.some and place * self.homes // self.some == home
        return range(place, self.count, self.some) if mine else range(0)


def periodic_table(
    world: World,
    folder: str,
    prefix: str,
    rounds: PeriodicNumbering,
    make: Callable[[int, int, int, datetime], Row],
    *,
    view: Callable[[Row, Viewer], Row],
    is_nobodys: Callable[[int], bool] = lambda _number: False,
) -> Table:
    """Open a table of such things.

    ``make`` takes the home, the round, the thing's number, and since when it is there.
    """
    step = rounds.length / rounds.some

    def made_at(number: int) -> datetime:
        part = world.random.between(1, 999_983, folder, number) / 1_000_000
        return rounds.began + (number + part) * step

    @functools.lru_cache(8192)
    def key(number: int) -> str:
        return world.random.uid(prefix, made_at(number), number)

    def row(number: int) -> Row:
        home, which = rounds.home_of(number)
        user = None if is_nobodys(number) else Link("users", world.user_id(home))
        return {"user": user, **make(home, which, number, made_at(number))}

    def of_owner(user_id: str) -> list[int]:
        home = world.home_of_user(user_id)
        numbers = range(0) if home is None else rounds.of_home(home)
        return [number for number in numbers if not is_nobodys(number)]

    made = GeneratedRows(rounds.count, key, row, of_owner)
    return world.table(folder, prefix, made, view=view, owned_by=user_id_of)
