"""Signals of the grid for planning charging, by source and time."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._types import Instant


@model
class GridFeed(Model):
    """A source of grid signals that the planning of charging considers."""

    id: str
    url: str
    name: str
    reference_code: str
    """The code of the feed, such as ``CAISO_PEAK``; the same in every environment."""
    priority: int
    """1 to 10; decides if several feeds apply to a user. Which end wins is not stated."""


@model
class GridLevel(Model):
    """A grid signal during an interval. It has neither id nor URL."""

    value: int
    """1 to 100. Below 50: prefer charging now; above: avoid it; 50: no effect."""
    started_at: Instant | None
    """None if the start is open."""
    interval_seconds: int | None
    """None if the start or the end is open."""
    created_at: Instant
    """When the server recorded it, which may be before ``started_at``."""
