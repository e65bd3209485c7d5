"""Users, and what is kept for each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from ev_energy._api.paging import Pager
from ev_energy._api.urls import expand_values
from ev_energy._arguments import require_list, require_text
from ev_energy._codec.encode import as_link
from ev_energy._unset import UNSET, Unset
from ev_energy.models._refs import Id
from ev_energy.models.common import LatLong
from ev_energy.models.preferences import (
    NotificationGroupsWrite,
    PayoutMethod,
    PayoutMethodReceiverWallet,
    RoutePlannerPreferences,
    UserNotificationPreferences,
)
from ev_energy.models.saved_routes import RoutePoint, SavedRoute
from ev_energy.models.users import LocationWrite, User
from ev_energy.resources._base import Resource
from ev_energy.resources._constraints import in_range, one_of, valid_lat_lng

if TYPE_CHECKING:
    from ev_energy.models.vehicles import Vehicle

UserExpand: TypeAlias = Literal[
    "default_location.tariff", "default_location.tariff.supplier", "default_location.evse_site"
]
MinChargerPower: TypeAlias = Literal[22000, 50000, 100000, 150000, 250000]

_MOST_WAYPOINTS = 25
_LAST_MINUTE = 24 * 60 - 1

Place = TypeVar("Place", bound=RoutePoint | Unset)
Places = TypeVar("Places", bound=Sequence[RoutePoint] | Unset)


class Users(Resource):
    """The people who charge, what they prefer, how they are paid, and the routes they keep.

    ``"me"`` is accepted as an id: the user the token stands for. Updates change what is given and
    leave the rest, but for the payout method, which is set as a whole.
    """

    def list(
        self, *, email: str | None = None, page_size: int = 100, expand: Sequence[UserExpand] = ()
    ) -> Pager[User]:
        """List the users you may see; with *email*, the one with that address, in any case.

        Where the client acts for a user (`acting_for`), those whom that user may see.

        GET /users, scope user:read.
        """
        return self._list(
            User,
            "/users",
            scope="user:read",
            email=email,
            page_size=page_size,
            expand=expand_values(UserExpand, expand),
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
            expand=expand_values(UserExpand, expand),
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
            expand=expand_values(UserExpand, expand),
        )

    async def notification_preferences(self, user_id: Id[User]) -> UserNotificationPreferences:
        """Retrieve which groups of notifications a user wants.

        GET /users/{user_id}/notification_preferences, scope notification_preferences:read.
        """
        return await self._get(
            UserNotificationPreferences,
            "/users/{user_id}/notification_preferences",
            user_id,
            scope="notification_preferences:read",
        )

    async def update_notification_preferences(
        self, user_id: Id[User], *, groups: NotificationGroupsWrite | Unset = UNSET
    ) -> UserNotificationPreferences:
        """Switch groups of notifications on or off; groups that are left out stay.

        What the API refuses is a `BadRequestError` of type
        ``validation-failed-update-notification-preferences``.

        PATCH /users/{user_id}/notification_preferences, scope notification_preferences:write.
        """
        return await self._patch(
            UserNotificationPreferences,
            "/users/{user_id}/notification_preferences",
            user_id,
            scope="notification_preferences:write",
            json={"groups": groups},
        )

    async def route_planner_preferences(self, user_id: Id[User]) -> RoutePlannerPreferences:
        """Retrieve what the route planner assumes for a user; there are defaults for everybody.

        GET /users/{user_id}/route_planner_preferences, scope route_planner_preferences:read.
        """
        return await self._get(
            RoutePlannerPreferences,
            "/users/{user_id}/route_planner_preferences",
            user_id,
            scope="route_planner_preferences:read",
        )

    async def update_route_planner_preferences(
        self,
        user_id: Id[User],
        *,
        preferred_vehicle: Id[Vehicle] | Unset | None = UNSET,
        min_charger_power_watts: MinChargerPower | Unset | None = UNSET,
        arrive_with_min_percent: int | Unset = UNSET,
    ) -> RoutePlannerPreferences:
        """Change what the route planner assumes for a user.

        What the API refuses is a `BadRequestError` of type
        ``validation-failed-update-route-planner-preferences``.

        Args:
            user_id: Whose preferences they are.
            preferred_vehicle: The vehicle to choose beforehand; None for none.
            min_charger_power_watts: How strong chargers along the way should be; None for any.
            arrive_with_min_percent: State of charge to be left on arrival, 0 to 100.

        PATCH /users/{user_id}/route_planner_preferences, scope route_planner_preferences:write.
        """
        return await self._patch(
            RoutePlannerPreferences,
            "/users/{user_id}/route_planner_preferences",
            user_id,
            scope="route_planner_preferences:write",
            json={
                "preferred_vehicle": as_link("/vehicles", preferred_vehicle),
                "min_charger_power_watts": one_of(
                    "min_charger_power_watts", min_charger_power_watts, MinChargerPower
                ),
                "arrive_with_min_percent": in_range(
                    "arrive_with_min_percent", arrive_with_min_percent, 0, 100
                ),
            },
        )

    async def payout_method(self, user_id: Id[User]) -> PayoutMethod:
        """Retrieve how a user is paid; all but its URL is None where that is not set up.

        GET /users/{user_id}/payout_method, scope payout_method:read.
        """
        return await self._get(
            PayoutMethod, "/users/{user_id}/payout_method", user_id, scope="payout_method:read"
        )

    async def update_payout_method(
        self,
        user_id: Id[User],
        *,
        receiver_wallet: PayoutMethodReceiverWallet | str,
        receiver: str | Unset = UNSET,
    ) -> PayoutMethod:
        """Set how a user is paid, as a whole; `delete_payout_method` clears it.

        What the API refuses is a `BadRequestError` of type
        ``validation-failed-update-payout-method``.

        Args:
            user_id: Who is paid.
            receiver_wallet: What payouts go through; always needed.
            receiver: For ``PAYPAL`` an e-mail address, for ``VENMO`` a phone number. Not to be
                given for ``BILL_CREDITS``: they go to the billing account the user is linked to.

        PATCH /users/{user_id}/payout_method, scope payout_method:write.
        """
        return await self._patch(
            PayoutMethod,
            "/users/{user_id}/payout_method",
            user_id,
            scope="payout_method:write",
            json={
                "receiver": _receiver(receiver_wallet, receiver),
                "receiver_wallet": receiver_wallet,
            },
        )

    async def delete_payout_method(self, user_id: Id[User]) -> None:
        """Forget how a user prefers to be paid. May be repeated, and called where nothing is set.

        DELETE /users/{user_id}/payout_method, scope payout_method:write.
        """
        await self._delete("/users/{user_id}/payout_method", user_id, scope="payout_method:write")

    def saved_routes(self, user_id: Id[User], *, page_size: int = 100) -> Pager[SavedRoute]:
        """List the routes a user keeps.

        GET /users/{user_id}/saved_routes, scope saved_routes:read.
        """
        return self._list(
            SavedRoute,
            "/users/{user_id}/saved_routes",
            user_id,
            scope="saved_routes:read",
            page_size=page_size,
        )

    async def saved_route(self, user_id: Id[User], saved_route_id: Id[SavedRoute]) -> SavedRoute:
        """Retrieve one route a user keeps.

        GET /users/{user_id}/saved_routes/{saved_route_id}, scope saved_routes:read.
        """
        return await self._get(
            SavedRoute,
            "/users/{user_id}/saved_routes/{saved_route_id}",
            user_id,
            saved_route_id,
            scope="saved_routes:read",
        )

    async def create_saved_route(
        self,
        user_id: Id[User],
        *,
        name: str,
        origin: RoutePoint,
        destination: RoutePoint,
        arrive_with_min_percent: int,
        favourite: bool | Unset = UNSET,
        waypoints: Sequence[RoutePoint] | Unset = UNSET,
        preferred_departure_minutes: int | Unset | None = UNSET,
        last_used_at: datetime | Unset = UNSET,
    ) -> SavedRoute:
        """Keep a route for a user, who can have 50 at most.

        One more, and what else the API refuses, is a `BadRequestError` of type
        ``validation-failed-saved-route``.

        Args:
            user_id: Who keeps it.
            name: What the user calls it, at most 200 characters.
            origin: Where it begins.
            destination: Where it ends.
            arrive_with_min_percent: State of charge to be left there, 0 to 100.
            favourite: Left out, it is none.
            waypoints: Stops between the two, in order; 25 at most.
            preferred_departure_minutes: When to leave, in minutes after midnight, 0 to 1439;
                None for at once.
            last_used_at: When it was last planned. Left out, now.

        POST /users/{user_id}/saved_routes, scope saved_routes:write.
        """
        return await self._post(
            SavedRoute,
            "/users/{user_id}/saved_routes",
            user_id,
            scope="saved_routes:write",
            json={
                "name": name,
                "favourite": favourite,
                "origin": _on_earth("origin", origin),
                "destination": _on_earth("destination", destination),
                "waypoints": _stops("waypoints", waypoints),
                "arrive_with_min_percent": in_range(
                    "arrive_with_min_percent", arrive_with_min_percent, 0, 100
                ),
                "preferred_departure_minutes": in_range(
                    "preferred_departure_minutes", preferred_departure_minutes, 0, _LAST_MINUTE
                ),
                "last_used_at": last_used_at,
            },
        )

    async def update_saved_route(
        self,
        user_id: Id[User],
        saved_route_id: Id[SavedRoute],
        *,
        name: str | Unset = UNSET,
        favourite: bool | Unset = UNSET,
        origin: RoutePoint | Unset = UNSET,
        destination: RoutePoint | Unset = UNSET,
        waypoints: Sequence[RoutePoint] | Unset = UNSET,
        arrive_with_min_percent: int | Unset = UNSET,
        preferred_departure_minutes: int | Unset | None = UNSET,
        last_used_at: datetime | Unset = UNSET,
    ) -> SavedRoute:
        """Change a route that a user keeps, or note that it was planned again (*last_used_at*).

        Arguments are those of `create_saved_route`: *waypoints* replace all there were, and
        ``preferred_departure_minutes=None`` means at once. What the API refuses is a
        `BadRequestError` of type ``validation-failed-saved-route``.

        PATCH /users/{user_id}/saved_routes/{saved_route_id}, scope saved_routes:write.
        """
        return await self._patch(
            SavedRoute,
            "/users/{user_id}/saved_routes/{saved_route_id}",
            user_id,
            saved_route_id,
            scope="saved_routes:write",
            json={
                "name": name,
                "favourite": favourite,
                "origin": _on_earth("origin", origin),
                "destination": _on_earth("destination", destination),
                "waypoints": _stops("waypoints", waypoints),
                "arrive_with_min_percent": in_range(
                    "arrive_with_min_percent", arrive_with_min_percent, 0, 100
                ),
                "preferred_departure_minutes": in_range(
                    "preferred_departure_minutes", preferred_departure_minutes, 0, _LAST_MINUTE
                ),
                "last_used_at": last_used_at,
            },
        )

    async def delete_saved_route(self, user_id: Id[User], saved_route_id: Id[SavedRoute]) -> None:
        """Delete a route that a user keeps.

        DELETE /users/{user_id}/saved_routes/{saved_route_id}, scope saved_routes:write.
        """
        await self._delete(
            "/users/{user_id}/saved_routes/{saved_route_id}",
            user_id,
            saved_route_id,
            scope="saved_routes:write",
        )


def _receiver(wallet: str, receiver: str | Unset) -> str | Unset:
    """PayPal and Venmo must be told whom to pay; bill credits find the billing account alone."""
    if require_text("receiver_wallet", wallet) in {"PAYPAL", "VENMO"} and (
        isinstance(receiver, Unset) or not receiver
    ):
        raise ValueError(f"receiver is needed: whom {wallet} should pay")
    if wallet == "BILL_CREDITS" and receiver is not UNSET:
        raise ValueError("receiver must be left out: BILL_CREDITS go to the billing account")
    return receiver


def _on_earth(name: str, place: Place) -> Place:
    """A place on this planet."""
    if isinstance(place, RoutePoint):
        valid_lat_lng(name, LatLong(latitude=place.latitude, longitude=place.longitude))
    return place


def _stops(name: str, places: Places) -> Places:
    """Places on this planet, and not too many."""
    if not isinstance(places, Unset):
        if len(require_list(name, places)) > _MOST_WAYPOINTS:
            raise ValueError(f"{name} must be {_MOST_WAYPOINTS} or fewer, not {len(places)}")
        for number, place in enumerate(places):
            _on_earth(f"{name}[{number}]", place)
    return places
