"""Routes that a user saved for the route planner."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._types import Instant


@model
class RoutePoint(Model):
    """A place on a route, in replies and requests, in degrees (WGS 84)."""

    latitude: float
    """North is positive, -90 to 90."""
    longitude: float
    """East is positive, -180 to 180."""
    name: str
    """At most 100 characters."""


@model
class SavedRoute(Model):
    """A route that a user saved to plan it again.

    It contains the input of planning, not the plan: charging stops and states of charge are
    calculated each time.
    """

    id: str
    url: str
    user: str
    """URL of its user."""
    name: str
    """The user's name for it, at most 200 characters."""
    favourite: bool
    origin: RoutePoint
    destination: RoutePoint
    waypoints: tuple[RoutePoint, ...]
    """Stops between origin and destination, in order; empty for a direct route."""
    arrive_with_min_percent: int
    """The minimum state of charge at the destination, 0 to 100."""
    preferred_departure_minutes: int | None
    """When to leave, in minutes after midnight (0 to 1439) of the planned day.

    None: leave at once.
    """
    created_at: Instant
    last_used_at: Instant
    """When it was last planned."""
