"""What the grid would have vehicles do, by source and time."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._types import Instant


@model
class GridFeed(Model):
    """A source of grid signals, which charging is planned around."""

    id: str
    url: str
    name: str
    reference_code: str
    """Names the feed to software, such as ``CAISO_PEAK``; the same in every environment."""
    priority: int
    """1 to 10; decides where several feeds apply to a user. Which end wins is not stated."""


@model
class GridLevel(Model):
    """A grid signal during an interval. It has neither id nor URL."""

    value: int
    """1 to 100. Below 50, charge rather now; above, rather not; 50 has no effect."""
    started_at: Instant | None
    """None where the start is open."""
    interval_seconds: int | None
    """None where the start or the end is open."""
    created_at: Instant
    """When it was written down, which may be before ``started_at``."""
