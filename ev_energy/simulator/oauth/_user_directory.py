"""The directory of users who can log in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence


@attrs.frozen
class User:
    """A user with an account."""

    user_id: str
    """The id of the user in the API; tokens carry it."""
    email: str
    name: str


class UserDirectory(Protocol):
    """Looks up users."""

    def by_email(self, email: str) -> User | None:
        """Return the user with this e-mail address in any case, or None."""
        ...

    def by_id(self, user_id: str) -> User | None:
        """Return the user with this id, or None."""
        ...

    def suggestions(self) -> Sequence[User]:
        """Return a few users to choose from on the login page."""
        ...
