"""Models that several families use."""

from __future__ import annotations

from ev_energy.models._base import Model, model


@model
class LatLong(Model):
    """A point on Earth, in degrees (WGS 84)."""

    latitude: float
    """North is positive, -90 to 90."""
    longitude: float
    """East is positive, -180 to 180."""
