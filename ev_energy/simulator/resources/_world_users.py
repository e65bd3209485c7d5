"""The people of the world who can log in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator.oauth import User
from ev_energy.simulator.resources.users import home_of_email

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


_SUGGESTED: Final = 3


def _person(row: Row) -> User:
    email: str = row.get("email") or f"{row['id']}@example.com"
    return User(row["id"], email, row.get("full_name") or email)


class WorldDirectory:
    """Finds users by what they type."""

    def __init__(self, world: World) -> None:
        self._users = world.tables["users"]

    def by_email(self, email: str) -> User | None:
        """Return who has this e-mail address, however it is capitalised."""
        people = map(_person, self._users.perhaps(home_of_email(email)))
        return next((who for who in people if who.email.lower() == email.strip().lower()), None)

    def by_id(self, user_id: str) -> User | None:
        """Return the person with this id."""
        row = self._users.get(user_id)
        return None if row is None else _person(row)

    def suggestions(self) -> Sequence[User]:
        """Return a few people for whoever knows none."""
        rows = (self._users.numbered(home) for home in range(_SUGGESTED))
        return [_person(row) for row in rows if row is not None]
