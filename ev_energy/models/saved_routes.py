"""Routes a user keeps for the route planner."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._types import Instant


@model
class RoutePoint(Model):
    """A place on a route, to be read and to be sent; in degrees (WGS 84)."""

    latitude: float
    """North is positive, -90 to 90."""
    longitude: float
    """East is positive, -180 to 180."""
    name: str
    """At most 100 characters."""


@model
class SavedRoute(Model):
    """A route that a user keeps to plan it again.

    It holds what planning starts from, not the plan: stops to charge and states of charge are
    worked out anew each time.
    """

    id: str
    url: str
    user: str
    """URL of the user who keeps it."""
    name: str
    """What the user calls it, at most 200 characters."""
    favourite: bool
    origin: RoutePoint
    destination: RoutePoint
    waypoints: tuple[RoutePoint, ...]
    """Stops between the two, in order; none where the route is direct."""
    arrive_with_min_percent: int
    """State of charge that must be left at the destination, 0 to 100."""
    preferred_departure_minutes: int | None
    """When to leave, in minutes after midnight (0 to 1439) of whatever day it is planned for.

    None: at once.
    """
    created_at: Instant
    last_used_at: Instant
    """When it was last planned."""
