"""Users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from ev_energy._pages import Pager
from ev_energy._refs import Id
from ev_energy._unset import UNSET, Unset
from ev_energy._url import one_of
from ev_energy.models.users import LocationWrite, User
from ev_energy.resources._base import Resource

UserExpand: TypeAlias = Literal[
    "default_location.tariff", "default_location.tariff.supplier", "default_location.evse_site"
]


class Users(Resource):
    """The people who charge. ``"me"`` is accepted as an id: the user the token stands for."""

    def list(
        self, *, email: str | None = None, page_size: int = 100, expand: Sequence[UserExpand] = ()
    ) -> Pager[User]:
        """List the users you may see; with *email*, the one with that address, in any case.

        GET /users, scope user:read.
        """
        return self._list(
            User,
            "/users",
            scope="user:read",
            email=email,
            page_size=page_size,
            expand=one_of(UserExpand, expand),
        )

    async def get(self, user_id: Id[User], *, expand: Sequence[UserExpand] = ()) -> User:
        """Retrieve one user; only here the location tells its carbon intensity.

        GET /users/{user_id}, scope user:read.
        """
        return await self._get(
            User,
            "/users/{user_id}",
            user_id,
            scope="user:read",
            expand=one_of(UserExpand, expand),
        )

    async def create(
        self, *, email: str | Unset = UNSET, default_location: LocationWrite | Unset = UNSET
    ) -> User:
        """Create a user.

        POST /users, scope user:write.
        """
        return await self._post(
            User,
            "/users",
            scope="user:write",
            json={"email": email, "default_location": default_location},
        )

    async def update(
        self,
        user_id: Id[User],
        *,
        email: str | Unset = UNSET,
        default_location: LocationWrite | Unset = UNSET,
        expand: Sequence[UserExpand] = (),
    ) -> User:
        """Change a user's e-mail or location; what is left out stays.

        PATCH /users/{user_id}, scope user:write.
        """
        return await self._patch(
            User,
            "/users/{user_id}",
            user_id,
            scope="user:write",
            json={"email": email, "default_location": default_location},
            expand=one_of(UserExpand, expand),
        )
