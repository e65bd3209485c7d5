"""Users, their preferences, payout methods and saved routes."""

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

_MAX_WAYPOINTS = 25
_LAST_MINUTE = 24 * 60 - 1

Point = TypeVar("Point", bound=RoutePoint | Unset)
Points = TypeVar("Points", bound=Sequence[RoutePoint] | Unset)


class Users(Resource):
    """Users, their preferences, payout methods and saved routes.

    The id may be ``"me"``, the owner of the token. Updates change only the members that are passed,
    except for the payout method, which is replaced as a whole.
    """

    def list(
        self, *, email: str | None = None, page_size: int = 100, expand: Sequence[UserExpand] = ()
    ) -> Pager[User]:
        """List the users you may see; *email* selects an address, regardless of case.

        If the client acts for a user (`acting_for`), those that this user may see.

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
        """Retrieve one user. Only this reply has the carbon intensity of the location.

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
        """Change a user's e-mail address or location. Omitted members are unchanged.

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
        """Retrieve which groups of notifications a user receives.

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
        """Enable or disable groups of notifications. Omitted groups are unchanged.

        Raises `BadRequestError` of type ``validation-failed-update-notification-preferences`` for
        values that the API rejects.

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
        """Retrieve a user's settings for the route planner. Unset ones have default values.

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
        """Change a user's settings for the route planner.

        Raises `BadRequestError` of type ``validation-failed-update-route-planner-preferences`` for
        values that the API rejects.

        Args:
            user_id: The user.
            preferred_vehicle: The vehicle to select by default; None to select none.
            min_charger_power_watts: Minimum power of chargers on the way; None for any power.
            arrive_with_min_percent: Minimum state of charge on arrival, 0 to 100.

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
        """Retrieve a user's payout method. If there is none, all members but the URL are None.

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
        """Replace a user's payout method; `delete_payout_method` removes it.

        Raises `BadRequestError` of type ``validation-failed-update-payout-method`` for values that
        the API rejects.

        Args:
            user_id: The user to be paid.
            receiver_wallet: The payout service; always required.
            receiver: For ``PAYPAL`` an e-mail address, for ``VENMO`` a phone number. Not allowed
                for ``BILL_CREDITS``, which go to the billing account that the user is linked to.

        PATCH /users/{user_id}/payout_method, scope payout_method:write.
        """
        return await self._patch(
            PayoutMethod,
            "/users/{user_id}/payout_method",
            user_id,
            scope="payout_method:write",
            json={
                "receiver": _checked_receiver(receiver_wallet, receiver),
                "receiver_wallet": receiver_wallet,
            },
        )

    async def delete_payout_method(self, user_id: Id[User]) -> None:
        """Delete a user's payout method. The call may be repeated, even if there is none.

        DELETE /users/{user_id}/payout_method, scope payout_method:write.
        """
        await self._delete("/users/{user_id}/payout_method", user_id, scope="payout_method:write")

    def saved_routes(self, user_id: Id[User], *, page_size: int = 100) -> Pager[SavedRoute]:
        """List the saved routes of a user.

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
        """Retrieve one saved route of a user.

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
        """Save a route for a user. A user can have at most 50 saved routes.

        Raises `BadRequestError` of type ``validation-failed-saved-route`` for another route, or for
        other values that the API rejects.

        Args:
            user_id: The user.
            name: The user's name for the route, at most 200 characters.
            origin: The start of the route.
            destination: The end of the route.
            arrive_with_min_percent: Minimum state of charge at the destination, 0 to 100.
            favourite: Whether the route is a favourite. If omitted, it is not.
            waypoints: Intermediate stops, in order; at most 25.
            preferred_departure_minutes: Departure in minutes after midnight, 0 to 1439; None to
                leave at once.
            last_used_at: Time of the last planning. If omitted, now.

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
                "origin": _checked_point("origin", origin),
                "destination": _checked_point("destination", destination),
                "waypoints": _checked_waypoints("waypoints", waypoints),
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
        """Change a saved route, or record that it was planned again (*last_used_at*).

        The arguments are those of `create_saved_route`. *waypoints* replaces all present ones, and
        ``preferred_departure_minutes=None`` means to leave at once. Raises `BadRequestError` of
        type ``validation-failed-saved-route`` for values that the API rejects.

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
                "origin": _checked_point("origin", origin),
                "destination": _checked_point("destination", destination),
                "waypoints": _checked_waypoints("waypoints", waypoints),
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
        """Delete a saved route of a user.

        DELETE /users/{user_id}/saved_routes/{saved_route_id}, scope saved_routes:write.
        """
        await self._delete(
            "/users/{user_id}/saved_routes/{saved_route_id}",
            user_id,
            saved_route_id,
            scope="saved_routes:write",
        )


def _checked_receiver(wallet: str, receiver: str | Unset) -> str | Unset:
    """Return *receiver*, which PayPal and Venmo require and bill credits do not allow."""
    if require_text("receiver_wallet", wallet) in {"PAYPAL", "VENMO"} and (
        isinstance(receiver, Unset) or not receiver
    ):
        raise ValueError(f"receiver is needed for {wallet}: the account to pay")
    if wallet == "BILL_CREDITS" and receiver is not UNSET:
        raise ValueError("receiver must be left out: BILL_CREDITS go to the billing account")
    return receiver


def _checked_point(name: str, point: Point) -> Point:
    """Return *point* if its coordinates are in range."""
    if isinstance(point, RoutePoint):
        valid_lat_lng(name, LatLong(latitude=point.latitude, longitude=point.longitude))
    return point


def _checked_waypoints(name: str, points: Points) -> Points:
    """Return *points* if they are few enough and their coordinates are in range."""
    if not isinstance(points, Unset):
        if len(require_list(name, points)) > _MAX_WAYPOINTS:
            raise ValueError(f"{name} must be {_MAX_WAYPOINTS} or fewer, not {len(points)}")
        for index, point in enumerate(points):
            _checked_point(f"{name}[{index}]", point)
    return points
