"""The people who can log in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence


@attrs.frozen
class User:
    """Somebody with an account."""

    user_id: str
    email: str
    name: str


class UserDirectory(Protocol):
    """Finds people. `User.user_id` is what tokens carry and what the API calls the user."""

    def by_email(self, email: str) -> User | None:
        """Return who has this e-mail address, however it is capitalised."""
        ...

    def by_id(self, user_id: str) -> User | None:
        """Return the person with this id."""
        ...

    def suggestions(self) -> Sequence[User]:
        """Return a few people for whoever knows none."""
        ...
